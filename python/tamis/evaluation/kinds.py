"""What detections are compared by: boxes, oriented boxes, masks, their boundaries, keypoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.columns import REGIONS, finite, read_boxes
from tamis._shared.ragged import Groups, Similarity
from tamis.evaluation.match_table import Detections, Targets
from tamis.regions.mask_iou import grouped_boundary_iou, grouped_iou
from tamis.regions.masks import Masks
from tamis.regions.oks import grouped_oks
from tamis.regions.rotated_iou import grouped_iou as grouped_rotated_iou


@dataclass(frozen=True)
class Kind:
    """An `iou_type` and its options."""

    iou_type: str
    fmt: str = "xyxy"  # of boxes
    sigmas: Any = None  # (k,) of keypoints
    dilation_ratio: float = 0.02  # of boundaries

    @property
    def column(self) -> str:
        return REGIONS[self.iou_type]

    @property
    def box_format(self) -> str:
        """How boxes are read: those of keypoints are ground truth's, as wide as others."""
        return "obb" if self.iou_type == "obb" else self.fmt

    @property
    def none(self) -> Any:
        """The regions of no detection."""
        if self.column == "masks":
            return Masks.from_coco([])
        if self.column == "keypoints":
            return np.empty((0, len(self.sigmas), 3))
        return np.empty((0, 5 if self.iou_type == "obb" else 4))

    def area(self, regions: Any) -> Any:
        """(n,) of detections, as pycocotools' `loadRes` measures them."""
        if self.column == "masks":
            return regions.area().astype(np.float64)
        if self.column == "keypoints":
            x, y = regions[:, :, 0], regions[:, :, 1]
            if len(regions) == 0:
                return np.empty(0)
            return (x.max(1) - x.min(1)) * (y.max(1) - y.min(1))
        return regions[:, 2] * regions[:, 3]

    def similarity(
        self, dets: Any, gts: Any, crowd: Array, gt_area: Array, gt_boxes: Array | None
    ) -> Similarity | None:
        """Of pairs of both sides; None for boxes, which the matching compares itself."""
        if self.iou_type == "bbox":
            return None
        if self.iou_type == "obb":
            return partial(grouped_rotated_iou, dets, gts, crowd)
        if self.iou_type == "keypoints":
            return partial(keypoint_similarity, dets, gts, gt_boxes, gt_area, self.sigmas)
        ratio = self.dilation_ratio if self.iou_type == "boundary" else None
        return partial(mask_similarity, dets, gts, crowd, dets.to_bbox(), ratio)


def box_similarity(kind: Kind, dets: Detections, gts: Targets) -> Similarity | None:
    """That of boxes and oriented boxes."""
    return kind.similarity(dets.boxes, gts.boxes, gts.crowd, gts.area, None)


def keypoint_similarity(
    dets: Array, gts: Array, gt_boxes: Any, gt_area: Array, sigmas: Array, g: Groups
) -> Array:
    """OKS of the pairs of each group."""
    return grouped_oks(
        dets, g.det_splits, gts, gt_boxes, gt_area.astype(np.float64), g.gt_splits, sigmas,
        det_index=g.det, gt_index=g.gt, least=g.least,
    )  # fmt: skip


def mask_similarity(
    dets: Masks, gts: Masks, crowd: Array, boxes: Array | None, ratio: float | None, g: Groups
) -> Array:
    """IoU of masks, with a dilation ratio that of boundaries, of the pairs of each group."""
    how: dict[str, Any] = {
        "crowd": crowd, "a_index": g.det, "b_index": g.gt, "a_boxes": boxes, "least": g.least,
    }  # fmt: skip
    sides = dets, g.det_splits, gts, g.gt_splits, int(g.ends[-1])
    if ratio is None:
        return grouped_iou(*sides, **how)
    return grouped_boundary_iou(*sides, dilation_ratio=ratio, **how)


def pair_by_pair(similarity: Similarity, dets: Array, gts: Array) -> Array:
    """(n,) similarities of the rows of both sides, one by one."""
    each = np.arange(len(dets) + 1)
    rows = np.ascontiguousarray(dets), np.ascontiguousarray(gts)
    return similarity(Groups(rows[0], each, rows[1], each))


# --- reading -------------------------------------------------------------------------------


def read_masks(function: str, name: str, masks: Any, size: Any) -> Masks:
    """Masks of `Masks`, pixels of any library, or a list of RLE dicts or of polygons."""
    if isinstance(masks, Masks):
        return masks
    if not isinstance(masks, (list, tuple)):
        try:
            return Masks.encode(masks)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{function}: {name}: {error}") from None
    try:
        if masks and not any(isinstance(one, Mapping) for one in masks):
            if size is None:
                raise ValueError("polygons need the size (height, width) of their image")
            return Masks.from_polygons(masks, size)
        return Masks.from_coco(masks)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{function}: {name}: {error}") from None


def joined_masks(parts: Sequence[Masks]) -> Masks:
    """The masks of all parts."""
    text = np.concatenate([part.text for part in parts])
    ends = np.cumsum([0, *(len(part.text) for part in parts)])
    splits = [part.splits[1:] + end for part, end in zip(parts, ends[:-1], strict=True)]
    size = np.concatenate([part.size for part in parts])
    return Masks._of(text, np.concatenate([np.zeros(1, np.int64), *splits]), size)


def read_keypoints(function: str, name: str, values: Any, k: int, *, visible: bool) -> Array:
    """(n, k, 3) float64; without visibilities those of detections are 0."""
    got = arrays.host(function, name, values)
    if got.size == 0 and (got.ndim == 1 or got.shape[0] == 0):
        got = got.reshape(0, k, 3)
    wanted = 3 if visible or got.shape[-1:] == (3,) else 2
    arrays.check_shape(function, name, got, ("N", k, wanted))
    if got.dtype.kind not in "fiu":
        raise TypeError(f"{function}: {name} must hold numbers, got {got.dtype}")
    points = finite(function, name, got.astype(np.float64, order="C"))
    if wanted == 2:
        points = np.concatenate([points, np.zeros_like(points[:, :, :1])], axis=2)
    return points


def read_people(
    function: str, side: str, columns: Mapping[str, Any], keypoints: Array, fmt: str
) -> tuple[Array, Array]:
    """Boxes (m, 4) xywh of ground truths, zeros where none are given, and (m,) unlabelled."""
    n = len(keypoints)
    visible = np.count_nonzero(keypoints[:, :, 2] > 0, axis=1)
    given = columns.get("num_keypoints")
    if given is not None:
        visible = arrays.host(function, f"{side} num_keypoints", given)
        arrays.check_shape(function, f"{side} num_keypoints", visible, (n,))
    unlabelled: Array = (visible == 0).view(np.uint8)
    if columns.get("boxes") is None:
        return np.zeros((n, 4)), unlabelled
    boxes = read_boxes(function, f"{side} boxes", columns["boxes"], fmt)
    arrays.check_shape(function, f"{side} boxes", boxes, (n, 4))
    return boxes, unlabelled
