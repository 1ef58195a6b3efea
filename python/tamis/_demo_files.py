"""`tamis demo --files`: the demo's data as the files that the guides speak of."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from tamis import _demo
from tamis._shared.arrays import Array

CLASSES = ("car", "person", "sign", "bicycle", "dog")
SIDE = 640  # pixels of an image
NAMES = (
    "gt.json", "old.json", "dt.json", "dt_b.json", "images.csv", "embeddings.npy", "labels.npy",
    "names.txt", "splits.txt",
)  # fmt: skip


def write(folder: str | os.PathLike[str]) -> list[str]:
    """Paths of the files, which must not be there yet."""
    root = Path(folder)
    paths = {name: root / name for name in NAMES}
    there = [path for path in paths.values() if path.exists()]
    if there:
        raise FileExistsError(f"demo: files must not be there yet, got {there[0]}")
    root.mkdir(parents=True, exist_ok=True)
    _boxes(paths)
    x = _demo.make_embeddings()
    np.save(paths["embeddings.npy"], x)
    np.save(paths["labels.npy"], np.arange(len(x)) % 4)
    paths["names.txt"].write_text("".join(f"{i:04}.jpg\n" for i in range(len(x))))
    paths["splits.txt"].write_text(
        "".join(("test\n", *["train\n"] * 4)[i % 5] for i in range(len(x)))
    )
    return [str(path) for path in paths.values()]


def _boxes(paths: dict[str, Path]) -> None:
    """Ground truth, an older version of it, the results of two models, and times of day."""
    preds, targets = _demo.make()
    truth = [{**row, "id": i + 1, "iscrowd": 0} for i, row in enumerate(_coco(targets))]
    images: list[dict[str, Any]] = [
        {"id": i + 1, "file_name": f"{i:04}.jpg", "width": SIDE, "height": SIDE}
        for i in range(_demo.IMAGES)
    ]
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(CLASSES)]
    data = {"images": images, "annotations": truth, "categories": categories}
    paths["gt.json"].write_text(json.dumps(data))
    for row in truth[::7]:
        row["category_id"] = 1 + row["category_id"] % len(CLASSES)
    paths["old.json"].write_text(json.dumps(data))
    rng = np.random.default_rng(1)
    for name, noise in (("dt.json", 0.0), ("dt_b.json", 4.0)):
        moved = {**preds, "boxes": preds["boxes"] + noise * rng.normal(size=preds["boxes"].shape)}
        scores = np.clip(preds["scores"], 0, 1).round(6).tolist()
        rows = [{**row, "score": s} for row, s in zip(_coco(moved), scores, strict=True)]
        paths[name].write_text(json.dumps(rows))
    times = [f"{image['file_name']},{('day', 'night')[image['id'] % 2]}" for image in images]
    paths["images.csv"].write_text("file_name,time\n" + "\n".join(times) + "\n")


def _coco(columns: dict[str, Array]) -> list[dict[str, Any]]:
    image = np.repeat(np.arange(_demo.IMAGES), np.diff(columns["splits"]))
    xyxy = columns["boxes"].round(2)
    xywh = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], 1)
    return [
        {"image_id": int(i) + 1, "category_id": int(c) + 1, "bbox": b, "area": b[2] * b[3]}
        for i, c, b in zip(image, columns["labels"], xywh.tolist(), strict=True)
    ]
