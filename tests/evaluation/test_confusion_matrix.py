"""confusion_matrix: by hand, against a slow reference, and against Ultralytics."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import tamis
from coco_cases import random_problem
from coco_harness import Case, dataset, found, truth
from conftest import data_path
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from reference_errors import confusion, evaluated, evaluator_of, images_of
from tamis import DetectionEvaluator

BOX, NEAR, FAR = (0, 0, 10, 10), (1, 0, 10, 10), (50, 0, 10, 10)


def counts(gts: Any, dts: Any, **options: Any) -> dict[tuple[int, int], int]:
    """The cells above 0 of one image, by labels; 0 is the background."""
    anns = [truth(i + 1, 1, label, box, *crowd) for i, (box, label, *crowd) in enumerate(gts)]
    case = Case(dataset(anns, 1, (1, 2, 3)), [found(1, c, b, s) for b, c, s in dts])
    result = tamis.confusion_matrix(evaluator_of(case).compute(), **options)
    names = [*(result.classes + 1).tolist(), 0]
    return {(names[i], names[j]): int(n) for (i, j), n in np.ndenumerate(result.matrix) if n}


def test_by_hand() -> None:
    assert counts([(BOX, 1)], [(BOX, 1, 0.9)]) == {(1, 1): 1}
    assert counts([(BOX, 1)], [(NEAR, 2, 0.9)]) == {(1, 2): 1}
    assert counts([(BOX, 1)], [(FAR, 2, 0.9)]) == {(1, 0): 1, (0, 2): 1}
    assert counts([(BOX, 1)], [(BOX, 1, 0.2)]) == {(1, 0): 1}
    assert counts([(BOX, 1)], [(BOX, 1, 0.2)], confidence=0.2) == {(1, 1): 1}
    assert counts([(BOX, 1)], [(NEAR, 1, 0.9)], iou=0.9) == {(1, 0): 1, (0, 1): 1}
    # the surer one takes it, whatever the classes
    assert counts([(BOX, 1)], [(BOX, 1, 0.5), (NEAR, 2, 0.9)]) == {(1, 2): 1, (0, 1): 1}
    # each takes one only
    assert counts([(BOX, 1), (NEAR, 2)], [(BOX, 3, 0.9), (BOX, 3, 0.8)]) == {(1, 3): 1, (2, 3): 1}


def test_crowds_are_left_out_and_what_lies_in_them() -> None:
    crowd = ((0, 0, 100, 100), 1, 1)
    assert counts([crowd], [(BOX, 1, 0.9), (FAR, 2, 0.9)]) == {}
    assert counts([crowd, (BOX, 3)], [(BOX, 1, 0.9), (NEAR, 2, 0.8)]) == {(3, 1): 1}


def test_nothing() -> None:
    result = DetectionEvaluator().compute().confusion_matrix()
    assert result.matrix.tolist() == [[0]] and result.target.shape == (0,)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"iou": 0.0}, r"iou must be in \(0, 1\], got 0.0"),
        ({"confidence": math.nan}, r"confidence must be in \(-inf, inf\], got nan"),
    ],
)
def test_bad_numbers(options: Any, text: str) -> None:
    with pytest.raises(ValueError, match=f"^confusion_matrix: {text}$"):
        counts([], [(BOX, 1, 0.5)], **options)
    with pytest.raises(TypeError, match="confidence must be a number, got None"):
        counts([], [(BOX, 1, 0.5)], confidence=None)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("iou", "confidence"), [(0.5, 0.0), (0.5, 0.45), (0.8, 0.3)])
def test_reference(isa: int, tmp_path: Any, threads: int, iou: float, confidence: float) -> None:
    case = random_problem(5, n_images=40, n_cats=4, per_image=20)
    want = confusion(images_of(case), 4, iou, confidence)
    tamis.set_num_threads(threads)
    try:
        result = evaluator_of(case).compute()
        mine = result.confusion_matrix(iou=iou, confidence=confidence)
        theirs = tamis.confusion_matrix(evaluated(case, tmp_path), iou=iou, confidence=confidence)
    finally:
        tamis.set_num_threads(0)
    np.testing.assert_array_equal(mine.matrix, want)
    np.testing.assert_array_equal(theirs.matrix, want)
    assert mine.classes.tolist() == [0, 1, 2, 3] and theirs.classes.tolist() == [1, 2, 3, 4]
    took = theirs.target >= 0
    classes = {a["id"]: a["category_id"] for a in case.gt["annotations"] if not a["iscrowd"]}
    pairs = zip(theirs.detection_id[took], theirs.target_id[theirs.target[took]], strict=True)
    again = np.zeros_like(want[:-1, :-1])
    for det, gt in pairs:
        if gt in classes:
            again[classes[gt] - 1, case.dt[det - 1]["category_id"] - 1] += 1
    np.testing.assert_array_equal(again, want[:-1, :-1])


@examples(60)
@given(st.integers(0, 10_000), st.sampled_from([0.1, 0.5, 1.0]), st.sampled_from([0.0, 0.5, 1.0]))
def test_any_problem(seed: int, iou: float, confidence: float) -> None:
    case = random_problem(seed, n_images=3, n_cats=3, per_image=10)
    result = evaluator_of(case).compute()
    got = np.zeros((4, 4), int)
    places = np.append(result.classes, 3)
    got[np.ix_(places, places)] = result.confusion_matrix(iou=iou, confidence=confidence).matrix
    np.testing.assert_array_equal(got, confusion(images_of(case), 3, iou, confidence))


# Parity with Ultralytics

IOU, CONFIDENCE = 0.4567, 0.25001  # what no pair and no score meets exactly
# what Ultralytics 8.4.190 says: right, confused, of nothing, not found
ULTRALYTICS = {"coco128": (575, 21, 188, 333), "voc2007": (8223, 452, 3530, 3357)}
REAL = {
    "coco128": ("coco128/instances_coco128.json", "coco128/dt_yolov5s.bbox.json"),
    "voc2007": (
        "voc2007_test/pascal_test2007_difficult_as_crowd.json",
        "voc2007_test/dt_zengyian3_yolov3.bbox.json",
    ),
}


def without_crowds(name: str, folder: Any) -> Case:
    """Ultralytics has no crowds."""
    gt, dt = (json.loads(data_path(f).read_text()) for f in REAL[name])
    anns = [a for a in gt["annotations"] if not a["iscrowd"]]
    return Case({**gt, "annotations": anns}, dt)


def summary(matrix: Any) -> tuple[int, int, int, int]:
    inner = matrix[:-1, :-1]
    right = int(np.trace(inner))
    return right, int(inner.sum()) - right, int(matrix[-1].sum()), int(matrix[:, -1].sum())


@pytest.mark.parametrize("name", REAL)
def test_real_data(name: str, tmp_path: Any) -> None:
    e = evaluated(without_crowds(name, tmp_path), tmp_path)
    got = tamis.confusion_matrix(e, iou=IOU, confidence=CONFIDENCE)
    assert summary(got.matrix) == ULTRALYTICS[name]


def test_ultralytics(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))  # it writes settings where it is imported
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("ultralytics.utils.metrics", reason="no Ultralytics")
    case = without_crowds("coco128", tmp_path)
    images = images_of(case)
    k = len(case.gt["categories"])
    matrix = metrics.ConfusionMatrix(names=dict.fromkeys(range(k), ""))

    def side(boxes: Any, **more: Any) -> dict[str, Any]:
        xywh = np.array([b["box"] for b in boxes], float).reshape(-1, 4)
        xyxy = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], 1)
        labels = torch.tensor([float(b["label"]) for b in boxes])
        return {"bboxes": torch.from_numpy(xyxy), "cls": labels, **more}

    for dets, gts in images:
        conf = torch.tensor([d["score"] for d in dets], dtype=torch.float64)
        matrix.process_batch(side(dets, conf=conf), side(gts), CONFIDENCE, IOU)
    e = evaluated(case, tmp_path)
    got = tamis.confusion_matrix(e, iou=IOU, confidence=CONFIDENCE)
    np.testing.assert_array_equal(got.matrix, matrix.matrix.T)
