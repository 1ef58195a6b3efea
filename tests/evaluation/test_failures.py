"""failures: what is missed or wrong, in which order, and within which quotas."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import tamis
from tamis.evaluation.detection_errors import TYPES


def evaluated(seed: int = 0, images: int = 30) -> Any:
    """Jittered, relabelled, missing and made-up boxes."""
    rng = np.random.default_rng(seed)
    evaluator = tamis.DetectionEvaluator()
    for _ in range(images):
        m = int(rng.integers(1, 8))
        corner = rng.uniform(0, 400, (m, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(20, 90, (m, 2))], 1)
        labels = rng.choice(3, m, p=[0.8, 0.15, 0.05])
        seen = rng.random(m) < 0.7
        wrong = np.where(rng.random(m) < 0.2, rng.integers(0, 3, m), labels)
        found = np.concatenate([boxes[seen] + rng.normal(0, 9, (seen.sum(), 4)), boxes[:1] + 500])
        evaluator.update(
            {"boxes": found, "scores": rng.random(len(found)), "labels": np.append(wrong[seen], 0)},
            {"boxes": boxes, "labels": labels},
        )
    return evaluator.compute()


def test_all_errors_missed_objects_first():
    result = evaluated()
    errors, found = result.errors(), tamis.failures(result)
    want = {k: v for k, v in errors.counts.items() if k != "Dupe"}
    assert {k: v for k, v in found.counts().items() if k != "Dupe"} == want
    missed = found.kind == TYPES.index("Miss")
    assert missed[: missed.sum()].all() and missed.sum() == want["Miss"]
    np.testing.assert_array_equal(np.sort(found.row[missed]), np.flatnonzero(errors.missed))
    assert np.isnan(found.score[missed]).all()
    scores = found.score[~missed]
    assert (np.diff(scores) <= 0).all()
    np.testing.assert_array_equal(errors.kind[found.row[~missed]], found.kind[~missed])
    assert found.images.tolist() == list(dict.fromkeys(found.image.tolist()))


def test_classes_take_turns_and_quotas_hold():
    result = evaluated(images=80)
    everything = tamis.failures(result)
    quota = {"Miss": 6, "Bkg": 5, "Cls": 0}
    found = tamis.failures(result, quota=quota)
    assert found.counts() == {"Cls": 0, "Loc": 0, "Both": 0, "Dupe": 0, "Bkg": 5, "Miss": 6}
    miss = everything.label[everything.kind == TYPES.index("Miss")]
    assert len(set(miss[:3].tolist())) == 3  # one of each class first
    two = tamis.failures(result, per_class=2)
    _, counts = np.unique(np.stack([two.kind, two.label]), axis=1, return_counts=True)
    assert counts.max() == 2
    few = tamis.failures(result, quota={"Bkg": 5})
    bkg = everything.kind == TYPES.index("Bkg")
    for label in set(few.label.tolist()):
        confident = few.score[few.label == label]
        of_class = everything.score[bkg & (everything.label == label)]
        np.testing.assert_array_equal(confident, of_class[: len(confident)])
    assert len(tamis.failures(result, count=7)) == 7
    assert np.nanmin(tamis.failures(result, least_score=0.5).score) >= 0.5


def test_feeds_select_batch():
    found = tamis.failures(evaluated(), count=12)
    x = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)  # 30 images, and a pool
    scores = np.random.default_rng(1).random(200).astype(np.float32)
    batch = tamis.select_batch(
        scores, x, found.images, budget=20, exclude=np.arange(30), quota=found.cluster
    )
    assert len(batch) == 20 and batch.min() >= 30


def test_a_perfect_detector_has_none():
    box = np.array([[0.0, 0, 10, 10]])
    evaluator = tamis.DetectionEvaluator()
    evaluator.update({"boxes": box, "scores": np.ones(1), "labels": np.array([1])},
                     {"boxes": box, "labels": np.array([1])})  # fmt: skip
    found = tamis.failures(evaluator.compute())
    assert len(found) == 0 and len(found.images) == 0
    assert str(found).startswith("0 failures in 0 images")


def test_results_and_what_does_not_fit():
    result = evaluated()
    found = tamis.failures(result)
    assert found == tamis.failures(result) and found != tamis.failures(result, count=3)
    json.dumps(found.to_dict(), allow_nan=False)
    assert len(str(found).splitlines()) <= 20 and len(repr(found).splitlines()) <= 20
    with pytest.raises(ValueError, match=r"failures: quota must name types among Cls .*, got 'FN'"):
        tamis.failures(result, quota={"FN": 3})
    with pytest.raises(ValueError, match="failures: count must be at least 0, got -1"):
        tamis.failures(result, count=-1)
    with pytest.raises(TypeError, match="evaluated must be a DetectionResult"):
        tamis.failures({})
