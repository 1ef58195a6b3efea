"""label_mistakes, mistakes_of_matches, classification_mistakes, hardness."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from reference import same_bits
from reference_fiftyone import match
from tamis.labels.classification_mistakes import classification_mistakes, hardness
from tamis.labels.label_mistakes import label_mistakes, mistakes_of_matches

FLOATS = ["float32", "float64"]


def entropy(logits: np.ndarray) -> float:
    """scipy.stats.entropy(scipy.special.softmax(logits)), one row, by the C library's log."""
    p = np.exp(logits - logits.max())
    p = p / p.sum()
    p = p / p.sum()
    terms = [-float(x) * math.log(float(x)) if x > 0 else 0.0 for x in p]
    return float(np.array(terms).astype(p.dtype).sum())


def images(counts, seed=0):
    """Detections near ground truths of several images, labels that often differ."""
    rng = np.random.default_rng(seed)
    splits, gt_splits = (np.cumsum([0, *(c[i] for c in counts)]) for i in (0, 1))
    n, m = splits[-1], gt_splits[-1]
    gts = np.concatenate([rng.uniform(0, 0.7, (m, 2)), rng.uniform(0.1, 0.3, (m, 2))], axis=1)
    dets = np.concatenate([rng.uniform(0, 0.7, (n, 2)), rng.uniform(0.1, 0.3, (n, 2))], axis=1)
    for (a, b), (c, d) in zip(
        itertools.pairwise(splits), itertools.pairwise(gt_splits), strict=True
    ):
        near = min((b - a) // 2, d - c)
        dets[a : a + near] = gts[c : c + near] + rng.normal(0, 0.01, (near, 4))
    return {
        "boxes": dets,
        "confidence": np.round(rng.random(n), 1) + (rng.random(n) < 0.2) * 0.05,
        "splits": splits,
        "gt_boxes": gts,
        "gt_splits": gt_splits,
        "labels": rng.integers(0, 3, n),
        "gt_labels": rng.integers(0, 3, m),
        "iscrowd": rng.random(m) < 0.1,
    }


COUNTS = [(20, 6), (0, 3), (4, 0), (50, 20), (0, 0), (9, 9)]


def slow(data, iou=0.5, missing_confidence=0.95, logits=None):
    """Brain's process_image, image by image, on Python numbers."""
    n, m = len(data["boxes"]), len(data["gt_boxes"])
    mistaken, loc = np.full(m, np.nan), np.full(m, np.nan)
    spurious, missing = np.zeros(m, bool), np.zeros(n, bool)
    per_image = []
    for (a, b), (c, d) in zip(
        itertools.pairwise(data["splits"]), itertools.pairwise(data["gt_splits"]), strict=True
    ):
        columns = (data[k][c:d].tolist() for k in ("gt_boxes", "gt_labels", "iscrowd"))
        gts = list(zip(*columns, strict=True))
        columns = (data[k][a:b].tolist() for k in ("boxes", "labels", "confidence"))
        preds = list(zip(*columns, strict=True))
        keys = [(box, label, score or -1) for box, label, score in preds]
        gt_of, ious, det_of, _ = match(gts, keys, min(iou, 1 - 1e-10), classwise=False)
        for i, (_, _, score) in enumerate(preds):
            missing[a + i] = gt_of[i] < 0 and score > missing_confidence
        worst = []
        for i, (_, label, _) in enumerate(gts):
            if det_of[i] < 0:
                spurious[c + i] = True
                continue
            pred = preds[det_of[i]]
            sign = float(label == pred[1]) * -2.0 + 1.0
            sure = pred[2] if logits is None else math.exp(-entropy(logits[a + det_of[i]]))
            far = (1.0 / (1.0 - iou)) * (1.0 - ious[det_of[i]])
            mistaken[c + i] = (sign * sure + 1.0) / 2.0
            loc[c + i] = (sure * ((2.0 * far) - 1.0) + 1.0) / 2.0
            worst.append(mistaken[c + i])
        totals = int(missing[a:b].sum()), int(spurious[c:d].sum())
        per_image.append((max(worst) if worst else -1.0, *totals))
    image = [
        np.array(x, t) for x, t in zip(zip(*per_image, strict=True), (float, int, int), strict=True)
    ]
    return mistaken, loc, spurious, missing, *image


def equal(got, want):
    names = (
        "mistakenness", "mistakenness_loc", "possible_spurious", "possible_missing",
        "image_mistakenness", "image_missing", "image_spurious",
    )  # fmt: skip
    for name, theirs in zip(names, want, strict=True):
        same_bits(getattr(got, name), theirs)


# Hardness


def test_hardness_by_hand():
    got = hardness(np.array([[0.0, 0, 0, 0], [9000, 0, 0, 0], [5, 5, -math.inf, -math.inf]]))
    np.testing.assert_array_equal(got, [math.log(4), 0, math.log(2)])
    assert hardness(np.array([[3, 3]])).tolist() == [math.log(2)]
    assert hardness(np.empty((0, 7), np.float32)).shape == (0,)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("classes", [1, 2, 7, 80, 1000])
def test_hardness_of_many_rows(library, dtype, classes):
    logits = np.random.default_rng(classes).normal(0, 4, (300, classes)).astype(dtype)
    want = np.array([entropy(row) for row in logits], dtype)
    same_bits(hardness(library.array(logits)), want)
    same_bits(hardness(np.asfortranarray(logits)), want)


@pytest.mark.parametrize("dtype", ["float16", *FLOATS])
def test_hardness_equals_scipy(dtype):
    scipy_special = pytest.importorskip("scipy.special")
    scipy_stats = pytest.importorskip("scipy.stats")
    for classes in (2, 10, 200):
        logits = np.random.default_rng(0).normal(0, 3, (500, classes)).astype(dtype)
        want = [scipy_stats.entropy(scipy_special.softmax(row)) for row in logits]
        same_bits(hardness(logits), np.array(want))


# Classification


def test_classification_by_hand():
    got = classification_mistakes(
        np.array([True, False, True, False, True]),
        confidence=np.array([0.9, 0.9, math.nan, 0.9, math.nan]),
        predicted=np.array([1, 1, 0, 1, 0]),
        labelled=np.array([1, 1, 1, 0, 0]),
    )
    np.testing.assert_array_equal(got, [(1 - 0.9) / 2, (1 + 0.9) / 2, 1, (1 - 0.9) / 2, math.nan])


@pytest.mark.parametrize("dtype", FLOATS)
def test_classification_by_logits(dtype):
    rng = np.random.default_rng(2)
    logits, correct = rng.normal(0, 3, (200, 9)).astype(dtype), rng.random(200) < 0.5
    sure = np.array([math.exp(-entropy(row)) for row in logits])
    want = (np.where(correct, -1.0, 1.0) * sure + 1.0) / 2.0
    same_bits(classification_mistakes(correct, logits=logits), want)


# Detections


def test_detections_by_hand():
    unit = np.array([[0.0, 0, 1, 1], [5, 5, 6, 6]])
    got = label_mistakes(
        np.array([[0, 0, 1, 0.75], [0, 0, 1, 1], [8, 8, 9, 9]]),
        np.array([0.9, 0.8, 0.95]),
        np.array([0, 3]),
        unit,
        np.array([0, 2]),
        labels=np.array([1, 2, 2]),
        gt_labels=np.array([2, 2]),
    )
    np.testing.assert_array_equal(got.mistakenness, [(1 + 0.9) / 2, math.nan])
    np.testing.assert_array_equal(got.mistakenness_loc, [0.5, math.nan])  # IoU 3/4: half as far
    assert got.possible_spurious.tolist() == [False, True]
    assert got.possible_missing.tolist() == [False, False, False]  # 0.95 is not over 0.95
    assert got.image_mistakenness.tolist() == [0.95]
    assert (got.image_missing.tolist(), got.image_spurious.tolist()) == ([0], [1])


@pytest.mark.parametrize("iou", [0, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("missing_confidence", [0.5, 0.95])
def test_detections_equal_the_reference(iou, missing_confidence):
    data = images(COUNTS)
    options = {"iou": iou, "missing_confidence": missing_confidence}
    equal(label_mistakes(**data, **options, fmt="xywh"), slow(data, **options))


@pytest.mark.parametrize("dtype", FLOATS)
def test_detections_by_logits(dtype):
    data = images(COUNTS, seed=3)
    logits = np.random.default_rng(3).normal(0, 2, (len(data["boxes"]), 5)).astype(dtype)
    equal(label_mistakes(**data, logits=logits, fmt="xywh"), slow(data, logits=logits))


def test_no_images():
    none, splits, labels = np.empty((0, 4)), np.zeros(1, int), np.empty(0, int)
    got = label_mistakes(none, np.empty(0), splits, none, splits, labels=labels, gt_labels=labels)
    assert got.mistakenness.shape == got.image_mistakenness.shape == (0,)


def test_ground_truths_that_are_not_judged():
    one = {"splits": np.array([0, 2]), "gt_splits": np.array([0, 3])}
    got = mistakes_of_matches(
        np.array([0, 1]),
        np.array([0, 1, -1]),
        np.array([0.75, 1.0]),
        np.array([0.5, 0.9]),
        labels=np.array([0, 1]),
        gt_labels=np.array([0, 2, 0]),
        judged=np.array([True, False, False]),
        **one,
    )
    np.testing.assert_array_equal(got.mistakenness, [0.25, math.nan, math.nan])
    assert got.image_mistakenness.tolist() == [0.25] and got.image_spurious.tolist() == [0]


@examples(60)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 6)), min_size=1, max_size=4),
    st.integers(0, 10**6),
    st.floats(0, 0.99),
)
def test_any_images_equal_the_reference(counts, seed, iou):
    data = images(counts, seed)
    equal(label_mistakes(**data, iou=iou, fmt="xywh"), slow(data, iou=iou))


# Errors


def mistakes(**changed):
    return label_mistakes(**(images([(3, 2)]) | changed))


def matches(**changed):
    arguments = {
        "gt": np.array([0, -1]),
        "det": np.array([0]),
        "det_iou": np.array([0.9, 0]),
        "confidence": np.array([0.5, 0.5]),
        "splits": np.array([0, 2]),
        "gt_splits": np.array([0, 1]),
        "labels": np.array([0, 0]),
        "gt_labels": np.array([0]),
    }
    return mistakes_of_matches(**(arguments | changed))


ERRORS = [
    (lambda: hardness(np.zeros(3)), ValueError, r"hardness: logits must have shape \(N, C\), got"),
    (lambda: hardness(np.zeros((2, 3), bool)), TypeError, "hardness: logits must hold numbers"),
    (
        lambda: hardness(np.array([[0, 1], [math.nan, 1]])),
        ValueError,
        "hardness: logits has a NaN or infinite value in row 1",
    ),
    (
        lambda: hardness(np.full((1, 2), -math.inf)),
        ValueError,
        "hardness: logits has a NaN or infinite value in row 0",
    ),
    (
        lambda: classification_mistakes(np.ones(2, bool)),
        ValueError,
        "classification_mistakes: either confidence or logits must be given",
    ),
    (
        lambda: classification_mistakes(np.ones(2, bool), confidence=np.array([0, math.nan])),
        ValueError,
        "classification_mistakes: confidence has a NaN or infinite value in row 1",
    ),
    (
        lambda: classification_mistakes(np.ones(2, bool), logits=np.zeros((3, 2))),
        ValueError,
        r"classification_mistakes: logits must have shape \(2, C\), got \(3, 2\)",
    ),
    (lambda: mistakes(iou=1), ValueError, r"label_mistakes: iou must be a number in \[0, 1\), got"),
    (
        lambda: mistakes(missing_confidence=math.nan),
        ValueError,
        "label_mistakes: missing_confidence must be a number, got nan",
    ),
    (
        lambda: matches(missing_confidence="0.9"),
        TypeError,
        "mistakes_of_matches: missing_confidence must be a number, got '0.9'",
    ),
    (
        lambda: mistakes(logits=np.zeros((4, 2))),
        ValueError,
        r"label_mistakes: logits must have shape \(3, C\), got \(4, 2\)",
    ),
    (
        lambda: matches(det=np.array([2])),
        ValueError,
        "mistakes_of_matches: det must be rows below 2, got 2",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), ERRORS, ids=[text[:30] for *_, text in ERRORS])
def test_errors(call, error, text):
    with pytest.raises(error, match=f"^{text}"):
        call()


# Parity with fiftyone.brain


@pytest.mark.parametrize("use_logits", [False, True])
def test_brain_parity(use_logits):
    """Brain's own process_image after FiftyOne's own matching, sample by sample."""
    fo = pytest.importorskip("fiftyone")
    brain = pytest.importorskip("fiftyone.brain.internal.core.mistakenness")
    coco = pytest.importorskip("fiftyone.utils.eval.coco")
    data = images(COUNTS, seed=9)
    n, m = len(data["boxes"]), len(data["gt_boxes"])
    logits = np.random.default_rng(9).normal(0, 2, (n, 6)) if use_logits else None
    config = brain.DetectionMistakennessConfig(
        "p", "g", "mistakenness", "missing", "spurious", use_logits, False, "e"
    )
    method = brain.DetectionMistakenness(config)
    method.pred_field, method.label_field, method.label_type = "p", "g", fo.Detections
    rules = coco.COCOEvaluationConfig("p", "g", iou=0.5, classwise=False)
    preds = [
        fo.Detection(label=str(label), bounding_box=box, confidence=confidence)
        for box, label, confidence in zip(
            *(data[k].tolist() for k in ("boxes", "labels", "confidence")), strict=True
        )
    ]
    gts = [
        fo.Detection(label=str(label), bounding_box=box, iscrowd=crowd)
        for box, label, crowd in zip(
            *(data[k].tolist() for k in ("gt_boxes", "gt_labels", "iscrowd")), strict=True
        )
    ]
    for i in range(n if use_logits else 0):
        preds[i]["logits"] = logits[i]
    per_image = []
    for (a, b), (c, d) in zip(
        itertools.pairwise(data["splits"]), itertools.pairwise(data["gt_splits"]), strict=True
    ):
        sample = fo.Sample("image.jpg")
        sample["p"] = fo.Detections(detections=preds[a:b])
        sample["g"] = fo.Detections(detections=gts[c:d])
        coco._coco_evaluation_single_iou(sample["g"], sample["p"], "e", rules)
        per_image.append(method.process_image(sample, "e"))
    column = lambda objects, key: [o[key] if o.has_field(key) else None for o in objects]  # noqa: E731
    got = label_mistakes(**data, logits=logits, fmt="xywh")
    as_array = lambda x: np.array([math.nan if v is None else v for v in x], float)  # noqa: E731
    same_bits(got.mistakenness, as_array(column(gts, "mistakenness")))
    same_bits(got.mistakenness_loc, as_array(column(gts, "mistakenness_loc")))
    assert got.possible_spurious.tolist() == [x is True for x in column(gts, "spurious")]
    assert got.possible_missing.tolist() == [x is True for x in column(preds, "missing")]
    assert per_image == list(
        zip(got.image_mistakenness, got.image_missing, got.image_spurious, strict=True)
    )
    assert m == len(got.mistakenness) and got.possible_missing.any()


def test_brain_parity_of_classification():
    brain = pytest.importorskip("fiftyone.brain.internal.core.mistakenness")
    rng = np.random.default_rng(4)
    correct, confidence, logits = rng.random(99) < 0.5, rng.random(99), rng.normal(0, 2, (99, 12))
    want = [
        brain._compute_mistakenness_class_conf(c, m)
        for c, m in zip(confidence, correct * 1.0, strict=True)
    ]
    same_bits(classification_mistakes(correct, confidence=confidence), np.array(want))
    want = [
        brain._compute_mistakenness_class(x, m) for x, m in zip(logits, correct * 1.0, strict=True)
    ]
    same_bits(classification_mistakes(correct, logits=logits), np.array(want))
