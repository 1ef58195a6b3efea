"""tamis.torchmetrics fed with CUDA tensors: what it says of tensors on the host."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Library
from torchmetrics_cases import assert_same, images, import_torchmetrics

import_torchmetrics()
import tamis.torchmetrics  # noqa: E402
import torch  # noqa: E402
from tamis.torchmetrics import MeanAveragePrecision  # noqa: E402

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore:Encountered more than")]


@pytest.fixture
def device(gpu_library: Library) -> str:
    if gpu_library.name != "torch":
        pytest.skip("torchmetrics takes torch's tensors only")
    return gpu_library.device


def moved(items: list[dict[str, Any]], device: str) -> list[dict[str, Any]]:
    return [{k: v.to(device) for k, v in item.items()} for item in items]


@pytest.mark.parametrize("n", [1, 12])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"class_metrics": True},
        {"average": "micro"},
        {"average": "micro", "class_metrics": True},
        {"box_format": "cxcywh", "max_detection_thresholds": [100, 2, 1]},
        {"iou_thresholds": [0.75, 0.3], "rec_thresholds": [0.9, 0.1]},
        {"rec_thresholds": [0.1, float("nan"), 0.2]},
    ],
    ids=str,
)
def test_boxes_on_a_device(
    device: str, monkeypatch: pytest.MonkeyPatch, options: Any, n: int
) -> None:
    sides = images(n, n, fmt=options.get("box_format", "xyxy"))
    sides[0][0]["scores"][:1] = float("nan")
    metric = MeanAveragePrecision(**options).to(device)
    metric.update(*(moved(side, device) for side in sides))
    with monkeypatch.context() as patched:
        patched.setattr(tamis.torchmetrics, "joined", None)  # no state is copied
        got = metric.compute()
    monkeypatch.undo()  # the host's, also where the device is emulated
    assert_same(got, MeanAveragePrecision(**options)(*sides))
    assert all(box.device.type == device for box in metric.detection_box)


def test_mixed_types_and_empty_images(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    preds, target = images(8, 9)
    for i, item in enumerate(preds):
        item["boxes"] = item["boxes"].to([torch.float64, torch.float32, torch.float16][i % 3])
        item["scores"] = item["scores"].to([torch.float32, torch.bfloat16][i % 2])
        item["labels"] = item["labels"].to([torch.int32, torch.uint8, torch.int64][i % 3])
        item["boxes"].requires_grad_()
    for item in target:
        item["area"] = torch.arange(len(item["labels"]) + 2) * 500
        item["iscrowd"] = torch.arange(len(item["labels"]) + 1) % 2
    none = torch.tensor([])
    preds.append({"boxes": none, "scores": none, "labels": none})
    target.append({"boxes": none, "labels": none})
    got = MeanAveragePrecision()(moved(preds, device), moved(target, device))
    monkeypatch.undo()
    assert_same(got, MeanAveragePrecision()(preds, target))


@pytest.mark.parametrize("options", [{"extended_summary": True}, {"iou_type": ("bbox", "segm")}])
def test_what_the_host_does(device: str, monkeypatch: pytest.MonkeyPatch, options: Any) -> None:
    sides = images(3, 8, masks=True)
    metric = MeanAveragePrecision(**options)
    got = metric(*(moved(side, device) for side in sides))
    monkeypatch.undo()
    assert_same(got, MeanAveragePrecision(**options)(*sides))


def test_empty_updates(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    preds, target = images(1, 4)
    for side in (preds, target):
        for item in side:
            for key in item:
                item[key] = item[key][:0]
    got = MeanAveragePrecision()(moved(preds, device), moved(target, device))
    monkeypatch.undo()
    assert_same(got, MeanAveragePrecision()(preds, target))
