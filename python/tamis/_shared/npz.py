"""Arrays of .npz files that may be damaged or of somebody else."""

from __future__ import annotations

import math
import zipfile

import numpy as np
from numpy.lib.format import read_array, read_array_header_1_0, read_magic

from tamis._shared.arrays import Array


def member(members: zipfile.ZipFile, name: str, size: int) -> Array:
    """One array of an .npz file of `size` bytes, its header checked before it is made."""
    info = members.getinfo(f"{name}.npy")
    with members.open(info) as file:
        version = read_magic(file)
        if version != (1, 0) or info.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name} is packed, or of format {version}")
        shape, _, dtype = read_array_header_1_0(file)
    claimed = math.prod(shape) * dtype.itemsize
    if claimed > min(size, info.file_size):
        raise ValueError(f"{name} claims {claimed} bytes of a file of {size}")
    with members.open(info) as file:
        return np.asarray(read_array(file, allow_pickle=False))
