"""Matches of some images, small enough to be sent; those of all images give the numbers of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from tamis._shared.arrays import Array
from tamis.coco.params import snapshot
from tamis.evaluation.average_precision import curves
from tamis.evaluation.distributed import same
from tamis.evaluation.image_ids import check_ids, ordered_images
from tamis.evaluation.match_state import Found, condensed, none, rebuilt
from tamis.evaluation.match_table import Detections, MatchTable, Targets
from tamis.evaluation.updates import Part, joined

NO_CAP = 2**31 - 1  # detections of an image


@dataclass(eq=False)
class Matches:
    """What the detections of some images are: of `COCOeval.matches` or `LVISEval.matches`.

    It can be pickled, and takes about 20 bytes a detection.

    Attributes
    ----------
    params : Params
        Of the evaluation; its images are `images`.
    images : array
        Ids, ascending.
    """

    params: Any
    images: Array
    found: Part
    truth: Part
    frequencies: Any = None  # of LVIS: places of the categories of each


class Matched:
    """Matches of an evaluation that can be accumulated."""

    table: MatchTable
    scores: Array
    counts: Array | None  # as in `Targets`

    def covers(self, p: Any, evaluated: Any) -> bool:
        """Whether `p` asks for exactly what was evaluated; subsets go through `evalImgs`."""
        caps = list(p.maxDets)
        return (
            len(p.iouThrs) == self.table.n_thresholds
            and bool(p.useCats) == bool(evaluated.useCats)
            and list(p.imgIds) == list(evaluated.imgIds)
            and (not p.useCats or list(p.catIds) == list(evaluated.catIds))
            and list(map(tuple, p.areaRng)) == list(map(tuple, evaluated.areaRng))
            and caps == list(evaluated.maxDets)
        )

    def accumulate(self, p: Any) -> tuple[Array, Array, Array]:
        return curves(
            self.table, self.scores, recall_thresholds=p.recThrs,
            max_dets=[min(cap, NO_CAP) for cap in p.maxDets], counts=self.counts,
        )  # fmt: skip


class Merged(Matched):
    """Those of several parts. There are no records of images, nor anything that needs them."""

    counts = None

    def __init__(self, function: str, parts: Sequence[Matches], images: str) -> None:
        self._function = function
        kept = _checked(function, parts, images)
        kept = [part for part in kept if len(part.images)] or kept[:1]
        check_ids(function, [(part.found, part.truth, part.images) for part in kept])
        order = ordered_images([part.images for part in kept])
        assert order is not None
        self.images, like = order.ids, np.empty(0)
        if len(order.ids) < sum(len(part.images) for part in kept):
            raise ValueError(
                f"{function}: parts must hold each image once, {_twice(kept)!r} came twice"
            )
        self.params = snapshot(kept[0].params)
        setattr(self.params, images, list(order.ids))
        splits, (category, bits, self.scores) = joined([p.found for p in kept], like, order)
        _, (gt_category, gt_bits) = joined([p.truth for p in kept], like, order)
        categories = category.astype(np.int32), gt_category.astype(np.int32)
        self._found = Found(splits, categories[0], bits, self.scores, categories[1], gt_bits)

    def build(self, p: Any) -> Merged:
        """Its table, by parameters with pycocotools' names."""
        k = len(p.catIds) if p.useCats else 1
        cap = min(p.maxDets[-1], NO_CAP)
        self.table = rebuilt(self._found, k, len(p.areaRng), len(p.iouThrs), cap)
        return self

    def evaluated(self) -> None:
        return None

    def eval_imgs(self) -> NoReturn:
        raise ValueError(
            f"{self._function}: merged matches have no images one by one, and are accumulated by"
            " the parameters they were evaluated by"
        )

    ious = eval_imgs

    def pointers(self) -> dict[int, Any]:
        return {}


def matches_of(function: str, plain: Any, params: Any, images: str, p: Any) -> Matches:
    """The matches of an evaluation; `p` are its parameters with pycocotools' names."""
    if not p or isinstance(plain, Merged) or (plain is None and len(p.imgIds) > 0):
        raise ValueError(
            f"{function}: evaluate() must have run, by none of the methods that evaluate images"
            " one by one"
        )
    params = snapshot(params)
    setattr(params, images, [])
    if plain is None:
        return Matches(params, np.empty(0, np.int64), *none(len(p.areaRng), len(p.iouThrs)))
    dets: Detections = plain._detections
    gts: Targets = plain._targets
    gts = Targets(
        np.where(gts.category < 0, -1, gts.image), gts.category, None, gts.crowd, gts.area,
        gts.counts,
    )  # fmt: skip
    found = condensed(plain.table, dets, gts, len(p.imgIds), dets.category, gts.category)
    return Matches(params, np.array(list(p.imgIds)), *found)


def _checked(function: str, parts: Sequence[Matches], images: str) -> list[Matches]:
    kept = list(parts)
    if not kept:
        raise ValueError(f"{function}: parts must hold at least one part")
    for part in kept:
        if not isinstance(part, Matches):
            raise TypeError(f"{function}: parts must be Matches, got {type(part).__name__}")
    first = vars(kept[0].params)
    for part in kept:
        other = vars(part.params)
        if images not in other or first.keys() != other.keys():
            raise ValueError(f"{function}: parts must be of one kind of evaluation")
        for name in first:
            if name != images and not same(_plain(first[name]), _plain(other[name])):
                raise ValueError(f"{function}: {name} of parts differ")
    return kept


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _twice(parts: Sequence[Matches]) -> Any:
    ids, times = np.unique(np.concatenate([part.images for part in parts]), return_counts=True)
    return ids[times > 1][0].item()
