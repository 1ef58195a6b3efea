"""Boxes that repeat another box of their image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tamis import _core
from tamis._shared import arrays, ragged
from tamis._shared.columns import FORMATS, Format, check_finite, check_format, finite
from tamis._shared.results import Result
from tamis.regions.mask_iou import check_image_sizes
from tamis.regions.masks import Masks
from tamis.regions.masks_cuda import DeviceMasks
from tamis.regions.rotated_iou import prepared

Method = Literal["simple", "greedy", "groups"]
METHODS = ("simple", "greedy", "groups")  # in the order of tamis::DuplicateMethod


@dataclass(frozen=True, eq=False, repr=False)
class DuplicateBoxes(Result):
    """What `find_duplicate_boxes` found, k duplicates.

    Attributes
    ----------
    duplicates : (k,) int64
        Rows of the boxes that repeat another one, ascending.
    of : (k,) int64
        For each the row of the box it repeats: the first box over the threshold that is no
        duplicate itself; where there is none (a chain), the first one over the threshold. With
        ``method="groups"`` the box of the group that stays, whatever their IoU.
    iou : (k,) float64
        Their IoU.
    """

    duplicates: Any
    of: Any
    iou: Any


def find_duplicate_boxes(
    boxes: Any,
    splits: Any,
    *,
    labels: Any = None,
    scores: Any = None,
    iscrowd: Any = None,
    threshold: float = 0.99,
    method: Method = "simple",
    fmt: Format = "xyxy",
) -> DuplicateBoxes:
    """Boxes whose IoU with another box of their image is over a threshold.

    Parameters
    ----------
    boxes : array, shape (n, 4) or (n, 5), or Masks, or what :meth:`Masks.to_device` gives
        The boxes of all images, one image after the other; float16, bfloat16, float32 or float64.
        Copied only if not C-contiguous or of half precision. Of five columns they are rotated, as
        in :func:`tamis.rotated_box_iou`. Masks of an image must be of one size.
    splits : array of integers, shape (images + 1,)
        Image `i` has the rows ``splits[i]`` to ``splits[i + 1]``; begins with 0, ends with n.
    labels : array of integers, shape (n,), optional
        With labels only boxes of the same label repeat each other.
    scores : array of numbers, shape (n,), optional
        Only with ``method="groups"``: which box of a group stays.
    iscrowd : array of booleans or integers, shape (n,), optional
        Where the earlier box of a pair is a crowd, their union is the area of the later one.
    threshold : float, default 0.99
        Boxes repeat each other if their IoU is larger; IoU is at most 1. Boxes apart have IoU 0, so
        a negative threshold joins all boxes of an image (and label).
    method : {"simple", "greedy", "groups"}, default "simple"
        "simple": the later box of every pair over the threshold. "greedy": as few boxes as it can,
        so that no pair is left: again and again the box with most pairs left, the first of equals.
        "groups": all boxes but one of each connected group: the one of highest score stays, the
        first of equals; without scores the first.
    fmt : {"xyxy", "xywh", "cxcywh"}, default "xyxy"
        What the four numbers are, as in :func:`tamis.box_iou`.

    Returns
    -------
    DuplicateBoxes
        Rows, the boxes they repeat and their IoU, in the library and on the device of `boxes`;
        NumPy arrays for `Masks`.

    Raises
    ------
    TypeError
        If an argument is not an array, boxes are not floating point, or splits or labels are not
        integers.
    ValueError
        For wrong shapes, splits, an unknown `method` or `fmt`, a NaN threshold or score, a NaN or
        infinite coordinate, scores with another method than "groups", or masks on a device with
        another method than "simple".

    Notes
    -----
    IoU is computed in float64, for any dtype, as fiftyone.utils.iou does: the same bits with
    ``fmt="xywh"``, and the same duplicates. Degenerate and inverted boxes have IoU 0 with every
    box. Rotated boxes have the IoU of :func:`tamis.rotated_box_iou` in float64, masks that of
    :func:`tamis.mask_iou`. The result does not depend on the number of threads.

    CUDA arrays and masks on a device are computed there with "simple", all pairs of an image, the
    same bits; the host waits for the number of duplicates. There a NaN coordinate makes IoU 0.
    Memory: 17 bytes a box and the result; a rotated box has 64 more. With "greedy" and "groups"
    CUDA arrays are copied to the host, and the result back.

    Time is about n log n where few pairs of an image are over the threshold, and also where nearly
    all are, as pairs are not listed one by one. At worst it is the number of pairs: "simple" and
    "groups" where most lie close to the threshold, "greedy" also where each box is paired with
    many others but not with whole regions (100,000 large boxes strewn over one image, threshold 0:
    13 s). Rotated boxes and masks are pruned only by area and bounding box, so "greedy" examines
    every pair above the threshold.

    Memory is 120 bytes a box of the images at work, one for each thread, and the result; a rotated
    box has 64 more, a mask 96 and 4 a run. Labels, scores and flags are copied.

    References
    ----------
    fiftyone.utils.iou.find_duplicates; its boxes are ``fmt="xywh"``, its classwise is `labels`, and
    its `iou_thresh` is 0.999 by default.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> boxes = np.array([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 9.95], [5.0, 5.0, 9.0, 9.0]])
    >>> found = tamis.find_duplicate_boxes(boxes, np.array([0, 3]), threshold=0.9)
    >>> found.duplicates
    array([1])
    """
    name = "find_duplicate_boxes"
    check_format(name, fmt)
    _check_options(threshold, method, scores)
    are_masks = isinstance(boxes, (Masks, DeviceMasks))
    given = boxes if are_masks else arrays.as_array(name, "boxes", boxes)
    if not are_masks and tuple(given.shape[1:]) != (5,):
        arrays.check_shape(name, "boxes", given, ("N", 4))
    if isinstance(given, DeviceMasks) and method != "simple":
        raise ValueError(f"{name}: method must be 'simple' for masks on a device, got {method!r}")
    if isinstance(given, DeviceMasks) or (method == "simple" and arrays.device(given) != "cpu"):
        return _on_device(given, splits, labels, iscrowd, float(threshold), fmt)
    starts = ragged.splits(name, "splits", splits, len(given))
    columns = [
        starts,
        _column("labels", labels, len(given), "iu", np.int64),
        _column("scores", scores, len(given), "fiu", np.float64),
        _column("iscrowd", iscrowd, len(given), "biu", np.bool_),
    ]
    options = METHODS.index(method), float(threshold)
    if isinstance(given, Masks):
        check_image_sizes(name, {"boxes": (given, starts)})
        shapes = given.text, given.splits, given.size
        return DuplicateBoxes(*_core.find_duplicate_masks(*options, *shapes, *columns))
    (hosted,) = arrays.floats(name, boxes=arrays.host(name, "boxes", given))
    if hosted.shape[1] == 5:
        finite(name, "boxes", hosted)
        found = _core.find_duplicate_rotated_boxes(*options, hosted, *columns)
    else:
        check_finite(name, boxes=hosted)
        found = _core.find_duplicate_boxes(*options, FORMATS.index(fmt), hosted, *columns)
    return DuplicateBoxes(*(arrays.from_host(given, x) for x in found))


def _on_device(
    boxes: Any, splits: Any, labels: Any, iscrowd: Any, threshold: float, fmt: str
) -> DuplicateBoxes:
    """Simple duplicates of CUDA arrays and of masks on a device."""
    name, n = "find_duplicate_boxes", len(boxes)
    starts = ragged.splits(name, "splits", splits, n)
    if isinstance(boxes, DeviceMasks):
        check_image_sizes(name, {"boxes": (boxes, starts)})
    like, function, shapes = _device_shapes(boxes, fmt)
    columns = [
        _device_column("labels", labels, like, n, "int64"),
        _device_column("iscrowd", iscrowd, like, n, "uint8"),
    ]
    marks = [arrays.empty(like, (n,), dtype) for dtype in ("uint8", "int64", "float64")]
    ends = arrays.from_host(like, starts)
    arrays.call(function, like, *shapes, threshold, ends, *columns, *marks)
    rows = arrays.nonzero(marks[0])
    return DuplicateBoxes(rows, marks[1][rows], marks[2][rows])


def _device_shapes(boxes: Any, fmt: str) -> tuple[Any, str, tuple[Any, ...]]:
    """An array of the device, the compiled function, and what it takes of the boxes."""
    name = "find_duplicate_boxes"
    if isinstance(boxes, DeviceMasks):
        return boxes.ends, "find_duplicate_masks", (boxes.ends, boxes.splits, boxes.masks)
    arrays.backend(name, arrays.device(boxes))
    (boxes,) = arrays.floats(name, boxes=boxes)
    if boxes.shape[1] == 5:
        return boxes, "find_duplicate_rotated_boxes", (prepared(boxes),)
    return boxes, name, (FORMATS.index(fmt), boxes)


def _device_column(name: str, x: Any, like: Any, n: int, dtype: str) -> Any:
    """`x`, (n,) of `dtype` (for "uint8": 1 where it is not 0) beside `like`; empty for None."""
    if x is None:
        return arrays.empty(like, (0,), dtype)
    x = arrays.column("find_duplicate_boxes", name, x)
    if arrays.device(x) == "cpu":
        kinds, host_dtype = ("iu", np.int64) if dtype == "int64" else ("biu", np.bool_)
        x = arrays.from_host(like, _column(name, x, n, kinds, host_dtype))
    arrays.one_device("find_duplicate_boxes", boxes=like, **{name: x})
    if arrays.dtype_name(x) != "bool":
        x = arrays.integers("find_duplicate_boxes", name, x)
    arrays.check_shape("find_duplicate_boxes", name, x, (n,))
    x = arrays.same_library(like, x)
    return arrays.cast(x if dtype == "int64" else x != 0, dtype)


def _check_options(threshold: float, method: str, scores: Any) -> None:
    name = "find_duplicate_boxes"
    if not arrays.one_of(method, METHODS):
        raise ValueError(f"{name}: method must be one of {', '.join(METHODS)}, got {method!r}")
    threshold = arrays.check_real(name, "threshold", threshold)
    if scores is not None and method != "groups":
        raise ValueError(f"{name}: scores may only be given with method='groups'")


def _column(name: str, x: Any, n: int, kinds: str, dtype: type) -> np.ndarray:
    """`x`, (n,) of `dtype`; empty for None."""
    function = "find_duplicate_boxes"
    if x is None:
        return np.empty(0, dtype)
    x = arrays.host(function, name, arrays.column(function, name, x))
    arrays.check_shape(function, name, x, (n,))
    if x.dtype.kind not in ("biu" if kinds == "iu" else kinds) or x.dtype == np.uint64:
        wanted = {"fiu": "numbers", "iu": "integers", "biu": "booleans or integers"}[kinds]
        raise TypeError(f"{function}: {name} must hold {wanted}, got {x.dtype}")
    column: np.ndarray = np.array(x, dtype)  # a copy, as another thread may write into the caller's
    if x.dtype.kind == "f" and np.isnan(column).any():
        raise ValueError(f"{function}: {name} has a NaN in row {int(np.argmax(np.isnan(column)))}")
    return column
