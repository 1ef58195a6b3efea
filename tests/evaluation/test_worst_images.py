"""What each image costs, against an evaluation where it is perfect; errors by image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tamis
from test_result_object import evaluation


def problem(seed: int, images: int = 6, n: int = 9) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Images of boxes on a grid, found more or less well."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(images):
        cell = rng.permutation(25)[: rng.integers(0, n)]
        low = np.stack([cell % 5, cell // 5], 1) * 30.0
        boxes = np.concatenate([low, low + rng.uniform(5, 25, low.shape)], 1)
        labels = rng.integers(0, 3, len(boxes))
        seen = rng.random(len(boxes)) < 0.8
        moved = boxes[seen] + rng.normal(0, 2, (int(seen.sum()), 4))
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        guess = np.where(rng.random(seen.sum()) < 0.8, labels[seen], rng.integers(0, 3, seen.sum()))
        scores = rng.integers(1, 40, len(moved)) / 40
        out.append((
            {"boxes": moved, "scores": scores, "labels": guess},
            {"boxes": boxes, "labels": labels},
        ))  # fmt: skip
    return out


def evaluate(images: Any) -> tamis.DetectionResult:
    evaluator = tamis.DetectionEvaluator(iou_thresholds=[0.5])
    for preds, targets in images:
        evaluator.update(preds, targets)
    return evaluator.compute()


def perfect(images: Any, which: int, result: tamis.DetectionResult) -> Any:
    """The images with one whose false detections are gone and whose misses are found first."""
    rows = np.cumsum([0, *(len(p["scores"]) for p, _ in images)])
    matches = result.matches()
    mine = slice(rows[which], rows[which + 1])
    right = matches.gt[0, mine] >= 0
    gts = np.cumsum([0, *(len(t["labels"]) for _, t in images)])
    missed = matches.det[0, gts[which] : gts[which + 1]] < 0
    preds, targets = images[which]
    found = {
        "boxes": np.concatenate([targets["boxes"][missed], preds["boxes"][right]]),
        "scores": np.concatenate([np.full(missed.sum(), 2.0), preds["scores"][right]]),
        "labels": np.concatenate([targets["labels"][missed], preds["labels"][right]]),
    }
    return [*images[:which], (found, targets), *images[which + 1 :]]


@pytest.mark.parametrize("seed", range(8))
def test_the_cost_is_that_of_evaluating_anew(seed: int) -> None:
    images = problem(seed)
    result = evaluate(images)
    before = result.stats["AP50"]
    worst = result.worst_images()
    costs = dict(zip(worst.image.tolist(), worst.cost.tolist(), strict=True))
    for i in range(len(images)):
        gain = evaluate(perfect(images, i, result)).stats["AP50"] - before
        assert costs.get(i, 0) == pytest.approx(100 * gain, abs=1e-9)
    assert worst.ap == pytest.approx(100 * max(before, 0))
    assert (np.diff(worst.cost) <= 0).all() and (worst.cost > 0).all()


@pytest.mark.parametrize("confidence", [None, 0.5, "best_f1"])
def test_errors_by_image_add_up(confidence: Any) -> None:
    result = evaluate(problem(3, images=12))
    errors = result.errors(confidence=confidence)
    worst = result.worst_images(count=100, confidence=confidence)
    for kind, column in worst.errors.items():
        assert column.sum() <= errors.counts[kind]
    clean = np.setdiff1d(np.arange(12), worst.image)
    wrong = (errors.kind >= 0) & ~errors.ignored
    assert not np.isin(errors.image[wrong], clean).any()


def test_a_threshold_leaves_detections_out_as_if_they_were_not_there() -> None:
    images = problem(5)
    result = evaluate(images)
    errors = result.errors(confidence=0.4)
    kept = [
        ({key: x[p["scores"] >= 0.4] for key, x in p.items()}, t) for p, t in images
    ]  # fmt: skip
    alone = evaluate(kept).errors()
    assert errors.counts == alone.counts and errors.main == alone.main
    assert errors.ap == alone.ap and errors.confidence.tolist() == [0.4] * 3
    seen = np.concatenate([p["scores"] for p, _ in images]) >= 0.4
    assert (errors.kind[~seen] == -2).all()
    assert errors.kind[seen].tolist() == alone.kind.tolist()
    best = result.best_f1().confidence[:-1]
    assert np.array_equal(result.errors(confidence="best_f1").confidence, best)


def test_everything_is_as_before_without_a_threshold() -> None:
    errors = evaluate(problem(5)).errors()
    assert (errors.confidence == -np.inf).all() and (errors.image >= 0).all()
    e = evaluation()
    assert tamis.detection_errors(e).image.tolist() == e._evaluated().dets.image.tolist()


def test_words() -> None:
    worst = evaluate(problem(3)).worst_images(count=2)
    text = str(worst)
    assert len(text.splitlines()) == 3 and f"{worst.image[0]}: " in text
    assert worst.why(0).split()[0].isdigit()
    assert len(evaluate(problem(3)).worst_images(count=0).image) == 0


def test_nothing_to_cost() -> None:
    empty = tamis.DetectionEvaluator().compute()
    assert len(empty.worst_images().image) == 0 and empty.worst_images().ap == 0
    with pytest.raises(ValueError, match="confidence must be a number, 'best_f1' or None"):
        empty.worst_images(confidence="best")  # type: ignore[arg-type]
    with pytest.raises((TypeError, ValueError), match="worst_images: count"):
        empty.worst_images(count=-1)


def test_keypoints() -> None:
    points = np.full((2, 17, 3), 2.0) * [[[10]], [[20]]]
    evaluator = tamis.DetectionEvaluator("keypoints")
    evaluator.update(
        {"keypoints": points[:1], "labels": [1], "scores": [0.5]},
        {"keypoints": points, "labels": [1, 1], "area": [2000.0, 2000.0]},
    )
    worst = evaluator.compute().worst_images()
    assert {k: v.tolist() for k, v in worst.errors.items()} == {"False": [0], "Miss": [1]}
