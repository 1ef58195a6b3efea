"""The settings of `DetectionEvaluator`, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tamis._shared.arrays import Array

AREA_RANGES = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}


def levels(argument: str, values: Any, default: Array) -> Array:
    """Thresholds as float64."""
    levels = default if values is None else np.asarray(values)
    if levels.dtype.kind in "iub":
        levels = levels.astype(np.float64)
    if levels.dtype.kind != "f" or levels.ndim != 1 or not len(levels) or np.isnan(levels).any():
        raise ValueError(
            f"DetectionEvaluator: {argument} must be numbers of shape (T,), T > 0, without NaN,"
            f" got {values!r}"
        )
    return levels.astype(np.float64)


def caps(values: Any, count: int) -> tuple[int, ...]:
    """Counts of detections."""
    caps = np.asarray(values)
    if (
        caps.shape != (count,)
        or caps.dtype.kind not in "iu"
        or caps[0] < 0
        or (np.diff(caps) < 0).any()
    ):
        raise ValueError(
            "DetectionEvaluator: max_detections must be"
            f" {'three ascending counts' if count == 3 else 'one count'}, got {values!r}"
        )
    return tuple(caps.tolist())


def ranges(values: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """The ranges, `all` first: `AP` and the counts are taken from it."""
    ranges = {}
    if not isinstance(values, Mapping):
        raise TypeError(
            f"DetectionEvaluator: area_ranges must be a dict of (low, high), got {values!r}"
        )
    for key, bounds in values.items():
        pair = np.asarray(bounds)
        if pair.shape != (2,) or pair.dtype.kind not in "iuf" or np.isnan(pair).any():
            raise ValueError(
                f"DetectionEvaluator: area_ranges[{key!r}] must be (low, high), got {bounds!r}"
            )
        ranges[key] = (float(pair[0]), float(pair[1]))
    if "all" not in ranges:
        raise ValueError(
            f"DetectionEvaluator: area_ranges must contain the key 'all', got {list(ranges)}"
        )
    return {"all": ranges.pop("all"), **ranges}


def names(argument: str, what: str, values: Any) -> dict[Any, str] | None:
    """Names by what they name, a number or, of an image, an id that is text."""
    if values is None:
        return None
    named = values if isinstance(values, Mapping) else None
    if isinstance(values, np.ndarray) and values.ndim:
        values = values.tolist()
    if named is None and isinstance(values, Sequence) and not isinstance(values, str):
        named = dict(enumerate(values))
    if named is None or not all(isinstance(name, str) for name in named.values()):
        raise TypeError(
            f"DetectionEvaluator: {argument} must be names, or a dict of {what} to names,"
            f" got {values!r}"
        )
    return {x if isinstance(x, str) else int(x): str(name) for x, name in named.items()}


def image_names(values: Any) -> dict[Any, str] | None:
    """Names by image id; they stand for ids, so no two are equal."""
    named = names("image_names", "image ids", values) or {}
    seen: set[str] = set()
    for name in named.values():
        if name in seen:
            raise ValueError(f"DetectionEvaluator: image_names must differ, got {name!r} twice")
        seen.add(name)
    return None if values is None else named
