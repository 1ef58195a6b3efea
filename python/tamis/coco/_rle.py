"""Area and bounding box of compressed RLE masks, as pycocotools.mask gives them, without pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def run_lengths(rle: dict[str, Any]) -> Array:
    """The run lengths of a mask, background first, from COCO's compressed string.

    Five bits a character, least significant first; bit 6 says that more follow, bit 5 of the last
    is the sign. From the third on, a run is the difference to the run two before.
    """
    counts = rle["counts"]
    if isinstance(counts, str):
        counts = counts.encode()
    elif not isinstance(counts, bytes):
        raise TypeError(f"Expected bytes, got {type(counts).__name__}")
    runs: list[int] = []
    value = shift = 0
    for char in counts:
        bits = char - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return np.array(runs, np.int64)


def area(rle: dict[str, Any]) -> Any:
    """Foreground pixels, as numpy.uint32."""
    return run_lengths(rle)[1::2].sum().astype(np.uint32)


def to_bbox(rle: dict[str, Any]) -> Array:
    """(4,) float64 x, y, w, h; zeros for an empty mask."""
    height = int(rle["size"][0])
    ends = np.cumsum(run_lengths(rle))
    ends = ends[: len(ends) // 2 * 2]
    first, last = ends[0::2], ends[1::2] - 1  # of each foreground run
    if len(first) == 0 or height == 0:
        return np.zeros(4)
    x0, x1 = first // height, last // height
    y0, y1 = first % height, last % height
    if (x0 < x1).any():  # a run that goes on in the next column spans the whole height
        y0, y1 = np.array([0]), np.array([height - 1])
    x, y = x0.min(), y0.min()
    return np.array([x, y, x1.max() - x + 1, y1.max() - y + 1], np.float64)
