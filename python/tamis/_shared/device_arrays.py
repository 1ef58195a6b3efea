"""What the rooms do with arrays on a device alone."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from tamis._shared import arrays


def stable_sort(x: Any) -> tuple[Any, Any]:
    """(n,) integers in order, and the rows they come from, equal ones in theirs (by CUB)."""
    if arrays.library(x) == "torch":
        values, rows = x.sort(stable=True)
        return values, rows
    with x.device:
        rows = x.argsort()  # stable in CuPy
        return x[rows], rows


def nonzero(x: Any) -> Any:
    """Where (n,) `x` on a device is not 0; the host waits for the count."""
    found = x.nonzero()
    return found[:, 0] if arrays.library(x) == "torch" else found[0]


def wait(like: Any) -> None:
    """The host waits until all that is queued on the caller's stream is done."""
    if arrays.library(like) == "torch":
        sys.modules["torch"].cuda.current_stream(like.device).synchronize()
    else:
        with like.device:
            sys.modules["cupy"].cuda.get_current_stream().synchronize()


def all_from_host(like: Any, *hosted: np.ndarray) -> list[Any]:
    """`from_host` of small arrays, by one transfer to a device."""
    if arrays.device(like) == "cpu":
        return [arrays.from_host(like, x) for x in hosted]
    starts = np.cumsum([0] + [-(-x.nbytes // 16) * 16 for x in hosted])
    packed = np.zeros(starts[-1], np.uint8)
    for x, start in zip(hosted, starts[:-1], strict=True):
        packed[start : start + x.nbytes] = np.frombuffer(x.tobytes(), np.uint8)
    there, module = arrays.from_host(like, packed), sys.modules[arrays.library(like)]
    return [
        there[start : start + x.nbytes].view(getattr(module, x.dtype.name)).reshape(x.shape)
        for x, start in zip(hosted, starts[:-1], strict=True)
    ]
