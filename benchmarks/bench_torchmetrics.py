"""MeanAveragePrecision on torch tensors, update and compute, alternating with its peers.

    python benchmarks/bench_torchmetrics.py [--images 5000] [--size 16] [--turns 5] [peers]

torchmetrics' own class runs on its faster backend. hotcoco's streaming evaluator is fed the same
boxes in batches of the same size; the arrays and dicts it takes are made beforehand, untimed, or
("from tensors") on the way, as whoever has tensors must.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "reference"))
from torchmetrics_cases import import_torchmetrics
from turns import in_turn

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


def metric(make: Callable[[], Any], data: Batches) -> list[float]:
    one = make()
    for preds, target in data:
        one.update(preds, target)
    result = one.compute()
    return [result[key].item() for key in STATS]


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
        found[name] = lambda make=make: metric(make, data)
    with contextlib.suppress(ImportError):
        import hotcoco as _  # noqa: F401

        parts = for_hotcoco(data)
        found["hotcoco"] = lambda: hotcoco(parts)
        found["hotcoco, from tensors"] = lambda: hotcoco(for_hotcoco(data))
    return found


def check(name: str, values: list[float], want: list[float]) -> None:
    np.testing.assert_allclose(values, want, rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.benchmark(group="MeanAveragePrecision, 200 images")
@pytest.mark.parametrize("who", ["tamis", "torchmetrics"])
def test_mean_average_precision(benchmark: Any, who: str) -> None:
    pytest.importorskip("faster_coco_eval")
    runs = contenders(batches(200, 16))
    for name, run in runs.items():
        check(name, run(), runs["tamis"]())
    benchmark(runs[who])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "peers", nargs="*", default=["torchmetrics", "hotcoco", "hotcoco, from tensors"]
    )
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--size", type=int, default=16, help="images an update")
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    runs = contenders(batches(args.images, args.size))
    runs = {name: runs[name] for name in ("tamis", *args.peers)}
    seconds = in_turn(runs, args.turns, check)
    print(f"{args.images} images, {args.size} an update, {num_threads()} threads")
    for name, times in seconds.items():
        ratios = sorted(a / b for a, b in zip(seconds["tamis"], times, strict=True))
        print(
            f"{name:22s} {median(times) * 1e3:9.1f} ms   tamis takes {median(ratios):.4f} of it"
            f" ({ratios[0]:.4f} to {ratios[-1]:.4f})"
        )


if __name__ == "__main__":
    main()
