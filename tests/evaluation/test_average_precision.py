"""Accumulation: every path against the reference curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from reference_matching import curve, match_image
from tamis import set_num_threads
from tamis.evaluation.average_precision import curves
from tamis.evaluation.match_table import Detections, Targets, match

RECALLS = np.linspace(0, 1, 101)


def columns(rng: np.random.Generator, n: int, m: int, images: int, cats: int) -> Any:
    def boxes(count: int) -> Any:
        return np.concatenate(
            [rng.integers(0, 20, (count, 2)), rng.integers(1, 12, (count, 2))], 1
        ).astype(float)

    def places(count: int, most: int) -> Any:
        return rng.integers(0, most, count).astype(np.int32)

    dets, gts = boxes(n), boxes(m)
    return (
        Detections(
            places(n, images), places(n, cats), dets, rng.integers(0, 9, n) / 8,
            dets[:, 2:].prod(1),
        ),
        Targets(
            places(m, images), places(m, cats), gts,
            (rng.random(m) < 0.2).view(np.uint8), gts[:, 2:].prod(1),
        ),
    )  # fmt: skip


def reference(
    dets: Any, gts: Any, images: int, cats: int, threshold: float, area: Any, cap: int, most: int
) -> Any:
    """(K, R) precision and (K,) recall of one threshold, area range and cap."""
    precision, recall = -np.ones((cats, len(RECALLS))), -np.ones(cats)
    outside = [(x.area < area[0]) | (x.area > area[1]) for x in (dets, gts)]
    ignore = (gts.crowd != 0) | outside[1]
    for k in range(cats):
        events = []
        for i in range(images):
            d = np.flatnonzero((dets.image == i) & (dets.category == k))
            g = np.flatnonzero((gts.image == i) & (gts.category == k))
            found = match_image(
                dets.boxes[d],
                dets.scores[d],
                gts.boxes[g],
                gts.crowd[g],
                ignore[g],
                threshold,
                most,
            )
            for rank, j in enumerate(sorted(range(len(d)), key=lambda j: -dets.scores[d[j]])):
                if rank >= cap:
                    break
                skip = ignore[g[found[j]]] if j in found else outside[0][d[j]]
                events.append(
                    (-dets.scores[d[j]], not skip and j in found, not skip and j not in found)
                )
        n_regular = int(((gts.category == k) & ~ignore).sum())
        if n_regular:
            events.sort(key=lambda e: e[0])
            tp, fp = (np.array([e[c] for e in events], float) for c in (1, 2))
            precision[k], recall[k] = curve(tp, fp, n_regular, RECALLS)
    return precision, recall


AREAS = [(0, 1e10), (0, 30), (30, 60)]
LEVELS, CAPS = [0.3, 0.5, 0.9], [1, 3, 100]


def check(dets: Any, gts: Any, images: int, cats: int) -> None:
    table = match(
        dets, gts, n_images=images, n_categories=cats, thresholds=LEVELS, area_ranges=AREAS,
        max_det=CAPS[-1],
    )  # fmt: skip
    precision, recall, scores = curves(
        table, dets.scores, recall_thresholds=RECALLS.tolist(), max_dets=CAPS
    )
    assert precision.flags.c_contiguous and scores.shape == precision.shape
    for t, level in enumerate(LEVELS):
        for a, area in enumerate(AREAS):
            for m, cap in enumerate(CAPS):
                want = reference(dets, gts, images, cats, level, area, cap, CAPS[-1])
                np.testing.assert_array_equal(precision[t, :, :, a, m].T, want[0])
                np.testing.assert_array_equal(recall[t, :, a, m], want[1])


@pytest.mark.parametrize("threads", [1, 3])
def test_every_isa_equals_the_reference(isa: int, threads: int) -> None:
    set_num_threads(threads)
    check(*columns(np.random.default_rng(threads), 300, 80, 5, 3), 5, 3)
    set_num_threads(0)


@examples(25)
@given(seed=st.integers(0, 10**6), n=st.integers(0, 40), m=st.integers(0, 20))
def test_random_problems(seed: int, n: int, m: int) -> None:
    check(*columns(np.random.default_rng(seed), n, m, 2, 2), 2, 2)


def test_perfect_detections_reach_one_but_for_the_spacing() -> None:
    box = np.array([[0.0, 0.0, 5.0, 5.0]])
    zero = np.zeros(1, np.int32)
    dets = Detections(zero, zero, box, np.ones(1), np.array([25.0]))
    gts = Targets(zero, zero, box, np.zeros(1, np.uint8), np.array([25.0]))
    table = match(
        dets, gts, n_images=1, n_categories=1, thresholds=[0.5], area_ranges=AREAS[:1], max_det=1
    )
    precision, recall, scores = curves(
        table, dets.scores, recall_thresholds=[0.0, 1.0, 1.5], max_dets=[1]
    )
    assert precision.ravel().tolist() == [1 / (1 + np.spacing(1))] * 2 + [0.0]
    assert recall.item() == 1.0 and scores.ravel().tolist() == [1.0, 1.0, 0.0]


@pytest.mark.parametrize("n_regular", [3, 10, 20, 49, 50, 100, 1000])
def test_recall_thresholds_fall_on_the_grid_as_searchsorted_says(n_regular: int) -> None:
    zero = np.zeros(n_regular, np.int32)
    boxes = np.tile([0.0, 0.0, 5.0, 5.0], (n_regular, 1))
    boxes[:, 0] = np.arange(n_regular) * 10
    area = np.full(n_regular, 25.0)
    rng = np.random.default_rng(n_regular)
    dets = Detections(zero, zero, boxes, rng.random(n_regular), area)
    dets.boxes = np.where(rng.random((n_regular, 1)) < 0.3, boxes + 5000, boxes)
    gts = Targets(zero, zero, boxes, np.zeros(n_regular, np.uint8), area)
    table = match(
        dets, gts, n_images=1, n_categories=1, thresholds=[0.5], area_ranges=AREAS[:1],
        max_det=n_regular,
    )  # fmt: skip
    precision, _, _ = curves(
        table, dets.scores, recall_thresholds=RECALLS.tolist(), max_dets=[n_regular]
    )
    order = np.argsort(-dets.scores, kind="stable")
    tp = (dets.boxes == boxes).all(1)[order].astype(float)
    np.testing.assert_array_equal(
        precision[0, :, 0, 0, 0], curve(tp, 1 - tp, n_regular, RECALLS)[0]
    )
