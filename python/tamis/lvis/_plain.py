"""Fast path of LVIS: COCO's on columns, without detections of unjudged categories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis._shared.ragged import positions
from tamis.coco import _plain, mask
from tamis.coco._columns import Columns, KnownIds, from_annotations, whole_numbers
from tamis.coco._records import shape_of
from tamis.coco.coco import DRAWN
from tamis.lvis._records import RECORD, mark, selected
from tamis.lvis._sources import Federation, LvisFile
from tamis.lvis.lvis import LVIS, ORIGINAL
from tamis.lvis.results import LVISResults
from tamis.regions.mask_iou import DILATION_RATIO

NO_CAP = 2**31 - 1  # results are cut to the best of an image when they are loaded


def as_coco(p: Any) -> SimpleNamespace:
    """The parameters as they are now, with pycocotools' names."""
    return SimpleNamespace(
        iouType=p.iou_type, useCats=p.use_cats, imgIds=list(p.img_ids),
        catIds=list(p.cat_ids) if p.use_cats else [-1], iouThrs=np.array(p.iou_thrs),
        recThrs=np.array(p.rec_thrs), areaRng=[list(r) for r in p.area_rng], maxDets=[NO_CAP],
        dilationRatio=getattr(p, "dilation_ratio", DILATION_RATIO),
    )  # fmt: skip


def evaluate(e: Any) -> Evaluation | None:
    """Match everything at once; None if anything is unusual."""
    p = as_coco(e.params)
    images, categories = _ascending(p.imgIds), _ascending(p.catIds)
    if images is None or categories is None or not p.useCats:
        return None
    kind = shape_of(p.iouType)
    gts, federation = _columns(e.lvis_gt, LVIS, kind), None
    dts = _columns(e.lvis_dt, LVISResults, kind)
    if gts is not None and isinstance(e.lvis_gt._source, LvisFile):
        federation = e.lvis_gt._source.federation
        unknown = positions(images, np.unique(e.lvis_gt._source.image_ids())) < 0
        if unknown.any():
            raise KeyError(images[np.argmax(unknown)])
    gt_anns = selected(e.lvis_gt, e.params) if gts is None else []
    dt_anns = selected(e.lvis_dt, e.params) if dts is None else []
    mark(e, gt_anns, dt_anns)
    if gts is None:
        gts = from_annotations(gt_anns, detections=False, kind=kind, federated=True)
        federation = _federation(e.lvis_gt, p.imgIds)
    if dts is None and gts is not None:
        dts = from_annotations(dt_anns, detections=True, kind=kind)
    if gts is None or dts is None or federation is None:
        return None
    if any(c.image_names or c.category_names for c in (gts, dts)):
        return None
    if (gt_anns and not _has_area(gts).all()) or (dt_anns and not _has_area(dts).all()):
        return None  # those were left out: an id stands for another annotation than its own
    return Evaluation(gts, dts, images, categories, p, federation)


def _ascending(ids: list[Any]) -> Array | None:
    """Some ascending distinct integers, or None."""
    numbers = whole_numbers(ids)
    if numbers is None or len(numbers) == 0 or (np.diff(numbers) <= 0).any():
        return None
    return numbers


def _has_area(columns: Columns) -> Array:
    """The annotations that lvis-api's `get_ann_ids` finds: its area range is open."""
    found: Array = (columns.area > 0) & (columns.area < np.inf)
    return found


def _columns(dataset: Any, plain: type[LVIS], kind: str) -> Columns | None:
    """The annotations as read from a file, or None if they are dicts."""
    hooks = ["get_ann_ids", "load_anns", "load_imgs"] + ["ann_to_rle"] * (kind == "segm")
    if type(dataset) is not plain or ORIGINAL.replaced(dataset, *hooks):
        return None
    if kind == "segm" and DRAWN.replaced(mask):
        return None
    assert isinstance(dataset, LVIS)
    return dataset._columns(kind)


def _federation(ground_truth: Any, image_ids: Any) -> Federation | None:
    images = ground_truth.load_imgs(image_ids)
    pairs = []
    for key in ("neg_category_ids", "not_exhaustive_category_ids"):
        lists = [img[key] for img in images]
        if not all(isinstance(ids, list) and all(type(i) is int for i in ids) for ids in lists):
            return None
        listed = [(img["id"], i) for img, ids in zip(images, lists, strict=True) for i in ids]
        pairs.append(np.array(listed).reshape(-1, 2).T)
        if listed and pairs[-1].dtype != np.int64:
            return None
    absent, partial = (np.ascontiguousarray(part, np.int64) for part in pairs)
    return Federation(absent, partial, frequency={})


class Evaluation(_plain.Evaluation):
    """Matches of the detections whose category is known to be in their image, or not to be."""

    def __init__(
        self, gts: Columns, dts: Columns, images: Array, categories: Array, p: Any,
        federation: Federation,
    ) -> None:  # fmt: skip
        self._federation, self._images, self._known = federation, images, categories
        super().__init__(gts, dts, KnownIds(p.imgIds), KnownIds(p.catIds), p)
        partial = np.unique(self._pairs(*self._places(federation.partial)))
        index, dets = self.table.index, self._detections
        spared = positions(self._pairs(dets.image[index], dets.category[index]), partial) >= 0
        self.table.outside |= spared

    def _places(self, ids: Array) -> tuple[Array, Array]:
        return positions(ids[0], self._images), positions(ids[1], self._known)

    def _pairs(self, image: Array, category: Array) -> Array:
        pair = image.astype(np.int64) * len(self._known) + category
        return np.where((image < 0) | (category < 0), -1, pair)

    def _leave_out(
        self, g_image: Array, g_category: Array, d_image: Array, d_category: Array
    ) -> None:
        for side, category in ((self.gts, g_category), (self.dts, d_category)):
            category[~_has_area(side)] = -1
        absent = self._pairs(*self._places(self._federation.absent))
        judged = np.concatenate([absent, self._pairs(g_image, g_category)])
        known = positions(self._pairs(d_image, d_category), np.unique(judged[judged >= 0]))
        d_category[known < 0] = -1

    def _record(self, *place: Any) -> dict[str, Any]:
        record = super()._record(*place)
        return {name: record[theirs] for name, theirs in RECORD.items()}

    def pointers(self) -> Pointers:
        return Pointers(self)

    def judged(self, category: int, area: int) -> dict[str, Array]:
        """`dt_ids`, `tps`, `fps`, best score first; empty without ground truth."""
        table = self.table
        if table.n_regular[category, area] == 0:
            return {}
        rows = slice(table.splits[category], table.splits[category + 1])
        dets = table.index[rows]
        gt = table.matches_of(area, rows)
        has = gt >= 0
        counts, ignored = self.gts.id != 0, table.gt_ignore[area] != 0
        matched = has & counts[gt]
        dropped = (has & ignored[gt]) | (~matched & (table.outside[area, rows] != 0))
        return {"dt_ids": self.dts.id[dets], "tps": matched & ~dropped, "fps": ~matched & ~dropped}


class Pointers(Mapping[int, dict[int, dict[str, Array]]]):
    """lvis-api's `dt_pointers`: category, area range -> its verdicts, made when asked for."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self._made: dict[int, dict[int, dict[str, Array]]] = {}

    def __getitem__(self, category: int) -> dict[int, dict[str, Array]]:
        n_categories, n_areas = self._evaluation.table.n_regular.shape
        if category not in range(n_categories):
            raise KeyError(category)
        if category not in self._made:
            self._made[category] = {
                area: self._evaluation.judged(category, area) for area in range(n_areas)
            }
        return self._made[category]

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __len__(self) -> int:
        return len(self._evaluation.table.n_regular)
