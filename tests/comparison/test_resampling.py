"""Curves under image weights: against pycocotools on resampled images, and plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tamis
from generated import examples, share
from hypothesis import given
from hypothesis import strategies as st
from reference_resampling import (
    by_class,
    evaluation,
    problem,
    repeated,
    result_of,
    weighted_curve,
)
from tamis import _core, set_num_threads
from tamis.comparison import draws
from tamis.comparison.resampling import Plan, evaluated, over_classes
from tamis.evaluation.parts import pooled, with_classes


def plan_of(result: Any) -> Plan:
    e, numbers = evaluated("test", result)
    return Plan.of(numbers, e)


def stats_of(result: Any) -> Any:
    values = np.array(list(result.stats.values()))
    values[values == -1] = np.nan
    return values


def pycocotools() -> Any:
    return (
        pytest.importorskip("pycocotools.coco"),
        pytest.importorskip("pycocotools.cocoeval"),
    )


def counts(n: int, images: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return rng.multinomial(images, np.ones(images) / images, n).astype(np.float64)


def test_by_hand() -> None:
    """Two images, one right and one wrong: weights 1 3 make a recall and precision of 1/4."""
    box = np.array([[0.0, 0.0, 10.0, 10.0]])
    one = {"gt": box, "gt_label": [1], "crowd": [0], "label": [1]}
    images = [{**one, "det": box, "scores": [0.5]}, {**one, "det": box + 50, "scores": [0.9]}]
    plan = plan_of(result_of(images))
    ap, ar = plan.by_class(np.array([[1.0, 3.0], [0.5, 1.5], [1, 0], [0, 1], [0, 0]]))[
        :, 0, [0, 8]
    ].T
    below_a_quarter = 26  # 0.00 to 0.25
    np.testing.assert_allclose(ap, [below_a_quarter / 4 / 101] * 2 + [1, 0, np.nan], rtol=1e-15)
    np.testing.assert_array_equal(ar, [0.25, 0.25, 1, 0, np.nan])


def test_weights_of_one_are_the_evaluation(isa: int) -> None:
    result = result_of(problem(1, 40))
    plan = plan_of(result)
    one = plan.by_class(np.ones((1, 40)))
    np.testing.assert_allclose(over_classes(one)[0], stats_of(result), rtol=1e-14)
    each = [[row[name] for name in result.stats] for row in result.per_class()]
    np.testing.assert_allclose(np.nan_to_num(one[0], nan=-1), each, rtol=1e-14)


@pytest.mark.parametrize("seed", range(share(20)))
def test_samples_are_what_pycocotools_makes_of_new_images(seed: int) -> None:
    """Equal scores of two images keep the images' order. One threshold and one recall at a time
    nothing is summed, and the bits are the same; means differ by the order of their sums."""
    images, weights = problem(seed, 25), counts(1, 25, seed)
    theirs = evaluation(pycocotools(), repeated(images, weights[0]))
    plan = plan_of(result_of(images))
    np.testing.assert_allclose(plan.by_class(weights)[0], by_class(theirs), rtol=1e-13)
    precision, recall = theirs.eval["precision"], theirs.eval["recall"]
    t, cell = np.divmod(np.arange(60), 6)
    cell, mask = cell.astype(np.int32), (np.arange(10) == t[:, None]).astype(np.uint8)
    area, cap = cell % 4 * (cell < 4), np.array([2, 2, 2, 2, 0, 1])[cell]
    out = np.empty((1, 4, 60))
    for r, level in enumerate(np.linspace(0, 1, 101)):
        whole = (cell < 4).astype(np.uint8)
        _core.resample(plan.plan, weights, np.array([level]), cell, whole, mask, out)
        curves = cell < 4
        np.testing.assert_array_equal(out[0].T[curves], precision[t, r, :, area, cap][curves])
    _core.resample(plan.plan, weights, np.array([0.5]), cell, np.zeros(60, np.uint8), mask, out)
    np.testing.assert_array_equal(out[0].T, recall[t, :, area, cap])


def test_real_weights_against_plain_numpy() -> None:
    images = problem(5, 30, crowds=0.2)
    result = result_of(images)
    e, numbers = evaluated("test", result)
    weights = np.random.default_rng(5).exponential(size=(9, 30))
    ours = plan_of(result).by_class(weights)
    t, level = e.table, 3
    found = t.matches_of(0, slice(None))[level]
    matched_ignored = np.where(found >= 0, t.gt_ignore[0][found] != 0, t.outside[0] != 0)
    mask = (np.arange(10) == level)[None].astype(np.uint8)
    out = np.empty((9, 4, 1))
    _core.resample(
        plan_of(result).plan, weights, numbers.params.recThrs, np.zeros(1, np.int32),
        np.ones(1, np.uint8), mask, out,
    )  # fmt: skip
    for k in range(4):
        rows = slice(t.splits[k], t.splits[k + 1])
        image = e.dets.image[t.index[rows]]
        regular = (e.gts.category == k) & (t.gt_ignore[0] == 0)
        for b, w in enumerate(weights):
            targets = w[e.gts.image[regular]].sum()
            right = (found[rows] >= 0) & ~matched_ignored[rows]
            curve = weighted_curve(
                w[image], right, matched_ignored[rows], targets, numbers.params.recThrs
            )
            np.testing.assert_allclose(out[b, k, 0], curve.mean(), rtol=1e-12)
    scaled = plan_of(result).by_class(4 * weights)  # a power of two moves no bit but epsilon's
    np.testing.assert_allclose(scaled, ours, rtol=1e-12)


@examples(40)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 11), st.data())
def test_counts_are_copies(seed: int, images: int, n: int, data: Any) -> None:
    given = problem(seed, images, 3)
    counts = st.lists(st.integers(0, 3), min_size=images, max_size=images)
    weights = np.array([data.draw(counts) for _ in range(n)], float)
    ours = over_classes(plan_of(result_of(given)).by_class(weights))
    for w, values in zip(weights, ours, strict=True):
        anew = stats_of(result_of(repeated(given, w)))
        np.testing.assert_allclose(values, anew, rtol=1e-13)


def test_many_thresholds_and_coarse_recalls(isa: int) -> None:
    """Two words of thresholds; several recall thresholds in one bucket of the search."""
    options = {
        "iou_thresholds": np.linspace(0.3, 0.95, 70),
        "recall_thresholds": np.array([0.0, 0.1, 0.1001, 0.1002, 0.5, 0.99, 1.0, 1.0]),
        "max_detections": (1, 2, 3),
        "area_ranges": {"all": (0, 1e10), "small": (0, 900), "large": (900, 1e10)},
    }
    images, weights = problem(3, 30), counts(4, 30)
    plan = plan_of(result_of(images, **options))
    for w, values in zip(weights, over_classes(plan.by_class(weights)), strict=True):
        anew = stats_of(result_of(repeated(images, w), **options))
        np.testing.assert_allclose(values, anew, rtol=1e-13)


def test_the_same_bits_whatever_the_path(isa: int) -> None:
    result, weights = result_of(problem(2, 60)), counts(37, 60)
    weights[20:] += np.random.default_rng(1).random((17, 60))
    ours = plan_of(result).by_class(weights)
    _core.cap_isa(2)
    set_num_threads(1)
    one_by_one = [plan_of(result).by_class(w[None])[0] for w in weights]
    set_num_threads(0)
    np.testing.assert_array_equal(ours, one_by_one)


def test_models_mixed_image_by_image() -> None:
    """Complementary weights of a pool are the evaluation of results that come from either."""
    images = problem(8, 30)
    others = [
        {**i, **{k: j[k] for k in ("det", "label", "scores")}}
        for i, j in zip(images, problem(8, 30, steps=41), strict=True)
    ]
    for i, image in enumerate(others):  # equal scores within and between the models
        image["det"] = image["det"] + (i % 3)
        image["scores"] = np.round(image["scores"] * 41) / 40
    first, second = (evaluated("test", result_of(x))[0] for x in (images, others))
    numbers = evaluated("test", result_of(images))[1]
    classes = np.union1d(first.classes, second.classes)
    first, second = with_classes(first, classes), with_classes(second, classes)
    plan = Plan.of(numbers, pooled(first, second))
    rng = np.random.default_rng(0)
    for _ in range(10):
        swap = rng.random(30) < 0.5
        weights = np.stack([~swap, swap], axis=1).ravel().astype(float)
        mixed = [b if s else a for a, b, s in zip(images, others, swap, strict=True)]
        values = over_classes(plan.by_class(weights[None]))[0]
        np.testing.assert_allclose(values, stats_of(result_of(mixed)), rtol=1e-13)


def test_an_evaluation_of_more_classes() -> None:
    images = problem(4, 20, 3)
    result = result_of(images)
    e, numbers = evaluated("test", result)
    wider = with_classes(e, np.array([0, 1, 2, 3, 9]))
    values = Plan.of(numbers, wider).by_class(np.ones((1, 20)))[0]
    assert np.isnan(values[[0, 4]]).all()
    np.testing.assert_array_equal(values[1:4], plan_of(result).by_class(np.ones((1, 20)))[0])


def test_nothing_at_all() -> None:
    empty = tamis.DetectionEvaluator().compute()
    assert plan_of(empty).by_class(np.ones((3, 0))).shape == (3, 0, 12)
    images = [{**i, "gt": i["gt"][:0], "gt_label": [], "crowd": []} for i in problem(0, 5)]
    assert np.isnan(plan_of(result_of(images)).by_class(np.ones((2, 5)))).all()
    images = [
        {**i, "det": i["det"][:0], "label": [], "scores": []} for i in problem(0, 5, crowds=0)
    ]
    values = over_classes(plan_of(result_of(images)).by_class(np.ones((2, 5))))
    np.testing.assert_array_equal(values[:, [0, 6, 8]], 0)


def test_offsets_that_point_nowhere_are_refused() -> None:
    e, numbers = evaluated("test", result_of(problem(1, 10)))
    t = e.table
    good: dict[str, Any] = {
        "splits": t.splits, "rank": t.rank, "image": e.dets.image[t.index], "outside": t.outside,
        "row": t.row, "first": t.first, "gt": t.gt, "at": t.at, "gt_category": e.gts.category,
        "gt_image": e.gts.image, "gt_ignore": t.gt_ignore, "gt_counts": None, "n_thresholds": 10,
        "n_images": 10,
        "cells": numbers.cells,
    }  # fmt: skip
    _core.ResamplingPlan(**good)
    for key in ("splits", "image", "row", "first", "gt", "gt_category", "gt_image", "cells"):
        for bad in (-2, 10**6):
            spoiled = good[key].copy()
            spoiled.flat[-1 if key == "splits" else 0] = bad
            with pytest.raises(ValueError, match="ResamplingPlan: "):
                _core.ResamplingPlan(**{**good, key: spoiled})
    with pytest.raises(ValueError, match="resample: wrong shapes"):
        plan_of(result_of(problem(1, 10))).by_class(np.ones((1, 9)))


def test_draws_are_splitmix64() -> None:
    """Its first numbers from 1234567, as Vigna's C code prints them."""
    state = np.uint64(1234567) + np.arange(1, 4, dtype=np.uint64) * np.uint64(draws._GOLDEN)
    want = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert draws._mixed(state).tolist() == want
    drawn = draws.integers(5, range(400), 500, 7, 0)
    shares = np.bincount(drawn.ravel().astype(int), minlength=7) / drawn.size
    np.testing.assert_allclose(shares, 1 / 7, rtol=0.02)
    coins = draws.integers(5, range(400), 500, 2, 1).astype(float)
    near = np.corrcoef(coins) - np.eye(400)  # samples do not resemble each other
    assert np.abs(near).max() < 0.3 and abs(near.std() - 1 / np.sqrt(500)) < 0.002


def test_draws_depend_on_seed_and_sample_alone() -> None:
    units = np.array([0, 0, 1, 2, 2])
    draw = draws.bootstrap(3, units)
    whole = draw(0, 50)
    np.testing.assert_array_equal(whole, np.concatenate([draw(0, 7), draw(7, 50)]))
    np.testing.assert_array_equal(whole[:, 0], whole[:, 1])
    assert (whole[:, [0, 2, 3]].sum(axis=1) == 3).all()
    assert len(np.unique(whole, axis=0)) > 5
    assert not np.array_equal(whole, draws.bootstrap(4, units)(0, 50))
    out = draws.leave_one_out(units)(0, 3)
    np.testing.assert_array_equal(out, [[0, 0, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 1, 0, 0]])
