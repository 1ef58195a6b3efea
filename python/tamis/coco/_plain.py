"""Fast path: columnar annotations, one batched match; Python objects are built lazily."""

from __future__ import annotations

import copy
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared.arrays import Array
from tamis._shared.ragged import Groups
from tamis.coco import mask
from tamis.coco._columns import Columns, KnownIds, from_annotations
from tamis.coco._lazy import Mark
from tamis.coco._matches import NO_CAP, Matched
from tamis.coco._records import mark, shape_of
from tamis.coco._shapes import Outlines
from tamis.coco.coco import COCO, DRAWN, ORIGINAL
from tamis.evaluation.analysis import Evaluated
from tamis.evaluation.kinds import keypoint_similarity, mask_similarity
from tamis.evaluation.match_table import Detections, MatchTable, Targets, match
from tamis.regions.mask_iou import DILATION_RATIO


def _columns(coco: Any, p: Any, *, detections: bool) -> Columns | None:
    """The annotations as read from a file, or None if they are dicts or lack what is asked for."""
    kind = shape_of(p.iouType)
    if type(coco) is not COCO or ORIGINAL.replaced(coco, "getAnnIds", "loadAnns"):
        return None
    if kind == "segm" and (ORIGINAL.replaced(coco, "annToRLE") or DRAWN.replaced(mask)):
        return None
    read: Columns | None = coco._columns(kind)
    # a data set may be given as detections, and results as ground truth
    if read is None or (read.score if detections else read.iscrowd) is None:
        return None
    if kind != "keypoints" or read.keypoints is None:
        return read
    if not detections and read.num_keypoints is None:
        return None
    return read if read.keypoints.shape[1] == np.size(p.kpt_oks_sigmas) else None


def _annotations(coco: Any, p: Any) -> Any:
    if p.useCats:
        return coco.loadAnns(coco.getAnnIds(imgIds=p.imgIds, catIds=p.catIds))
    return coco.loadAnns(coco.getAnnIds(imgIds=p.imgIds))


def _sides(ground_truth: Any, results: Any, p: Any) -> tuple[Columns | None, Columns | None]:
    """Both sides as columns, with the changes that pycocotools makes to dicts."""
    gts = _columns(ground_truth, p, detections=False)
    dts = _columns(results, p, detections=True)
    gt_anns = _annotations(ground_truth, p) if gts is None else []
    dt_anns = _annotations(results, p) if dts is None else []
    kind = shape_of(p.iouType)
    mark(ground_truth, gt_anns, results, dt_anns, kind)
    if gts is not None:
        ground_truth._mark_later(Mark(kind, list(p.imgIds), list(p.catIds) if p.useCats else None))
    k = np.size(p.kpt_oks_sigmas) if p.iouType == "keypoints" else 0
    if gts is None:
        gts = from_annotations(gt_anns, detections=False, kind=kind, n_keypoints=k)
    if dts is None and gts is not None:
        dts = from_annotations(dt_anns, detections=True, kind=kind, n_keypoints=k)
    return gts, dts


def _usual(p: Any) -> bool:
    """Whether the parameters are of the ordinary kind."""
    if p.iouType == "keypoints":
        sigmas = np.asarray(p.kpt_oks_sigmas)
        # of category -1, which all are pooled into, pycocotools finds no keypoints
        if not p.useCats or sigmas.ndim != 1 or sigmas.dtype != np.float64 or len(sigmas) == 0:
            return False
    elif p.iouType not in ("bbox", "segm", "boundary"):
        return False
    return len(p.maxDets) > 0 and all(
        isinstance(c, (int, np.integer)) and c >= 0 for c in p.maxDets
    )


def evaluate(ground_truth: Any, results: Any, p: Any) -> Evaluation | None:
    """Match everything at once; None if anything is unusual."""
    images, categories = KnownIds.of(p.imgIds), KnownIds.of(p.catIds)
    if images is None or categories is None or not _usual(p):
        return None
    gts, dts = _sides(ground_truth, results, p)
    if gts is None or dts is None:
        return None
    return Evaluation(gts, dts, images, categories, p)


class Evaluation(Matched):
    """Both sides as columns, grouped by position of image and category, and their matches."""

    def __init__(
        self, gts: Columns, dts: Columns, images: KnownIds, categories: KnownIds, p: Any
    ) -> None:
        sides = []
        for columns in (gts, dts):
            image = images.places(columns.image_id, columns.image_names)
            category = categories.places(columns.category_id, columns.category_names)
            if not p.useCats:
                columns, image, category = _pool(columns, image, category)
            sides.append((columns, image, category))
        (self.gts, g_image, g_category), (self.dts, d_image, d_category) = sides
        self._leave_out(g_image, g_category, d_image, d_category)
        gts, dts = self.gts, self.dts
        assert gts.iscrowd is not None and dts.score is not None
        claims, counts = (dts.id > 0).view(np.uint8), (gts.id != 0).view(np.uint8)
        ignore = gts.ignore
        if p.iouType == "keypoints":
            ignore = ((gts.num_keypoints == 0) | (gts.iscrowd != 0)).view(np.uint8)
            self._sigmas = np.array(p.kpt_oks_sigmas)
        self._kind = p.iouType
        self._dilation_ratio = getattr(p, "dilationRatio", DILATION_RATIO)
        self._targets = Targets(
            g_image, g_category, gts.bbox, gts.iscrowd, gts.area,
            None if counts.all() else counts, ignore,
        )  # fmt: skip
        self._detections = Detections(
            d_image, d_category, dts.bbox, dts.score, dts.area,
            None if claims.all() else claims,
        )  # fmt: skip
        self.scores, self.counts = dts.score, self._targets.counts
        # copies: the parameters may change before the objects are asked for
        self._image_ids = list(p.imgIds)
        self._category_ids = list(p.catIds) if p.useCats else [-1]
        self._area_ranges = copy.deepcopy(list(p.areaRng))
        self._iou_thresholds = np.array([float(t) for t in p.iouThrs], np.float64)
        self._max_det = p.maxDets[-1]
        self.table: MatchTable = match(
            self._detections, self._targets, n_images=len(images),
            n_categories=len(self._category_ids), thresholds=p.iouThrs,
            area_ranges=self._area_ranges, max_det=min(self._max_det, NO_CAP),
            similarity=None if self._kind == "bbox" else self._similarity,
        )  # fmt: skip

    def _leave_out(
        self, g_image: Array, g_category: Array, d_image: Array, d_category: Array
    ) -> None:
        """Set the category of what does not take part to -1; here all does."""

    def _similarity(self, groups: Groups) -> Array:
        """Of the pairs of each group: OKS, or IoU of masks or of their boundaries."""
        gts, dts = self.gts, self.dts
        if self._kind == "keypoints":
            assert dts.keypoints is not None and gts.keypoints is not None
            return keypoint_similarity(
                dts.keypoints, gts.keypoints, gts.bbox, gts.area, self._sigmas, groups
            )
        assert gts.iscrowd is not None
        ratio = self._dilation_ratio if self._kind == "boundary" else None
        groups = groups.with_detections()
        masks, crowd = gts.masks, gts.iscrowd
        if isinstance(masks, Outlines):
            rows = groups.gt
            masks, place = masks.of(rows)
            groups = replace(groups, gt=place)
            crowd = np.zeros(len(masks), np.uint8)
            crowd[place] = gts.iscrowd[rows]
        return mask_similarity(dts.masks, masks, crowd, dts.mask_boxes, ratio, groups)

    def evaluated(self) -> Evaluated | None:
        """What the analyses of an evaluation read; None without an area range."""
        if not self._area_ranges:
            return None
        classes = np.array(self._category_ids)
        return Evaluated(
            self._kind, self._detections, self._targets, self.table, self._iou_thresholds, classes,
            np.array(self._image_ids), self.dts.id, self.gts.id, min(self._max_det, NO_CAP),
            self._area_ranges[0], None if self._kind == "bbox" else self._similarity,
        )  # fmt: skip

    # --- the objects pycocotools would have built ------------------------------------------

    def _gt_groups(self) -> dict[tuple[int, int], list[int]]:
        groups = defaultdict(list)
        t = self._targets
        for i, (c, im) in enumerate(zip(t.category.tolist(), t.image.tolist(), strict=True)):
            if c >= 0 and im >= 0:
                groups[c, im].append(i)
        return groups

    def _dt_groups(self) -> dict[tuple[int, int], list[int]]:
        """Places among the kept detections, best score first."""
        groups = defaultdict(list)
        d, index = self._detections, self.table.index
        category, image = d.category[index].tolist(), d.image[index].tolist()
        for place, key in enumerate(zip(category, image, strict=True)):
            groups[key].append(place)
        return groups

    def ious(self) -> dict[tuple[Any, Any], Any]:
        """(image id, category id) -> (D, G) IoUs, `[]` where either side is empty."""
        gt_groups, dt_groups = self._gt_groups(), self._dt_groups()
        out: dict[tuple[Any, Any], Any] = {}
        for im, image_id in enumerate(self._image_ids):
            for c, category_id in enumerate(self._category_ids):
                g, d = gt_groups.get((c, im)), dt_groups.get((c, im))
                out[image_id, category_id] = self._iou(d, g) if g and d else []
        return out

    def _iou(self, places: list[int], gts: list[int]) -> Array:
        d, g = self.table.index[places], np.array(gts)
        if self._kind == "bbox":
            out = np.empty((len(d), len(g)))
            assert self.dts.bbox is not None and self.gts.bbox is not None
            _core.coco_iou(self.dts.bbox[d], self.gts.bbox[g], self._targets.crowd[g], out)
        else:
            one = Groups(d, np.array([0, len(d)]), g, np.array([0, len(g)]))
            out = self._similarity(one).reshape(len(d), len(g))
        return np.asfortranarray(out)

    def eval_imgs(self) -> list[dict[str, Any] | None]:
        gt_groups, dt_groups = self._gt_groups(), self._dt_groups()
        images, categories = len(self._image_ids), len(self._category_ids)
        out: list[dict[str, Any] | None] = [None] * (categories * len(self._area_ranges) * images)
        matched = [self.table.dense(a, len(self.dts.id)) for a in range(len(self._area_ranges))]
        for c, im in dict.fromkeys([*gt_groups, *dt_groups]):
            gts = np.array(gt_groups.get((c, im), []), np.int64)
            places = np.array(dt_groups.get((c, im), []), np.int64)
            for a in range(len(self._area_ranges)):
                record = self._record(c, im, a, gts, places, matched[a])
                out[(c * len(self._area_ranges) + a) * images + im] = record
        return out

    def _record(
        self, c: int, im: int, a: int, gts: Array, places: Array, all_matched: Array
    ) -> dict[str, Any]:
        table = self.table
        gts = gts[np.argsort(table.gt_ignore[a, gts], kind="stable")]
        gt_ignore = table.gt_ignore[a, gts].astype(np.int64) if len(gts) else np.array([])
        dets = table.index[places]
        dt_ids = self.dts.id[dets]
        matched = all_matched[:, dets]
        dt_matches = np.where(matched >= 0, self.gts.id[matched] if len(self.gts.id) else 0, 0.0)
        dt_ignore = (matched >= 0) & (table.gt_ignore[a, matched] != 0 if len(gts) else False)
        dt_ignore |= (dt_matches == 0) & (table.outside[a, places] != 0)
        gt_matches = np.zeros((len(matched), len(gts)))
        column = {int(g): j for j, g in enumerate(gts)}
        for t, d in zip(*np.nonzero(matched >= 0), strict=True):  # by score: the last one stays
            gt_matches[t, column[int(matched[t, d])]] = dt_ids[d]
        return {
            "image_id": self._image_ids[im],
            "category_id": self._category_ids[c],
            "aRng": self._area_ranges[a],
            "maxDet": self._max_det,
            "dtIds": dt_ids.tolist(),
            "gtIds": self.gts.id[gts].tolist(),
            "dtMatches": dt_matches.astype(np.float64),
            "gtMatches": gt_matches,
            "dtScores": self._detections.scores[dets].tolist(),
            "gtIgnore": gt_ignore,
            "dtIgnore": dt_ignore,
        }


def _pool(columns: Columns, image: Array, category: Array) -> tuple[Columns, Array, Array]:
    """All categories as one, in the order of the category list: it decides ties."""
    order = np.argsort(category, kind="stable")
    pooled = np.minimum(category[order], 0).astype(np.int32)
    return columns.take(order), np.ascontiguousarray(image[order]), pooled
