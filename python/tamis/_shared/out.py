"""Arrays of the caller that results are written into."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from tamis._shared import arrays


def out_of(
    function: str, like: Any, shape: tuple[int, ...], dtype: str, out: Any, **inputs: Any
) -> Any:
    """A new array of the library and device of `like`, or `out` where it is such an array.

    It must be C-contiguous and writable and share no memory with the inputs, which are contiguous.
    """
    if out is None:
        return arrays.empty(like, shape, dtype)
    library = arrays.library(like)
    plain = library != "numpy" or type(out) in (np.ndarray, np.memmap)
    if arrays.library(out) != library or not plain:
        got = f"{type(out).__module__}.{type(out).__name__}"
        raise TypeError(f"{function}: out must be an array of {library}, got {got}")
    arrays.one_device(function, a=like, out=out)
    if arrays.dtype_name(out) != dtype or not getattr(out.dtype, "isnative", True):
        raise TypeError(f"{function}: out must be {dtype}, got {out.dtype}")
    arrays.check_shape(function, "out", out, shape)
    fault = _fault_of(library, out)
    begin, end = (0, 0) if fault else _span(library, out)
    for name, x in inputs.items():
        first, last = _span(arrays.library(x), x)
        if max(begin, first) < min(end, last):
            fault = f"one that shares memory with {name}"
    if fault is not None:
        raise ValueError(f"{function}: out must be a writable C-contiguous array, got {fault}")
    return out


def _fault_of(library: str, out: Any) -> str | None:
    """What keeps a result from being written into an array as it lies."""
    if library == "torch":
        if out.requires_grad:
            return "one that requires a gradient"
        lies = (
            out.layout is sys.modules["torch"].strided and out.is_contiguous() and not out.is_neg()
        )
        return None if lies else "one that lies otherwise"
    if not out.flags.c_contiguous:
        return "one that lies otherwise"
    if library == "numpy" and not out.flags.writeable:
        return "one that is read-only"
    return None if library != "numpy" or out.flags.aligned else "one that is not aligned"


def _span(library: str, x: Any) -> tuple[int, int]:
    """Where the memory of a contiguous array begins and ends."""
    if library == "torch":
        begin = x.data_ptr()
    else:
        begin = x.data.ptr if library == "cupy" else x.__array_interface__["data"][0]
    return begin, begin + x.nbytes
