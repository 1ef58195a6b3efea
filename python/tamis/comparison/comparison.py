"""What `compare` gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tamis._shared.arrays import Array
from tamis._shared.results import Drawn
from tamis.comparison.changes import ImageChange
from tamis.comparison.statistics import number, shown


@dataclass(frozen=True)
class Difference:
    """A number of two models, the second minus the first with its interval, and the p-value.

    `q` is the least false discovery rate at which it is found among all classes; NaN elsewhere.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    q: float = float("nan")

    def __str__(self) -> str:
        low, high = shown(self.low, sign="+"), shown(self.high, sign="+")
        change = shown(self.difference, sign="+")
        return (
            f"{shown(self.first)} {shown(self.second)} {change} [{low}, {high}] p={shown(self.p)}"
        )

    def to_dict(self) -> dict[str, float | None]:
        """Plain JSON; None for NaN."""
        return {name: number(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Versus(Drawn):
    """One model against the first.

    Attributes
    ----------
    name : str
    stats : dict of str to Difference
        The evaluation's numbers, sizes among them.
    classes : (K,) array
        Labels of all classes of both.
    per_class : dict of str to dict
        Label to a `Difference` of each number, tested among the classes (Benjamini-Hochberg) where
        at least ten images hold it; p and q are NaN for the others.
    slices : dict of str to dict
        Name of a part of the images to a `Difference` of each number.
    won, lost : list of ImageChange
        Images that the model wins and loses most, of ground truths as `tamis.detection_errors` sees
        them.
    errors : dict of str to int
        All ground truths that changed: ``"Miss -> right"``.
    same_ground_truth : bool
        False: the two were evaluated on different annotations, and differ for that too.
    """

    name: str
    stats: dict[str, Difference]
    classes: Array = field(repr=False)
    per_class: dict[Any, dict[str, Difference]] = field(repr=False)
    slices: dict[str, dict[str, Difference]] = field(repr=False)
    won: list[ImageChange] = field(repr=False)
    lost: list[ImageChange] = field(repr=False)
    errors: dict[str, int] = field(repr=False)
    same_ground_truth: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; None for NaN."""

        def plain(numbers: dict[str, Difference]) -> dict[str, Any]:
            return {k: d.to_dict() for k, d in numbers.items()}

        return {
            "name": self.name,
            "stats": plain(self.stats),
            "per_class": [{"label": k, **plain(v)} for k, v in self.per_class.items()],
            "slices": [{"name": k, **plain(v)} for k, v in self.slices.items()],
            "won": [image.to_dict() for image in self.won],
            "lost": [image.to_dict() for image in self.lost],
            "errors": dict(self.errors),
            "same_ground_truth": self.same_ground_truth,
        }


@dataclass(frozen=True)
class Comparison(Drawn):
    """What `compare` gives: every other model against the first.

    `stats`, `per_class`, `slices`, `won`, `lost` and `errors` are those of the second model.
    """

    first: str
    against: tuple[Versus, ...]
    confidence: float
    samples: int
    permutations: int
    units: int

    def __getattr__(self, name: str) -> Any:
        if name in ("stats", "per_class", "slices", "won", "lost", "errors", "same_ground_truth"):
            return getattr(self.against[0], name)
        raise AttributeError(f"'Comparison' object has no attribute {name!r}")

    def __str__(self) -> str:
        lines = []
        for other in self.against[: 1 if len(self.against) == 1 else 4]:
            names = list(other.stats)[:: 1 if len(self.against) == 1 else 12]
            lines.append(f"{other.name} against {self.first}")
            if not other.same_ground_truth:
                lines.append("  NOT the same ground truth: differences are of the data too")
            lines += [f"  {key:<6} {other.stats[key]}" for key in names]
        if len(self.against) > 4:
            lines.append(f"and {len(self.against) - 4} more")
        percent = f"{100 * self.confidence:g} % intervals of {self.samples} samples"
        return "\n".join([*lines, f"{percent} of {self.units} units, {self.permutations} swaps"])

    def __repr__(self) -> str:
        main = next(iter(self.against[0].stats))
        return f"Comparison({main}: {self.against[0].stats[main]}, models={1 + len(self.against)})"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; None for NaN."""
        options = ("first", "confidence", "samples", "permutations", "units")
        return {
            **{name: getattr(self, name) for name in options},
            "against": [other.to_dict() for other in self.against],
        }
