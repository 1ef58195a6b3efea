"""The states of torchmetrics' metric, one tensor per image, as columns."""

from __future__ import annotations

import contextlib
from functools import lru_cache
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis.evaluation.matching_cuda import DeviceRows, classes_of

_FEW = 256  # values of zeros that are kept


def zeros_like(labels: Tensor) -> Tensor:
    """Zeros of the labels' shape, type and device; images with as many labels share them."""
    n = labels.numel()
    if n > _FEW or labels.ndim != 1:
        return torch.zeros_like(labels)
    return _zeros(n, labels.dtype, labels.device)


@lru_cache(maxsize=1024)
def _zeros(n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # they are used outside that mode, too
        return torch.zeros(n, dtype=dtype, device=device)


def dtypes(parts: list[Tensor]) -> set[torch.dtype]:
    return set(map(attrgetter("dtype"), parts))


def joined(parts: list[Tensor], counts: list[int] | None = None) -> Array:
    """The values of all images, joined where they live, then copied to the host at once."""
    values = _cat(first(parts, counts)).detach().cpu()
    if values.is_complex():
        raise TypeError("float() argument must be a string or a real number, not 'complex'")
    array: Array = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    return array


def _cat(parts: list[Tensor]) -> Tensor:
    """All values; those of empty images may have any type and shape."""
    if len(dtypes(parts)) == 1:
        with contextlib.suppress(RuntimeError):
            return torch.cat(parts)
    filled = [part for part in parts if part.numel()]
    return torch.cat(filled) if filled else torch.empty(0, dtype=torch.float64)


def first(parts: list[Tensor], counts: list[int] | None) -> list[Tensor]:
    """The first values of each image; IndexError if one has fewer."""
    if counts is None or list(map(Tensor.numel, parts)) == counts:
        return parts
    short = [i for i, n in enumerate(counts) if len(parts[i]) < n]
    if short:
        raise IndexError(f"iscrowd or area of sample {short[0]} is shorter than its labels")
    return [part[:n] for part, n in zip(parts, counts, strict=True)]


def stays_on_device(metric: Any) -> bool:
    """Whether the boxes of a metric are evaluated on the device its states live on."""
    if metric.iou_type != ("bbox",) or metric.extended_summary:
        return False
    states = (getattr(metric, name) for name in metric._reductions if "mask" not in name)
    some = [next((part for part in parts if part.numel()), None) for parts in states]
    found = [part for part in some if part is not None]
    devices = {part.device for part in found}
    return len(devices) == 1 and arrays.runs_on_device(found[0])


def device_sides(metric: Any, counts: list[int]) -> tuple[DeviceRows, DeviceRows, Array]:
    """Ground truths and detections on their device, and the classes."""
    labels = [*metric.groundtruth_labels, *metric.detection_labels]
    like = next(part for part in labels if part.numel())
    classes, place = classes_of(_column(labels, "int64", like))
    gt_boxes = _column(metric.groundtruth_box, "float64", like).reshape(-1, 4)
    boxes = _column(metric.detection_box, "float64", like).reshape(-1, 4)
    n = len(gt_boxes)
    crowd = _column(first(metric.groundtruth_crowds, counts), "float64", like) != 0
    given = _column(first(metric.groundtruth_area, counts), "float64", like)
    area = torch.where(given > 0, given, gt_boxes[:, 2] * gt_boxes[:, 3])
    gts = DeviceRows(
        _offsets(metric.groundtruth_labels), place[:n], gt_boxes, area, crowd=crowd.to(torch.uint8)
    )
    scores = _column(metric.detection_scores, "float64", like)
    area = boxes[:, 2] * boxes[:, 3]
    dts = DeviceRows(_offsets(metric.detection_labels), place[n:], boxes, area, scores=scores)
    return gts, dts, classes


def _column(parts: list[Tensor], dtype: str, like: Tensor) -> Tensor:
    """The values of all images on the device of `like`; empty ones may be of any kind."""
    filled = [part for part in parts if part.numel()]
    if not filled:
        return torch.empty(0, dtype=getattr(torch, dtype), device=like.device)
    column: Tensor = arrays.cast(torch.cat(filled).detach(), dtype)
    return column


def _offsets(parts: list[Tensor]) -> Array:
    ends: Array = np.cumsum([0, *(part.size(0) for part in parts)])
    return ends


def packed(parts: list[Any]) -> Any:
    """A state on the host: tensors that fit each other joined, and their lengths."""
    if not parts or not isinstance(parts[0], Tensor):
        return parts
    if len({(part.dtype, part.device, part.shape[1:]) for part in parts}) > 1:
        return [part.detach().cpu() for part in parts]
    return torch.cat(parts).detach().cpu(), [len(part) for part in parts]


def unpacked(state: Any, device: torch.device) -> list[Any]:
    if isinstance(state, tuple):
        values, sizes = state
        return list(values.to(device).split(sizes))
    return [part.to(device) if isinstance(part, Tensor) else part for part in state]
