"""Overlap of axis-aligned boxes: all pairs, row by row, or image by image."""

from __future__ import annotations

from typing import Any, Literal, overload

from tamis._shared import arrays, device_arrays, ragged
from tamis._shared.arrays import Array
from tamis._shared.columns import FORMATS, Format, check_finite, check_format
from tamis._shared.out import out_of
from tamis._shared.typed import AnyArray, AnyColumn, Host, Int64, T

Kind = Literal["iou", "giou", "diou", "ciou", "iof"]
KINDS = ("iou", "giou", "diou", "ciou", "iof")  # in the order of tamis::BoxKind


@overload
def box_iou(
    a: Host, b: AnyArray, *, kind: Kind = "iou", fmt: Format = "xyxy", out: Array | None = None
) -> Array: ...
@overload
def box_iou(
    a: T, b: AnyArray, *, kind: Kind = "iou", fmt: Format = "xyxy", out: T | None = None
) -> T: ...
def box_iou(a: Any, b: Any, *, kind: Kind = "iou", fmt: Format = "xyxy", out: Any = None) -> Any:
    """Overlap of every box of `a` with every box of `b`.

    Parameters
    ----------
    a : array, shape (n, 4)
        Boxes, float16, bfloat16, float32 or float64. Copied only if not C-contiguous or of
        another dtype than the result.
    b : array, shape (m, 4)
        Boxes on the device of `a`.
    kind : {"iou", "giou", "diou", "ciou", "iof"}, default "iou"
        Intersection over union; generalized, distance and complete IoU as torchvision.ops defines
        them (eps 1e-7); or "iof", the intersection over the area of the box of `a`, the rule
        COCO applies to crowds.
    fmt : {"xyxy", "xywh", "cxcywh"}, default "xyxy"
        What the four numbers are: two corners, a corner and the sides, or the centre and the
        sides. Areas are ``(x2 - x1) * (y2 - y1)`` or the product of the sides as given.
    out : array, shape (n, m), optional
        Takes the result, in the place of a new array: of the library, device and dtype of the
        result, C-contiguous, writable, and without memory of an input.

    Returns
    -------
    array, shape (n, m)
        In the library and on the device of `a`; float64 if either input is, else float32.

    Raises
    ------
    TypeError
        For something that is not an array, or whose dtype is not one of the four floats.
    ValueError
        For another shape, an unknown `kind` or `fmt`, arrays on two devices and, on the CPU, a NaN
        or infinite coordinate. On CUDA, where looking for them would make the host wait, infinite
        ones follow the formula, and a box with a NaN intersects nothing and has a NaN area.
    CudaUnavailable
        For CUDA arrays where tamis was built without its CUDA part.

    Notes
    -----
    Where a union, an area or a hull is 0 the ratio is 0, not NaN, and a box without extent has no
    aspect ("ciou"). Inverted boxes follow the formula: they intersect nothing, and their area is
    negative, or positive if both sides are. Coordinates so large that an area overflows give what
    the arithmetic gives. The result is bit-identical on every instruction set and for any number of
    threads.

    Time is n * m pairs; memory is the result and, where inputs must be converted, their copies:
    ``(n * m + 4 * (n + m)) * itemsize`` bytes. CUDA work is queued on the caller's current stream.

    References
    ----------
    torchvision.ops.box_iou, generalized_box_iou, distance_box_iou, complete_box_iou.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> a = np.array([[0.0, 0.0, 10.0, 10.0]])
    >>> b = np.array([[0.0, 0.0, 10.0, 5.0], [20.0, 20.0, 30.0, 30.0]])
    >>> tamis.box_iou(a, b)
    array([[0.5, 0. ]])
    """
    a, b = _boxes("box_iou", a, b, kind, fmt)
    shape = a.shape[0], b.shape[0]
    out = out_of("box_iou", a, shape, arrays.dtype_name(a), out, a=a, b=b)
    arrays.call("box_iou", a, *_options(kind, fmt), a, b, out)
    return out


@overload
def box_iou_paired(
    a: Host, b: AnyArray, *, kind: Kind = "iou", fmt: Format = "xyxy", out: Array | None = None
) -> Array: ...
@overload
def box_iou_paired(
    a: T, b: AnyArray, *, kind: Kind = "iou", fmt: Format = "xyxy", out: T | None = None
) -> T: ...
def box_iou_paired(
    a: Any, b: Any, *, kind: Kind = "iou", fmt: Format = "xyxy", out: Any = None
) -> Any:
    """Overlap of each box of `a` with the box of `b` in the same row.

    Parameters
    ----------
    a, b : array, shape (n, 4)
        Boxes, as in :func:`box_iou`.
    kind : {"iou", "giou", "diou", "ciou", "iof"}, default "iou"
        As in :func:`box_iou`.
    fmt : {"xyxy", "xywh", "cxcywh"}, default "xyxy"
        As in :func:`box_iou`.
    out : array, shape (n,), optional
        As in :func:`box_iou`.

    Returns
    -------
    array, shape (n,)
        In the library and on the device of `a`; float64 if either input is, else float32.

    Raises
    ------
    TypeError, ValueError, CudaUnavailable
        As :func:`box_iou`; ValueError also where `a` and `b` differ in length.

    Notes
    -----
    Time is n pairs; memory is the result and the copies of inputs that must be converted:
    ``(n + 8 * n) * itemsize`` bytes at most. All else is as in :func:`box_iou`.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> a = np.array([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 4.0, 4.0]])
    >>> b = np.array([[0.0, 0.0, 10.0, 5.0], [0.0, 0.0, 4.0, 4.0]])
    >>> tamis.box_iou_paired(a, b)
    array([0.5, 1. ])
    """
    a, b = _boxes("box_iou_paired", a, b, kind, fmt)
    arrays.check_shape("box_iou_paired", "b", b, tuple(a.shape))
    shape = (a.shape[0],)
    out = out_of("box_iou_paired", a, shape, arrays.dtype_name(a), out, a=a, b=b)
    arrays.call("box_iou_paired", a, *_options(kind, fmt), a, b, out)
    return out


@overload
def box_iou_batched(
    a: Host,
    a_splits: AnyColumn,
    b: AnyArray,
    b_splits: AnyColumn,
    *,
    kind: Kind = "iou",
    fmt: Format = "xyxy",
    out: Array | None = None,
) -> tuple[Array, Int64]: ...
@overload
def box_iou_batched(
    a: T,
    a_splits: AnyColumn,
    b: AnyArray,
    b_splits: AnyColumn,
    *,
    kind: Kind = "iou",
    fmt: Format = "xyxy",
    out: T | None = None,
) -> tuple[T, T]: ...
def box_iou_batched(
    a: Any,
    a_splits: Any,
    b: Any,
    b_splits: Any,
    *,
    kind: Kind = "iou",
    fmt: Format = "xyxy",
    out: Any = None,
) -> tuple[Any, Any]:
    """Overlap of every box of `a` with every box of `b` in the same image, for many images.

    Parameters
    ----------
    a : array, shape (n, 4)
        The boxes of all images, concatenated, as in :func:`box_iou`.
    a_splits : array of integers, shape (images + 1,)
        Image `i` has the rows ``a_splits[i]`` to ``a_splits[i + 1]`` of `a`; begins with 0, ends
        with n. Read on the host: give it as a host array, for CUDA boxes too.
    b : array, shape (m, 4)
        Boxes on the device of `a`.
    b_splits : array of integers, shape (images + 1,)
        The same for `b`.
    kind : {"iou", "giou", "diou", "ciou", "iof"}, default "iou"
        As in :func:`box_iou`.
    fmt : {"xyxy", "xywh", "cxcywh"}, default "xyxy"
        As in :func:`box_iou`.
    out : array, shape (sum of n_i * m_i,), optional
        As in :func:`box_iou`.

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
        As :func:`box_iou`; also for splits that are not integers, decrease, do not begin with 0,
        do not end with the number of boxes, or are of two lengths.

    Notes
    -----
    Time is one pass over the pairs of each image; memory is the result and the copies of inputs
    that must be converted: ``(sum(n_i * m_i) + 4 * (n + m)) * itemsize + 32 * images`` bytes. On
    CUDA the host waits only if the splits live there. All else is as in :func:`box_iou`.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> boxes = np.array([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 5.0], [5.0, 5.0, 9.0, 9.0]])
    >>> splits = np.array([0, 2, 3])  # two images
    >>> values, ends = tamis.box_iou_batched(boxes, splits, boxes, splits)
    >>> values, ends
    (array([1. , 0.5, 0.5, 1. , 1. ]), array([0, 4, 5]))
    """
    name = "box_iou_batched"
    a, b = _boxes(name, a, b, kind, fmt)
    starts_a = ragged.splits(name, "a_splits", a_splits, a.shape[0])
    starts_b = ragged.splits(name, "b_splits", b_splits, b.shape[0], len(starts_a) - 1)
    starts = ragged.pair_splits(starts_a, starts_b)
    values = out_of(name, a, (int(starts[-1]),), arrays.dtype_name(a), out, a=a, b=b)
    table = device_arrays.all_from_host(a, starts_a, starts_b, starts)
    arrays.call(name, a, *_options(kind, fmt), a, table[0], b, table[1], table[2], values)
    return values, table[2]


def _boxes(function: str, a: Any, b: Any, kind: str, fmt: str) -> tuple[Any, Any]:
    """Both box arrays, checked, in one library, contiguous and of their common dtype."""
    if not arrays.one_of(kind, KINDS):
        raise ValueError(f"{function}: kind must be one of {', '.join(KINDS)}, got {kind!r}")
    check_format(function, fmt)
    a, b = arrays.as_array(function, "a", a), arrays.as_array(function, "b", b)
    where = arrays.one_device(function, a=a, b=b)
    for name, x in {"a": a, "b": b}.items():
        arrays.check_shape(function, name, x, ("N", 4))
    a, b = arrays.floats(function, a=a, b=b)
    b = arrays.same_library(a, b)
    arrays.backend(function, where)
    if where == "cpu":
        check_finite(function, a=a, b=b)
    return a, b


def _options(kind: str, fmt: str) -> tuple[int, int]:
    """As the compiled functions count them."""
    return KINDS.index(kind), FORMATS.index(fmt)
