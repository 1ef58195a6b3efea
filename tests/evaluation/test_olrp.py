"""Optimal LRP errors: hand cases, the paper's formulas at every threshold, vernier, the authors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import tamis
import tamis.coco
from conftest import data_path
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from test_evaluator_images import images


def overlap(a: Any, b: Any) -> float:
    w, h = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
    inter = max(w, 0.0) * max(h, 0.0)
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(inter / (both - inter))


def lrp(preds: Any, targets: Any, label: int, s: float, tau: float) -> tuple[float, ...]:
    """Oksuz et al.: LRP of the detections of score s or more, and its three parts."""
    tp = fp = fn = 0
    loose = 0.0
    for pred, target in zip(preds, targets, strict=True):
        free = [b for b, k in zip(target["boxes"], target["labels"], strict=True) if k == label]
        rows = [i for i in range(len(pred["scores"])) if pred["labels"][i] == label]
        for i in sorted(rows, key=lambda i: -pred["scores"][i]):
            if pred["scores"][i] < s:
                break
            ious = [overlap(pred["boxes"][i], b) for b in free]
            if ious and max(ious) >= tau:
                tp, loose = tp + 1, loose + 1 - max(ious)
                free.pop(len(ious) - 1 - int(np.argmax(ious[::-1])))
            else:
                fp += 1
        fn += len(free)
    parts = (x / y if y else np.nan for x, y in ((loose, tp), (fp, tp + fp), (fn, tp + fn)))
    return (loose / (1 - tau) + fp + fn) / (tp + fp + fn), *parts


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("tau", [0.5, 0.75])
def test_against_the_definition(seed: int, tau: float) -> None:
    """The formulas of the paper at every threshold, on matches of their own."""
    preds, targets = images(seed=seed)
    for side in (*preds, *targets):
        side["boxes"][:, 2:] += side["boxes"][:, :2]
    evaluator = tamis.DetectionEvaluator()
    evaluator.update(preds, targets)
    found = tamis.olrp(evaluator.compute(), iou=tau)
    assert found.classes.tolist() == [0, 1, 2]
    scores = sorted({float(s) for pred in preds for s in pred["scores"]}, reverse=True)
    for k in range(3):
        best = min(lrp(preds, targets, k, s, tau)[0] for s in scores)
        kept_from = found.confidence[k]  # without one, nothing is kept
        at = lrp(preds, targets, k, np.inf if np.isnan(kept_from) else kept_from, tau)
        parts = (found.localisation[k], found.false_positive[k], found.false_negative[k])
        np.testing.assert_allclose([found.error[k], *parts], at, rtol=1e-12)
        assert at[0] == pytest.approx(best, rel=1e-12)
    assert found.mean == pytest.approx(found.error.mean(), rel=1e-12)


def one_class(ious: list[float], scores: list[float], targets: int) -> tamis.DetectionResult:
    """Detections that lie upon a target by these IoUs; 0: upon nothing."""
    boxes = np.array([[100.0 * i, 0, 100 * i + 10, 10] for i in range(max(targets, len(ious)))])
    dets = boxes[: len(ious)].copy()
    dets[:, 3] *= np.maximum(ious, 1e-3)
    evaluator = tamis.DetectionEvaluator()
    evaluator.update(
        {"boxes": dets, "scores": np.array(scores), "labels": np.ones(len(ious), int)},
        {"boxes": boxes[:targets], "labels": np.ones(targets, int)},
    )
    return evaluator.compute()


def test_by_hand() -> None:
    found = tamis.olrp(one_class([1.0, 0.75, 0.0], [0.9, 0.8, 0.7], 3))
    # at .8: (0 + .5 + 0 + 1) / 3
    assert found.error == pytest.approx([0.5]) and found.confidence.tolist() == [0.8]
    assert found.localisation == pytest.approx([0.125])
    assert found.false_positive.tolist() == [0] and found.false_negative == pytest.approx([1 / 3])
    nothing = tamis.olrp(one_class([0.0], [0.9], 2))
    assert nothing.error.tolist() == [1] and np.isnan(nothing.confidence).all()
    absent = tamis.olrp(one_class([0.0], [0.9], 0))
    assert np.isnan(absent.mean) and np.isnan(absent.error).all()


def test_equal_scores_stay_together() -> None:
    found = tamis.olrp(one_class([1.0, 0.0], [0.5, 0.5], 1))
    assert found.error == pytest.approx([0.5]) and found.confidence.tolist() == [0.5]


@examples(30)
@given(st.lists(st.tuples(st.floats(0.5, 1), st.integers(0, 4)), min_size=1, max_size=8))
def test_better_boxes_never_raise_it(rows: Any) -> None:
    ious, scores = [r[0] for r in rows], [r[1] / 4 for r in rows]
    loose = tamis.olrp(one_class(ious, scores, len(rows)))
    tight = tamis.olrp(one_class([(1 + x) / 2 for x in ious], scores, len(rows)))
    assert tight.mean <= loose.mean + 1e-12 and 0 <= tight.mean <= 1


def test_bad_arguments() -> None:
    with pytest.raises(TypeError, match="olrp: evaluated must be a DetectionResult"):
        tamis.olrp(3)
    for iou in (0, 1, 2, "x"):
        with pytest.raises((TypeError, ValueError), match="olrp: iou"):
            tamis.olrp(one_class([1.0], [0.5], 1), iou=iou)  # type: ignore[arg-type]


def test_keypoints() -> None:
    points = np.full((2, 17, 3), 2.0) * [[[10]], [[20]]]
    evaluator = tamis.DetectionEvaluator("keypoints")
    evaluator.update(
        {"keypoints": points, "labels": [1, 1], "scores": [0.5, 0.4]},
        {"keypoints": points, "labels": [1, 1], "area": [2000.0, 2000.0]},
    )
    assert tamis.olrp(evaluator.compute()).mean == pytest.approx(0)


def test_parity_with_vernier() -> None:
    vernier = pytest.importorskip("vernier._lrp")
    paths = [
        data_path("coco128", name) for name in ("instances_coco128.json", "dt_yolov5s.bbox.json")
    ]
    e = tamis.coco.COCO(str(paths[0]))
    evaluated = tamis.coco.COCOeval(e, e.loadRes(str(paths[1])), "bbox")
    evaluated.evaluate()
    found = tamis.olrp(evaluated)
    grid = sorted({d["score"] for d in json.loads(paths[1].read_text())})
    theirs = vernier.optimal_lrp(*(p.read_bytes() for p in paths), tau_grid=grid)
    np.testing.assert_allclose(found.error, [c.olrp for c in theirs.per_class], rtol=1e-12)
    np.testing.assert_array_equal(found.confidence, [c.tau for c in theirs.per_class])
    assert found.mean == pytest.approx(theirs.olrp, rel=1e-12)


def test_as_the_authors_count_from_matches_of_pycocotools() -> None:
    """Oksuz et al.: the error after each detection, the best ones first, and its least."""
    pytest.importorskip("pycocotools.cocoeval", reason="pycocotools is not installed")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    files = ("instances_val2014_100.json", "instances_val2014_fakebbox100_results.json")
    paths = [str(data_path("cocoapi_val2014_100", name)) for name in files]
    gt = COCO(paths[0])
    e = COCOeval(gt, gt.loadRes(paths[1]), "bbox")
    e.evaluate()
    want = np.full((len(e.params.catIds), 4), np.nan)
    for k, label in enumerate(e.params.catIds):
        rows, targets = [], 0
        for one in filter(None, e.evalImgs[k * 4 * len(e.params.imgIds) :][: len(e.params.imgIds)]):
            targets += int(np.count_nonzero(one["gtIgnore"] == 0))
            ious = e.ious[one["image_id"], label]
            order = [a["id"] for a in e._gts[one["image_id"], label]]
            for d, score in enumerate(one["dtScores"]):
                match, ignored = int(one["dtMatches"][0, d]), bool(one["dtIgnore"][0, d])
                alike = ious[d, order.index(match)] if match and not ignored else 0.0
                rows.append((score, bool(match) and not ignored, not match and not ignored, alike))
        if targets == 0:
            continue
        scores, tp, fp, alike = np.array(rows, np.float64).reshape(-1, 4).T
        best_first = np.argsort(-scores, kind="mergesort")
        tp, fp, alike = (np.cumsum(x[best_first]) for x in (tp, fp, alike * tp))
        want[k] = 1, np.nan, np.nan, 1
        if len(tp) and tp[-1] > 0:
            fn, loose = targets - tp, tp - alike
            at = int(np.argmin((loose / 0.5 + fp + fn) / (tp + fp + fn)))
            least = (loose[at] / 0.5 + fp[at] + fn[at]) / (tp[at] + fp[at] + fn[at])
            want[k] = least, loose[at] / tp[at], fp[at] / (tp[at] + fp[at]), fn[at] / targets
    own = tamis.coco.COCO(paths[0])
    evaluated = tamis.coco.COCOeval(own, own.loadRes(paths[1]), "bbox")
    evaluated.evaluate()
    found = tamis.olrp(evaluated)
    got = np.stack(
        [found.error, found.localisation, found.false_positive, found.false_negative], axis=1
    )
    assert found.classes.tolist() == e.params.catIds
    np.testing.assert_allclose(got, want, rtol=1e-12)
