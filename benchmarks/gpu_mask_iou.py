"""mask_iou on a GPU against a product of pixels in PyTorch, what is done without run lengths.

The floor is the runs of all masks read once, and the result written, at the rate of a copy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tamis
import torch
from gpu_timing import milliseconds_per_byte, row
from tamis import Masks

HEIGHT, WIDTH = 480, 640


def outlines(n: int, seed: int) -> Masks:
    """Stars of 40 corners, mostly a tenth of the image wide."""
    rng = np.random.default_rng(seed)
    turn = np.sort(rng.uniform(0, 2 * np.pi, (n, 40)), axis=1)
    radius = rng.uniform(10, 60, (n, 1)) * rng.uniform(0.6, 1, turn.shape)
    x = rng.uniform(0, WIDTH, (n, 1)) + radius * np.cos(turn)
    y = rng.uniform(0, HEIGHT, (n, 1)) + radius * np.sin(turn)
    corners = np.stack([x.clip(0, WIDTH), y.clip(0, HEIGHT)], axis=2).reshape(n, -1)
    return Masks.from_polygons([[one] for one in corners], (HEIGHT, WIDTH))


def torch_mask_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Of (n, pixels) and (m, pixels) float32: sums are whole numbers below 2 ** 24."""
    common = a @ b.T
    return (common / (a.sum(1)[:, None] + b.sum(1) - common)).nan_to_num()


def pixels(masks: Masks) -> torch.Tensor:
    return torch.from_numpy(masks.decode().reshape(len(masks), -1)).to("cuda").float()


def floor(a: Any, b: Any, values: torch.Tensor) -> float:
    return (a.ends.nbytes + b.ends.nbytes + 2 * values.nbytes) * milliseconds_per_byte(True)


def all_pairs(n: int) -> list[dict[str, Any]]:
    like = torch.empty(0, device="cuda")
    a, b = outlines(n, 0), outlines(n, 1)
    x, y, p, q = a.to_device(like), b.to_device(like), pixels(a), pixels(b)
    got = tamis.mask_iou(x, y)
    if not np.array_equal(got.cpu().numpy(), tamis.mask_iou(a, b)):
        raise SystemExit("mask_iou: other numbers than on the host")
    if float((got - torch_mask_iou(p, q)).abs().max()) > 1e-6:
        raise SystemExit("mask_iou: other numbers than of pixels")
    name, least = f"{n} x {n}, {HEIGHT} x {WIDTH}", floor(x, y, got)
    return [
        row(f"tamis.mask_iou {name}", lambda: tamis.mask_iou(x, y), got.nbytes, floor_ms=least),
        row(f"torch product of pixels {name}", lambda: torch_mask_iou(p, q), got.nbytes),
    ]


def batched(images: int, n: int, m: int) -> list[dict[str, Any]]:
    like = torch.empty(0, device="cuda")
    a, b = outlines(images * n, 2), outlines(images * m, 3)
    splits = np.arange(images + 1) * n, np.arange(images + 1) * m
    x, y = a.to_device(like), b.to_device(like)
    got = tamis.mask_iou_batched(x, splits[0], y, splits[1])[0]
    if not np.array_equal(got.cpu().numpy(), tamis.mask_iou_batched(a, splits[0], b, splits[1])[0]):
        raise SystemExit("mask_iou_batched: other numbers than on the host")
    name = f"{images} images of {n} x {m}"
    return [
        row(f"Masks.to_device, {len(a)} masks", lambda: a.to_device(like)),
        row(
            f"tamis.mask_iou_batched, {name}",
            lambda: tamis.mask_iou_batched(x, splits[0], y, splits[1]),
            got.nbytes,
            floor_ms=floor(x, y, got),
        ),
    ]


def encoded(n: int) -> list[dict[str, Any]]:
    """Pixels of one image's masks, as a model gives them."""
    masks = outlines(n, 4)
    x = pixels(masks).reshape(n, HEIGHT, WIDTH) > 0
    if not np.array_equal(Masks.encode(x).text, masks.text):
        raise SystemExit("Masks.encode: other runs than those that were drawn")
    name = f"{n} masks of {HEIGHT} x {WIDTH}"
    return [
        row(f"tamis.Masks.encode, {name}", lambda: Masks.encode(x)),
        row(f"the same on the host, with the copy, {name}", lambda: Masks.encode(x.cpu())),
    ]


def run() -> list[dict[str, Any]]:
    return [*all_pairs(2000), *batched(2000, 36, 7), *encoded(100)]
