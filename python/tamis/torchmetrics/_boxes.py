"""Boxes of an update as torchmetrics keeps them: x, y, w, h, one tensor per image."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

_PAIRS = {torch.float32: np.complex64, torch.float64: np.complex128}  # of two such numbers


def to_xywh(boxes: list[Tensor], fmt: str) -> list[Tensor]:
    """A copy of the boxes of each image, in their own precision, on which the results depend."""
    if len({(b.dtype, b.device, b.ndim, b.shape[-1]) for b in boxes}) == 1 and boxes[0].ndim == 2:
        joined, pair = torch.cat(boxes), _PAIRS.get(boxes[0].dtype)
        if pair and fmt == "xyxy" and joined.is_cpu and joined.shape[1] == 4:
            return _to_xywh_on_host(boxes, joined, pair)
        # copies: a view would be pickled with the boxes of all images
        copies: Any = torch.split_with_sizes_copy  # its stub says it returns nothing
        return list(copies(_convert(joined, fmt), [b.shape[0] for b in boxes]))
    empty = [b.numel() == 0 for b in boxes]
    return [
        (b.unsqueeze(0) if b.ndim == 1 else b) if none else _convert(b.clone(), fmt)
        for b, none in zip(boxes, empty, strict=True)
    ]


def _to_xywh_on_host(boxes: list[Tensor], joined: Tensor, pair: Any) -> list[Tensor]:
    """By NumPy, whose calls take half the time of torch's; `joined` is overwritten."""
    values = (joined.detach() if joined.requires_grad else joined).numpy()
    low, high = values.view(pair).T
    high -= low
    parts, start = [], 0
    for one in boxes:
        end = start + one.shape[0]
        parts.append(torch.from_numpy(values[start:end]))
        start = end
    return parts


def _convert(boxes: Tensor, fmt: str) -> Tensor:
    """Boxes as xywh, in place where they can be."""
    if fmt == "xywh":
        return boxes
    x, y, w, h = boxes.detach().unbind(-1)
    if fmt == "xyxy":
        w -= x
        h -= y
        return boxes
    low_x, low_y, high_x, high_y = x - 0.5 * w, y - 0.5 * h, x + 0.5 * w, y + 0.5 * h
    return torch.stack((low_x, low_y, high_x - low_x, high_y - low_y), dim=-1)
