"""An LVIS-like dataset and results for it, so that benchmarks need no download.

1,203 classes with a long tail, about 12 objects of 3 or 4 classes an image, 7 classes that are
known to be absent; 300 results an image, two in five of a class of which the image tells.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tamis
from synthetic import _boxes, _polygons, _write

CLASSES, RESULTS, PRESENT, ABSENT, OBJECTS = 1203, 300, 4, 7, 12
SIDE = np.array([640, 480])


def _judged(rng: np.random.Generator, n_images: int) -> np.ndarray:
    """(n, PRESENT + ABSENT) classes, mostly distinct, of a long tail."""
    weights = 1.0 / (rng.permutation(CLASSES) + 10)
    size = (n_images, PRESENT + ABSENT)
    return 1 + rng.choice(CLASSES, size=size, p=weights / weights.sum())


def make_lvis(n_images: int, seed: int = 5) -> tuple[dict[str, Any], np.ndarray]:
    """The dataset, and the classes that each image tells of."""
    rng = np.random.default_rng(seed)
    judged = _judged(rng, n_images)
    n = n_images * OBJECTS
    image = np.repeat(np.arange(n_images), OBJECTS)
    category = judged[image, rng.integers(PRESENT, size=n)]
    boxes = _boxes(np.tile(SIDE, (n, 1)), rng)
    polygons, area = _polygons(boxes, rng)
    columns = [image + 1, category, boxes, np.round(area, 2)]
    annotations = [
        {"id": i, "image_id": im, "category_id": c, "bbox": b, "area": a, "segmentation": [polygon]}
        for i, (polygon, im, c, b, a) in enumerate(
            zip(polygons, *(column.tolist() for column in columns), strict=True), 1
        )
    ]
    images = [
        {
            "id": i + 1, "width": int(SIDE[0]), "height": int(SIDE[1]),
            "coco_url": f"http://images.example.org/val/{i:012d}.jpg", "license": i % 8,
            "neg_category_ids": sorted(set(row[PRESENT:]) - set(row[:PRESENT])),
            "not_exhaustive_category_ids": row[:1] if i % 3 == 0 else [],
        }
        for i, row in enumerate(judged.tolist())
    ]  # fmt: skip
    frequency = rng.choice(list("rcf"), size=CLASSES, p=[0.28, 0.38, 0.34]).tolist()
    categories = [
        {"id": c, "name": f"class {c}", "frequency": f} for c, f in enumerate(frequency, 1)
    ]
    dataset = {"images": images, "annotations": annotations, "categories": categories}
    return dataset, judged


def results(dataset: dict[str, Any], judged: np.ndarray, kind: str, seed: int = 6) -> Iterator[str]:
    """Records of a results file, image by image, spelled as `json.dump` does."""
    rng = np.random.default_rng(seed)
    boxes = np.array([ann["bbox"] for ann in dataset["annotations"]]).reshape(-1, OBJECTS, 4)
    category = np.array([ann["category_id"] for ann in dataset["annotations"]])
    category = category.reshape(-1, OBJECTS)
    for first in range(0, len(judged), 200):
        image = np.repeat(np.arange(first, min(first + 200, len(judged))), RESULTS)
        n = len(image)
        near = rng.random(n) < 0.2
        pick = rng.integers(OBJECTS, size=n)
        box = np.where(near[:, None], boxes[image, pick], _boxes(np.tile(SIDE, (n, 1)), rng))
        box += near[:, None] * rng.normal(0, 0.08, (n, 4)) * np.tile(box[:, 2:], 2)
        box = np.round(np.concatenate([box[:, :2].clip(0), box[:, 2:].clip(2)], axis=1), 2)
        label = rng.integers(1, CLASSES + 1, n)
        of_judged = rng.random(n) < 0.25
        label[of_judged] = judged[image, rng.integers(PRESENT + ABSENT, size=n)][of_judged]
        label[near] = category[image, pick][near]
        score = np.round(rng.beta(1 + 3 * near, 6), 6)
        columns = zip(image.tolist(), label.tolist(), score.tolist(), strict=True)
        for (im, c, s), shape in zip(columns, _shapes(box, kind, rng), strict=True):
            yield f'{{"image_id": {im + 1}, "category_id": {c}, {shape}, "score": {s!r}}}'


def _shapes(boxes: np.ndarray, kind: str, rng: np.random.Generator) -> Iterator[str]:
    if kind == "bbox":
        yield from (f'"bbox": {box}' for box in boxes.tolist())
        return
    polygons, _ = _polygons(boxes, rng)
    masks = tamis.Masks.from_polygons([[p] for p in polygons], SIDE[::-1])
    for mask in masks:
        counts = json.dumps(mask["counts"].decode())
        yield f'"segmentation": {{"size": {mask["size"]}, "counts": {counts}}}'


def write_lvis(folder: str | os.PathLike[str], kind: str, n_images: int) -> tuple[Path, Path]:
    """(dataset.json, results.json) of "bbox" or "segm", written once and reused."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    gt = folder / f"synthetic_lvis_{n_images}.json"
    dt = folder / f"synthetic_lvis_{kind}_{n_images}.json"
    if gt.exists() and dt.exists():
        return gt, dt
    dataset, judged = make_lvis(n_images)

    def write(file: Any) -> None:
        for i, record in enumerate(results(dataset, judged, kind)):
            file.write(b", " if i else b"[")
            file.write(record.encode())
        file.write(b"]")

    _write(gt, lambda file: file.write(json.dumps(dataset).encode()))
    _write(dt, write)
    return gt, dt
