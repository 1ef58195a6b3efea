"""Slow, obvious NumPy versions of what the compiled rooms compute, operation by operation."""

from __future__ import annotations

from typing import Any

import numpy as np


def same_bits(got: np.ndarray, want: np.ndarray) -> None:
    """Assert that two float or integer arrays agree in dtype, shape and every bit."""
    assert got.dtype == want.dtype and got.shape == want.shape
    np.testing.assert_array_equal(got.view(f"i{got.itemsize}"), want.view(f"i{want.itemsize}"))


def some_splits(images: int, most: int, seed: int) -> np.ndarray:
    """Offsets of `images` images of 0 to `most` boxes each."""
    counts = np.random.default_rng(seed).integers(0, most + 1, images)
    return np.concatenate([[0], np.cumsum(counts)])


@np.errstate(all="ignore")
def arctangent(x: np.ndarray) -> np.ndarray:
    """atan of float64 by plain multiplications, additions and divisions."""
    value, x = x, np.where(x < 0, -x, x)
    steep, flat = x > 2.41421356237309504880, x <= 0.66
    r = np.where(steep, -1.0 / x, np.where(flat, x, (x - 1.0) / (x + 1.0)))
    z = r * r
    p = np.full_like(z, -8.750608600031904122785e-1)
    for c in (
        -1.615753718733365076637e1,
        -7.500855792314704667340e1,
        -1.228866684490136173410e2,
        -6.485021904942025371773e1,
    ):
        p = p * z + c
    q = z + 2.485846490142306297962e1
    for c in (
        1.650270098316988542046e2,
        4.328810604912902668951e2,
        4.853903996359136964868e2,
        1.945506571482613964425e2,
    ):
        q = q * z + c
    tail = 6.123233995736765886130e-17
    base = np.where(steep, 1.57079632679489661923, np.where(flat, 0.0, 0.78539816339744830962))
    angle = base + (r * (z * p / q) + r + np.where(steep, tail, np.where(flat, 0.0, 0.5 * tail)))
    return np.where(value < 0, -angle, angle)


def corners(boxes: np.ndarray, fmt: str) -> tuple[np.ndarray, ...]:
    """x1, y1, x2, y2 and area."""
    x, y, z, w = boxes.T
    if fmt == "xyxy":
        return x, y, z, w, (z - x) * (w - y)
    if fmt == "xywh":
        return x, y, x + z, y + w, z * w
    half = boxes.dtype.type(0.5)
    return x - half * z, y - half * w, x + half * z, y + half * w, z * w


def smaller(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(a < b, a, b)


def larger(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(a > b, a, b)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.where(whole != 0, part / whole, part.dtype.type(0))


def angle(width: np.ndarray, height: np.ndarray) -> np.ndarray:
    exact = arctangent((width / height).astype(np.float64)).astype(width.dtype)
    return np.where((width == 0) & (height == 0), width.dtype.type(0), exact)


@np.errstate(all="ignore")
def box_iou_paired(
    a: np.ndarray, b: np.ndarray, kind: str = "iou", fmt: str = "xyxy"
) -> np.ndarray:
    T = a.dtype.type
    ax1, ay1, ax2, ay2, a_area = corners(a, fmt)
    bx1, by1, bx2, by2, b_area = corners(b, fmt)
    inter = larger(smaller(ax2, bx2) - larger(ax1, bx1), T(0)) * larger(
        smaller(ay2, by2) - larger(ay1, by1), T(0)
    )
    whole = a_area if kind == "iof" else a_area + b_area - inter
    iou = ratio(inter, whole)
    if kind in ("iou", "iof"):
        return iou
    w = larger(larger(ax2, bx2) - smaller(ax1, bx1), T(0))
    h = larger(larger(ay2, by2) - smaller(ay1, by1), T(0))
    if kind == "giou":
        return iou - ratio(w * h - whole, w * h)
    dx = (ax1 + ax2) * T(0.5) - (bx1 + bx2) * T(0.5)
    dy = (ay1 + ay2) * T(0.5) - (by1 + by2) * T(0.5)
    diou = iou - (dx * dx + dy * dy) / (w * w + h * h + T(1e-7))
    if kind == "diou":
        return diou
    turn = angle(ax2 - ax1, ay2 - ay1) - angle(bx2 - bx1, by2 - by1)
    v = T(0.40528473456935108577551785283891) * (turn * turn)
    return diou - v / (T(1) - iou + v + T(1e-7)) * v


def box_iou(a: np.ndarray, b: np.ndarray, kind: str = "iou", fmt: str = "xyxy") -> np.ndarray:
    i, j = np.divmod(np.arange(len(a) * len(b)), max(1, len(b)))
    return box_iou_paired(a[i], b[j], kind, fmt).reshape(len(a), len(b))


def torchvision_overlap(a: Any, b: Any, kind: str, eps: float = 1e-7) -> Any:
    """What torchvision.ops computes, on torch tensors."""
    import torch

    area_a, area_b = ((x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1]) for x in (a, b))
    low = torch.max(a[:, None, :2], b[:, :2])
    high = torch.min(a[:, None, 2:], b[:, 2:])
    inter = (high - low).clamp(min=0).prod(dim=2)
    union = area_a[:, None] + area_b - inter
    iou = inter / union
    if kind == "iou":
        return iou
    hull = torch.max(a[:, None, 2:], b[:, 2:]) - torch.min(a[:, None, :2], b[:, :2])
    hull = hull.clamp(min=0)
    if kind == "giou":
        area = hull[..., 0] * hull[..., 1]
        return iou - (area - union) / area
    gap = (a[:, None, :2] + a[:, None, 2:]) / 2 - (b[:, :2] + b[:, 2:]) / 2
    diou = iou - (gap[..., 0] ** 2 + gap[..., 1] ** 2) / (
        hull[..., 0] ** 2 + hull[..., 1] ** 2 + eps
    )
    if kind == "diou":
        return diou
    turn = [torch.atan((x[:, 2] - x[:, 0]) / (x[:, 3] - x[:, 1])) for x in (a, b)]
    v = (4 / torch.pi**2) * torch.pow(turn[0][:, None] - turn[1], 2)
    return diou - v / (1 - iou + v + eps) * v


def box_iou_batched(
    a: np.ndarray,
    a_splits: np.ndarray,
    b: np.ndarray,
    b_splits: np.ndarray,
    kind: str = "iou",
    fmt: str = "xyxy",
) -> tuple[np.ndarray, np.ndarray]:
    blocks = [
        box_iou(a[i:j], b[k:m], kind, fmt).ravel()
        for i, j, k, m in zip(a_splits, a_splits[1:], b_splits, b_splits[1:], strict=False)
    ]
    splits = np.cumsum([0, *map(len, blocks)], dtype=np.int64)
    return np.concatenate([np.empty(0, a.dtype), *blocks]), splits


def max_iou(
    boxes: np.ndarray,
    splits: np.ndarray,
    labels: np.ndarray | None = None,
    other: np.ndarray | None = None,
    other_splits: np.ndarray | None = None,
    other_labels: np.ndarray | None = None,
    fmt: str = "xyxy",
) -> np.ndarray:
    within = other is None
    if within:
        other, other_splits, other_labels = boxes, splits, labels
    out = np.zeros(len(boxes), boxes.dtype)
    for image in range(len(splits) - 1):
        rows = slice(splits[image], splits[image + 1])
        columns = slice(other_splits[image], other_splits[image + 1])
        m = np.minimum(box_iou(boxes[rows], other[columns], fmt=fmt), 1)
        if labels is not None:
            m[labels[rows, None] != other_labels[None, columns]] = 0
        if within:
            np.fill_diagonal(m, 0)
        out[rows] = m.max(axis=1, initial=0) + m.dtype.type(0)  # never -0
    return out
