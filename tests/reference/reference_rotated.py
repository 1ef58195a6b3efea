"""Slow, obvious overlap of rotated boxes: one clipped by the sides of the other, in long double."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

Extended = np.longdouble  # 64 bits of mantissa on x86-64
Point = tuple[Extended, Extended]


def corners(box: np.ndarray, centre: np.ndarray) -> list[Point]:
    """Counter-clockwise, from `centre`."""
    x, y, w, h, angle = (Extended(v) for v in box)
    turn = np.fmod(angle, Extended(360)) * (np.arctan2(Extended(0), Extended(-1)) / 180)
    c, s = np.cos(turn), np.sin(turn)
    x, y = x - Extended(centre[0]), y - Extended(centre[1])
    halves = [(-w / 2, -h / 2), (w / 2, -h / 2), (w / 2, h / 2), (-w / 2, h / 2)]
    return [(x + c * i - s * j, y + s * i + c * j) for i, j in halves]


def area(polygon: list[Point]) -> Extended:
    x0, y0 = polygon[0]
    shifted = [(x - x0, y - y0) for x, y in polygon]
    return sum((p[0] * q[1] - q[0] * p[1] for p, q in itertools.pairwise(shifted)), Extended(0)) / 2


def clip(polygon: list[Point], p: Point, q: Point) -> list[Point]:
    """What lies to the left of the line from p to q."""
    left = [(q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]) for r in polygon]
    out = []
    for i, r in enumerate(polygon):
        before = i - 1
        if (left[i] < 0) != (left[before] < 0):
            t = left[i] / (left[i] - left[before])
            out.append(tuple(u + t * (v - u) for u, v in zip(r, polygon[before], strict=True)))
        if left[i] >= 0:
            out.append(r)
    return out


def inter(a: np.ndarray, b: np.ndarray) -> Extended:
    if min(*a[2:4], *b[2:4]) <= 0:
        return Extended(0)
    polygon, window = corners(a, a[:2]), corners(b, a[:2])
    for p, q in itertools.pairwise([*window, window[0]]):
        polygon = clip(polygon, p, q)
        if not polygon:
            return Extended(0)
    return max(area([*polygon, polygon[0]]), Extended(0))


def overlap(a: np.ndarray, b: np.ndarray, kind: str = "iou") -> float:
    common = inter(a, b)
    areas = [Extended(x[2]) * Extended(x[3]) for x in (a, b)]
    whole = areas[0] if kind == "iof" else areas[0] + areas[1] - common
    return float(common / whole) if common > 0 else 0.0


def rotated_box_iou(a: np.ndarray, b: np.ndarray, kind: str = "iou") -> np.ndarray:
    """(n, m) float64."""
    return np.array([[overlap(p, q, kind) for q in b] for p in a]).reshape(len(a), len(b))


def polygons(shapely: Any, x: np.ndarray) -> Any:
    """(n,) polygons of shapely."""
    turn = np.deg2rad(x[:, 4])
    u = np.stack([np.cos(turn), np.sin(turn)], 1) * x[:, 2:3] / 2
    v = np.stack([-np.sin(turn), np.cos(turn)], 1) * x[:, 3:4] / 2
    c = x[:, :2]
    return shapely.polygons(np.stack([c - u - v, c + u - v, c + u + v, c - u + v], 1))
