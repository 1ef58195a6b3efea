"""A COCO-val-like dataset and detections for it, so that benchmarks need no download.

Deterministic for a seed. Class frequencies have a long tail, box sizes follow COCO's shares of
small, medium and large, 1 % of the annotations are crowds, and ids have COCO's gaps.
"""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

MISSING_CATEGORIES = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)  # of COCO's 1..90
LARGEST_IMAGE_ID = 581_929
SIZES = np.array([(640, 480), (480, 640), (640, 427), (500, 375), (612, 612)])


def _ids(count: int, largest: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.choice(max(largest, count), size=count, replace=False) + 1)


def _category_ids(count: int) -> np.ndarray:
    coco = np.setdiff1d(np.arange(1, 91), MISSING_CATEGORIES)
    return coco[:count] if count <= len(coco) else np.arange(1, count + 1)


def _long_tail(count: int, rng: np.random.Generator) -> np.ndarray:
    weights = 1.0 / (rng.permutation(count) + 1.5)
    return weights / weights.sum()


def _boxes(size: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """xywh inside images of `size`: COCO-like shares of small, medium and large."""
    side = np.exp(rng.normal(np.log(50.0), 1.15, len(size)))
    aspect = np.exp(rng.normal(0.0, 0.4, len(size)))
    wh = np.stack([side * aspect, side / aspect], 1).clip(2.0, 0.98 * size)
    xy = rng.random((len(size), 2)) * (size - wh)
    return np.round(np.concatenate([xy, wh], 1), 2)


def _polygons(boxes: np.ndarray, rng: np.random.Generator) -> tuple[list[list[float]], np.ndarray]:
    """One wobbly ellipse a box: its points as a flat list, and its area."""
    count = (8 + rng.gamma(2.0, 8.0, len(boxes)) * np.sqrt(boxes[:, 2] / 60).clip(0.5, 2)).astype(
        int
    )
    start = np.concatenate([[0], np.cumsum(count)])
    row = np.repeat(np.arange(len(boxes)), count)
    turn = (np.arange(start[-1]) - start[row]) * (2 * np.pi / count[row])
    radius = 0.5 * rng.uniform(0.7, 1.0, start[-1])
    unit = 0.5 + radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1)
    points = np.round(boxes[row, :2] + unit * boxes[row, 2:], 2)
    after = np.arange(start[-1]) + 1
    after[start[1:] - 1] = start[:-1]
    cross = points[:, 0] * points[after, 1] - points[after, 0] * points[:, 1]
    area = np.abs(np.add.reduceat(cross, start[:-1])) / 2
    flat = points.ravel().tolist()
    return [flat[2 * a : 2 * b] for a, b in pairwise(start.tolist())], area


def _crowd_counts(size: np.ndarray, box: np.ndarray) -> list[int]:
    """The box as an uncompressed RLE: columns top to bottom, background first."""
    height = int(size[1])
    x, y, w, h = (int(v) for v in box)
    w, h = max(1, w), max(1, h)
    counts = [x * height + y, *([h, height - h] * (w - 1)), h]
    return [*counts, int(size[0]) * height - sum(counts)]


def make_dataset(
    n_images: int = 5000, n_categories: int = 80, n_annotations: int = 36800, seed: int = 0
) -> dict[str, Any]:
    """A dataset as `json.load` would give it."""
    rng = np.random.default_rng(seed)
    image_ids = _ids(n_images, LARGEST_IMAGE_ID, rng)
    category_ids = _category_ids(n_categories)
    sizes = SIZES[rng.integers(len(SIZES), size=n_images)]
    busy = rng.lognormal(0.0, 0.9, n_images)
    image = np.sort(rng.choice(n_images, size=n_annotations, p=busy / busy.sum()))
    category = rng.choice(category_ids, size=n_annotations, p=_long_tail(n_categories, rng))
    boxes = _boxes(sizes[image], rng)
    polygons, area = _polygons(boxes, rng)
    crowd = rng.random(n_annotations) < 0.01
    ids = rng.permutation(_ids(n_annotations, 2_233_000, rng))
    ids[crowd] = 900_100_000_000 + np.arange(crowd.sum())
    columns = [ids, image_ids[image], category, boxes, np.round(area, 4), crowd]
    annotations = []
    for i, (id_, image_id, category_id, bbox, area_, iscrowd) in enumerate(
        zip(*(c.tolist() for c in columns), strict=True)
    ):
        segmentation: Any = [polygons[i]]
        if iscrowd:
            size = sizes[image[i]]
            bbox = [
                float(int(bbox[0])),
                float(int(bbox[1])),
                *(max(1.0, float(int(v))) for v in bbox[2:]),
            ]
            area_ = bbox[2] * bbox[3]
            segmentation = {"counts": _crowd_counts(size, bbox), "size": size[::-1].tolist()}
        annotations.append(
            {
                "segmentation": segmentation,
                "area": area_,
                "iscrowd": int(iscrowd),
                "image_id": image_id,
                "bbox": bbox,
                "category_id": category_id,
                "id": id_,
            }
        )
    images = [
        {
            "license": int(i) % 8,
            "file_name": f"{i:012d}.jpg",
            "coco_url": f"http://images.example.org/val/{i:012d}.jpg",
            "height": int(h),
            "width": int(w),
            "date_captured": "2013-11-14 17:02:52",
            "id": int(i),
        }
        for i, (w, h) in zip(image_ids, sizes, strict=True)
    ]
    categories = [
        {"supercategory": f"group {i % 12}", "id": int(i), "name": f"class {i}"}
        for i in category_ids
    ]
    return {
        "info": {"description": "synthetic", "year": 2017},
        "licenses": [
            {"id": i, "name": f"licence {i}", "url": "http://example.org"} for i in range(8)
        ],
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


def _iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    overlap = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    inter = overlap.clip(0).prod(1)
    return inter / (a[:, 2:].prod(1) + b[:, 2:].prod(1) - inter)


def make_detections(dataset: dict[str, Any], n: int, seed: int = 1) -> np.ndarray:
    """(n, 7) float64 rows of image, x, y, w, h, score, class; by image, best score first.

    40 % are ground truths moved a little or a lot, one in ten of another class; the rest is noise.
    """
    rng = np.random.default_rng(seed)
    truth = dataset["annotations"]
    size_of = {i["id"]: (i["width"], i["height"]) for i in dataset["images"]}
    image_ids = np.fromiter(size_of, np.int64)
    category_ids = np.array([c["id"] for c in dataset["categories"]])
    n_near = int(0.4 * n) if truth else 0
    pick = rng.integers(max(1, len(truth)), size=n_near)
    boxes = np.array([a["bbox"] for a in truth], float).reshape(-1, 4)[pick]
    image = np.array([a["image_id"] for a in truth], np.int64)[pick]
    label = np.array([a["category_id"] for a in truth], np.int64)[pick]

    wobble = rng.exponential(0.08, (n_near, 1))
    moved = boxes.copy()
    moved[:, :2] += rng.normal(size=(n_near, 2)) * wobble * boxes[:, 2:]
    moved[:, 2:] *= np.exp(rng.normal(size=(n_near, 2)) * wobble)
    confused = rng.random(n_near) < 0.1
    quality = np.where(confused, 0.25, _iou(moved, boxes))
    label[confused] = rng.choice(category_ids, size=int(confused.sum()))

    n_far = n - n_near
    far_image = rng.choice(image_ids, size=n_far)
    far_size = np.array([size_of[i] for i in far_image.tolist()]).reshape(-1, 2)
    classes = label if n_near else category_ids
    image = np.concatenate([image, far_image])
    xywh = np.round(np.concatenate([moved, _boxes(far_size, rng)]), 2)
    label = np.concatenate([label, rng.choice(classes, size=n_far)])
    quality = np.concatenate([quality, np.zeros(n_far)])
    score = 1 / (1 + np.exp(-(7 * quality - 4.5 + rng.normal(0, 1.2, n))))
    digits = rng.integers(3, 8, n)
    score = np.round(score * 10.0**digits) / 10.0**digits
    rows = np.column_stack([image, xywh[:, :2], xywh[:, 2:].clip(0.01), score, label])
    return rows[np.lexsort((-score, image))]


def results_json(detections: np.ndarray) -> str:
    """The detections as a COCO results file, spelled as `json.dump` does."""
    image, *_, label = detections.T.astype(np.int64).tolist()
    _, x, y, w, h, score, _ = detections.T.tolist()
    records = (
        f'{{"image_id": {i}, "category_id": {c}, "bbox": [{x!r}, {y!r}, {w!r}, {h!r}], '
        f'"score": {s!r}}}'
        for i, c, x, y, w, h, s in zip(image, label, x, y, w, h, score, strict=True)
    )
    return f"[{', '.join(records)}]"


def _write(path: Path, write: Any) -> None:
    if not path.exists():
        unfinished = path.with_name(f"{path.name}.{os.getpid()}")
        with open(unfinished, "wb") as file:
            write(file)
        os.replace(unfinished, path)


def write_files(folder: str | os.PathLike[str], n_detections: int) -> tuple[Path, Path, Path]:
    """(dataset.json, results.json, detections.npz) in `folder`, written once and reused."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    gt, dt = folder / "synthetic_gt.json", folder / f"synthetic_dt_{n_detections}.json"
    npz = dt.with_suffix(".npz")
    if gt.exists() and dt.exists() and npz.exists():
        return gt, dt, npz
    dataset = make_dataset()
    detections = make_detections(dataset, n_detections)
    _write(gt, lambda file: file.write(json.dumps(dataset).encode()))
    _write(dt, lambda file: file.write(results_json(detections).encode()))
    _write(npz, lambda file: np.savez(file, detections=detections))
    return gt, dt, npz


def write_float32(folder: str | os.PathLike[str], n_detections: int) -> tuple[Path, Path]:
    """(dataset.json, results.json): numbers of float32, as Python's json spells them, in up to 17
    digits."""
    gt, dt, npz = write_files(folder, n_detections)
    long = dt.with_name(f"synthetic_dt_{n_detections}_float32.json")
    if not long.exists():
        with np.load(npz) as file:
            rows = file["detections"]
        rows[:, 1:6] = rows[:, 1:6].astype(np.float32)
        _write(long, lambda file: file.write(results_json(rows).encode()))
    return gt, long
