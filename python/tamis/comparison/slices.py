"""The numbers of parts of an evaluation: of some images, or of some objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis._shared.results import Result, rows_of
from tamis._shared.typed import AnyColumn
from tamis.comparison.draws import Draw, bootstrap, units_of
from tamis.comparison.intervals import Interval
from tamis.comparison.resampling import (
    Numbers,
    Plan,
    absent_as_nan,
    check_options,
    counter,
    evaluated,
    numbers_of,
    over_classes,
)
from tamis.comparison.statistics import percentile_interval, shown, standard_errors
from tamis.evaluation.analysis import AnyEvaluation, Evaluated
from tamis.evaluation.match_table import match
from tamis.evaluation.parts import Parts, of_images

Of = Literal["images", "objects"]
_MOST_VALUES = 50  # of one attribute
_SAMPLES_AT_ONCE = 64


@dataclass(frozen=True, eq=False, repr=False)
class Slice(Result):
    """One part: its numbers, and their difference from those of the rest.

    Attributes
    ----------
    size : int
        Images or objects in it.
    stats : dict of str to Interval
        The slice evaluated by itself; intervals are NaN without samples.
    difference : dict of str to Interval
        Slice minus rest, from the same samples.
    """

    name: str
    size: int
    stats: dict[str, Interval]
    difference: dict[str, Interval]

    def _rows(self) -> Iterator[tuple[dict[str, Any], Result]]:
        for number, own in self.stats.items():
            given = {"slice": self.name, "size": self.size, "number": number}
            change = {f"difference_{k}": v for k, v in vars(self.difference[number]).items()}
            yield given | change, own

    def _columns(self) -> dict[str, Any]:
        return rows_of(self._rows())


@dataclass(frozen=True, eq=False, repr=False)
class Slices(Result):
    """The result of `slices`: one `Slice` per part, by name, and the numbers of the whole."""

    parts: dict[str, Slice]
    stats: dict[str, float]
    of: str
    confidence: float
    samples: int

    def __getitem__(self, name: str) -> Slice:
        return self.parts[name]

    def __str__(self) -> str:
        main = next(iter(self.stats))
        shown_parts = sorted(self.parts.values(), key=lambda s: s.stats[main].value)[:17]
        width = max([5, *(len(s.name) for s in shown_parts)])
        head = f"{'':<{width}} {self.of:>8}  {main}, worst first; difference to the rest"
        rows = []
        for s in shown_parts:
            d = s.difference[main]
            low, high, value = (shown(x, sign="+") for x in (d.low, d.high, d.value))
            rows.append(f"{s.name:<{width}} {s.size:>8}  {s.stats[main]}  {value} [{low}, {high}]")
        more = len(self.parts) - len(shown_parts)
        return "\n".join([head, *rows, *([f"and {more} more"] if more else [])])

    def _plain(self) -> dict[str, Any]:
        return self._public() | {"parts": list(self.parts.values())}

    def _columns(self) -> dict[str, Any]:
        return rows_of(row for part in self.parts.values() for row in part._rows())


def slices(
    result: AnyEvaluation,
    by: Mapping[str, Any],
    *,
    of: Of = "images",
    samples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    groups: AnyColumn | None = None,
    progress: Progress = None,
) -> Slices:
    """Evaluate parts of the images, or of the objects, each alone and against the rest.

    Parameters
    ----------
    result : DetectionResult or tamis.coco.COCOeval
        An evaluation; for a `COCOeval`, only what `evaluate` covered.
    by : dict of str to array
        A boolean mask is one slice, any other array is an attribute with one slice per value,
        called ``name=value``; at most 50 values, so bin continuous attributes first. One value per
        image or, with `of` "objects", per ground truth, in the order given. For a `COCOeval` that
        is the order of ``params.imgIds``, and of ``detection_errors(result).target_id``. Or a dict
        of all ids (for a `DetectionResult`: numbers) to values.
    of : {"images", "objects"}
        "objects": the other ground truths are ignored as COCO ignores those outside an area range:
        a detection that matches one of them is ignored, and one that matches nothing is wrong in
        every slice. The boxes are matched again.
    samples : int, default 1000
        Of the bootstrap over images, as in :func:`tamis.intervals`; 0: no intervals.
    seed, confidence, groups, progress
        As in :func:`tamis.intervals`.

    Returns
    -------
    Slices

    Raises
    ------
    TypeError, ValueError
        Another object, an evaluation that has not run, or attributes of the wrong length.

    Notes
    -----
    The numbers of a slice are bit-identical to those of a new evaluation of it (pycocotools' with
    the other images left out of ``imgIds``, or with ``ignore`` set by hand in ``_gts``). Samples
    are drawn from all images, so the size of a slice varies between them.

    Cost: that of :func:`tamis.intervals`, twice per slice.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> evaluator = tamis.DetectionEvaluator()
    >>> for found in [True, True, False]:
    ...     box, one = np.array([[0.0, 0.0, 10.0, 10.0]]), np.ones(1, int)
    ...     preds = {"boxes": box + (0 if found else 50), "scores": one, "labels": one}
    ...     evaluator.update(preds, {"boxes": box, "labels": one})
    >>> found = tamis.slices(evaluator.compute(), {"time": ["day", "day", "night"]}, samples=0)
    >>> [round(found[name].stats["AP"].value, 3) for name in ("time=day", "time=night")]
    [1.0, 0.0]
    """
    name = "slices"
    level = check_options(name, samples, seed, confidence)
    if not arrays.one_of(of, ("images", "objects")):
        raise ValueError(f"{name}: of must be 'images' or 'objects', got {of!r}")
    e, numbers = evaluated(name, result)
    masks = masks_of(name, by, e.images if of == "images" else e.gt_ids, of)
    draw = bootstrap(seed, units_of(name, groups, len(e.images)))
    done = counter(progress, name, max(1, samples) * len(masks))
    plan = [Plan.of(numbers, e)] if of == "images" and samples else []
    stored = None
    if of == "images" and Parts.serve(e.settings, numbers.rows):
        stored = Parts(e, numbers.rows)
    parts = {}
    for i, (key, mask) in enumerate(masks.items()):
        plans = plan
        if stored is not None:
            here, rest = (
                absent_as_nan(np.array(stored.numbers(side)[0])) for side in (mask, ~mask)
            )
        else:
            cut = of_images if of == "images" else of_objects
            both = [cut(e, side) for side in (mask, ~mask)]
            here, rest = (numbers_of(part, numbers) for part in both)
            plans = plan or ([Plan.of(numbers, part) for part in both] if samples else [])
        drawn = np.full((2, 0, len(here)), np.nan)
        if samples:
            drawn = _sampled(plans, mask if plan else None, draw, samples)
        parts[key] = _slice(key, int(mask.sum()), numbers, (here, rest), drawn, level)
        done((i + 1) * max(1, samples))
    stats = dict(zip(numbers.names, numbers_of(e, numbers).tolist(), strict=True))
    return Slices(parts, stats, of, level, samples)


def masks_of(function: str, by: Any, ids: Array, of: str) -> dict[str, Array]:
    """One boolean mask per slice."""
    if not isinstance(by, Mapping):
        raise TypeError(f"{function}: by must be a dict of arrays, got {type(by).__name__}")
    masks: dict[str, Array] = {}
    for key, values in by.items():
        if isinstance(values, Mapping):
            missing = [i for i in ids.tolist() if i not in values]
            if missing:
                raise ValueError(
                    f"{function}: by[{key!r}] must have a value for each of the {of},"
                    f" got none for {missing[0]}"
                )
            values = [values[i] for i in ids.tolist()]
        if not isinstance(values, (list, tuple)):
            values = arrays.host(function, f"by[{key!r}]", values)
        given = np.asarray(values)
        if given.shape != ids.shape:
            raise ValueError(
                f"{function}: by[{key!r}] must have shape {ids.shape}, one value for each of the"
                f" {of}, got {given.shape}"
            )
        if given.dtype == bool:
            masks[str(key)] = given
            continue
        names = given.astype(str) if given.dtype.kind == "O" else given
        distinct = np.unique(names)
        if len(distinct) > _MOST_VALUES:
            raise ValueError(
                f"{function}: by[{key!r}] must have at most {_MOST_VALUES} values,"
                f" got {len(distinct)}: bin them first"
            )
        masks.update({f"{key}={value}": names == value for value in distinct})
    return masks


def of_objects(e: Evaluated, keep: Array) -> Evaluated:
    """The evaluation with the other ground truths ignored, matched again."""
    ignore = (e.gts.crowd if e.gts.ignore is None else e.gts.ignore) != 0
    gts = replace(e.gts, ignore=(ignore | ~keep).astype(np.uint8))
    table = match(
        e.dets, gts, n_images=len(e.images), n_categories=len(e.classes),
        thresholds=e.iou_thresholds.tolist(), area_ranges=e.settings.areaRng, max_det=e.max_det,
        similarity=e.similarity,
    )  # fmt: skip
    return replace(e, gts=gts, table=table)


def _sampled(plans: list[Plan], mask: Array | None, draw: Draw, samples: int) -> Array:
    """(2, samples, numbers) of a slice and its rest: of one plan by `mask`, or of two plans."""
    out = []
    for first in range(0, samples, _SAMPLES_AT_ONCE):
        weights = draw(first, min(samples, first + _SAMPLES_AT_ONCE))
        if mask is not None:
            both = [plans[0].by_class(weights * side) for side in (mask, ~mask)]
        else:
            both = [plan.by_class(weights) for plan in plans]
        out.append(np.stack([over_classes(values) for values in both]))
    joined: Array = np.concatenate(out, axis=1)
    return joined


def _slice(
    name: str, size: int, numbers: Numbers, values: tuple[Array, Array], drawn: Array, level: float
) -> Slice:
    here, rest = values

    def intervals_of(estimate: Array, samples: Array) -> dict[str, Interval]:
        low, high = percentile_interval(samples, level)
        columns = zip(estimate, low, high, standard_errors(samples), strict=True)
        return {k: Interval(*map(float, c)) for k, c in zip(numbers.names, columns, strict=True)}

    return Slice(
        name, size, intervals_of(here, drawn[0]), intervals_of(here - rest, drawn[0] - drawn[1])
    )


__all__ = ["Slice", "Slices", "slices"]
