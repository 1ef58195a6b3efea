"""FiftyOne's two matchers as loops over dictionaries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Label = dict[str, Any]  # label, box, and confidence or crowd


def box_iou(det: Label, gt: Label) -> float | None:
    """None where the boxes do not even touch."""
    x, y, w, h = det["box"]
    gx, gy, gw, gh = gt["box"]
    width = min(x + w, gx + gw) - max(x, gx)
    height = min(y + h, gy + gh) - max(y, gy)
    if x > gx + gw or gx > x + w or y > gy + gh or gy > y + h:
        return None
    if width <= 0 or height <= 0:
        return 0.0
    inter = height * width
    union = h * w if gt["crowd"] else h * w + gh * gw - inter
    return min(inter / union, 1.0) if union else 0.0


def choose_coco(
    pairs: list[Any], gts: list[Label], taken: dict[int, int], label: Any, t: float
) -> Any:
    best, most = None, t
    for g, iou in pairs:
        crowd = gts[g]["crowd"]
        if (g in taken and not crowd) or (crowd and gts[g]["label"] != label):
            continue
        if crowd and best is not None and not gts[best]["crowd"]:
            break
        if iou >= most:
            best, most = g, iou
    return None if best is None else (best, most)


def choose_open_images(
    pairs: list[Any], gts: list[Label], taken: dict[int, int], label: Any, t: float
) -> Any:
    best, most, lost = None, t, t
    for g, exact in pairs:
        iou, crowd = int(exact * 1e10 + 0.5) / 1e10, gts[g]["crowd"]
        if g in taken and not crowd:
            if iou > lost:
                lost = iou
                if iou > most:
                    best, most = None, t
            continue
        if crowd and gts[g]["label"] != label:
            continue
        if (crowd and best is not None and not gts[best]["crowd"]) or most == 1:
            break
        if iou >= most:
            best, most = g, iou
    if lost > most and best is not None and not gts[best]["crowd"]:
        best = None
    return None if best is None else (best, most)


def match(
    dets: list[Label], gts: list[Label], t: float, *, choose: Callable[..., Any], classwise: bool,
    max_dets: int,
) -> tuple[list[int], dict[int, Any], dict[int, Any]]:  # fmt: skip
    """The order of one image (~g for a ground truth), and both sides' partner and IoU."""
    groups: dict[Any, tuple[list[int], list[int]]] = {}
    for side, labels in enumerate((gts, dets)):
        for i, label in enumerate(labels):
            groups.setdefault(label["label"] if classwise else 0, ([], []))[side].append(i)
    order, found, taken = [], {}, {}
    for theirs, mine in groups.values():
        best_first = sorted(mine, key=lambda d: dets[d]["confidence"] or -1, reverse=True)
        crowds_last = sorted(theirs, key=lambda g: gts[g]["crowd"])
        for d in best_first[:max_dets]:
            pairs = [(g, box_iou(dets[d], gts[g])) for g in crowds_last]
            pairs = [(g, iou) for g, iou in pairs if iou is not None]
            chosen = choose(pairs, gts, taken, dets[d]["label"], t)
            if chosen is not None:
                found[d] = chosen
                taken.setdefault(chosen[0], (d, chosen[1]))
        order += best_first[:max_dets] + [~g for g in theirs]
    return order, found, taken
