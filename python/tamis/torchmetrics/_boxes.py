"""Boxes of an update as torchmetrics keeps them: x, y, w, h, one tensor per image."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tamis import _core


def to_xywh(boxes: list[Tensor], fmt: str) -> list[Tensor]:
    """A copy of the boxes of each image, in their own precision, on which the results depend."""
    if fmt == "xyxy":
        converted = _core.xyxy_to_xywh(boxes)
        if converted is not None:  # plain boxes on the host
            return list(map(torch.from_numpy, converted))
    if len({(b.dtype, b.device, b.ndim, b.shape[-1]) for b in boxes}) == 1 and boxes[0].ndim == 2:
        # copies: a view would be pickled with the boxes of all images
        copies: Any = torch.split_with_sizes_copy  # its stub says it returns nothing
        return list(copies(_convert(torch.cat(boxes), fmt), [b.shape[0] for b in boxes]))
    empty = [b.numel() == 0 for b in boxes]
    return [
        (b.unsqueeze(0) if b.ndim == 1 else b) if none else _convert(b.clone(), fmt)
        for b, none in zip(boxes, empty, strict=True)
    ]


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
