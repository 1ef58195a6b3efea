"""Boxes that repeat another box of their image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tamis import _core
from tamis._shared import arrays, device_arrays, ragged
from tamis._shared.columns import (
    FORMATS,
    HELD_AS,
    Format,
    check_finite,
    check_format,
    finite,
    read_column,
    read_device_column,
    read_held,
)
from tamis._shared.results import Result
from tamis._shared.typed import AnyArray, AnyColumn
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
        For each duplicate, the row of the box it repeats: the first box over the threshold that is
        not a duplicate itself; if there is none (a chain), the first one over the threshold. With
        ``method="groups"`` the box of the group that stays, whatever their IoU.
    iou : (k,) float64
        Their IoU.
    """

    duplicates: Any  # arrays of the library and device of the boxes
    of: Any
    iou: Any

    def _columns(self) -> dict[str, Any]:
        return {"row": self.duplicates, "of": self.of, "iou": self.iou}


def find_duplicate_boxes(
    boxes: AnyArray | Masks | DeviceMasks,
    splits: AnyColumn,
    *,
    labels: AnyColumn | None = None,
    scores: AnyColumn | None = None,
    iscrowd: AnyColumn | None = None,
    threshold: float = 0.99,
    method: Method = "simple",
    fmt: Format = "xyxy",
) -> DuplicateBoxes:
    """Boxes whose IoU with another box of their image is over a threshold.

    Parameters
    ----------
    boxes : array, shape (n, 4) or (n, 5), or Masks, or DeviceMasks
        The boxes of all images, concatenated; float16, bfloat16, float32 or float64. Copied only if
        not C-contiguous or of 16 bits. Five columns are rotated boxes, as in
        :func:`tamis.rotated_box_iou`. Masks of an image must be of one size.
    splits : array of integers, shape (images + 1,)
        Image `i` has the rows ``splits[i]`` to ``splits[i + 1]``; begins with 0, ends with n.
    labels : array of integers, shape (n,), optional
        With labels only boxes of the same label repeat each other.
    scores : array of numbers, shape (n,), optional
        Only with ``method="groups"``: which box of a group stays.
    iscrowd : array of booleans or integers, shape (n,), optional
        If the earlier box of a pair is a crowd, the union is the area of the later one.
    threshold : float, default 0.99
        Boxes repeat each other if their IoU is larger; IoU is at most 1. Boxes apart have IoU 0, so
        a negative threshold joins all boxes of an image (and label).
    method : {"simple", "greedy", "groups"}, default "simple"
        "simple": the later box of every pair over the threshold. "greedy": boxes are removed one by
        one until no pair is left, always the one in most remaining pairs (the first on ties).
        "groups": all boxes of each connected group except the one with the highest score (the first
        on ties); without scores the first box stays.
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
    IoU is computed in float64, for any dtype, as fiftyone.utils.iou does: bit-identical with
    ``fmt="xywh"``, with the same duplicates. Degenerate and inverted boxes have IoU 0 with every
    box. Rotated boxes have the IoU of :func:`tamis.rotated_box_iou` in float64, masks that of
    :func:`tamis.mask_iou`. The result does not depend on the number of threads.

    With "simple", CUDA arrays and masks on a device are compared there, all pairs of each image,
    with bit-identical results; the host waits for the number of duplicates. There a NaN coordinate
    makes the IoU 0. Memory: 17 bytes per box and the result; 64 more per rotated box. With
    "greedy" and "groups" CUDA arrays are copied to the host, and the result is copied back.

    Time is about n log n if few pairs of an image are over the threshold, and also if nearly all
    are, because pairs are not listed one by one. At worst it is the number of pairs: "simple" and
    "groups" where most lie close to the threshold, "greedy" also where each box is paired with many
    others but not with whole regions (large boxes spread over one image, threshold 0). Rotated
    boxes and masks are pruned only by area and bounding box, so "greedy" examines every pair above
    the threshold.

    Memory is 120 bytes per box of the images at work, one for each thread, and the result; 64 more
    per rotated box, 96 per mask and 4 per run. Labels, scores and flags are copied.

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
    check_duplicates(name, threshold, method, scores)
    are_masks = isinstance(boxes, (Masks, DeviceMasks))
    given: Any = boxes if are_masks else arrays.as_array(name, "boxes", boxes)
    if not are_masks and tuple(given.shape[1:]) != (5,):
        arrays.check_shape(name, "boxes", given, ("N", 4))
    if isinstance(given, DeviceMasks) and method != "simple":
        raise ValueError(f"{name}: method must be 'simple' for masks on a device, got {method!r}")
    if isinstance(given, DeviceMasks) or (method == "simple" and arrays.device(given) != "cpu"):
        return _on_device(given, splits, labels, iscrowd, float(threshold), fmt)
    starts = ragged.splits(name, "splits", splits, len(given))
    problem: dict[str, Any] = dict(
        method=METHODS.index(method),
        threshold=float(threshold),
        splits=starts,
        labels=_column("labels", labels, len(given), "iu"),
        scores=_column("scores", scores, len(given), "fiu"),
        crowd=_column("iscrowd", iscrowd, len(given), "biu"),
    )
    if isinstance(given, Masks):
        check_image_sizes(name, {"boxes": (given, starts)})
        shapes: dict[str, Any] = dict(text=given.text, text_splits=given.splits, size=given.size)
        return DuplicateBoxes(*_core.find_duplicate_masks(**shapes, **problem))
    (hosted,) = arrays.floats(name, boxes=arrays.host(name, "boxes", given))
    if hosted.shape[1] == 5:
        finite(name, "boxes", hosted)
        found = _core.find_duplicate_rotated_boxes(boxes=hosted, **problem)
    else:
        check_finite(name, boxes=hosted)
        found = _core.find_duplicate_boxes(format=FORMATS.index(fmt), boxes=hosted, **problem)
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
    marks = [arrays.empty(like, (n,), dtype) for dtype in ("uint8", "int64", "float64")]
    arrays.call(
        function, like, **shapes, threshold=threshold, splits=arrays.from_host(like, starts),
        labels=_device_column("labels", labels, like, n, "iu"),
        crowd=_device_column("iscrowd", iscrowd, like, n, "biu"),
        duplicate=marks[0], of=marks[1], iou=marks[2],
    )  # fmt: skip
    rows = device_arrays.nonzero(marks[0])
    return DuplicateBoxes(rows, marks[1][rows], marks[2][rows])


def _device_shapes(boxes: Any, fmt: str) -> tuple[Any, str, dict[str, Any]]:
    """An array on the device, the compiled function, and its arguments for the boxes."""
    name = "find_duplicate_boxes"
    if isinstance(boxes, DeviceMasks):
        shapes = dict(ends=boxes.ends, mask_splits=boxes.splits, masks=boxes.masks)
        return boxes.ends, "find_duplicate_masks", shapes
    arrays.backend(name, arrays.device(boxes))
    (boxes,) = arrays.floats(name, boxes=boxes)
    if boxes.shape[1] == 5:
        return boxes, "find_duplicate_rotated_boxes", dict(prepared=prepared(boxes))
    return boxes, name, dict(format=FORMATS.index(fmt), boxes=boxes)


def _device_column(name: str, x: Any, like: Any, n: int, kinds: str) -> Any:
    """`x`, (n,), on the device of `like`; empty for None."""
    if x is None:
        return arrays.empty(like, (0,), HELD_AS[kinds])
    return read_device_column("find_duplicate_boxes", name, x, like, kinds, n=n)


def check_duplicates(name: str, threshold: float, method: str, scores: Any) -> None:
    """Raise unless these are options of the function of that name."""
    if not arrays.one_of(method, METHODS):
        raise ValueError(f"{name}: method must be one of {', '.join(METHODS)}, got {method!r}")
    threshold = arrays.check_real(name, "threshold", threshold)
    if scores is not None and method != "groups":
        raise ValueError(f"{name}: scores may only be given with method='groups'")


def _column(name: str, x: Any, n: int, kinds: str) -> np.ndarray:
    """`x`, (n,), as `HELD_AS` says; empty for None."""
    if x is None:
        return np.empty(0, HELD_AS[kinds])
    if kinds == "fiu":
        return read_column("find_duplicate_boxes", name, x, n, kinds, infinite=True)
    return read_held("find_duplicate_boxes", name, x, n, kinds)
