"""compare: every number against evaluations made anew, and p-values under no difference."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import tamis
from generated import share
from reference_resampling import evaluation, problem, repeated, result_of
from tamis import coco, set_num_threads
from tamis.coco import cocoeval
from tamis.comparison import draws, statistics
from test_intervals import BOX, crowd_of_images, hits, near_share

OURS = (coco, cocoeval)


def two_models(seed: int, images: int = 25) -> tuple[list[Any], list[Any]]:
    """The same images with other boxes found: fewer, and shifted by some pixels."""
    first = problem(seed, images)
    rng = np.random.default_rng(seed)
    second = []
    for image in first:
        kept = rng.random(len(image["det"])) < 0.8
        columns = {k: np.asarray(image[k])[kept] for k in ("det", "label", "scores")}
        columns["det"] = columns["det"] + rng.normal(0, 2, columns["det"].shape) * [1, 1, 0, 0]
        second.append({**image, **columns})
    return first, second


def stats_of(images: Any) -> Any:
    values = np.array(list(result_of(images).stats.values()))
    return np.where(values == -1, np.nan, values)


def test_by_hand() -> None:
    found = tamis.compare(hits([True] * 3 + [False]), hits([True] + [False] * 3), images=1)
    d = found.stats["AR100"]
    assert (d.first, d.second, d.difference) == (0.75, 0.25, -0.5)
    assert d.low == -1 and d.high == 0  # 2 of 4 images decide
    assert d.p == pytest.approx(0.5, abs=0.05)  # both coins fall alike half of the time
    assert found.errors == {"right -> Miss": 2} and found.won == []
    [lost] = found.lost
    assert (lost.image, lost.errors) == (1, {"right -> Miss": 1})
    assert lost.difference == pytest.approx(-1, rel=1e-15)


def test_intervals_are_of_the_same_images_for_both() -> None:
    first, second = two_models(1)
    found = tamis.compare(result_of(first), result_of(second), samples=40, permutations=0, seed=3)
    drawn = draws.bootstrap(3, np.arange(25))(0, 40)
    change = np.array([stats_of(repeated(second, w)) - stats_of(repeated(first, w)) for w in drawn])
    for i, (name, d) in enumerate(found.stats.items()):
        assert d.first == result_of(first).stats[name]
        assert d.second == result_of(second).stats[name]
        expected = np.nanquantile(change[:, i], [0.025, 0.975])
        np.testing.assert_allclose([d.low, d.high], expected, rtol=1e-10, atol=1e-13)
        assert np.isnan(d.p)


def test_p_values_are_of_results_swapped_image_by_image() -> None:
    first, second = two_models(2)
    found = tamis.compare(result_of(first), result_of(second), samples=0, permutations=60, seed=4)
    coins = draws.integers(4, range(60), 25, 2, 1)
    changes = []
    for swap in coins:
        a = [y if s else x for x, y, s in zip(first, second, swap, strict=True)]
        b = [x if s else y for x, y, s in zip(first, second, swap, strict=True)]
        changes.append(stats_of(b) - stats_of(a))
    observed = stats_of(second) - stats_of(first)
    far = (np.abs(changes) >= np.abs(observed) - 1e-12).sum(axis=0)
    np.testing.assert_array_equal([d.p for d in found.stats.values()], (1 + far) / 61)
    assert all(np.isnan(d.low) for d in found.stats.values())


def test_p_values_of_equal_models_are_as_small_as_they_should() -> None:
    """Pairs of models that are alike: p is below 0.05 in 5 % of them."""
    below, times = 0, share(400)
    for i in range(times):
        models = crowd_of_images(np.random.default_rng([2, i]), 60, models=2)
        found = tamis.compare(*models, samples=0, permutations=199, seed=i, images=0)
        below += found.stats["AP"].p < 0.05
    assert near_share(below, times, 0.05)


def test_a_model_that_is_better_is_found() -> None:
    rng = np.random.default_rng(0)
    [better] = crowd_of_images(rng, 300, 0.8)
    [worse] = crowd_of_images(np.random.default_rng(0), 300, 0.6)
    found = tamis.compare(worse, better)
    assert found.stats["AP50"].p < 0.01 and found.stats["AP50"].low > 0
    assert found.same_ground_truth


def test_models_against_themselves() -> None:
    result = result_of(problem(3, 30))
    found = tamis.compare(result, result, samples=50, permutations=50)
    for d in found.stats.values():
        assert (d.difference, d.low, d.high, d.p) == (0, 0, 0, 1)
    assert found.won == found.lost == [] and found.errors == {}


def test_classes_and_their_false_discovery_rate() -> None:
    first, second = two_models(5, 60)
    found = tamis.compare(result_of(first), result_of(second), samples=30, permutations=99)
    assert list(found.per_class) == [1, 2, 3, 4]
    rows = result_of(first).per_class(), result_of(second).per_class()
    for a, b in zip(*rows, strict=True):
        d = found.per_class[a["label"]]["AP"]
        np.testing.assert_allclose([d.first, d.second], [a["AP"], b["AP"]], rtol=1e-13)
    p = np.array([d["AP"].p for d in found.per_class.values()])
    q = [d["AP"].q for d in found.per_class.values()]
    np.testing.assert_array_equal(q, statistics.benjamini_hochberg(p))
    few = tamis.compare(result_of(first[:9]), result_of(second[:9]), samples=5, permutations=5)
    assert all(np.isnan(d["AP"].p) and np.isnan(d["AP"].q) for d in few.per_class.values())


def test_benjamini_hochberg() -> None:
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.005, 0.9])
    q = statistics.benjamini_hochberg(p)
    np.testing.assert_allclose(q, [0.025, 0.05, np.nan, 0.05, 0.025, 0.9])
    scipy = pytest.importorskip("scipy.stats")
    p = np.random.default_rng(0).random(50)
    np.testing.assert_allclose(statistics.benjamini_hochberg(p), scipy.false_discovery_control(p))


def test_slices_are_compared_as_parts() -> None:
    first, second = two_models(6, 40)
    mask = np.arange(40) < 18
    found = tamis.compare(
        result_of(first), result_of(second), slices={"night": mask}, samples=25, permutations=25
    )
    d = found.slices["night"]["AP50"]
    for value, images in ((d.first, first), (d.second, second)):
        assert value == pytest.approx(result_of(repeated(images, mask)).stats["AP50"], rel=1e-13)
    drawn = draws.bootstrap(0, np.arange(40))(0, 25) * mask
    change = [(stats_of(repeated(second, w)) - stats_of(repeated(first, w)))[1] for w in drawn]
    np.testing.assert_allclose([d.low, d.high], np.quantile(change, [0.025, 0.975]), rtol=1e-10)


def test_images_and_errors_that_changed() -> None:
    far, longer = BOX + 50, BOX * [1, 1, 1, 2.2]
    first, second = tamis.DetectionEvaluator(), tamis.DetectionEvaluator()
    one = np.ones(1, int)
    truth = {"boxes": BOX, "labels": one}
    for a, b in ((BOX, BOX), (far, BOX), (longer, BOX), (BOX, far)):
        first.update({"boxes": a, "labels": one, "scores": one}, truth)
        second.update({"boxes": b, "labels": one, "scores": one}, truth)
    found = tamis.compare(first.compute(), second.compute(), samples=0, permutations=0, images=3)
    changed = {i.image: i.errors for i in found.won}
    assert changed == {1: {"Miss -> right": 1, "Bkg": -1}, 2: {"Loc -> right": 1}}
    assert [(i.image, i.errors) for i in found.lost] == [(3, {"right -> Miss": 1, "Bkg": 1})]
    assert found.errors == {"Miss -> right": 1, "Loc -> right": 1, "right -> Miss": 1}
    assert str(found.lost[0]) == "image 3: -1.000 (right -> Miss: 1, Bkg: 1)"


def test_other_ground_truth_is_said() -> None:
    images, other = problem(7, 12), problem(7, 12)
    other[3] = {**other[3], "gt": other[3]["gt"] + 1}
    found = tamis.compare(result_of(images), result_of(other), samples=5, permutations=5)
    assert not found.same_ground_truth and "NOT the same ground truth" in str(found)
    shuffled = [
        {**i, **{k: np.asarray(i[k])[::-1] for k in ("gt", "gt_label", "crowd")}} for i in images
    ]
    again = tamis.compare(result_of(images), result_of(shuffled), samples=5, permutations=5)
    assert again.same_ground_truth


def test_of_cocoeval_and_many_models() -> None:
    first, second = two_models(8)
    e = [evaluation(OURS, images) for images in (first, second)]
    r = [result_of(images) for images in (first, second)]
    options: dict[str, Any] = {"samples": 20, "permutations": 20}
    theirs, ours = tamis.compare(*e, **options), tamis.compare(*r, **options)
    assert theirs.against[0].to_dict() == ours.against[0].to_dict() | {
        "won": [i.to_dict() for i in theirs.won],
        "lost": [i.to_dict() for i in theirs.lost],
    }  # ids instead of numbers
    assert [i.image - 1 for i in theirs.won] == [i.image for i in ours.won] != []
    many = tamis.compare(r[0], r[1], r[0], names=["old", "new", "old again"], **options)
    assert many.first == "old" and [v.name for v in many.against] == ["new", "old again"]
    assert many.against[0].to_dict() == ours.against[0].to_dict() | {"name": "new"}
    assert many.against[1].stats["AP"].difference == 0
    assert len(str(many).splitlines()) <= 20


def test_groups_are_swapped_as_a_whole() -> None:
    """Six images alike in each of two groups: only four outcomes, two of them as far."""
    groups = np.repeat(["a", "b"], 6)
    found = tamis.compare(hits([True] * 12), hits([False] * 12), groups=groups, permutations=999)
    assert found.units == 2 and found.stats["AR100"].p == pytest.approx(0.5, abs=0.06)


def test_the_same_for_any_threads() -> None:
    r = [result_of(images) for images in two_models(9)]
    first = tamis.compare(*r, samples=50, permutations=50)
    set_num_threads(1)
    again = tamis.compare(*r, samples=50, permutations=50)
    set_num_threads(0)
    assert json.dumps(first.to_dict()) == json.dumps(again.to_dict())


def test_texts_and_progress() -> None:
    calls: list[tuple[int, int]] = []
    r = [result_of(images) for images in two_models(9)]
    found = tamis.compare(
        *r, samples=300, permutations=300, slices={"s": np.arange(25) < 9},
        progress=lambda *a: calls.append(a),
    )  # fmt: skip
    done = [c[0] for c in calls]
    assert done == sorted(done) and calls[-1] == (1200, 1200)
    assert len(str(found).splitlines()) <= 20 and repr(found).startswith("Comparison(")
    json.loads(json.dumps(found.to_dict(), allow_nan=False))
    with pytest.raises(AttributeError, match="'Comparison' object has no attribute 'nothing'"):
        _ = found.nothing


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"permutations": -1}, ValueError, "permutations must be 0 to 10000000, got -1"),
        ({"images": 1.5}, TypeError, "images must be an integer, got 1.5"),
        ({"names": ["a"]}, ValueError, "names must be 2 names, one a model"),
        ({"names": "ab"}, ValueError, "names must be 2 names, one a model"),
        ({"slices": {"a": [1]}}, ValueError, r"by\['a'\] must have shape \(5,\)"),
    ],
)
def test_bad_options(options: Any, error: Any, text: str) -> None:
    result = result_of(problem(0, 5))
    with pytest.raises(error, match=f"compare: ({text})"):
        tamis.compare(result, result, **options)


def test_evaluations_that_cannot_be_compared() -> None:
    result = result_of(problem(0, 5))
    with pytest.raises(ValueError, match="compare: model 1 must be evaluated on the images"):
        tamis.compare(result, result_of(problem(0, 6)))
    with pytest.raises(ValueError, match="compare: model 1 must have the thresholds"):
        tamis.compare(result, result_of(problem(0, 5), iou_thresholds=[0.5]))
    with pytest.raises(TypeError, match="compare: evaluated must be a DetectionResult"):
        tamis.compare(result, None)
