"""Mask and keypoint results for the synthetic dataset, so that benchmarks need no download."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import tamis
from synthetic import _boxes, _ids, _polygons, _write, make_dataset, make_detections

SIDE = np.array([640, 480])
# a standing person in a unit box, nose to ankles
PERSON = np.array([
    [.50, .10], [.53, .08], [.47, .08], [.57, .10], [.43, .10], [.65, .25], [.35, .25], [.72, .40],
    [.28, .40], [.75, .52], [.25, .52], [.60, .55], [.40, .55], [.61, .75], [.39, .75], [.62, .95],
    [.38, .95],
])  # fmt: skip


def _draw(dataset: dict[str, Any], rows: np.ndarray, rng: np.random.Generator) -> tamis.Masks:
    """A wobbly ellipse in each box of the rows."""
    size_of = {i["id"]: (i["height"], i["width"]) for i in dataset["images"]}
    sizes = np.array([size_of[i] for i in rows[:, 0].astype(int).tolist()])
    polygons, _ = _polygons(rows[:, 1:5], rng)
    return tamis.Masks.from_polygons([[p] for p in polygons], sizes)


def mask_results(dataset: dict[str, Any], n: int) -> str:
    """Results of masks instead of boxes, spelled as `json.dump` does."""
    rows = make_detections(dataset, n)
    rng = np.random.default_rng(2)
    records = []
    for start in range(0, n, 50_000):
        part = rows[start : start + 50_000]
        for row, mask in zip(part.tolist(), _draw(dataset, part, rng), strict=True):
            counts = json.dumps(mask["counts"].decode())
            records.append(
                f'{{"image_id": {int(row[0])}, "category_id": {int(row[6])}, "segmentation":'
                f' {{"size": {mask["size"]}, "counts": {counts}}}, "score": {row[5]!r}}}'
            )
    return f"[{', '.join(records)}]"


def make_people(n_images: int = 5000, n_persons: int = 11_000, seed: int = 3) -> dict[str, Any]:
    """A dataset of persons: two in five without keypoints, 2 % crowds, a third of points hidden."""
    rng = np.random.default_rng(seed)
    image_ids = _ids(n_images, 581_929, rng)
    image = np.sort(rng.integers(n_images, size=n_persons))
    boxes = _boxes(np.tile(SIDE, (n_persons, 1)), rng)
    boxes[:, 2:] = boxes[:, 2:].clip(10)
    points = np.round(boxes[:, None, :2] + PERSON * boxes[:, None, 2:]).astype(int)
    seen = rng.integers(0, 3, (n_persons, 17)) * (rng.random((n_persons, 1)) < 0.6)
    points[seen == 0] = 0
    keypoints = np.concatenate([points, seen[:, :, None]], axis=2).reshape(n_persons, 51)
    area = np.round(boxes[:, 2] * boxes[:, 3] * rng.uniform(0.4, 0.8, n_persons), 4)
    columns = [
        _ids(n_persons, 2_233_000, rng), image_ids[image], boxes, area,
        rng.random(n_persons) < 0.02, keypoints, (seen > 0).sum(axis=1),
    ]  # fmt: skip
    keys = ("id", "image_id", "bbox", "area", "iscrowd", "keypoints", "num_keypoints")
    annotations = [
        dict(zip(keys, row, strict=True)) | {"category_id": 1, "iscrowd": int(row[4])}
        for row in zip(*(c.tolist() for c in columns), strict=True)
    ]
    images = [{"id": i, "width": 640, "height": 480} for i in image_ids.tolist()]
    return {
        "info": {}, "images": images, "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "supercategory": "person"}],
    }  # fmt: skip


def people_results(dataset: dict[str, Any], n: int) -> str:
    """Three in five near a ground truth, the others anywhere."""
    rng = np.random.default_rng(4)
    truth = dataset["annotations"]
    pick = rng.integers(len(truth), size=n)
    boxes = np.array([a["bbox"] for a in truth])[pick]
    image = np.array([a["image_id"] for a in truth])[pick]
    far = rng.random(n) < 0.4
    boxes[far] = _boxes(np.tile(SIDE, (int(far.sum()), 1)), rng)
    image[far] = rng.choice([i["id"] for i in dataset["images"]], size=far.sum())
    spread = rng.exponential(0.08, (n, 1, 1))
    points = (
        boxes[:, None, :2] + (PERSON + rng.normal(size=(n, 17, 2)) * spread) * boxes[:, None, 2:]
    )
    keypoints = np.concatenate([np.round(points, 2), np.ones((n, 17, 1))], axis=2).reshape(n, 51)
    score = np.round(rng.beta(2, 5 + 40 * spread[:, 0, 0]) * ~far + rng.beta(1, 9, n) * far, 6)
    order = np.lexsort((-score, image))
    rows = zip(*(c[order].tolist() for c in (image, keypoints, score)), strict=True)
    return json.dumps(
        [{"image_id": i, "category_id": 1, "keypoints": k, "score": s} for i, k, s in rows]
    )


def write_kind(folder: str | os.PathLike[str], kind: str, n: int) -> tuple[Path, Path]:
    """(dataset.json, results.json) of "segm" or "keypoints", written once and reused."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    kinds: dict[str, Any] = {
        "segm": (make_dataset, mask_results),
        "keypoints": (make_people, people_results),
    }
    make, results = kinds[kind]
    gt = folder / f"synthetic_{'gt' if kind == 'segm' else 'people_gt'}.json"
    dt = folder / f"synthetic_{kind}_{n}.json"
    if not gt.exists() or not dt.exists():
        dataset = make()
        _write(gt, lambda file: file.write(json.dumps(dataset).encode()))
        _write(dt, lambda file: file.write(results(dataset, n).encode()))
    return gt, dt
