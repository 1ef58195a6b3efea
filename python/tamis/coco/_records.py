"""Compatible path: pycocotools' own loop over images, categories and area ranges, on dicts.

Used when a step is overridden, its outcome is edited, or ids, scores or boxes are not plain
numbers. The behaviour of Python's own objects then decides, as in pycocotools.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared.arrays import Array
from tamis.coco import mask
from tamis.coco._lazy import set_ignore
from tamis.coco.coco import DRAWN, ORIGINAL
from tamis.evaluation.average_precision import curves
from tamis.evaluation.match_table import MatchTable, capped
from tamis.regions.mask_iou import DILATION_RATIO, grouped_boundary_iou


def prepare(e: Any) -> None:
    """Group both sides' annotations by (image, category) into `_gts` and `_dts`."""
    p = e.params
    only = {"imgIds": p.imgIds, "catIds": p.catIds} if p.useCats else {"imgIds": p.imgIds}
    gts = e.cocoGt.loadAnns(e.cocoGt.getAnnIds(**only))
    dts = e.cocoDt.loadAnns(e.cocoDt.getAnnIds(**only))
    mark(e.cocoGt, gts, e.cocoDt, dts, shape_of(p.iouType))
    e._gts, e._dts = defaultdict(list), defaultdict(list)
    for side, anns in ((e._gts, gts), (e._dts, dts)):
        for ann in anns:
            side[ann["image_id"], ann["category_id"]].append(ann)


def shape_of(kind: str) -> str:
    """What of an annotation is compared: "bbox", "segm" or "keypoints"."""
    return "segm" if kind == "boundary" else kind


def mark(ground_truth: Any, gts: list[Any], results: Any, dts: list[Any], kind: str) -> None:
    """What pycocotools writes into the annotations: masks compressed, ignore flags set."""
    if kind == "segm":
        for coco, anns in ((ground_truth, gts), (results, dts)):
            _compress(coco, anns)
    for gt in gts:
        set_ignore(gt, kind)


def _compress(coco: Any, anns: list[Any]) -> None:
    """Compress all masks: polygons in one call unless `annToRLE` is replaced."""
    if not ORIGINAL.replaced(coco, "annToRLE") and not DRAWN.replaced(mask):
        draw_polygons(anns, coco)
    for ann in anns:
        ann["segmentation"] = coco.annToRLE(ann)


def draw_polygons(anns: list[Any], dataset: Any) -> None:
    """Compress the masks that are polygons, all at once; none if any is unusual."""
    drawn = [ann for ann in anns if type(ann.get("segmentation")) is list]
    sizes = [dataset.imgs[ann["image_id"]] for ann in drawn]
    polygons = [ann["segmentation"] for ann in drawn]
    for ann, one in zip(drawn, mask.draw(polygons, sizes), strict=False):
        ann["segmentation"] = one


def evaluate(e: Any) -> None:
    p = e.params
    e._prepare()
    e.evalImgs, e.eval = defaultdict(list), {}
    categories = p.catIds if p.useCats else [-1]
    similarity = e.computeOks if p.iouType == "keypoints" else e.computeIoU
    e.ious = {(i, c): similarity(i, c) for i in p.imgIds for c in categories}
    cap = p.maxDets[-1]
    e.evalImgs = [
        e.evaluateImg(i, c, area, cap) for c in categories for area in p.areaRng for i in p.imgIds
    ]


def _group(e: Any, image: Any, category: Any) -> tuple[list[Any], list[Any]]:
    if e.params.useCats:
        return e._gts[image, category], e._dts[image, category]
    cats = e.params.catIds
    return (
        [ann for c in cats for ann in e._gts[image, c]],
        [ann for c in cats for ann in e._dts[image, c]],
    )


def by_score(dts: list[Any], cap: Any) -> list[Any]:
    order = np.argsort([-d["score"] for d in dts], kind="stable")
    return [dts[i] for i in order[0:cap]]


def compute_iou(e: Any, image: Any, category: Any) -> Any:
    gts, dts = _group(e, image, category)
    if not gts and not dts:
        return []
    dts = by_score(dts, e.params.maxDets[-1])
    if e.params.iouType not in ("bbox", "segm", "boundary"):
        raise Exception("unknown iouType for iou computation")
    ratio = getattr(e.params, "dilationRatio", DILATION_RATIO)
    return region_iou(dts, gts, [int(g["iscrowd"]) for g in gts], e.params.iouType, ratio)


def region_iou(dts: list[Any], gts: list[Any], crowd: list[int], kind: str, ratio: Any) -> Any:
    """(D, G) IoUs of boxes, masks or boundaries, `[]` where either side is empty."""
    key = "bbox" if kind == "bbox" else "segmentation"
    d, g = [ann[key] for ann in dts], [ann[key] for ann in gts]
    if kind != "boundary" or not d or not g:
        return mask.iou(d, g, crowd)
    ends = np.array([0, len(d)]), np.array([0, len(g)])
    out = grouped_boundary_iou(
        mask.compressed(d), ends[0], mask.compressed(g), ends[1], len(d) * len(g),
        dilation_ratio=ratio, crowd=np.array(crowd, np.uint8), a_index=np.arange(len(d)),
        b_index=np.arange(len(g)),
    )  # fmt: skip
    return np.asfortranarray(out.reshape(len(d), len(g)))


def compute_oks(e: Any, image: Any, category: Any) -> Any:
    """With `useCats` 0 there are none: pycocotools looks for the annotations of category -1."""
    p = e.params
    gts, dts = e._gts[image, category], by_score(e._dts[image, category], p.maxDets[-1])
    if not gts or not dts:
        return []
    ious = np.zeros((len(dts), len(gts)))
    try:
        for j, gt in enumerate(gts):
            for i, dt in enumerate(dts):
                ious[i, j] = _oks(dt, gt, p.kpt_oks_sigmas)
    except ValueError as error:
        raise ValueError(
            f"keypoints must be lists of {np.size(p.kpt_oks_sigmas)} x, y, v for the sigmas of this"
            f" evaluation: {error}"
        ) from error
    return ious


def _oks(dt: Any, gt: Any, sigmas: Any) -> Any:
    """pycocotools' own arithmetic, in whatever types and lengths the lists and sigmas have."""
    points, found = np.array(gt["keypoints"]), np.array(dt["keypoints"])
    x, y, visible = points[0::3], points[1::3], points[2::3] > 0
    bb = gt["bbox"]
    low, high = (bb[0] - bb[2], bb[1] - bb[3]), (bb[0] + bb[2] * 2, bb[1] + bb[3] * 2)
    if np.count_nonzero(visible) > 0:
        dx, dy = found[0::3] - x, found[1::3] - y
    else:  # how far from the doubled box
        zeros = np.zeros(len(sigmas))
        dx, dy = (
            np.max((zeros, low[axis] - found[axis::3]), axis=0)
            + np.max((zeros, found[axis::3] - high[axis]), axis=0)
            for axis in (0, 1)
        )
    e = (dx**2 + dy**2) / (sigmas * 2) ** 2 / (gt["area"] + np.spacing(1)) / 2
    if np.count_nonzero(visible) > 0:
        e = e[visible]
    return np.sum(np.exp(-e)) / e.shape[0]


def outside(ann: Any, area: Any) -> bool:
    return bool(ann["area"] < area[0] or ann["area"] > area[1])


def evaluate_image(e: Any, image: Any, category: Any, area: Any, cap: Any) -> Any:
    p = e.params
    gts, dts = _group(e, image, category)
    if not gts and not dts:
        return None
    for g in gts:
        g["_ignore"] = 1 if g["ignore"] or outside(g, area) else 0
    dts = by_score(dts, cap)
    matched = match(
        gts, dts, e.ious[image, category], [g["_ignore"] for g in gts],
        [int(g["iscrowd"]) for g in gts], [outside(d, area) for d in dts], p.iouThrs,
    )  # fmt: skip
    return {
        "image_id": image, "category_id": category, "aRng": area, "maxDet": cap, **matched,
    }  # fmt: skip


def match(
    gts: list[Any],
    dts: list[Any],
    ious: Any,
    ignored: list[int],
    crowd: list[int],
    spared: list[bool],
    thresholds: Any,
) -> dict[str, Any]:
    """The matches of detections, best score first; excluded ones match nothing."""
    ignore = np.array(ignored)
    gt_order = np.argsort(ignore, kind="stable")
    levels = len(thresholds)
    matched = np.full((levels, len(dts)), -1, np.int32)
    n_rows, n_columns = (*np.shape(ious), 0)[:2]
    if len(ious) and dts and (n_rows < len(dts) or n_columns != len(gts)):
        matched = _match_one_by_one(gts, dts, ious, ignore, crowd, thresholds)
    elif len(ious) and dts:
        _core.match_given(
            np.ascontiguousarray(ious, np.float64)[: len(dts)],
            np.array([d["id"] > 0 for d in dts], np.uint8),
            np.array([flag != 0 for flag in crowd], np.uint8),
            ignore.astype(np.uint8)[None],
            capped(thresholds),
            matched[None],
        )
    place = np.argsort(gt_order)
    dt_matches, gt_matches = np.zeros((levels, len(dts))), np.zeros((levels, len(gts)))
    dt_ignore = np.zeros((levels, len(dts)))
    for t, d in zip(*np.nonzero(matched >= 0), strict=True):
        g = matched[t, d]
        dt_ignore[t, d] = ignore[g]
        dt_matches[t, d] = gts[g]["id"]
        gt_matches[t, place[g]] = dts[d]["id"]
    return {
        "dtIds": [d["id"] for d in dts],
        "gtIds": [gts[i]["id"] for i in gt_order],
        "dtMatches": dt_matches,
        "gtMatches": gt_matches,
        "dtScores": [d["score"] for d in dts],
        "gtIgnore": ignore[gt_order],
        "dtIgnore": np.logical_or(dt_ignore, (dt_matches == 0) & np.array(spared, bool)),
    }


def _match_one_by_one(
    gts: list[Any], dts: list[Any], ious: Any, ignore: Array, crowd: list[int], thresholds: Any
) -> Array:
    """For similarities of other ground truths than these, as those of keypoints with `useCats` 0.

    Only what the walk looks at must be there: IndexError where it is not, as in pycocotools.
    """
    order = np.argsort(ignore, kind="stable")
    ious = np.asarray(ious)[:, order]
    out = np.full((len(thresholds), len(dts)), -1, np.int32)
    for t, threshold in enumerate(thresholds):
        taken = np.zeros(len(gts))
        for d, dt in enumerate(dts):
            best, found = min([threshold, 1 - 1e-10]), -1
            for g, place in enumerate(order):
                if taken[g] > 0 and not crowd[place]:
                    continue
                if found > -1 and not ignore[order[found]] and ignore[place]:
                    break
                if ious[d, g] < best:
                    continue
                best, found = ious[d, g], g
            if found > -1:
                taken[found] = dt["id"]
                out[t, d] = order[found]
    return out


def accumulate(records: Any, p: Any, evaluated: Any) -> tuple[Array, Array, Array]:
    """Precision, recall and scores from `evalImgs` as they are now, and any slice of them.

    The positions of `p`'s images, categories and area ranges index the evaluated list, as in
    pycocotools: a subset is meaningful where it is a prefix.
    """
    k = len(p.catIds) if p.useCats else 1
    shape = (k, len(p.areaRng), len(p.maxDets))
    levels, recalls = len(p.iouThrs), len(p.recThrs)
    precision = -np.ones((levels, recalls, *shape))
    scores, recall = -np.ones((levels, recalls, *shape)), -np.ones((levels, *shape))
    categories = set(evaluated.catIds if evaluated.useCats else [-1])
    areas, caps = set(map(tuple, evaluated.areaRng)), set(evaluated.maxDets)
    images = set(evaluated.imgIds)
    k_list = [n for n, c in enumerate(p.catIds) if c in categories]
    a_list = [n for n, a in enumerate(map(tuple, p.areaRng)) if a in areas]
    m_list = [m for m in p.maxDets if m in caps]
    i_list = [n for n, i in enumerate(p.imgIds) if i in images]
    for ki, k0 in enumerate(k_list):
        for ai, a0 in enumerate(a_list):
            start = (k0 * len(evaluated.areaRng) + a0) * len(evaluated.imgIds)
            found = [r for r in (records[start + i] for i in i_list) if r is not None]
            for mi, cap in enumerate(m_list):
                curve = _curve(found, cap, p.recThrs) if found else None
                if curve is not None:
                    evaluated_levels = np.s_[: len(curve[0])]  # more levels than that stay -1
                    precision[evaluated_levels, :, ki, ai, mi] = curve[0]
                    recall[evaluated_levels, ki, ai, mi] = curve[1]
                    scores[evaluated_levels, :, ki, ai, mi] = curve[2]
    return precision, recall, scores


def _curve(records: list[Any], cap: Any, recall_thresholds: Any) -> Any:
    """One category, area range and cap; None where no ground truth is regular."""
    score = np.concatenate([r["dtScores"][0:cap] for r in records])
    order = np.argsort(-score, kind="stable")
    matched = np.concatenate([r["dtMatches"][:, 0:cap] for r in records], axis=1)[:, order]
    ignored = np.concatenate([r["dtIgnore"][:, 0:cap] for r in records], axis=1)[:, order]
    n_regular = np.count_nonzero(np.concatenate([r["gtIgnore"] for r in records]) == 0)
    if n_regular == 0:
        return None
    # one entry a detection: bits of a regular ground truth 0, or of an ignored one, 1
    n, levels = len(order), len(matched)
    outside = np.zeros(n, bool)
    words = np.zeros((2 * n, 1, -(-levels // 64)), np.uint64)
    for t in range(levels):
        bit = np.uint64(1 << (t % 64))
        drop = ignored[t].astype(bool)
        words[0::2, 0, t // 64][matched[t].astype(bool) & ~drop] |= bit
        words[1::2, 0, t // 64][drop] |= bit
    table = MatchTable(
        index=np.arange(n), rank=np.zeros(n, np.int32), splits=np.array([0, n]),
        row=np.arange(n, dtype=np.int32), first=2 * np.arange(n + 1),
        gt=np.tile(np.array([0, 1], np.int32), n), at=words, n_thresholds=levels,
        gt_ignore=np.array([[0, 1]], np.uint8), outside=outside.view(np.uint8)[None],
        n_regular=np.array([[n_regular]]),
    )  # fmt: skip
    precision, recall, scores = curves(
        table, score[order].astype(np.float64), recall_thresholds=recall_thresholds, max_dets=[1]
    )
    return precision[:, :, 0, 0, 0], recall[:, 0, 0, 0], scores[:, :, 0, 0, 0]
