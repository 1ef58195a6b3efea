"""Duplicate boxes and largest IoU on a GPU, compared with the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import tamis
import torch
from gpu_mask_iou import outlines
from gpu_timing import row

A_IMAGE = 10  # boxes


def boxes(n: int) -> torch.Tensor:
    """Every hundredth nearly repeats the box before it."""
    g = torch.Generator("cuda").manual_seed(0)
    corner = torch.rand((n, 2), generator=g, device="cuda") * 600
    size = torch.rand((n, 2), generator=g, device="cuda") * 200 + 1
    found = torch.cat([corner, size], 1)
    found[1::100] = found[0::100] * 1.0001
    return found


def run() -> list[dict[str, Any]]:
    few = 1_000_000
    x, splits = boxes(few), np.arange(0, few + 1, A_IMAGE)
    got = tamis.find_duplicate_boxes(x, splits, fmt="xywh")
    want = tamis.find_duplicate_boxes(x.cpu().numpy(), splits, fmt="xywh")
    if not np.array_equal(got.duplicates.cpu().numpy(), want.duplicates):
        raise SystemExit("find_duplicate_boxes: other duplicates than on the host")
    best = tamis.max_iou(x, splits, fmt="xywh").cpu().numpy()
    if not np.array_equal(best, tamis.max_iou(x.cpu().numpy(), splits, fmt="xywh")):
        raise SystemExit("max_iou: other numbers than on the host")
    found = []
    for n in (few, 100_000_000):
        x, splits = boxes(n), np.arange(0, n + 1, A_IMAGE)
        found += [
            row(
                f"tamis.find_duplicate_boxes, {n} boxes",
                lambda x=x, s=splits: tamis.find_duplicate_boxes(x, s, fmt="xywh"),
                rounds=3,
            ),
            row(
                f"tamis.max_iou, {n} boxes",
                lambda x=x, s=splits: tamis.max_iou(x, s, fmt="xywh"),
                rounds=3,
            ),
        ]
        del x
        torch.cuda.empty_cache()
    return [*found, *shapes()]


def shapes() -> list[dict[str, Any]]:
    """Rotated boxes and masks, on the device and on the host."""
    n, few = 1_000_000, 20_000
    x = boxes(n)
    x = torch.cat([x, torch.rand((n, 1), device="cuda") * 180], 1)
    x[1::100] = x[0::100] * 1.0001
    masks = outlines(few // 2, 0)[np.arange(few) // 2]
    placed = masks.to_device(x)
    found = []
    for name, given, hosted in (
        (f"{n} rotated boxes", x, x.cpu().numpy()),
        (f"{few} masks", placed, masks),
    ):
        splits = np.arange(0, len(hosted) + 1, A_IMAGE)
        got = tamis.find_duplicate_boxes(given, splits)
        want = tamis.find_duplicate_boxes(hosted, splits)
        if not np.array_equal(got.duplicates.cpu().numpy(), want.duplicates):
            raise SystemExit(f"find_duplicate_boxes: others of {name} than on the host")
        for where, these in (("", given), (" on the host", hosted)):
            found.append(
                row(
                    f"tamis.find_duplicate_boxes, {name}{where}",
                    lambda b=these, s=splits: tamis.find_duplicate_boxes(b, s),
                    rounds=3,
                )
            )
    return found
