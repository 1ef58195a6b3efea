"""Intervals: known standard errors, coverage of a known truth, and plain formulas."""

from __future__ import annotations

import functools
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

BOX = np.array([[0.0, 0.0, 10.0, 10.0]])


def hits(found: Any) -> tamis.DetectionResult:
    """One object an image, found or not."""
    found = np.asarray(found, bool)
    n, images = int(found.sum()), len(found)
    evaluator = tamis.DetectionEvaluator()
    evaluator.update(
        {
            "boxes": np.repeat(BOX, n, axis=0), "scores": np.linspace(1, 0.5, n),
            "labels": np.ones(n, int), "splits": np.concatenate([[0], np.cumsum(found)]),
        },
        {
            "boxes": np.repeat(BOX, images, axis=0), "labels": np.ones(images, int),
            "splits": np.arange(images + 1),
        },
    )  # fmt: skip
    return evaluator.compute()


def crowd_of_images(
    rng: np.random.Generator, images: int, skill: float = 0.6, models: int = 1
) -> list[tamis.DetectionResult]:
    """Evaluations of models that find each object, of one to three an image, with the same chance,
    and see things; sure of themselves in part."""
    counts = rng.integers(1, 4, images)
    splits = np.concatenate([[0], np.cumsum(counts)])
    image = np.repeat(np.arange(images), counts)
    place = 100.0 * (np.arange(len(image)) - splits[image])
    boxes = np.column_stack([place, np.zeros(len(image)), place + 50, np.full(len(image), 50)])
    hard = rng.normal(0, 1, images)[image]  # the objects of an image are alike
    out = []
    for _ in range(models):
        seen = rng.random(len(image)) < 1 / (1 + np.exp(-(np.log(skill / (1 - skill)) + hard)))
        off = rng.uniform(0, 20, seen.sum())[:, None] * np.array([0, 1, 0, 1])
        noise = rng.integers(0, images, images)
        det_image = np.concatenate([image[seen], noise])
        det = np.concatenate([boxes[seen] + off, np.full((images, 4), [0, 200, 50, 250.0])])
        scores = np.concatenate([rng.beta(3, 2, seen.sum()), rng.beta(2, 3, images)])
        order = np.argsort(det_image, kind="stable")
        evaluator = tamis.DetectionEvaluator()
        evaluator.update(
            {
                "boxes": det[order], "scores": scores[order], "labels": np.ones(len(order), int),
                "splits": np.searchsorted(det_image[order], np.arange(images + 1)),
            },
            {"boxes": boxes, "labels": np.ones(len(image), int), "splits": splits},
        )  # fmt: skip
        out.append(evaluator.compute())
    return out


@pytest.mark.parametrize(("images", "p"), [(50, 0.5), (400, 0.9)])
def test_the_standard_error_of_a_share(images: int, p: float) -> None:
    """Each image right with probability p: recall is a mean of n, its error sqrt(p (1 - p) / n)."""
    found = tamis.intervals(hits(np.arange(images) < p * images), 4000)
    truth = np.sqrt(p * (1 - p) / images)
    for name in ("AR100", "AR1"):
        assert found.stats[name].value == p
        assert found.stats[name].error == pytest.approx(truth, rel=0.05)
        half = (found.stats[name].high - found.stats[name].low) / 2
        assert half == pytest.approx(1.96 * truth, rel=0.1)
    assert found.stats["AP"].error == pytest.approx(truth, rel=0.1)  # in steps of 1/101


def test_groups_drawn_together_have_the_error_of_groups() -> None:
    """Ten images alike in each group: as many independent ones as there are groups."""
    right = np.repeat(np.arange(60) % 2 == 0, 10)
    groups = np.repeat([f"video {i}" for i in range(60)], 10)
    one_by_one = tamis.intervals(hits(right), 1000).stats["AR100"].error
    together = tamis.intervals(hits(right), 1000, groups=groups)
    assert together.units == 60
    assert together.stats["AR100"].error == pytest.approx(np.sqrt(0.25 / 60), rel=0.1)
    assert together.stats["AR100"].error > 2.5 * one_by_one


@functools.cache  # for all methods
def true_ap50() -> float:
    [population] = crowd_of_images(np.random.default_rng(0), 200_000)
    return population.stats["AP50"]


@functools.cache
def one_of_150(seed: int) -> tamis.DetectionResult:
    return crowd_of_images(np.random.default_rng([1, seed]), 150)[0]


def near_share(count: int, times: int, p: float) -> bool:
    """A share is within 1.84 standard errors of `p`: for 5 %, 2 points of 400, 3.5 of 133."""
    return abs(count / times - p) <= 1.84 * np.sqrt(p * (1 - p) / times)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_intervals_hold_the_truth_as_often_as_they_say(method: Any) -> None:
    """Evaluations of 150 images, and a nominal 95 %."""
    held, times = 0, share(400)
    for i in range(times):
        found = tamis.intervals(one_of_150(i), 300, seed=i, method=method).stats["AP50"]
        held += found.low <= true_ap50() <= found.high
    assert near_share(held, times, 0.95)


def test_every_sample_is_an_evaluation() -> None:
    images = problem(3, 15)
    result = result_of(images)
    found = tamis.intervals(result, 40, seed=5)
    draw = draws.bootstrap(5, np.arange(15))
    anew = [list(result_of(repeated(images, w)).stats.values()) for w in draw(0, 40)]
    values = np.where(np.array(anew) == -1, np.nan, anew)
    for i, (name, interval) in enumerate(found.stats.items()):
        assert interval.value == result.stats[name]
        expected = np.nanquantile(values[:, i], [0.025, 0.975])
        np.testing.assert_allclose([interval.low, interval.high], expected, rtol=1e-12)
        assert interval.error == pytest.approx(np.nanstd(values[:, i], ddof=1), rel=1e-12)


def test_of_cocoeval_and_by_class() -> None:
    images = problem(6, 30)
    e = evaluation((coco, cocoeval), images)
    found, ours = tamis.intervals(e, 50), tamis.intervals(result_of(images), 50)
    assert found.stats == ours.stats
    np.testing.assert_array_equal(found.low, ours.low)
    rows = found.per_class()
    assert [row["label"] for row in rows] == [1, 2, 3, 4]
    np.testing.assert_allclose(
        [row["AP"].value for row in rows],
        [row["AP"] for row in result_of(images).per_class()], rtol=1e-13,
    )  # fmt: skip
    assert all(row["AP"].low <= row["AP"].high for row in rows)


def test_keypoints() -> None:
    images = problem(6, 10, crowds=0)
    dataset, dets = tamis_keypoints(images)
    truth = coco.COCO()
    truth.dataset = dataset
    truth.createIndex()
    e = cocoeval.COCOeval(truth, truth.loadRes(dets), "keypoints")
    e.evaluate()
    e.accumulate()
    e.summarize()
    found = tamis.intervals(e, 20)
    assert list(found.stats) == [
        "AP",
        "AP50",
        "AP75",
        "APm",
        "APl",
        "AR",
        "AR50",
        "AR75",
        "ARm",
        "ARl",
    ]
    values = [i.value for i in found.stats.values()]
    np.testing.assert_array_equal(np.nan_to_num(values, nan=-1), e.stats)


def tamis_keypoints(images: Any) -> Any:
    from reference_resampling import coco_files

    dataset, dets = coco_files(images)
    for a in dataset["annotations"]:
        x, y, w, h = a["bbox"]
        a |= {"keypoints": [x + w / 2, y + h / 2, 2] * 17, "num_keypoints": 17}
    for d in dets:
        x, y, w, h = d.pop("bbox")
        d["keypoints"] = [x + w / 2, y + h / 2, 2] * 17
    return dataset, dets


def test_bca_is_efrons_formula() -> None:
    rng = np.random.default_rng(0)
    samples, jackknife = rng.gamma(2, size=(500, 3)), rng.gamma(2, size=(40, 3))
    samples[::7, 1] = np.nan
    estimate = np.array([1.5, 2.0, 1e9])
    low, high = statistics.bca_interval(estimate, samples, jackknife, 0.9)
    normal = statistics._NORMAL
    for j in range(2):
        x = samples[~np.isnan(samples[:, j]), j]
        z0 = normal.inv_cdf((x < estimate[j]).mean())
        d = jackknife[:, j].mean() - jackknife[:, j]
        a = (d**3).sum() / (6 * (d**2).sum() ** 1.5)
        for value, level in ((low[j], 0.05), (high[j], 0.95)):
            z = z0 + normal.inv_cdf(level)
            expected = np.quantile(x, normal.cdf(z0 + z / (1 - a * z)))
            assert value == pytest.approx(expected, rel=1e-12)
    assert (low[2], high[2]) == pytest.approx(tuple(np.quantile(samples[:, 2], [0.05, 0.95])))


def test_quantiles_are_numpys() -> None:
    rng = np.random.default_rng(1)
    values = rng.random((31, 5))
    values[rng.random((31, 5)) < 0.4] = np.nan
    values[:, 3] = np.nan
    values[1:, 4] = np.nan
    q = np.array([[0.0, 0.1, 0.5, 0.5, 0.3], [1.0, 0.9, 0.25, 0.1, 0.7]])
    got = statistics.quantiles(values, q)
    for j in (0, 1, 2, 4):
        np.testing.assert_allclose(got[:, j], np.nanquantile(values[:, j], q[:, j]), rtol=1e-14)
    assert np.isnan(got[:, 3]).all()


def test_the_same_for_any_threads_and_seeds_differ() -> None:
    result = result_of(problem(1, 40))
    first = tamis.intervals(result, 100, method="bca")
    set_num_threads(1)
    again = tamis.intervals(result, 100, method="bca")
    set_num_threads(0)
    assert json.dumps(first.to_dict()) == json.dumps(again.to_dict())
    other = tamis.intervals(result, 100, seed=1)
    assert other.stats["AP"].low != first.stats["AP"].low


def test_progress_and_texts() -> None:
    calls: list[tuple[int, int]] = []
    result = result_of(problem(1, 12, 2))
    found = tamis.intervals(result, 300, method="bca", progress=lambda *a: calls.append(a))
    assert calls[-1] == (312, 312) and [c[0] for c in calls] == sorted({c[0] for c in calls})
    assert len(str(found).splitlines()) <= 20 and "  samples: 300\n" in repr(found)
    json.loads(json.dumps(found.to_dict(), allow_nan=False))
    with pytest.raises(AttributeError):
        found.samples = 3  # type: ignore[misc]

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tamis.intervals(result, 100, progress=stop)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"samples": 1}, ValueError, "samples must be at least 2, got 1"),
        ({"samples": 2.5}, TypeError, "samples must be an integer, got 2.5"),
        ({"confidence": 1}, ValueError, "confidence must be below 1, got 1"),
        ({"confidence": 0}, ValueError, r"confidence must be in \(0, 1\], got 0"),
        ({"seed": -1}, ValueError, "seed must be 0 to"),
        ({"method": "basic"}, ValueError, "method must be 'percentile' or 'bca', got 'basic'"),
        ({"groups": [1, 2]}, ValueError, r"groups must have shape \(5,\), got \(2,\)"),
        ({"groups": np.zeros(5)}, TypeError, "groups must hold integers or strings, got float64"),
    ],
)
def test_bad_options(options: Any, error: Any, text: str) -> None:
    result = result_of(problem(0, 5))
    with pytest.raises(error, match="intervals: " + text):
        tamis.intervals(result, **options)


def test_groups_are_of_any_kind() -> None:
    result = result_of(problem(0, 5))
    kinds = [[3, 3, 4, 4, 5], ["c", "c", "d", "d", "e"], np.array([3, 3, 4, 4, 5], np.int8)]
    values = [tamis.intervals(result, samples=30, groups=groups).low.tolist() for groups in kinds]
    assert values[0] == values[1] == values[2]


def test_bad_evaluations() -> None:
    with pytest.raises(TypeError, match="intervals: evaluated must be a DetectionResult"):
        tamis.intervals({})
    with pytest.raises(ValueError, match="intervals: result must hold at least one image"):
        tamis.intervals(tamis.DetectionEvaluator().compute())
    unsorted = result_of(problem(0, 5), recall_thresholds=np.array([0.5, 0.1]))
    with pytest.raises(ValueError, match="intervals: the recall thresholds must ascend"):
        tamis.intervals(unsorted)
