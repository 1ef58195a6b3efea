"""Columns of boxes, scores, labels and flags: read, checked and converted."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array

WANTED = {"fiu": "numbers", "iu": "integers", "biu": "booleans or integers"}  # by dtype kinds
REGIONS = {  # the column that holds what is compared, by iou_type
    "bbox": "boxes", "obb": "boxes", "segm": "masks", "boundary": "masks", "keypoints": "keypoints",
}  # fmt: skip
HELD_AS = {"fiu": "float64", "iu": "int64", "biu": "uint8"}


def to_xywh(boxes: Any, fmt: str) -> Any:
    """(n, 4) float64 xywh, a copy in the library and on the device of `boxes`; "obb": as it is."""
    return _in_place(arrays.copied(boxes, "float64"), fmt)


def _in_place(boxes: Any, fmt: str) -> Any:
    if fmt == "xyxy" and isinstance(boxes, np.ndarray):
        low, high = boxes.view(np.complex128).T  # two numbers at a time: a third of the time
        high -= low
        return boxes
    first, second = boxes[:, :2], boxes[:, 2:]  # by name, as a slice assigned to is written twice
    if fmt == "xyxy":
        second -= first
    elif fmt == "cxcywh":
        first -= second / 2
    return boxes


def check_fmt(function: str, fmt: str) -> None:
    if not arrays.one_of(fmt, ("xyxy", "xywh", "cxcywh")):
        raise ValueError(f"{function}: fmt must be 'xyxy', 'xywh' or 'cxcywh', got {fmt!r}")


def finite(function: str, name: str, values: Array) -> Array:
    """`values`, or ValueError naming the first row with a NaN or infinity."""
    good = np.isfinite(values)
    if not good.all():
        row = int(np.argmin(good.reshape(len(values), -1).all(axis=1)))
        raise ValueError(f"{function}: {name} has a NaN or infinite value in row {row}")
    return values


def read_boxes(function: str, name: str, boxes: Any, fmt: str) -> Array:
    """(n, 4) float64 xywh of any float or integer array; "obb": (n, 5) as they are."""
    rows: Array = _in_place(read_rows(function, name, boxes, 5 if fmt == "obb" else 4), fmt)
    return rows


def read_rows(function: str, name: str, boxes: Any, width: int) -> Array:
    """(n, width) float64 of any float or integer array, a copy."""
    got = arrays.host(function, name, boxes)
    if got.shape == (0,):
        got = got.reshape(0, width)
    arrays.check_shape(function, name, got, ("N", width))
    if got.dtype.kind not in "fiu":
        raise TypeError(f"{function}: {name} must hold numbers, got {got.dtype}")
    # copied before the check: another thread may write into the caller's
    return finite(function, name, got.astype(np.float64, order="C"))


def _without_nan(function: str, name: str, values: Array) -> Array:
    """`values`, or ValueError naming the first row with a NaN."""
    bad = np.isnan(values)
    if bad.any():
        raise ValueError(f"{function}: {name} has a NaN in row {int(np.argmax(bad))}")
    return values


def read_column(
    function: str, name: str, values: Any, n: int, kinds: str, *, infinite: bool = False
) -> Array:
    """(n,) float64 or, without "f" among the dtype kinds, int64; a copy. Lists are taken too."""
    got = _checked_column(function, name, values, n, kinds)
    if got.dtype.kind == "u" and len(got) and got.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{function}: {name} must fit int64, got {got.max()}")
    if "f" in kinds:
        check = _without_nan if infinite else finite
        return check(function, name, got.astype(np.float64))
    return got.astype(np.int64)


def _checked_column(function: str, name: str, values: Any, n: int, kinds: str) -> Array:
    got = arrays.host(function, name, arrays.column(function, name, values))
    if got.size == 0 and n == 0:
        return np.empty(0, np.uint8)
    arrays.check_shape(function, name, got, (n,))
    _check_kind(function, name, got, kinds)
    return got


def read_levels(function: str, thresholds: Any) -> Array:
    """(T,) float64 of a number or an array of them."""
    given = thresholds
    if isinstance(given, np.ndarray) or arrays.library(given) != "numpy":
        given = arrays.host(function, "thresholds", given)
    levels = np.atleast_1d(np.asarray(given))
    numbers = levels.dtype.kind in "fiu" and levels.ndim == 1 and len(levels)
    if not numbers or np.isnan(levels).any():
        raise ValueError(
            f"{function}: thresholds must be a number or numbers of shape (T,), T > 0, without NaN,"
            f" got {thresholds!r}"
        )
    return np.ascontiguousarray(levels, np.float64)


def read_device_boxes(function: str, name: str, boxes: Any, fmt: str) -> Any:
    """`read_boxes` on the device of `boxes`; NaN and infinity are kept."""
    width = 5 if fmt == "obb" else 4
    if tuple(boxes.shape) == (0,):
        boxes = boxes.reshape(0, width)
    arrays.check_shape(function, name, boxes, ("N", width))
    _check_kind(function, name, boxes, "fiu")
    return to_xywh(boxes, fmt)


def read_device_column(
    function: str,
    name: str,
    values: Any,
    boxes: Any,
    kinds: str,
    beside: str = "boxes",
    n: int | None = None,
) -> Any:
    """`read_column` on the device of `boxes`, named `beside` in errors; stored as by `held`.

    n values; None: one for each of `boxes`.
    """
    n = int(boxes.shape[0]) if n is None else n
    values = arrays.column(function, name, values)
    if arrays.device(values) == "cpu":
        return arrays.from_host(boxes, read_held(function, name, values, n, kinds))
    arrays.one_device(function, **{beside: boxes, name: values})
    if n == 0 and 0 in values.shape:
        return arrays.empty(boxes, (0,), HELD_AS[kinds])
    arrays.check_shape(function, name, values, (n,))
    _check_kind(function, name, values, kinds)
    return held(arrays.same_library(boxes, values), kinds)


def read_device_numbers(
    function: str,
    name: str,
    values: Any,
    like: Any,
    shape: tuple[int | str, ...],
    beside: str = "boxes",
) -> Any:
    """`values` as float64 of a shape on the device of `like`; NaN and infinity are kept."""
    read = arrays.column if len(shape) == 1 else arrays.as_array
    values = read(function, name, values)
    arrays.check_shape(function, name, values, shape)
    _check_kind(function, name, values, "fiu")
    if arrays.device(values) == "cpu":
        values = arrays.host(function, name, values)
        return arrays.from_host(like, np.ascontiguousarray(values, np.float64))
    arrays.one_device(function, **{beside: like, name: values})
    return arrays.cast(arrays.same_library(like, values), "float64")


def read_held(function: str, name: str, values: Any, n: int, kinds: str) -> Array:
    """`read_column`, but flags as uint8."""
    if kinds != "biu":
        return read_column(function, name, values, n, kinds)
    flags: Array = _checked_column(function, name, values, n, kinds) != 0
    return flags.view(np.uint8)


def held(values: Any, kinds: str) -> Any:
    """A copy of a column on a device as float64, int64 or, for flags, uint8."""
    return arrays.copied(values != 0 if kinds == "biu" else values, HELD_AS[kinds])


def _check_kind(function: str, name: str, x: Any, kinds: str) -> None:
    """Raise unless an array has one of the dtype kinds; labels ("iu") may be bools."""
    taken = "biu" if kinds == "iu" else kinds
    dtypes = {"f": (*arrays.FLOATS, *arrays.HALVES), "i": arrays.INTEGERS, "b": ("bool",)}
    if isinstance(x, np.ndarray):
        good = x.dtype.kind in taken
    else:
        good = any(arrays.dtype_name(x) in dtypes[kind] for kind in taken if kind in dtypes)
    if not good:
        raise TypeError(f"{function}: {name} must hold {WANTED[kinds]}, got {arrays.dtype_name(x)}")


Format = Literal["xyxy", "xywh", "cxcywh"]
FORMATS = ("xyxy", "xywh", "cxcywh")  # in the order of tamis::BoxFormat


def check_format(function: str, fmt: str) -> None:
    """Raise unless `fmt` names a box format."""
    if not arrays.one_of(fmt, FORMATS):
        raise ValueError(f"{function}: fmt must be one of {', '.join(FORMATS)}, got {fmt!r}")


def check_finite(function: str, **boxes: Any) -> None:
    """Raise for the first row with a NaN or infinite coordinate; the arrays are on the host."""
    for name, x in boxes.items():
        row = arrays.backend(function, "cpu").first_bad_box(x)
        if row < x.shape[0]:
            raise ValueError(f"{function}: {name} has a NaN or infinite coordinate in row {row}")
