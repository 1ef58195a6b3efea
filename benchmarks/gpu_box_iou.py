"""box_iou on a GPU against the formula of torchvision.ops.box_iou in PyTorch.

The ceilings are what the same GPU writes (fill) and copies for an array of the size of the result;
the floor of a line is its result at the rate of a fill.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tamis
import torch
from gpu_timing import milliseconds_per_byte, row


def boxes(n: int, seed: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 600, (n, 2))
    xyxy = np.concatenate([corner, corner + rng.uniform(1, 200, (n, 2))], axis=1)
    return torch.from_numpy(xyxy).to("cuda", dtype)


def torch_box_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    area_a, area_b = ((x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1]) for x in (a, b))
    low = torch.max(a[:, None, :2], b[:, :2])
    high = torch.min(a[:, None, 2:], b[:, 2:])
    sides = (high - low).clamp(min=0)
    inter = sides[..., 0] * sides[..., 1]
    return inter / (area_a[:, None] + area_b - inter)


def ours(name: str, run: Callable[[], Any], written: int) -> dict[str, Any]:
    return row(f"tamis.{name}", run, written, floor_ms=written * milliseconds_per_byte(False))


def same(got: torch.Tensor, want: torch.Tensor) -> None:
    if not torch.equal(got, want):
        raise SystemExit(f"wrong answer: largest difference {(got - want).abs().max().item()}")


def ceilings(n: int, m: int, dtype: torch.dtype) -> list[dict[str, Any]]:
    out = torch.empty((n, m), dtype=dtype, device="cuda")
    found = [row(f"ceiling: fill {n} x {m}", lambda: out.fill_(1), out.nbytes)]
    half = out.view(-1)[: out.numel() // 2], out.view(-1)[out.numel() // 2 // 4 * 4 :]
    size = min(map(len, half))
    copied = row(
        f"ceiling: copy within {n} x {m} (read + written)",
        lambda: half[1][:size].copy_(half[0][:size]),
        2 * size * out.itemsize,
    )
    return [*found, copied]


def all_pairs(n: int, m: int, dtype: torch.dtype, rival: bool) -> list[dict[str, Any]]:
    a, b = boxes(n, 0, dtype), boxes(m, 1, dtype)
    got = tamis.box_iou(a, b)
    for i in range(0, n, max(1, n // 20)):  # in slices: the formula needs five times the memory
        same(got[i : i + 100], torch_box_iou(a[i : i + 100], b))
    written = got.nbytes
    del got
    name = f"{n} x {m} {str(dtype)[6:]}"
    found = ceilings(n, m, dtype)
    found.append(ours(f"box_iou {name}", lambda: tamis.box_iou(a, b), written))
    if rival:
        same(tamis.box_iou(a, b), torch_box_iou(a, b))
        found.append(row(f"torch formula {name}", lambda: torch_box_iou(a, b), written))
    return found


def kinds(n: int) -> list[dict[str, Any]]:
    a, b = boxes(n, 0), boxes(n, 1)
    return [
        ours(f"box_iou {n} x {n} {kind}", lambda k=kind: tamis.box_iou(a, b, kind=k), 4 * n * n)
        for kind in ("giou", "diou", "ciou", "iof")
    ]


def batched(images: int, n: int, m: int) -> list[dict[str, Any]]:
    a, b = boxes(images * n, 0), boxes(images * m, 1)
    a_splits, b_splits = np.arange(images + 1) * n, np.arange(images + 1) * m

    def loop() -> list[torch.Tensor]:
        return [
            torch_box_iou(a[n * i : n * i + n], b[m * i : m * i + m]).ravel() for i in range(images)
        ]

    same(tamis.box_iou_batched(a, a_splits, b, b_splits)[0], torch.cat(loop()))
    name, written = f"{images} images of {n} x {m}", 4 * images * n * m
    mine = ours(
        f"box_iou_batched {name}",
        lambda: tamis.box_iou_batched(a, a_splits, b, b_splits),
        written,
    )
    return [mine, row(f"torch formula, loop over {name}", loop, written)]


def paired(n: int) -> list[dict[str, Any]]:
    a, b = boxes(n, 0), boxes(n, 1)
    some = slice(0, 1000)
    same(tamis.box_iou_paired(a, b)[some], torch_box_iou(a[some], b[some]).diagonal())
    return [ours(f"box_iou_paired {n}", lambda: tamis.box_iou_paired(a, b), 4 * n)]


def run() -> list[dict[str, Any]]:
    found = all_pairs(10_000, 10_000, torch.float32, rival=True)
    found += all_pairs(10_000, 10_001, torch.float32, rival=False)  # rows not on 16 bytes
    found += all_pairs(10_000, 10_000, torch.float64, rival=True)
    big = 50_000
    torch.cuda.empty_cache()
    if torch.cuda.mem_get_info()[0] > 2.5 * 4 * big * big:
        found += all_pairs(big, big, torch.float32, rival=False)
    else:
        print(
            f"{big} x {big} left out: less than {2.5 * 4e-9 * big * big:.0f} GB of memory is free"
        )
    torch.cuda.empty_cache()
    return found + kinds(10_000) + batched(5_000, 100, 8) + paired(10_000_000)
