"""Arrays of .npz files that may be damaged or of somebody else."""

from __future__ import annotations

import math
import zipfile
from typing import Any

import numpy as np
from numpy.lib.format import read_array_header_1_0, read_magic

from tamis._shared.arrays import Array

PIECE = 1 << 20  # bytes read at once


def member(members: zipfile.ZipFile, name: str, size: int) -> Array:
    """One array of an .npz file of `size` bytes, its header checked before it is made."""
    info = members.getinfo(f"{name}.npy")
    file: Any
    with members.open(info) as file:
        version = read_magic(file)
        if version != (1, 0) or info.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name} is packed, or of format {version}")
        shape, fortran, dtype = read_array_header_1_0(file)
        claimed = math.prod(shape) * dtype.itemsize
        if claimed > min(size, info.file_size):
            raise ValueError(f"{name} claims {claimed} bytes of a file of {size}")
        if dtype.hasobject:
            raise ValueError(f"{name} holds Python objects")
        flat = np.empty(math.prod(shape), dtype)
        values = flat.view(np.uint8) if claimed else b""
        for begin in range(0, claimed, PIECE):
            piece = values[begin : begin + PIECE]
            if file.readinto(piece) != len(piece):
                raise ValueError(f"{name} ends before its {claimed} bytes")
        if file.read(1):  # and what was read is checked at the end
            raise ValueError(f"{name} goes on after its {claimed} bytes")
    return flat.reshape(shape, order="F" if fortran else "C")
