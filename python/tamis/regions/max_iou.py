"""For each box, the largest IoU with another box of its image."""

from __future__ import annotations

from typing import Any, overload

import numpy as np

from tamis import _core
from tamis._shared import arrays, ragged, row_columns
from tamis._shared.arrays import Array
from tamis._shared.columns import FORMATS, Format, check_finite, check_format
from tamis._shared.out import out_of
from tamis._shared.typed import AnyArray, AnyColumn, Host, T


@overload
def max_iou(
    boxes: Host,
    splits: AnyColumn,
    *,
    labels: AnyColumn | None = None,
    other: AnyArray | None = None,
    other_splits: AnyColumn | None = None,
    other_labels: AnyColumn | None = None,
    fmt: Format = "xyxy",
    out: Array | None = None,
) -> Array: ...
@overload
def max_iou(
    boxes: T,
    splits: AnyColumn,
    *,
    labels: AnyColumn | None = None,
    other: AnyArray | None = None,
    other_splits: AnyColumn | None = None,
    other_labels: AnyColumn | None = None,
    fmt: Format = "xyxy",
    out: T | None = None,
) -> T: ...
def max_iou(
    boxes: Any,
    splits: Any,
    *,
    labels: Any = None,
    other: Any = None,
    other_splits: Any = None,
    other_labels: Any = None,
    fmt: Format = "xyxy",
    out: Any = None,
) -> Any:
    """Largest IoU of each box with another box of its image, or with a box of a second set.

    Parameters
    ----------
    boxes : array, shape (n, 4)
        The boxes of all images, concatenated; float16, bfloat16, float32 or float64.
        Copied only if not C-contiguous or of another dtype than the result.
    splits : array of integers, shape (images + 1,)
        Image `i` has the rows ``splits[i]`` to ``splits[i + 1]``; begins with 0, ends with n.
    labels : array of integers, shape (n,), optional
        With labels only boxes of the same label count.
    other : array, shape (m, 4), optional
        A second set of boxes of the same images, on the device of `boxes`: every box of it counts,
        and boxes of `boxes` do not. Default: the boxes are compared among themselves.
    other_splits : array of integers, shape (images + 1,), optional
        Offsets of `other`; needed with it.
    other_labels : array of integers, shape (m,), optional
        Labels of `other`; needed if `labels` and `other` are given.
    fmt : {"xyxy", "xywh", "cxcywh"}, default "xyxy"
        What the four numbers of both sets are, as in :func:`tamis.box_iou`.
    out : array, shape (n,), optional
        Takes the result, in the place of a new array, as in :func:`tamis.box_iou`.

    Returns
    -------
    array, shape (n,)
        In [0, 1], and 0 if there is no box to compare with. In the library and on the device of
        `boxes`; float64 if either set is, else float32.

    Raises
    ------
    TypeError
        If an argument is not an array, boxes are not floating point, or splits or labels are not
        integers.
    ValueError
        For wrong shapes, splits, an unknown `fmt`, arrays on two devices, on the CPU a NaN or
        infinite coordinate, or an argument about a second set without the others it needs.

    Notes
    -----
    Degenerate and inverted boxes are as in :func:`tamis.box_iou`. The result is bit-identical on
    every instruction set, for any number of threads, and on CUDA. There a NaN coordinate is ignored
    instead of raising, because a check would make the host wait; it waits only for splits that live
    on the device.

    Time is the sum over the images of n_i * n_i pairs (n_i * m_i with `other`); memory is the
    result and the copies of inputs that must be converted: ``(n + 4 * (n + m)) * itemsize`` bytes,
    with labels ``4 * (n + m)`` more.

    References
    ----------
    fiftyone.utils.iou.compute_max_ious; its boxes are ``fmt="xywh"`` and float64, and where it
    writes None (no other box) this gives 0.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> boxes = np.array([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 5.0], [5.0, 5.0, 9.0, 9.0]])
    >>> tamis.max_iou(boxes, np.array([0, 2, 3]))
    array([0.5, 0.5, 0. ])
    """
    name = "max_iou"
    check_format(name, fmt)
    _check_second_set(labels, other, other_splits, other_labels)
    sets = {"boxes": boxes} if other is None else {"boxes": boxes, "other": other}
    sets = {key: arrays.as_array(name, key, x) for key, x in sets.items()}
    where = arrays.one_device(name, **sets)
    for key, x in sets.items():
        arrays.check_shape(name, key, x, ("N", 4))
    if where != "cpu":
        return _on_device(sets, (splits, other_splits), (labels, other_labels), fmt, out)
    hosted = arrays.floats(name, **{key: arrays.host(name, key, x) for key, x in sets.items()})
    starts = ragged.splits(name, "splits", splits, len(hosted[0]))
    codes = _label_codes(len(hosted[0]), len(hosted[-1]), labels, other_labels)
    check_finite(name, **dict(zip(sets, hosted, strict=True)))
    ends = None
    if other is not None:
        ends = ragged.splits(name, "other_splits", other_splits, len(hosted[1]), len(starts) - 1)
    inputs = dict(zip(sets, hosted, strict=True))
    out = out_of(name, sets["boxes"], (len(hosted[0]),), hosted[0].dtype.name, out, **inputs)
    first = FORMATS.index(fmt), hosted[0], starts, codes[0]
    if ends is None:
        _core.max_iou(*first, out)
    else:
        _core.max_iou_between(*first, hosted[1], ends, codes[1], out)
    return out


def _on_device(
    sets: dict[str, Any], splits: tuple[Any, Any], labels: tuple[Any, Any], fmt: str, out: Any
) -> Any:
    """`max_iou` of checked CUDA arrays."""
    name, boxes = "max_iou", sets["boxes"]
    arrays.backend(name, arrays.device(boxes))
    given = [arrays.same_library(boxes, x) for x in sets.values()]
    given = list(arrays.floats(name, **dict(zip(sets, given, strict=True))))
    sides: dict[str, Any] = {}
    images = None
    for key, x, ends, label in zip(sets, given, splits, labels, strict=False):
        prefix = "" if key == "boxes" else "other_"
        rows = x.shape[0]
        starts = ragged.splits(name, f"{prefix}splits", ends, rows, images)
        images = len(starts) - 1
        codes = arrays.from_host(boxes, np.empty(0, np.int64))
        if label is not None:
            label = row_columns.labels(name, f"{prefix}labels", label)
            arrays.check_shape(name, f"{prefix}labels", label, (rows,))
            if arrays.device(label) != arrays.device(boxes):
                label = arrays.from_host(boxes, arrays.host(name, f"{prefix}labels", label))
            codes = arrays.cast(arrays.same_library(boxes, label), "int64")
        sides |= {key: x, f"{prefix}splits": arrays.from_host(boxes, starts)}
        sides[f"{prefix}labels"] = codes
    inputs = dict(zip(sets, given, strict=True))
    out = out_of(name, boxes, (given[0].shape[0],), arrays.dtype_name(given[0]), out, **inputs)
    function = name if len(sets) == 1 else "max_iou_between"
    arrays.call(function, boxes, format=FORMATS.index(fmt), **sides, out=out)
    return out


def _check_second_set(labels: Any, other: Any, other_splits: Any, other_labels: Any) -> None:
    """Raise for a second set of which a part is missing, or a part without the set."""
    for missing, value, cause, asked in (
        ("other", other, "other_splits", other_splits is not None),
        ("other", other, "other_labels", other_labels is not None),
        ("other_splits", other_splits, "other", other is not None),
        ("labels", labels, "other_labels", other_labels is not None),
        (
            "other_labels",
            other_labels,
            "labels and other",
            labels is not None and other is not None,
        ),
    ):
        if asked and value is None:
            raise ValueError(f"max_iou: {missing} must be given with {cause}, got None")


def _label_codes(n: int, m: int, labels: Any, other_labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both label arrays as int32 codes, equal where the labels are; empty for none."""
    given = []
    for name, length, x in (("labels", n, labels), ("other_labels", m, other_labels)):
        if x is None:
            continue
        x = row_columns.labels("max_iou", name, x)
        arrays.check_shape("max_iou", name, x, (length,))
        given.append(arrays.host("max_iou", name, x))
    if any(x.dtype.itemsize > 4 or x.dtype == np.uint32 for x in given):  # int32 may not hold them
        codes = np.unique(np.concatenate(given), return_inverse=True)[1]
        given = np.split(codes, [n])[: len(given)]
    codes32 = [np.require(x, np.int32, ["C", "A"]) for x in given]
    return tuple((codes32 + [np.empty(0, np.int32)] * 2)[:2])  # type: ignore[return-value]
