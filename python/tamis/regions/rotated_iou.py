"""Overlap of rotated boxes: all pairs, row by row, or image by image."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np

from tamis._shared import arrays, device_arrays, ragged
from tamis._shared.arrays import Array
from tamis._shared.columns import finite
from tamis._shared.out import out_of
from tamis._shared.ragged import Groups, runs
from tamis._shared.typed import AnyArray, AnyColumn, Host, Int64, T

Kind = Literal["iou", "iof"]
KINDS = ("iou", "iof")  # in the order of tamis::RotatedKind


@overload
def rotated_box_iou(
    a: Host, b: AnyArray, *, kind: Kind = "iou", out: Array | None = None
) -> Array: ...
@overload
def rotated_box_iou(a: T, b: AnyArray, *, kind: Kind = "iou", out: T | None = None) -> T: ...
def rotated_box_iou(a: Any, b: Any, *, kind: Kind = "iou", out: Any = None) -> Any:
    """Overlap of every rotated box of `a` with every one of `b`.

    Parameters
    ----------
    a : array, shape (n, 5)
        Boxes, float16, bfloat16, float32 or float64: centre x and y, width, height, and the angle
        in degrees counter-clockwise (clockwise for all boxes gives the same numbers). Copied only
        if not C-contiguous or of another dtype than the result.
    b : array, shape (m, 5)
        Boxes on the device of `a`.
    kind : {"iou", "iof"}, default "iou"
        Intersection over union, or over the area of the box of `a`, the rule COCO applies to
        crowds.
    out : array, shape (n, m), optional
        Takes the result, in the place of a new array: of the library, device and dtype of the
        result, C-contiguous, writable, and without memory of an input.

    Returns
    -------
    array, shape (n, m)
        In [0, 1], in the library and on the device of `a`; float64 if either input is, else
        float32.

    Raises
    ------
    TypeError
        For something that is not an array, or whose dtype is not one of the four floats.
    ValueError
        For another shape, an unknown `kind`, arrays on two devices and, on the CPU, a NaN or
        infinite number, naming the first row with one. On CUDA a row with one gives any number,
        because looking for it would make the host wait for the device.
    CudaUnavailable
        For CUDA arrays where tamis was built without its CUDA part.

    Notes
    -----
    All arithmetic is in float64 and takes differences of centres first, so boxes far from the
    origin lose no precision. The result is within 1e-8 of the exact one, relative, where the common
    area is over a millionth of the smaller box, and the sides of a pair differ up to a millionfold
    and lie in 1e-75 to 1e75; beyond, errors grow in proportion. A box and itself, turned by any
    number of quarters, have IoU 1 exactly. The IoUs of ``(a, b)`` and ``(b, a)`` are bit-identical,
    on every instruction set, for any number of threads and on CUDA. A box with a side that is not
    positive overlaps nothing.

    Time is n * m pairs, most of it for those whose bounding boxes overlap; memory is the result
    and, where inputs must be converted, their copies: ``(n * m + 5 * (n + m)) * itemsize`` bytes.
    CUDA work is queued on the caller's current stream, with ``64 * (n + m)`` more bytes.

    References
    ----------
    detectron2's ``pairwise_iou_rotated`` and mmcv's ``box_iou_rotated`` have the same arguments;
    mmcv's angles are radians.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> boxes = np.array([[5.0, 5.0, 10.0, 10.0, 0.0], [5.0, 5.0, 10.0, 10.0, 45.0]])
    >>> tamis.rotated_box_iou(boxes[:1], boxes).round(3)
    array([[1.   , 0.707]])
    """
    name = "rotated_box_iou"
    a, b = _boxes(name, a, b, kind)
    out = out_of(name, a, (a.shape[0], b.shape[0]), arrays.dtype_name(a), out, a=a, b=b)
    arrays.call(name, a, KINDS.index(kind), prepared(a), prepared(b), out)
    return out


@overload
def rotated_box_iou_paired(
    a: Host, b: AnyArray, *, kind: Kind = "iou", out: Array | None = None
) -> Array: ...
@overload
def rotated_box_iou_paired(a: T, b: AnyArray, *, kind: Kind = "iou", out: T | None = None) -> T: ...
def rotated_box_iou_paired(a: Any, b: Any, *, kind: Kind = "iou", out: Any = None) -> Any:
    """Overlap of each rotated box of `a` with the box of `b` in the same row.

    Parameters
    ----------
    a, b : array, shape (n, 5)
        Boxes, as in :func:`rotated_box_iou`.
    kind : {"iou", "iof"}, default "iou"
        As in :func:`rotated_box_iou`.
    out : array, shape (n,), optional
        As in :func:`rotated_box_iou`.

    Returns
    -------
    array, shape (n,)
        In the library and on the device of `a`; float64 if either input is, else float32.

    Raises
    ------
    TypeError, ValueError, CudaUnavailable
        As :func:`rotated_box_iou`; ValueError also where `a` and `b` differ in length.

    Notes
    -----
    Bit-identical to :func:`rotated_box_iou`. Time is n pairs; memory is the result and the copies
    of inputs that must be converted: ``(n + 10 * n) * itemsize`` bytes at most.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> a = np.array([[5.0, 5.0, 10.0, 10.0, 0.0]])
    >>> b = np.array([[5.0, 5.0, 10.0, 10.0, 90.0]])
    >>> tamis.rotated_box_iou_paired(a, b).round(6)
    array([1.])
    """
    name = "rotated_box_iou_paired"
    a, b = _boxes(name, a, b, kind)
    arrays.check_shape(name, "b", b, tuple(a.shape))
    out = out_of(name, a, (a.shape[0],), arrays.dtype_name(a), out, a=a, b=b)
    arrays.call(name, a, KINDS.index(kind), a, b, out)
    return out


@overload
def rotated_box_iou_batched(
    a: Host,
    a_splits: AnyColumn,
    b: AnyArray,
    b_splits: AnyColumn,
    *,
    kind: Kind = "iou",
    out: Array | None = None,
) -> tuple[Array, Int64]: ...
@overload
def rotated_box_iou_batched(
    a: T,
    a_splits: AnyColumn,
    b: AnyArray,
    b_splits: AnyColumn,
    *,
    kind: Kind = "iou",
    out: T | None = None,
) -> tuple[T, T]: ...
def rotated_box_iou_batched(
    a: Any, a_splits: Any, b: Any, b_splits: Any, *, kind: Kind = "iou", out: Any = None
) -> tuple[Any, Any]:
    """Overlap of every rotated box of `a` with those of `b` in the same image, for many images.

    Parameters
    ----------
    a : array, shape (n, 5)
        The boxes of all images, concatenated, as in :func:`rotated_box_iou`.
    a_splits : array of integers, shape (images + 1,)
        Image `i` has the rows ``a_splits[i]`` to ``a_splits[i + 1]`` of `a`; begins with 0, ends
        with n. Read on the host: give it as a host array, for CUDA boxes too.
    b : array, shape (m, 5)
        Boxes on the device of `a`.
    b_splits : array of integers, shape (images + 1,)
        The same for `b`.
    kind : {"iou", "iof"}, default "iou"
        As in :func:`rotated_box_iou`.
    out : array, shape (sum of n_i * m_i,), optional
        As in :func:`rotated_box_iou`.

    Returns
    -------
    values : array, shape (sum of n_i * m_i,)
        The blocks of all images without padding, each row-major: ``values[splits[i]:splits[i + 1]]
        .reshape(n_i, m_i)`` is image `i`.
    splits : array of int64, shape (images + 1,)
        In the library and on the device of `values`.

    Raises
    ------
    TypeError, ValueError, CudaUnavailable
        As :func:`rotated_box_iou`; also for splits that are not integers, decrease, do not begin
        with 0, do not end with the number of boxes, or are of two lengths.

    Notes
    -----
    Bit-identical to :func:`rotated_box_iou`. Time is one pass over the pairs of each image; memory
    is the result and the copies of inputs that must be converted: ``(sum(n_i * m_i) + 5 * (n + m))
    * itemsize + 32 * images`` bytes.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> boxes = np.array([[5.0, 5.0, 10.0, 10.0, 0.0], [5.0, 5.0, 10.0, 10.0, 45.0]])
    >>> splits = np.array([0, 1, 2])  # two images
    >>> values, ends = tamis.rotated_box_iou_batched(boxes, splits, boxes, splits)
    >>> values.round(6), ends
    (array([1., 1.]), array([0, 1, 2]))
    """
    name = "rotated_box_iou_batched"
    a, b = _boxes(name, a, b, kind)
    rows = ragged.splits(name, "a_splits", a_splits, a.shape[0])
    columns = ragged.splits(name, "b_splits", b_splits, b.shape[0], len(rows) - 1)
    ends = ragged.pair_splits(rows, columns)
    values = out_of(name, a, (int(ends[-1]),), arrays.dtype_name(a), out, a=a, b=b)
    rows, columns, ends = device_arrays.all_from_host(a, rows, columns, ends)
    how = KINDS.index(kind), prepared(a), rows, prepared(b), columns, ends
    arrays.call(name, a, *how, values)
    return values, ends


def _boxes(function: str, a: Any, b: Any, kind: str) -> tuple[Any, Any]:
    """Both box arrays, checked, in one library, contiguous and of their common dtype."""
    if not arrays.one_of(kind, KINDS):
        raise ValueError(f"{function}: kind must be one of {', '.join(KINDS)}, got {kind!r}")
    a, b = arrays.as_array(function, "a", a), arrays.as_array(function, "b", b)
    where = arrays.one_device(function, a=a, b=b)
    for name, x in {"a": a, "b": b}.items():
        arrays.check_shape(function, name, x, ("N", 5))
    a, b = arrays.floats(function, a=a, b=b)
    b = arrays.same_library(a, b)
    arrays.backend(function, where)
    if where == "cpu":
        for name, x in {"a": a, "b": b}.items():
            finite(function, name, arrays.host(function, name, x))
    return a, b


def prepared(x: Any) -> Any:
    """On a device what depends on one box alone; on the host the boxes themselves."""
    where = arrays.device(x)
    if where == "cpu":
        return x
    numbers = arrays.backend("rotated_box_iou", where).ROTATED_NUMBERS
    out = arrays.empty(x, (x.shape[0], numbers), "float64")
    arrays.call("rotated_prepare", x, x, out)
    return out


def crowd_iou(a: Array, b: Array, crowd: Array) -> Array:
    """Row by row IoU, over the area of `a`'s box alone where `b`'s is a crowd."""
    iou: Array = rotated_box_iou_paired(a, b)
    rows = np.flatnonzero(crowd)
    iou[rows] = rotated_box_iou_paired(a[rows], b[rows], kind="iof")
    return iou


def grouped_iou(a: Array, b: Array, crowd: Array, groups: Groups) -> Array:
    """The same for all pairs of each group; `crowd` is that of the rows of `b`."""
    values, ends = rotated_box_iou_batched(
        a[groups.det], groups.det_splits, b[groups.gt], groups.gt_splits
    )
    column = np.flatnonzero(crowd[groups.gt])
    group = np.searchsorted(groups.gt_splits, column, side="right") - 1
    first, n = groups.det_splits[group], np.diff(groups.det_splits)[group]
    row, pair = runs(first, n), np.repeat(np.arange(len(column)), n)  # of each crowd all rows
    width = np.diff(groups.gt_splits)[group]
    at = (ends[group] + column - groups.gt_splits[group] - first * width)[pair] + row * width[pair]
    values[at] = rotated_box_iou_paired(a[groups.det[row]], b[groups.gt[column[pair]]], kind="iof")
    return np.asarray(values)
