"""What masks are made of: pixels, counts and sizes, checked and made into text."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from tamis import _core
from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis.regions.masks_cuda import run_counts

Rle: TypeAlias = dict[str, Any]  # COCO's, of size and counts

TOO_LARGE = 2**32  # pixels of an image
_PIXELS_AT_ONCE = 1 << 22


@contextlib.contextmanager
def named(where: str) -> Iterator[None]:
    """Errors of what is called say where they come from."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"{where}{error}") from None


def join_texts(texts: Sequence[bytes]) -> tuple[Array, Array]:
    """All texts in one array, and their offsets."""
    joined = np.frombuffer(b"".join(texts), np.uint8)
    return joined, np.cumsum([0, *map(len, texts)])


def count_text(i: int, counts: Any) -> bytes:
    """The text of object `i`'s list of counts."""
    values = np.asarray(counts)
    if values.ndim != 1 or (values.size and values.dtype.kind not in "iu"):
        raise TypeError(f"Masks: counts of object {i} must be str, bytes or a list of integers")
    if ((values < 0) | (values >= TOO_LARGE)).any():
        raise ValueError(f"Masks: counts of object {i} must be in [0, 2**32)")
    one = np.array([0, len(values)])
    text: Array = _core.encode_counts(values.astype(np.uint32), one)[0]
    return text.tobytes()


def size_of(i: int, size: Any) -> tuple[int, int]:
    """Height and width of object `i`."""
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        h, w = size
        if int(h) == h and int(w) == w:
            return int(h), int(w)
    raise ValueError(f"Masks: size of object {i} must be two integers, got {size!r}")


def polygon_points(i: int, polygon: Any) -> Array:
    """A polygon of mask `i` as x, y, ..."""
    try:
        xy = np.asarray(polygon, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"Masks.from_polygons: polygons of mask {i} must hold numbers") from None
    if xy.ndim != 1 or len(xy) < 6 or len(xy) % 2:
        raise ValueError(
            f"Masks.from_polygons: polygons of mask {i} must be lists of x, y, ... of"
            f" at least 3 points, got shape {xy.shape}"
        )
    return xy


def image_sizes(function: str, size: Any, n: int) -> Array:
    """(n, 2) int64 heights and widths out of one pair or n."""
    sizes = np.asarray(size)
    if sizes.shape not in ((2,), (n, 2)) or sizes.dtype.kind not in "iu" or (sizes < 0).any():
        raise ValueError(
            f"{function}: size must be (height, width) in pixels, one pair for all masks or one per"
            f" mask ({n}), got {size!r}"
        )
    return np.array(np.broadcast_to(sizes, (n, 2)), np.int64, order="C")


def encoded(function: str, pixels: Any, nonzero: bool) -> tuple[Array, Array]:
    """Text and splits of (n, w, h) bytes: a run ends at each change, or at those to or from 0."""
    if arrays.device(pixels).startswith("cuda"):
        text, splits = _core.encode_counts(*run_counts(pixels != 0 if nonzero else pixels))
        return text, splits
    hosted = arrays.host(function, "masks", pixels)
    by_rows = not hosted.flags.c_contiguous
    given = _contiguous(hosted.swapaxes(1, 2)) if by_rows else hosted
    text, splits = _core.encode_masks(given.view(np.uint8), by_rows=by_rows, nonzero=nonzero)
    return text, splits


def _contiguous(pixels: Array) -> Array:
    """(n, h, w) `pixels`, copied where they must be, rows at a time: an interrupt is prompt."""
    if pixels.flags.c_contiguous:
        return pixels
    out = np.empty(pixels.shape, pixels.dtype)
    rows = max(1, _PIXELS_AT_ONCE // max(pixels.shape[2], 1))
    for mask, copy in zip(pixels, out, strict=True):
        for first in range(0, len(copy), rows):
            copy[first : first + rows] = mask[first : first + rows]
    return out
