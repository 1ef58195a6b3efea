"""Label mistakes of CUDA arrays: the host's numbers, those of logits up to the last bits."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from reference import same_bits
from tamis import LabelMistakes
from tamis._shared import arrays
from tamis.labels import label_mistakes_cuda
from tamis.labels.classification_mistakes import classification_mistakes, hardness
from tamis.labels.fiftyone_matching import match_fiftyone
from tamis.labels.label_mistakes import label_mistakes, mistakes_of_matches
from test_label_mistakes import COUNTS, images

pytestmark = pytest.mark.gpu


def some_logits(n: int, classes: int, dtype: str = "float32") -> np.ndarray:
    rng = np.random.default_rng((n, classes))
    logits = rng.normal(0, 5, (n, classes))
    if dtype.startswith("float") and classes > 1:
        logits[rng.random((n, classes)) < 0.1] = -math.inf
        logits[:, 0] = 1
    return logits.astype(dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
@pytest.mark.parametrize("classes", [1, 10, 1000])
def test_hardness(gpu_library, monkeypatch, classes, dtype):
    logits = some_logits(70, classes, dtype)
    wide = logits.astype(np.float32) if dtype == "float16" else logits
    want = hardness(wide)
    for at_once in (1 << 28, 12000):
        monkeypatch.setattr(label_mistakes_cuda, "BYTES_AT_ONCE", at_once)
        got = gpu_library.numpy(hardness(gpu_library.array(logits)))
        assert got.dtype == want.dtype and not np.signbit(got).any()
        exact = 1e-13 if got.dtype == np.float64 else 2e-5
        np.testing.assert_allclose(got, want, rtol=exact, atol=exact)
    none = hardness(gpu_library.array(logits[:0]))
    assert gpu_library.numpy(none).shape == (0,)


def test_classification_mistakes(gpu_library):
    rng, on = np.random.default_rng(0), gpu_library.array
    correct, predicted, labelled = (rng.random(90) < 0.7 for _ in range(3))
    confidence, logits = rng.random(90), some_logits(90, 5)
    confidence[~predicted] = math.nan
    logits[~predicted] = math.nan
    columns = {"predicted": predicted, "labelled": labelled}
    there = {name: on(x) for name, x in columns.items()}
    want = classification_mistakes(correct, confidence=confidence, **columns)
    for flags in (columns, there):
        got = classification_mistakes(on(correct), confidence=on(confidence), **flags)
        same_bits(gpu_library.numpy(got), want)
    got = classification_mistakes(on(correct.astype(int)), confidence=confidence, **there)
    same_bits(gpu_library.numpy(got), want)
    whole = np.where(predicted, confidence, 0.5)
    got = classification_mistakes(on(correct), confidence=on(whole))
    same_bits(gpu_library.numpy(got), classification_mistakes(correct, confidence=whole))
    got = classification_mistakes(on(correct), logits=on(logits), **there)
    want = classification_mistakes(correct, logits=logits, **columns)
    np.testing.assert_allclose(gpu_library.numpy(got), want, atol=1e-6)


def test_errors(gpu_library):
    on, two = gpu_library.array, gpu_library.array(np.ones(2, bool))
    for call, error, text in (
        (
            lambda: hardness(on(np.zeros(3))),
            ValueError,
            r"hardness: logits must have shape \(N, C\)",
        ),
        (lambda: hardness(on(np.zeros((2, 3), bool))), TypeError, "hardness: logits must hold num"),
        (lambda: hardness(on(np.zeros((2, 0)))), ValueError, "hardness: logits must have at least"),
        (
            lambda: hardness(on(np.array([[0, 1], [math.inf, 1]]))),
            ValueError,
            "hardness: logits has a NaN or infinite value in row 1",
        ),
        (
            lambda: hardness(on(np.full((1, 2), -math.inf))),
            ValueError,
            "hardness: logits has a NaN or infinite value in row 0",
        ),
        (
            lambda: classification_mistakes(two, confidence=on(np.array([0, math.nan]))),
            ValueError,
            "classification_mistakes: confidence has a NaN or infinite value in row 1",
        ),
        (
            lambda: classification_mistakes(two, logits=on(np.zeros((3, 2)))),
            ValueError,
            r"classification_mistakes: logits must have shape \(2, C\), got \(3, 2\)",
        ),
        (
            lambda: classification_mistakes(two, logits=np.zeros((2, 2))),
            ValueError,
            r"classification_mistakes: logits must be on the device of correct \(cuda:0\)",
        ),
        (
            lambda: classification_mistakes(on(np.array(True)), confidence=on(np.zeros(1))),
            ValueError,
            r"classification_mistakes: correct must have shape \(n,\), got \(\)",
        ),
        (
            lambda: classification_mistakes(two, confidence=on(np.zeros(3))),
            ValueError,
            r"classification_mistakes: confidence must have shape \(2,\), got \(3,\)",
        ),
    ):
        with pytest.raises(error, match=f"^{text}"):
            call()


def same(library: Any, got: LabelMistakes, want: LabelMistakes, exact: bool = True) -> None:
    for field in fields(want):
        mine, theirs = library.numpy(getattr(got, field.name)), getattr(want, field.name)
        assert mine.dtype == theirs.dtype, field.name
        if exact:
            same_bits(mine, theirs)
        else:
            np.testing.assert_allclose(mine, theirs, atol=1e-6, err_msg=field.name)


def placed(library: Any, data: dict[str, Any]) -> dict[str, Any]:
    return {k: v if k.endswith("splits") else library.array(v) for k, v in data.items()}


@pytest.mark.parametrize("fmt", ["xyxy", "xywh", "cxcywh"])
@pytest.mark.parametrize("iou", [0.0, 0.5, 0.9])
def test_label_mistakes(gpu_library, iou, fmt):
    data = images([*COUNTS, (90, 70)])
    if fmt == "xyxy":
        data["boxes"][:, 2:] += data["boxes"][:, :2]
        data["gt_boxes"][:, 2:] += data["gt_boxes"][:, :2]
    data["confidence"][::9] = 0
    how = {"iou": iou, "missing_confidence": 0.6, "fmt": fmt}
    want = label_mistakes(**data, **how)
    same(gpu_library, label_mistakes(**placed(gpu_library, data), **how), want)
    mixed = {**data, "boxes": gpu_library.array(data["boxes"].astype(np.float64))}
    mixed["gt_boxes"] = gpu_library.array(data["gt_boxes"])
    same(gpu_library, label_mistakes(**mixed, **how), want)
    assert np.isfinite(want.mistakenness).any() and want.possible_missing.any()


@examples(25, fixtures_kept=True)
@given(
    seed=st.integers(0, 2**32),
    counts=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=4),
)
def test_any_images(gpu_library, seed, counts):
    """Whole numbers, so that IoUs and confidences tie and boxes touch."""
    data, rng = images(counts, seed), np.random.default_rng(seed)
    for key in ("boxes", "gt_boxes"):
        data[key] = rng.integers(0, 3, data[key].shape).astype(np.float64)
    data["confidence"] = rng.integers(0, 3, len(data["confidence"])) / 2
    for iou in (0.0, 0.4):
        want = label_mistakes(**data, iou=iou, fmt="xywh")
        got = label_mistakes(**placed(gpu_library, data), iou=iou, fmt="xywh")
        same(gpu_library, got, want)


def test_mistakes_with_logits(gpu_library):
    data = images(COUNTS)
    logits = some_logits(len(data["boxes"]), 4, "float64")
    want = label_mistakes(**data, logits=logits, fmt="xywh")
    got = label_mistakes(**placed(gpu_library, {**data, "logits": logits}), fmt="xywh")
    same(gpu_library, got, want, exact=False)


def test_mistakes_of_matches(gpu_library):
    data, rng = images(COUNTS), np.random.default_rng(0)
    found = match_fiftyone(
        data["boxes"], data["confidence"], data["splits"], data["gt_boxes"], data["gt_splits"]
    )
    matches = {"gt": found.gt[0], "det": found.det[0], "det_iou": found.iou[0]}  # NaN: none
    rest = {k: v for k, v in data.items() if k not in ("boxes", "gt_boxes", "iscrowd")}
    judged = rng.random(len(matches["det"])) < 0.7
    for more in ({}, {"judged": judged}):
        want = mistakes_of_matches(**matches, **rest, **more)
        both = {**matches, **rest, **more}
        same(gpu_library, mistakes_of_matches(**placed(gpu_library, both)), want)
        only = {**both, "gt": gpu_library.array(matches["gt"])}
        same(gpu_library, mistakes_of_matches(**only), want)
    for key, at, value, text in (
        ("gt", 3, 999, "gt has no such row in row 3"),
        ("det", 2, 999, "det has no such row in row 2"),
        ("confidence", 5, math.nan, "confidence has a NaN or infinite value in row 5"),
        ("det_iou", int(found.det[0].max()), math.nan, "det_iou has a NaN or infinite value in"),
    ):
        spoilt = {**matches, **rest}
        spoilt[key] = spoilt[key].copy()
        spoilt[key][at] = value
        with pytest.raises(ValueError, match=f"^mistakes_of_matches: {text}"):
            mistakes_of_matches(**placed(gpu_library, spoilt))
    for key in ("gt", "det"):
        one = placed(gpu_library, {**matches, **rest, key: np.array(0)})
        text = rf"^mistakes_of_matches: {key} must have shape \(n,\), got \(\)"
        with pytest.raises(ValueError, match=text):
            mistakes_of_matches(**one)


def test_columns_of_another_device(gpu_library, monkeypatch):
    """As on a machine with two devices; the other one has all int16 arrays."""
    on, real = gpu_library.array, arrays.device

    def device(x: Any) -> str:
        where = real(x)
        return "cuda:1" if where != "cpu" and arrays.dtype_name(x) == "int16" else where

    monkeypatch.setattr(arrays, "device", device)
    far, ends, numbers = on(np.zeros(2, np.int16)), np.array([0, 2]), on(np.zeros(2))
    here = on(np.zeros(2, np.int64))
    matches = {"gt": here, "det": here, "det_iou": numbers, "confidence": numbers, "labels": here}
    matches |= {"gt_labels": here, "splits": ends, "gt_splits": ends}
    for name in ("det", "det_iou", "confidence", "labels", "gt_labels", "judged"):
        text = rf"^mistakes_of_matches: {name} must be on the device of gt \(cuda:0\), got cuda:1"
        with pytest.raises(ValueError, match=text):
            mistakes_of_matches(**{**matches, name: far})
    text = r"^classification_mistakes: labelled must be on the device of correct \(cuda:0\)"
    with pytest.raises(ValueError, match=text):
        classification_mistakes(here, confidence=numbers, labelled=far)


def test_no_boxes_and_bad_ones(gpu_library, monkeypatch):
    for counts in ([], [(0, 0)], [(0, 3)], [(3, 0)]):
        data = images([(0, 0), *counts])
        same(gpu_library, label_mistakes(**placed(gpu_library, data)), label_mistakes(**data))
    data = images(COUNTS)
    on, name = placed(gpu_library, data), "^label_mistakes: "
    bad = data["gt_boxes"].copy()
    bad[4, 2] = math.inf
    for change, error, text in (
        ({"gt_boxes": gpu_library.array(bad)}, ValueError, "gt_boxes has a NaN .* in row 4"),
        ({"gt_boxes": bad}, ValueError, "gt_boxes must be on the device of boxes"),
        ({"labels": data["labels"][1:]}, ValueError, "labels must have shape"),
        ({"boxes": gpu_library.array(data["boxes"].astype(int))}, TypeError, "boxes must be float"),
        ({"splits": data["splits"][:-1]}, ValueError, "splits must begin with 0 and end with"),
    ):
        with pytest.raises(error, match=name + text):
            label_mistakes(**{**on, **change})

    def missing(function: str, where: str) -> Any:
        raise arrays.CudaUnavailable(function)

    want = label_mistakes(**data, fmt="xywh")
    monkeypatch.setattr(arrays, "backend", missing)  # then the host computes
    same_bits(label_mistakes(**on, fmt="xywh").mistakenness, want.mistakenness)
