"""MeanAveragePrecision on torch tensors, update and compute, against its peers in turn.

    python benchmarks/bench_torchmetrics.py [images] [images an update] [turns]

torchmetrics' own class runs on its faster backend. hotcoco's streaming evaluator is fed the same
boxes in batches of the same size; the arrays and dicts it takes are made beforehand, untimed.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from torchmetrics_cases import import_torchmetrics

detection = import_torchmetrics()
import torch
from tamis import num_threads
from tamis.torchmetrics import MeanAveragePrecision

DETECTIONS, TARGETS, CLASSES = 100, 8, 80  # an image, an image, in all
STATS = ("map", "map_50", "map_75", "map_small", "map_medium", "map_large")
Batches = list[tuple[list[dict[str, Any]], list[dict[str, Any]]]]


def batches(images: int, size: int) -> Batches:
    """float32 xyxy boxes: detections near the targets, 7 of 10 of the right class."""
    rng = np.random.default_rng(0)
    preds, target = [], []
    for _ in range(images):
        low, extent = rng.uniform(0, 500, (TARGETS, 2)), rng.uniform(10, 200, (TARGETS, 2))
        truth, labels = np.concatenate([low, low + extent], 1), rng.integers(0, CLASSES, TARGETS)
        near = rng.integers(0, TARGETS, DETECTIONS)
        boxes = truth[near] + rng.normal(scale=8, size=(DETECTIONS, 4))
        right = rng.random(DETECTIONS) < 0.7
        found = np.where(right, labels[near], rng.integers(0, CLASSES, DETECTIONS))
        scores = rng.random(DETECTIONS).astype(np.float32)
        arrays = {"boxes": boxes.astype(np.float32), "scores": scores, "labels": found}
        preds.append({k: torch.from_numpy(v) for k, v in arrays.items()})
        arrays = {"boxes": truth.astype(np.float32), "labels": labels}
        target.append({k: torch.from_numpy(v) for k, v in arrays.items()})
    return [(preds[i : i + size], target[i : i + size]) for i in range(0, images, size)]


def metric(make: Callable[[], Any], data: Batches) -> dict[str, Any]:
    one = make()
    for preds, target in data:
        one.update(preds, target)
    result: dict[str, Any] = one.compute()
    return result


def for_hotcoco(data: Batches) -> list[tuple[Any, Any, Any]]:
    """Images, annotations, and (n, 7) rows of image, xywh, score, class of each batch."""
    out, image = [], 0
    for preds, target in data:
        names, anns, rows = [], [], []
        for pred, gt in zip(preds, target, strict=True):
            names.append({"id": image, "width": 1000, "height": 1000})
            for box, label in zip(gt["boxes"].tolist(), gt["labels"].tolist(), strict=True):
                w, h = (float(np.float32(box[i + 2]) - np.float32(box[i])) for i in (0, 1))
                anns.append({
                    "id": len(anns) + 1 + 1000 * image, "image_id": image, "category_id": label,
                    "bbox": [*box[:2], w, h], "area": w * h, "iscrowd": 0,
                })  # fmt: skip
            boxes = pred["boxes"].numpy().copy()
            boxes[:, 2:] -= boxes[:, :2]
            rest = (np.full(len(boxes), image), boxes, pred["scores"], pred["labels"])
            rows.append(np.column_stack(rest).astype(np.float64))
            image += 1
        out.append((names, anns, np.concatenate(rows)))
    return out


def hotcoco(parts: list[tuple[Any, Any, Any]]) -> list[float]:
    from hotcoco import Params, StreamingEval

    params = Params("bbox")
    params.iou_thrs = torch.linspace(0.5, 0.95, 10).tolist()  # rounded to float32, as torchmetrics
    params.rec_thrs = torch.linspace(0.0, 1.0, 101).tolist()
    classes = [{"id": i, "name": str(i)} for i in range(CLASSES)]
    stream = StreamingEval(classes, "bbox", params=params)
    for part in parts:
        stream.update(*part)
    evaluation = stream.finalize()
    evaluation.accumulate()
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.summarize()
    return list(evaluation.stats)[:6]


def contenders(data: Batches) -> dict[str, Callable[[], Any]]:
    """Each gives the six average precisions."""
    found: dict[str, Callable[[], Any]] = {}
    for name, make in {
        "tamis": MeanAveragePrecision,
        "torchmetrics": lambda: detection.MeanAveragePrecision(backend="faster_coco_eval"),
    }.items():
        found[name] = lambda make=make: [metric(make, data)[key].item() for key in STATS]
    with contextlib.suppress(ImportError):
        import hotcoco as _  # noqa: F401

        parts = for_hotcoco(data)
        found["hotcoco"] = lambda: hotcoco(parts)
    return found


def check(runs: dict[str, Callable[[], Any]]) -> None:
    want = runs["tamis"]()
    for name, run in runs.items():
        np.testing.assert_allclose(run(), want, rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.benchmark(group="MeanAveragePrecision, 200 images")
@pytest.mark.parametrize("who", ["tamis", "torchmetrics"])
def test_mean_average_precision(benchmark: Any, who: str) -> None:
    pytest.importorskip("faster_coco_eval")
    runs = contenders(batches(200, 16))
    check(runs)
    benchmark(runs[who])


def main(images: int = 5000, size: int = 16, turns: int = 5) -> None:
    runs = contenders(batches(images, size))
    check(runs)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(turns):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    print(f"{images} images, {size} an update, {num_threads()} threads, {turns} turns")
    for name, times in seconds.items():
        ratio = median(a / b for a, b in zip(seconds["tamis"], times, strict=True))
        print(f"{name:14s} {median(times) * 1e3:9.1f} ms   tamis takes {ratio:.4f} of it")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
