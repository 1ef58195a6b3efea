"""COCO evaluation of CUDA tensors, compared with the host, with the floor of its bytes."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
import tamis
import torch
from gpu_timing import milliseconds, row

IMAGES, DETECTIONS, TARGETS, CLASSES = 5000, 100, 8, 80  # in all, an image, an image, in all
TABLES = 8 * 80 * 4 * 3 * 10 * (101 + 101 + 1)  # bytes of precision, scores and recall


def sides(images: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """float32 xyxy boxes: detections near the targets, 7 of 10 of the right class."""
    g = torch.Generator("cuda").manual_seed(0)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=g, device="cuda")

    low, extent = 500 * uniform(images, TARGETS, 2), 10 + 190 * uniform(images, TARGETS, 2)
    truth = torch.cat([low, low + extent], 2)
    labels = (CLASSES * uniform(images, TARGETS)).long()
    near = (TARGETS * uniform(images, DETECTIONS)).long()
    boxes = truth.gather(1, near[:, :, None].expand(-1, -1, 4))
    boxes = boxes + 8 * torch.randn(boxes.shape, generator=g, device="cuda")
    right = uniform(images, DETECTIONS) < 0.7
    other = (CLASSES * uniform(images, DETECTIONS)).long()
    preds = {
        "boxes": boxes.reshape(-1, 4),
        "scores": uniform(images * DETECTIONS),
        "labels": torch.where(right, labels.gather(1, near), other).reshape(-1),
        "splits": np.arange(images + 1) * DETECTIONS,
    }
    ends = np.arange(images + 1) * TARGETS
    return preds, {"boxes": truth.reshape(-1, 4), "labels": labels.reshape(-1), "splits": ends}


def turned(side: dict[str, Any]) -> dict[str, Any]:
    """The boxes as oriented ones, each a little turned."""
    low, high = side["boxes"][:, :2], side["boxes"][:, 2:]
    angle = (low[:, :1] + high[:, 1:]) % 20
    return {**side, "boxes": torch.cat([(low + high) / 2, (high - low).abs() + 1, angle], 1)}


def evaluated(
    preds: dict[str, Any], targets: dict[str, Any], kind: str = "bbox"
) -> tamis.DetectionResult:
    evaluator = tamis.DetectionEvaluator(kind)
    evaluator.update(preds, targets)
    return evaluator.compute()


def on_host(side: dict[str, Any]) -> dict[str, Any]:
    return {k: v if k == "splits" else v.cpu() for k, v in side.items()}


def by_image(side: dict[str, Any], images: int) -> list[dict[str, Any]]:
    """The first images of a batch, as torchmetrics takes them."""
    columns = {k: v for k, v in side.items() if k != "splits"}
    ends = side["splits"].tolist()
    return [{k: v[ends[i] : ends[i + 1]] for k, v in columns.items()} for i in range(images)]


def floor(preds: dict[str, Any], targets: dict[str, Any]) -> dict[str, Any]:
    """Reading what is given, writing the tables, and copying them to the host."""
    given = [v for side in (preds, targets) for k, v in side.items() if k != "splits"]
    size = sum(x.nbytes for x in given) + TABLES
    moved = torch.empty((2, size), dtype=torch.uint8, device="cuda")
    tables = torch.empty(TABLES, dtype=torch.uint8, device="cuda")
    copy = statistics.median(milliseconds(lambda: moved[0].copy_(moved[1]))) / 2  # read or written
    down = statistics.median(milliseconds(tables.cpu))
    name = f"floor: {size / 1e6:.0f} MB on the GPU, {TABLES / 1e6:.0f} MB to the host"
    print(f"{name:58s} {copy + down:10.3f} ms", flush=True)
    return {"name": name, "median_ms": copy + down}


def check(preds: dict[str, Any], targets: dict[str, Any], kind: str = "bbox") -> None:
    got, want = evaluated(preds, targets, kind), evaluated(on_host(preds), on_host(targets), kind)
    for key in ("precision", "recall", "scores"):
        if not np.array_equal(getattr(got, key), getattr(want, key)):
            raise SystemExit(f"DetectionEvaluator: another {key} than on the host")


def dense(n: int, m: int) -> dict[str, Any]:
    """One image whose boxes are all of one class."""
    g = torch.Generator("cuda").manual_seed(1)
    low, extent = (torch.rand((m, 2), generator=g, device="cuda") for _ in range(2))
    truth = torch.cat([4000 * low, 4000 * low + 10 + 90 * extent], 1)
    near = torch.randint(m, (n,), generator=g, device="cuda")
    boxes = truth[near] + 4 * torch.randn((n, 4), generator=g, device="cuda")
    columns = boxes, torch.rand(n, generator=g, device="cuda"), truth
    levels = tamis.DetectionEvaluator().iou_thresholds

    def matched(boxes: Any, scores: Any, truth: Any) -> Any:
        ends = np.array([0, n]), np.array([0, m])
        return tamis.match_detections(
            boxes, scores, ends[0], truth, ends[1], thresholds=levels, max_detections=n
        )

    if not np.array_equal(matched(*columns).gt.cpu(), matched(*(x.cpu() for x in columns)).gt):
        raise SystemExit("match_detections: other matches than on the host")
    return row(f"tamis.match_detections, {n} x {m}, one class", lambda: matched(*columns))


def peers(preds: dict[str, Any], targets: dict[str, Any]) -> list[dict[str, Any]]:
    """torchmetrics' class, if all it needs is there, on a tenth of the images."""
    try:
        from tamis.torchmetrics import MeanAveragePrecision
        from torchmetrics import detection

        ours, theirs = MeanAveragePrecision(), detection.MeanAveragePrecision()
    except (AttributeError, ImportError, RuntimeError) as error:  # no pycocotools or torchvision
        print(f"no torchmetrics: {error}")
        return []
    some = IMAGES // 10
    parts = by_image(preds, some), by_image(targets, some)

    def computed(metric: Any) -> Any:
        metric.reset()
        metric.update(*parts)
        return metric.compute()["map"]

    def compute_again() -> None:
        every._computed = None
        every.compute()

    every = MeanAveragePrecision()
    every.update(by_image(preds, IMAGES), by_image(targets, IMAGES))
    if computed(ours) != computed(theirs):
        raise SystemExit("MeanAveragePrecision: another map than torchmetrics'")
    title = f"{IMAGES * DETECTIONS} detections"
    return [
        row(f"tamis MeanAveragePrecision, compute alone, {title}", compute_again),
        *(
            row(
                f"{name} MeanAveragePrecision, {some * DETECTIONS} detections",
                lambda m=metric: computed(m),
                rounds=1,
                warm_ups=0,  # both have run
            )
            for name, metric in (("tamis", ours), ("torchmetrics", theirs))
        ),
    ]


def run() -> list[dict[str, Any]]:
    preds, targets = sides(IMAGES)
    oriented = turned(preds), turned(targets)
    check(preds, targets)
    check(*oriented, "obb")
    title = f"{IMAGES * DETECTIONS} detections"
    evaluator = tamis.DetectionEvaluator()
    evaluator.update(preds, targets)
    boxes, scores, labels = (preds[key] for key in ("boxes", "scores", "labels"))
    matched = boxes, scores, preds["splits"], targets["boxes"], targets["splits"]
    both = {"labels": labels, "gt_labels": targets["labels"]}
    levels = evaluator.iou_thresholds
    return [
        floor(preds, targets),
        row(f"tamis.DetectionEvaluator, {title}", lambda: evaluated(preds, targets)),
        row(f"  compute alone, {title}", evaluator.compute),
        row(
            f"tamis.match_detections, {title}, 10 thresholds",
            lambda: tamis.match_detections(*matched, **both, thresholds=levels),
        ),
        row(
            f"the same on the host, with the copies, {title}",
            lambda: evaluated(on_host(preds), on_host(targets)),
            rounds=3,
        ),
        row(f"oriented boxes, {title}", lambda: evaluated(*oriented, "obb")),
        row(
            f"oriented boxes on the host, with the copies, {title}",
            lambda: evaluated(*map(on_host, oriented), "obb"),
            rounds=3,
        ),
        dense(10_000, 1000),
        *peers(preds, targets),
    ]
