"""Gates: numbers that must not fall below a minimum or a baseline."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

ROUNDING = 1e-9  # a mean of ones may be 1 - 1e-16


class Fall(NamedTuple):
    """A number that is too low."""

    name: str
    required: float  # the minimum, or the baseline's less the tolerance
    baseline: float | None
    now: float


def gate(
    numbers: Mapping[str, float],
    *,
    least: Mapping[str, float] | None = None,
    baseline: Mapping[str, float] | None = None,
    tolerance: float = 0.0,
) -> list[Fall]:
    """The numbers that are too low, those that fell most first; -1, no ground truth, is too low.

    A baseline's own -1 asks for nothing. ValueError for a name that `numbers` does not have.
    """
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(f"tolerance must be 0 or more, got {tolerance}")
    wanted: list[tuple[str, float, float | None]] = [
        (name, value, None) for name, value in (least or {}).items()
    ]
    wanted += [
        (name, value - tolerance, value) for name, value in (baseline or {}).items() if value > -1
    ]
    unknown = [name for name, *_ in wanted if name not in numbers]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is none of the numbers {', '.join(numbers)}")
    falls = [
        Fall(name, required, before, numbers[name])
        for name, required, before in wanted
        if not numbers[name] >= required - ROUNDING
    ]
    return sorted(falls, key=lambda fall: fall.now - fall.required)


def table(falls: list[Fall]) -> str:
    """A line for each, under a heading."""
    lines = [f"{'too low':<8} {'now':>8} {'required':>9} {'baseline':>9} {'short of':>9}"]
    for name, required, before, now in falls:
        shown = f"{before:9.4f}" if before is not None else f"{'-':>9}"
        lines.append(f"{name:<8} {now:8.4f} {required:9.4f} {shown} {required - now:9.4f}")
    return "\n".join(lines)


def read_least(option: str, text: str) -> dict[str, float]:
    """``AP=0.45,AP50=0.6``."""
    found = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            raise ValueError(f"{option} must be NAME=NUMBER,..., got {part!r}") from None
        if not math.isfinite(found[name.strip()]):
            raise ValueError(f"{option} must be NAME=NUMBER,..., got {part!r}")
    return found


def read_baseline(option: str, path: str | os.PathLike[str], kind: str | None) -> dict[str, float]:
    """The numbers of a results.json of `tamis eval`; of another kind of evaluation an error."""
    with open(path, encoding="utf-8") as file:
        try:
            held = json.load(file)
        except ValueError as error:
            raise ValueError(f"{option}: {os.fspath(path)} is no JSON: {error}") from None
    numbers = (
        {
            name: float(value)
            for name, value in held.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        }
        if isinstance(held, dict)
        else {}
    )
    if not numbers:
        raise ValueError(f"{option}: {os.fspath(path)} holds no numbers of tamis eval")
    before = held.get("iou_type")
    if kind is not None and before not in (None, kind):
        raise ValueError(f"{option}: {os.fspath(path)} is of {before}, the results of {kind}")
    return numbers


def numbers_of(result: Any) -> tuple[dict[str, float], str | None]:
    """The numbers and the kind of a DetectionResult, a COCOeval or a mapping."""
    if isinstance(result, Mapping):
        return {str(name): float(value) for name, value in result.items()}, None
    from tamis.evaluation.results import results

    found = results(result)
    return found.stats, found.iou_type
