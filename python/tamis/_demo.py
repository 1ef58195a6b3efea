"""`tamis demo`: every feature on a small synthetic data set."""

from __future__ import annotations

import importlib.util
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import tamis
from tamis._shared.arrays import Array

IMAGES, CLASSES = 200, 5
NAMES = ("circle", "square", "triangle", "diamond", "frame")
COLORS = ("#2b7bba", "#c8553d", "#3f9a6b", "#b58a2c", "#8661a6")
SIZE = 560  # pixels of an image
NEEDED = ("matplotlib", "jinja2", "PIL")


def make(seed: int = 0) -> tuple[dict[str, Array], dict[str, Array]]:
    """Detections and ground truths, as `DetectionEvaluator.update` takes them."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 10, IMAGES)
    n = int(counts.sum())
    low, size = rng.uniform(0, 400, (n, 2)), np.exp(rng.uniform(2.5, 5, (n, 2)))
    boxes = np.concatenate([low, low + size], 1)
    labels = rng.integers(0, CLASSES, n)
    image = np.repeat(np.arange(IMAGES), counts)
    noise = rng.normal(size=(n, 4)) * rng.exponential(0.08, (n, 1)) * np.tile(size, 2)
    pred_image = np.concatenate([image, rng.integers(0, IMAGES, n // 2)])
    order = np.argsort(pred_image, kind="stable")
    preds = {
        "boxes": np.concatenate([boxes + noise, boxes[rng.permutation(n)[: n // 2]]])[order],
        "scores": np.concatenate([rng.beta(5, 2, n), rng.beta(2, 3, n // 2)])[order],
        "labels": np.concatenate([labels, rng.integers(0, CLASSES, n // 2)])[order],
        "splits": np.searchsorted(pred_image[order], np.arange(IMAGES + 1)),
    }
    targets = {"boxes": boxes, "labels": labels, "splits": np.concatenate([[0], counts.cumsum()])}
    return preds, targets


def make_embeddings(seed: int = 0) -> Array:
    """(1000, 32) of ten clusters, twenty rows of them nearly twice."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(10, 32))[rng.integers(0, 10, 1000)] + 0.4 * rng.normal(size=(1000, 32))
    x[-20:] = x[:20] + 0.01 * rng.normal(size=(20, 32))
    return x.astype(np.float32)


def run() -> list[tuple[str, str, str]]:
    """Rows of part, question and answer."""
    preds, targets = make()
    evaluator = tamis.DetectionEvaluator()
    evaluator.update(preds, targets)
    result = evaluator.compute()
    counts = {name: int(values.sum()) for name, values in result.per_image(0.5).items()}
    pairs, _ = tamis.box_iou_batched(
        preds["boxes"], preds["splits"], targets["boxes"], targets["splits"]
    )
    crowding = tamis.max_iou(targets["boxes"], targets["splits"], labels=targets["labels"])
    matches = tamis.match_detections(
        preds["boxes"], preds["scores"], preds["splits"], targets["boxes"], targets["splits"]
    )
    found = matches.gt[0] >= 0
    wrong = preds["labels"][found] != targets["labels"][matches.gt[0][found]]
    both = np.concatenate([targets["boxes"], targets["boxes"][:30]])  # thirty boxes drawn twice
    image = np.repeat(np.arange(IMAGES), np.diff(targets["splits"]))
    order = np.argsort(np.concatenate([image, image[:30]]), kind="stable")
    splits = np.searchsorted(np.concatenate([image, image[:30]])[order], np.arange(IMAGES + 1))
    twice = tamis.find_duplicate_boxes(both[order], splits)
    x = make_embeddings()
    near = tamis.near_duplicates(x, threshold=0.05)
    unique = tamis.uniqueness(x)
    coreset = tamis.select_coreset(tamis.zcore(x, n_samples=5000, redundancy_nn=50), count=100)
    return [
        ("evaluation", "AP, AP50", f"{result.stats['AP']:.3f}, {result.stats['AP50']:.3f}"),
        ("evaluation", "tp, fp, fn at IoU 0.5", "{tp}, {fp}, {fn}".format(**counts)),
        ("matching", "boxes found under a wrong label", str(int(wrong.sum()))),
        ("box IoU", "pairs in the same image", f"{len(pairs)}, {np.mean(pairs > 0):.0%} overlap"),
        ("max IoU", "boxes over half on another", str(int((crowding > 0.5).sum()))),
        ("duplicate boxes", "boxes that repeat another", str(len(twice.duplicates))),
        ("near-duplicates", "rows that nearly repeat an earlier one", str(len(near.duplicates))),
        (
            "uniqueness",
            "median, and that of the repeated rows",
            f"{np.median(unique):.2f}, {np.median(unique[-20:]):.2f}",
        ),
        (
            "zcore",
            "repeated rows among the first hundred to label",
            str(int((coreset >= 980).sum())),
        ),
    ]


def report(folder: str | os.PathLike[str] | None = None) -> str | None:
    """Write a report of the data set, with drawn images, and give its path.

    None where a library is missing; `folder` is a new temporary one by default.
    """
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        return None
    root = Path(tempfile.mkdtemp(prefix="tamis-demo-") if folder is None else folder)
    preds, targets = make()
    columns: dict[str, Any] = {
        "image_ids": np.arange(IMAGES), "classes": dict(enumerate(NAMES)),
        "image_sizes": np.full((IMAGES, 2), SIZE),
        "image_names": tuple(f"{i:03d}.jpg" for i in range(IMAGES)),
    }  # fmt: skip
    gt, dt = (
        tamis.Annotations(
            boxes=np.concatenate([side["boxes"][:, :2], np.diff(side["boxes"].reshape(-1, 2, 2),
                                                                axis=1)[:, 0]], 1),
            labels=side["labels"], splits=side["splits"], scores=side.get("scores"), **columns,
        )
        for side in (targets, preds)
    )  # fmt: skip
    images = root / "images"
    images.mkdir(exist_ok=True)
    draw(images, targets)
    path = root / "report.html"
    tamis.report(
        path, gt, dt, names=["detector"], images=images, samples=200, tiles=24,
        title="A detector of shapes",
    )  # fmt: skip
    return str(path)


def draw(folder: Path, targets: dict[str, Array]) -> None:
    """The ground truth as pictures: a shape and colour a class, on a pale ground."""
    from PIL import Image, ImageDraw

    for i in range(IMAGES):
        image = Image.new("RGB", (SIZE, SIZE), (236 - i % 20, 233, 222 + i % 24))
        pen = ImageDraw.Draw(image)
        for row in range(int(targets["splits"][i]), int(targets["splits"][i + 1])):
            shape(pen, targets["boxes"][row].tolist(), int(targets["labels"][row]))
        image.save(folder / f"{i:03d}.jpg", quality=85)


def shape(pen: Any, box: list[float], label: int) -> None:
    """One object, which fills its box."""
    x0, y0, x1, y1 = box
    x, y, color = (x0 + x1) / 2, (y0 + y1) / 2, COLORS[label]
    if NAMES[label] == "circle":
        pen.ellipse((x0, y0, x1, y1), fill=color)
    elif NAMES[label] == "square":
        pen.rectangle((x0, y0, x1, y1), fill=color)
    elif NAMES[label] == "triangle":
        pen.polygon([(x, y0), (x1, y1), (x0, y1)], fill=color)
    elif NAMES[label] == "diamond":
        pen.polygon([(x, y0), (x1, y), (x, y1), (x0, y)], fill=color)
    else:
        pen.rectangle((x0, y0, x1, y1), outline=color, width=max(3, int((x1 - x0) / 6)))
