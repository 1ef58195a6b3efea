"""Compatible path of LVIS: lvis-api's own loop over images, categories and area ranges, on dicts.

Used when a step is overridden, its outcome is edited, or ids, scores or boxes are not plain
numbers.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis.coco import _records, mask
from tamis.coco.coco import DRAWN
from tamis.lvis.lvis import ORIGINAL
from tamis.regions.mask_iou import DILATION_RATIO

IOU_TYPES = ("bbox", "segm", "boundary")
RECORD = {  # an item of `eval_imgs` with lvis-api's names, and by pycocotools'
    "image_id": "image_id",
    "category_id": "category_id",
    "area_rng": "aRng",
    "dt_ids": "dtIds",
    "gt_ids": "gtIds",
    "dt_matches": "dtMatches",
    "gt_matches": "gtMatches",
    "dt_scores": "dtScores",
    "gt_ignore": "gtIgnore",
    "dt_ignore": "dtIgnore",
}


def selected(dataset: Any, p: Any) -> list[Any]:
    """Those of the parameters' images and categories, and of an area above zero."""
    ids = dataset.get_ann_ids(img_ids=p.img_ids, cat_ids=p.cat_ids or None)
    anns: list[Any] = dataset.load_anns(ids)
    return anns


def mark(e: Any, gts: list[Any], dts: list[Any]) -> None:
    """What lvis-api writes into the annotations: masks compressed, ignore flags set."""
    if _records.shape_of(e.params.iou_type) == "segm":
        for dataset, anns in ((e.lvis_gt, gts), (e.lvis_dt, dts)):
            if not ORIGINAL.replaced(dataset, "ann_to_rle") and not DRAWN.replaced(mask):
                _records.draw_polygons(anns, dataset)
            for ann in anns:
                ann["segmentation"] = dataset.ann_to_rle(ann)
    for gt in gts:
        gt.setdefault("ignore", 0)


def prepare(e: Any) -> None:
    """Group both sides by (image, category), without detections of unjudged categories."""
    p = e.params
    gts, dts = selected(e.lvis_gt, p), selected(e.lvis_dt, p)
    mark(e, gts, dts)
    e._gts, e._dts = defaultdict(list), defaultdict(list)
    for gt in gts:
        e._gts[gt["image_id"], gt["category_id"]].append(gt)
    present = set(e._gts)
    images = e.lvis_gt.load_imgs(p.img_ids)
    absent = {img["id"]: img["neg_category_ids"] for img in images}
    e.img_nel = {img["id"]: img["not_exhaustive_category_ids"] for img in images}
    for dt in dts:
        place = dt["image_id"], dt["category_id"]
        if place in present or place[1] in absent[place[0]]:
            e._dts[place].append(dt)


def evaluate(e: Any) -> None:
    p = e.params
    e._prepare()
    categories = p.cat_ids if p.use_cats else [-1]
    e.ious = {(i, c): e.compute_iou(i, c) for i in p.img_ids for c in categories}
    e.eval_imgs = [
        e.evaluate_img(i, c, area) for c in categories for area in p.area_rng for i in p.img_ids
    ]


def group(e: Any, image: Any, category: Any) -> tuple[list[Any], list[Any]]:
    """Without `use_cats` the category is -1, of which there is nothing, as in lvis-api."""
    return e._gts[image, category], e._dts[image, category]


def compute_iou(e: Any, image: Any, category: Any) -> Any:
    gts, dts = e._get_gt_dt(image, category)
    if not gts and not dts:
        return []
    p = e.params
    if p.iou_type not in IOU_TYPES:
        raise ValueError("Unknown iou_type for iou computation.")
    ratio = getattr(p, "dilation_ratio", DILATION_RATIO)
    return _records.region_iou(_records.by_score(dts, None), gts, [0] * len(gts), p.iou_type, ratio)


def evaluate_image(e: Any, image: Any, category: Any, area: Any) -> Any:
    gts, dts = e._get_gt_dt(image, category)
    if not gts and not dts:
        return None
    for g in gts:
        g["_ignore"] = 1 if g["ignore"] or _records.outside(g, area) else 0
    dts = _records.by_score(dts, None)
    spared = [
        _records.outside(d, area) or d["category_id"] in e.img_nel[d["image_id"]] for d in dts
    ]
    matched = _records.match(
        gts, dts, e.ious[image, category], [g["_ignore"] for g in gts], [0] * len(gts), spared,
        e.params.iou_thrs,
    )  # fmt: skip
    record = {"image_id": image, "category_id": category, "aRng": area} | matched
    return {name: record[theirs] for name, theirs in RECORD.items()}


def accumulate(records: Any, p: Any) -> tuple[Array, Array]:
    """Precision and recall from `eval_imgs` as they are now; `p` with pycocotools' names."""
    named = [r and {theirs: r[name] for name, theirs in RECORD.items()} for r in records]
    precision, recall, _ = _records.accumulate(named, p, p)
    return precision[..., 0], recall[..., 0]


def pointers(records: Any, p: Any) -> dict[int, dict[int, dict[str, Array]]]:
    """lvis-api's `dt_pointers`."""
    out: dict[int, dict[int, dict[str, Array]]] = {}
    images, areas = len(p.imgIds), len(p.areaRng)
    for k in range(len(p.catIds)):
        out[k] = {}
        for a in range(areas):
            start = (k * areas + a) * images
            out[k][a] = _verdicts([r for r in records[start : start + images] if r is not None])
    return out


def _verdicts(found: list[Any]) -> dict[str, Array]:
    if not any((np.asarray(r["gt_ignore"]) == 0).any() for r in found):
        return {}
    order = np.argsort(-np.concatenate([r["dt_scores"] for r in found]), kind="stable")
    matched = np.concatenate([r["dt_matches"] for r in found], axis=1)[:, order].astype(bool)
    ignored = np.concatenate([r["dt_ignore"] for r in found], axis=1)[:, order].astype(bool)
    ids = np.array([i for r in found for i in r["dt_ids"]])[order]
    return {"dt_ids": ids, "tps": matched & ~ignored, "fps": ~matched & ~ignored}
