"""rotated_box_iou on a GPU, compared with the host to the bit; PyTorch has no peer.

The floor is the larger of the result written at the rate of a fill, and of the operations on pairs
at the rate of a float64 product.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import tamis
import torch
from gpu_timing import milliseconds_per_byte, milliseconds_per_operation, row

OF_A_PAIR, OF_AN_OVERLAP = 6, 150  # float64 operations: bounding boxes, clipping
SPREADS = {"few overlap": 20_000, "some overlap": 600, "all overlap": 10}  # of the centres


def boxes(n: int, spread: float, seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    parts = rng.uniform(0, spread, (n, 2)), rng.uniform(10, 60, (n, 2)), rng.uniform(0, 180, (n, 1))
    return torch.from_numpy(np.concatenate(parts, axis=1)).to("cuda", torch.float32)


def same(got: torch.Tensor, want: np.ndarray) -> None:
    if not np.array_equal(got.cpu().numpy(), want):
        raise SystemExit("rotated_box_iou: other numbers than on the host")


def floor(result: torch.Tensor) -> float:
    overlaps = int(torch.count_nonzero(result))
    operations = OF_A_PAIR * result.numel() + OF_AN_OVERLAP * overlaps
    return max(
        result.nbytes * milliseconds_per_byte(False),
        operations * milliseconds_per_operation(torch.float64),
    )


def line(name: str, run: Any) -> dict[str, Any]:
    result = run()
    written, least = result.nbytes, floor(result)
    del result
    return row(f"tamis.{name}", run, written, floor_ms=least)


def all_pairs(n: int, spread: str) -> dict[str, Any]:
    a, b = (boxes(n, SPREADS[spread], seed) for seed in (0, 1))
    same(tamis.rotated_box_iou(a[:300], b), tamis.rotated_box_iou(a[:300].cpu(), b.cpu()).numpy())
    name = f"rotated_box_iou {n} x {n}, {spread}"
    return line(name, functools.partial(tamis.rotated_box_iou, a, b))


def batched(images: int, n: int, m: int) -> dict[str, Any]:
    a, b = boxes(images * n, 200, 0), boxes(images * m, 200, 1)
    splits = np.arange(images + 1) * n, np.arange(images + 1) * m
    want = tamis.rotated_box_iou_batched(a.cpu(), splits[0], b.cpu(), splits[1])[0]
    same(tamis.rotated_box_iou_batched(a, splits[0], b, splits[1])[0], want.numpy())
    return line(
        f"rotated_box_iou_batched, {images} images of {n} x {m}",
        lambda: tamis.rotated_box_iou_batched(a, splits[0], b, splits[1])[0],
    )


def paired(n: int) -> dict[str, Any]:
    a, b = boxes(n, 30, 0), boxes(n, 30, 1)
    want = tamis.rotated_box_iou_paired(a[:1000].cpu(), b[:1000].cpu()).numpy()
    same(tamis.rotated_box_iou_paired(a, b)[:1000], want)
    return line(f"rotated_box_iou_paired {n}", lambda: tamis.rotated_box_iou_paired(a, b))


def run() -> list[dict[str, Any]]:
    found = [all_pairs(20_000, spread) for spread in SPREADS]
    torch.cuda.empty_cache()
    return [*found, batched(5_000, 100, 8), paired(10_000_000)]
