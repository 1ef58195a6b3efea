"""Images for the torchmetrics drop-in, and torchmetrics itself, where it can be imported."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np
import pytest

_operators: list[Any] = []  # torch forgets a declaration with its object


def import_torchmetrics() -> Any:
    """torchmetrics' detection package, or skip."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch")
        pytest.importorskip("pycocotools")
        try:
            importlib.import_module("torchvision")
        except ImportError:
            pytest.skip("torchmetrics' metric needs torchvision", allow_module_level=True)
        except RuntimeError:  # a CUDA build of torchvision with a CPU build of torch
            library = torch.library.Library("torchvision", "DEF")
            for name in ("nms", "qnms"):
                library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            _operators.append(library)
        return pytest.importorskip("torchmetrics.detection")


def images(seed: int, n: int, *, masks: bool = False, fmt: str = "xyxy") -> tuple[Any, Any]:
    """Predictions and targets of n images, some of them empty; scores tie, areas are large too."""
    import torch

    rng = np.random.default_rng(seed)

    def boxes(k: int) -> Any:
        low = rng.integers(0, 30, (k, 2)) * 1.1
        size = rng.uniform(1, 14, (k, 2)) * rng.choice([1, 3, 8], (k, 1))
        second = low + size if fmt == "xyxy" else size
        return torch.from_numpy(np.concatenate([low, second], 1).astype(np.float32))

    def drawn(regions: Any) -> Any:
        pixels = torch.zeros(len(regions), 40, 50, dtype=torch.bool)
        for (x0, y0, x1, y1), mask in zip(regions.int().tolist(), pixels, strict=True):
            mask[y0:y1, x0:x1] = True
        return pixels

    preds, target = [], []
    for _ in range(n):
        d, g = int(rng.integers(0, 8)), int(rng.integers(0, 5))
        found, truth = boxes(d), boxes(g)
        k = min(d, g)
        found[:k] = truth[:k] + torch.from_numpy(rng.normal(0, 0.5, (k, 4)).astype(np.float32))
        scores = torch.from_numpy((rng.integers(0, 10, d) / 10).astype(np.float32))
        pred = {"boxes": found, "scores": scores, "labels": torch.from_numpy(rng.integers(0, 3, d))}
        gt = {"boxes": truth, "labels": torch.from_numpy(rng.integers(0, 4, g))}
        if rng.random() < 0.5:
            gt["iscrowd"] = torch.from_numpy((rng.random(g) < 0.3).astype(np.int64))
        if rng.random() < 0.5:
            area = np.where(rng.random(g) < 0.5, rng.uniform(0, 12000, g), 0)
            gt["area"] = torch.from_numpy(area.astype(np.float32))
        if masks:
            pred["masks"], gt["masks"] = drawn(found), drawn(truth)
        preds.append(pred)
        target.append(gt)
    return preds, target


def assert_same(ours: Any, theirs: Any, where: str = "") -> None:
    """Keys and their order, types, shapes and every bit."""
    import torch

    if isinstance(theirs, dict):
        assert list(ours) == list(theirs), where
        for key in theirs:
            assert_same(ours[key], theirs[key], f"{where} {key}")
    elif isinstance(theirs, torch.Tensor):
        what = (theirs.dtype, theirs.shape, theirs.device)
        assert (ours.dtype, ours.shape, ours.device) == what, where
        a, b = (x.detach().double().numpy().tobytes() for x in (ours, theirs))
        assert a == b, where
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs), where
        for a, b in zip(ours, theirs, strict=True):
            assert_same(a, b, where)
    else:
        assert ours == theirs, where
