"""What pycocotools' loadRes adds to result dicts: id, area, bbox, iscrowd."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from tamis.coco import mask
from tamis.coco._columns import Annotation
from tamis.coco._hooks import Originals

MEASURED = Originals(mask, "area", "toBbox")


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """No garbage collection while many dicts are made that stay: it takes most of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def prepare_results(anns: list[Annotation], dataset: dict[str, Any]) -> None:
    """Add to result dicts, in place, what pycocotools' loadRes adds: id, area, bbox, iscrowd."""
    prepare = preparation(anns[0])
    if prepare is not None:
        if "categories" not in dataset:
            raise KeyError("categories")
        prepare(anns)
        return
    dataset.pop("categories", None)
    if "caption" in anns[0]:
        images = {img["id"] for img in dataset["images"]} & {ann["image_id"] for ann in anns}
        dataset["images"] = [img for img in dataset["images"] if img["id"] in images]
        for i, ann in enumerate(anns, 1):
            ann["id"] = i


def preparation(first: Annotation) -> Callable[[list[Annotation]], None] | None:
    """What is done to all results: the first decides. None for captions and for nothing."""
    if "caption" in first:
        return None
    if "bbox" in first and first["bbox"] != []:
        return _prepare_boxes
    if "segmentation" in first:
        return _prepare_masks
    return _prepare_keypoints if "keypoints" in first else None


def _prepare_boxes(anns: list[Annotation]) -> None:
    for i, ann in enumerate(anns, 1):
        box = ann["bbox"]
        x, y, w, h = box[0], box[1], box[2], box[3]
        if "segmentation" not in ann:
            ann["segmentation"] = [[x, y, x, y + h, x + w, y + h, x + w, y]]
        ann["area"] = w * h
        ann["id"] = i
        ann["iscrowd"] = 0


def _all_dicts(masks: list[Any]) -> bool:
    return all(type(one) is dict for one in masks)


def measured(anns: list[Annotation]) -> Iterator[tuple[Annotation, Any, Any]]:
    """Each result with the area and the box of its mask."""
    masks = [ann["segmentation"] for ann in anns]
    areas: Iterable[Any]
    boxes: Iterable[Any]
    if _all_dicts(masks) and not MEASURED.replaced(mask):
        areas, boxes = mask.compressed(masks)._measures()
    else:  # a list of masks, or of none, may stand for one
        areas, boxes = map(mask.area, masks), map(mask.toBbox, masks)
    return zip(anns, areas, boxes, strict=True)


def _prepare_masks(anns: list[Annotation]) -> None:
    for i, (ann, area, box) in enumerate(measured(anns), 1):
        ann["area"] = area
        ann.setdefault("bbox", box)
        ann["id"] = i
        ann["iscrowd"] = 0


def _prepare_keypoints(anns: list[Annotation]) -> None:
    for i, ann in enumerate(anns, 1):
        x, y = ann["keypoints"][0::3], ann["keypoints"][1::3]
        x0, x1, y0, y1 = np.min(x), np.max(x), np.min(y), np.max(y)
        ann["area"] = (x1 - x0) * (y1 - y0)
        ann["id"] = i
        ann["bbox"] = [x0, y0, x1 - x0, y1 - y0]
