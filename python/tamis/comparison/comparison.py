"""What `compare` gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tamis._shared.arrays import Array
from tamis._shared.results import Result, rows_of
from tamis.comparison.changes import ImageChange
from tamis.comparison.statistics import shown


@dataclass(frozen=True, eq=False, repr=False)
class Difference(Result):
    """A number of two models: the second minus the first, with its interval and p-value.

    `q` is the smallest false discovery rate at which a class is reported; NaN for other numbers.
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


@dataclass(frozen=True, eq=False, repr=False)
class Versus(Result):
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
        Images on which the model is better and worse by most, with changes of ground truths as in
        `tamis.detection_errors`.
    errors : dict of str to int
        All ground truths that changed: ``"Miss -> right"``.
    same_ground_truth : bool
        False: the two were evaluated on different annotations, which contributes to the
        differences.
    """

    name: str
    stats: dict[str, Difference]
    classes: Array
    per_class: dict[Any, dict[str, Difference]]
    slices: dict[str, dict[str, Difference]]
    won: list[ImageChange]
    lost: list[ImageChange]
    errors: dict[str, int]
    same_ground_truth: bool

    def _plain(self) -> dict[str, Any]:
        fields = self._public()
        del fields["classes"]
        by_class = [{"label": label, **numbers} for label, numbers in self.per_class.items()]
        by_slice = [{"name": name, **numbers} for name, numbers in self.slices.items()]
        return fields | {"per_class": by_class, "slices": by_slice}

    def _rows(self) -> Iterator[tuple[dict[str, Any], Result]]:
        """Every number of all classes, of each class and of each slice."""
        parts: list[tuple[Any, Any, dict[str, Difference]]] = [(None, None, self.stats)]
        parts += [(label, None, numbers) for label, numbers in self.per_class.items()]
        parts += [(None, name, numbers) for name, numbers in self.slices.items()]
        for label, part, numbers in parts:
            for number, value in numbers.items():
                yield {"model": self.name, "label": label, "slice": part, "number": number}, value

    def _columns(self) -> dict[str, Any]:
        return rows_of(self._rows())


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Result):
    """The result of `compare`: every other model against the first.

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

    def _columns(self) -> dict[str, Any]:
        return rows_of(row for other in self.against for row in other._rows())
