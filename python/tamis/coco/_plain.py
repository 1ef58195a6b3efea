"""The fast way: annotations as columns, everything matched at once, objects only when asked for."""

from __future__ import annotations

import copy
from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamis import _core
from tamis._evaluation import Detections, MatchTable, Targets, curves, match, positions
from tamis.coco._columns import Columns, from_annotations
from tamis.coco.coco import COCO

Array = NDArray[Any]


def _ids(values: Any) -> Array | None:
    """Ascending distinct integer ids, or None."""
    ids = np.array(values)
    if ids.ndim != 1 or (ids.size and ids.dtype.kind != "i"):
        return None
    ids = ids.astype(np.int64)
    return ids if bool((np.diff(ids) > 0).all()) else None


def _columns(coco: Any, p: Any, *, detections: bool) -> Columns | None:
    """The annotations that `getAnnIds` and `loadAnns` give for these parameters, as columns."""
    plain = type(coco) is COCO and "getAnnIds" not in vars(coco) and "loadAnns" not in vars(coco)
    read: Columns | None = coco._columns() if plain else None
    if read is not None:
        return read
    anns = coco.loadAnns(
        coco.getAnnIds(imgIds=p.imgIds, catIds=p.catIds)
        if p.useCats
        else coco.getAnnIds(imgIds=p.imgIds)
    )
    columns = from_annotations(anns, detections=detections)
    if columns is not None and not detections:
        for ann in anns:  # pycocotools leaves its flag behind
            ann["ignore"] = ann["iscrowd"]
    return columns


def evaluate(ground_truth: Any, results: Any, p: Any) -> Evaluation | None:
    """Match everything at once; None where something is out of the ordinary."""
    images, categories = _ids(p.imgIds), _ids(p.catIds if p.useCats else sorted(p.catIds))
    caps_plain = all(isinstance(c, (int, np.integer)) and c >= 0 for c in p.maxDets)
    if p.iouType != "bbox" or images is None or categories is None or not caps_plain:
        return None
    if len(images) == 0 or len(categories) == 0 or len(p.maxDets) == 0:
        return None
    gts = _columns(ground_truth, p, detections=False)
    dts = None if gts is None else _columns(results, p, detections=True)
    if gts is None or dts is None:
        return None
    return Evaluation(gts, dts, images, np.array(p.catIds, np.int64), p)


class Evaluation:
    """Both sides as columns, grouped by position of image and category, and their matches."""

    def __init__(
        self, gts: Columns, dts: Columns, images: Array, categories: Array, p: Any
    ) -> None:
        known = np.sort(categories)
        place = np.argsort(categories)  # pooled categories need not be ascending
        sides = []
        for columns in (gts, dts):
            image = positions(columns.image_id, images)
            category = positions(columns.category_id, known)
            if not p.useCats:
                columns, image, category = _pool(columns, image, category, place)
            sides.append((columns, image, category))
        (self.gts, g_image, g_category), (self.dts, d_image, d_category) = sides
        gts, dts = self.gts, self.dts
        assert gts.iscrowd is not None and dts.score is not None
        claims, counts = (dts.id > 0).view(np.uint8), (gts.id != 0).view(np.uint8)
        self._targets = Targets(
            g_image, g_category, gts.bbox, gts.iscrowd, gts.area,
            None if counts.all() else counts,
        )  # fmt: skip
        self._detections = Detections(
            d_image, d_category, dts.bbox, dts.score, dts.area,
            None if claims.all() else claims,
        )  # fmt: skip
        # copies: the parameters may change before the objects are asked for
        self._image_ids = list(p.imgIds)
        self._category_ids = list(p.catIds) if p.useCats else [-1]
        self._area_ranges = copy.deepcopy(list(p.areaRng))
        self._max_det = p.maxDets[-1]
        self.table: MatchTable = match(
            self._detections, self._targets, n_images=len(images),
            n_categories=len(self._category_ids), thresholds=p.iouThrs,
            area_ranges=self._area_ranges, max_det=self._max_det,
        )  # fmt: skip

    def covers(self, p: Any, evaluated: Any) -> bool:
        """Whether `p` asks for just what was evaluated; slices of it go through `evalImgs`."""
        caps = list(p.maxDets)
        return (
            len(p.iouThrs) == self.table.n_thresholds
            and bool(p.useCats) == bool(evaluated.useCats)
            and list(p.imgIds) == list(evaluated.imgIds)
            and (not p.useCats or list(p.catIds) == list(evaluated.catIds))
            and list(map(tuple, p.areaRng)) == list(map(tuple, evaluated.areaRng))
            and caps == list(evaluated.maxDets)
        )

    def accumulate(self, p: Any) -> tuple[Array, Array, Array]:
        return curves(
            self.table, self._detections.scores, recall_thresholds=p.recThrs,
            max_dets=p.maxDets, counts=self._targets.counts,
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
        out = {}
        for im, image_id in enumerate(self._image_ids):
            for c, category_id in enumerate(self._category_ids):
                g, d = gt_groups.get((c, im)), dt_groups.get((c, im))
                iou: Any = []
                if g and d:
                    boxes = self._detections.boxes[self.table.index[d]]
                    crowd = self._targets.crowd[g]
                    iou = np.empty((len(d), len(g)))
                    _core.coco_iou(boxes, self._targets.boxes[g], crowd, iou)
                    iou = np.asfortranarray(iou)
                out[image_id, category_id] = iou
        return out

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


def _pool(
    columns: Columns, image: Array, category: Array, place: Array
) -> tuple[Columns, Array, Array]:
    """All categories as one, in the order of the category list: it decides ties."""
    rank = np.where(category >= 0, place[category], -1)
    order = np.argsort(rank, kind="stable")
    pooled = np.minimum(rank[order], 0).astype(np.int32)
    return columns.take(order), np.ascontiguousarray(image[order]), pooled
