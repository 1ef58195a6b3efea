"""Splits, drift, coverage and error types of datasets: what the functions of arrays say."""

from __future__ import annotations

from typing import Any

import fiftyone_data as data
import numpy as np
import pytest
import tamis

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def tf(fo: Any) -> Any:
    import tamis.fiftyone

    return tamis.fiftyone


def embeddings(n: int = 40) -> np.ndarray:
    x = np.random.default_rng(0).normal(size=(n, 6)).astype(np.float32)
    x[n - 5 :] = x[:5]
    return x


@pytest.fixture
def images(fo: Any) -> Any:
    made = fo.Dataset()
    made.add_samples(
        [
            fo.Sample(
                filepath=f"/nowhere/{i}.jpg", scene=f"s{i // 4}", emb=row,
                truth=fo.Classification(label=["cat", "dog"][i % 2]),
            )
            for i, row in enumerate(embeddings())
        ],
        progress=False,
    )  # fmt: skip
    return made


def test_split(tf: Any, images: Any) -> None:
    fractions = {"train": 0.5, "test": 0.5}
    found = tf.split(images, "emb", groups="scene", label_field="truth", fractions=fractions)
    labels = [["cat", "dog"][i % 2] for i in range(40)]
    want = tamis.split(
        embeddings(), groups={"scene": images.values("scene")}, labels=labels,
        keys=images.values("filepath"), fractions=fractions,
    )  # fmt: skip
    assert images.values("split") == [want.names[i] for i in want.split]
    assert found == want
    assert len(tamis.leaks(embeddings(), want.split, threshold=0.05).pairs) == 0
    before = images.values("split")
    tf.split(images, "emb", seed=9, fractions=fractions)  # they keep what they have
    assert images.values("split") == before
    tf.split(images[:7], split_field="other", fractions=fractions)
    assert images.values("other")[7:] == [None] * 33


def test_split_by_the_labels_of_boxes(tf: Any, fo: Any) -> None:
    boxes = data.dataset(fo, 3, 30, plain=True)
    found = tf.split(boxes, label_field="ground_truth")
    assert found.class_rows.sum() == boxes.count("ground_truth.detections")
    assert set(found.classes) == set(boxes.distinct("ground_truth.detections.label"))


def test_drift(tf: Any, images: Any, fo: Any) -> None:
    how: dict[str, Any] = {"permutations": 99, "seed": 3}
    found = tf.drift(images[:20], images[20:], "emb", **how)
    assert found == tamis.drift(embeddings()[:20], embeddings()[20:], **how)
    boxes = data.dataset(fo, 3, 30, plain=True)
    same = tf.drift(boxes, boxes, label_field="ground_truth", **how)
    assert not same.drifted
    other = boxes.clone()
    names = other.values("ground_truth.detections.label")
    other.set_values("ground_truth.detections.label", [row and ["van"] * len(row) for row in names])
    found = tf.drift(boxes, other, label_field="ground_truth", **how)
    assert found.drifted and found.details["new"] == ["van"]
    with pytest.raises(ValueError, match="one of embeddings and label_field"):
        tf.drift(images, images)


def test_coverage(tf: Any, images: Any) -> None:
    found = tf.coverage(images, images[:9], "emb", eps=1.5)
    want = tamis.coverage(embeddings(), np.arange(9), eps=1.5)
    assert found == want
    assert images.values("coverage") == want.distance.tolist()
    assert images.values("coverage_hole") == want.hole.tolist()
    before = data.stored(images), data.schema(images)
    with pytest.raises(ValueError, match="coverage: k must"):
        tf.coverage(images, images[:9], "emb", "more", k=0)
    with pytest.raises(ValueError, match="coverage: labelled must be of samples, got 'nobody'"):
        tf.coverage(images, ["nobody"], "emb", "more")
    assert (data.stored(images), data.schema(images)) == before


@pytest.mark.parametrize("view", [lambda d: d, lambda d: d.match_tags("odd")], ids=["all", "odd"])
def test_error_types(tf: Any, fo: Any, view: Any) -> None:
    boxes = data.dataset(fo, 5, 20, plain=True)
    rng, path = np.random.default_rng(1), "predictions.detections.confidence"
    counts = [len(row or ()) for row in boxes.values(path)]
    boxes.set_values(path, [rng.random(n).tolist() if n else None for n in counts])
    samples = view(boxes)
    found = tf.detection_errors(samples, "predictions", iou=0.6)
    evaluator = tamis.DetectionEvaluator(fmt="xywh")
    codes = {"cat": 0, "dog": 1}
    for sample in samples:
        sides = []
        for field in ("predictions", "ground_truth"):
            some = sample[field].detections if sample[field] else []
            side: dict[str, Any] = {
                "boxes": np.array([d.bounding_box for d in some]).reshape(-1, 4),
                "labels": np.array([codes[d.label] for d in some], int),
            }
            if field == "predictions":
                side["scores"] = np.array([d.confidence for d in some], float)
            else:
                side["iscrowd"] = np.array([bool(d.get_attribute_value("iscrowd", False))
                                            for d in some], bool)  # fmt: skip
            sides.append(side)
        evaluator.update(*sides)
    want = tamis.detection_errors(evaluator.compute(), iou=0.6)
    assert found.counts == want.counts and sum(want.counts.values()) > 10
    errors = samples.values("predictions.detections.error", unwind=True)
    wrong = (want.kind >= 0) & ~want.ignored
    types = tamis.DetectionErrors.TYPES
    assert errors == [types[k] if w else None for k, w in zip(want.kind, wrong, strict=True)]
    missed = samples.values("ground_truth.detections.error", unwind=True)
    assert missed == ["Miss" if m else None for m in want.missed]
    tf.detection_errors(samples, "predictions", iou=0.05, background=0.01)  # and written over
    again = samples.values("predictions.detections.error", unwind=True)
    assert again != errors
    worst = tf.failures(samples, "predictions", count=3)
    ids = samples.values("id")
    assert worst.values("id") == [
        ids[i] for i in tamis.failures(evaluator.compute(), count=3).images
    ]


def test_what_has_no_errors(tf: Any, images: Any, fo: Any) -> None:
    boxes = data.dataset(fo, 5, 6, plain=True)
    with pytest.raises(ValueError, match="'truth' must be a field of detections"):
        tf.detection_errors(images, "truth", "truth")
    with pytest.raises(ValueError, match="must hold detections with confidences"):
        tf.failures(boxes, "ground_truth", "predictions")
