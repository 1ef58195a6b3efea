"""Mistakenness and hardness against Brain's own, field by field."""

from __future__ import annotations

from typing import Any

import fiftyone_data as data
import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def tf(fo: Any) -> Any:
    import tamis.fiftyone

    return tamis.fiftyone


@pytest.fixture(scope="module")
def boxes(fo: Any) -> Any:
    made = data.dataset(fo, 1, plain=True)
    scores = made.values("predictions.detections.confidence")
    sure = [None if s is None else [0.95 if v == 0.9 else v**0.1 for v in s] for s in scores]
    made.set_values("predictions.detections.confidence", sure)
    return made


@pytest.fixture(scope="module")
def classified(fo: Any) -> Any:
    rng = np.random.default_rng(0)
    samples = []
    for i in range(16):
        sample = fo.Sample(filepath=f"/nowhere/{i}.jpg")
        if i % 5:
            sample["pred"] = fo.Classification(
                label=["cat", "dog", None][i % 3], confidence=float(rng.random()),
                logits=rng.normal(size=4 + i % 2),
            )  # fmt: skip
        if i % 4 != 1:
            sample["truth"] = fo.Classification(label=["cat", "dog"][i % 2])
        samples.append(sample)
    made = fo.Dataset()
    made.add_samples(samples, progress=False)
    return made


def same(ours: Any, theirs: Any, key: str) -> None:
    assert data.stored(ours) == data.stored(theirs)
    assert data.schema(ours) == data.schema(theirs)
    assert ours.list_brain_runs() == theirs.list_brain_runs()
    assert ours.list_evaluations() == theirs.list_evaluations() == []
    runs = [d.get_brain_info(key).config.serialize() for d in (ours, theirs)]
    assert runs[0] == runs[1]


def filtered(dataset: Any) -> Any:
    from fiftyone import ViewField as F

    return dataset.match_tags("odd").filter_labels("predictions", F("confidence") > 0.9)


VIEWS = {"all": lambda d: d, "filtered": filtered, "none": lambda d: d.match_tags("no")}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("first", [0, 1])
def test_boxes(tf: Any, boxes: Any, view: Any, first: int) -> None:
    ours, theirs = boxes[first:].clone(), boxes[first:].clone()
    tf.compute_mistakenness(view(ours), "predictions", "ground_truth")
    tf.mistakes.fiftyone_compute_mistakenness(view(theirs), "predictions", "ground_truth")
    same(ours, theirs, "mistakenness")


def test_boxes_again_and_under_other_names(tf: Any, boxes: Any) -> None:
    ours, theirs = boxes.clone(), boxes.clone()
    for dataset, compute in (
        (ours, tf.compute_mistakenness),
        (theirs, tf.mistakes.fiftyone_compute_mistakenness),
    ):
        names = ("wrong", "lost", "ghost")
        for _ in range(2):
            compute(dataset, "predictions", "ground_truth", *names)
    same(ours, theirs, "wrong")


def test_whole_numbers_are_corrected(tf: Any, boxes: Any) -> None:
    start = 0
    for start in range(len(boxes)):  # a first sample without a match
        probe = boxes[start:].clone()
        tf.compute_mistakenness(probe, "predictions", "ground_truth")
        if probe.first().mistakenness == -1:
            break
    assert type(probe.get_field("mistakenness")).__name__ == "IntField"
    dataset = boxes[start:].clone()
    tf.compute_mistakenness(dataset, "predictions", "ground_truth", corrected=True)
    of_labels = dataset.values("ground_truth.detections.mistakenness")
    worst = [max((v for v in row or () if v is not None), default=-1) for row in of_labels]
    assert dataset.values("mistakenness") == worst


@pytest.mark.parametrize("copy_missing", [False, True])
def test_missing_confidence(tf: Any, fo: Any, copy_missing: bool) -> None:
    dataset = data.dataset(fo, 5)
    before = data.stored(dataset), data.schema(dataset)
    with pytest.raises(ValueError, match=r"in sample '\w+' field 'predictions' has no confidence"):
        tf.compute_mistakenness(dataset, "predictions", "ground_truth")
    assert (data.stored(dataset), data.schema(dataset)) == before
    assert dataset.list_brain_runs() == dataset.list_evaluations() == []


def test_copies_of_missing_boxes_are_brains(tf: Any, boxes: Any) -> None:
    ours, theirs = boxes[:4].clone(), boxes[:4].clone()
    for dataset, compute in (
        (ours, tf.compute_mistakenness),
        (theirs, tf.mistakes.fiftyone_compute_mistakenness),
    ):
        compute(dataset, "predictions", "ground_truth", copy_missing=True)
    same(ours, theirs, "mistakenness")


@pytest.mark.parametrize("use_logits", [False, True])
def test_classifications(tf: Any, classified: Any, use_logits: bool) -> None:
    ours, theirs = classified.clone(), classified.clone()
    options = {"use_logits": use_logits}
    for start in (1, 3):
        tf.compute_mistakenness(ours[start:], "pred", "truth", **options)
        tf.mistakes.fiftyone_compute_mistakenness(theirs[start:], "pred", "truth", **options)
        same(ours, theirs, "mistakenness")
        for dataset in (ours, theirs):
            dataset.clear_sample_field("truth")  # what had a score has none now


def test_hardness(tf: Any, classified: Any) -> None:
    ours, theirs = classified.clone(), classified.clone()
    tf.compute_hardness(ours[1:], "pred")
    tf.mistakes.fiftyone_compute_hardness(theirs[1:], "pred")
    same(ours, theirs, "hardness")
    with pytest.raises(ValueError, match="field 'truth' has no logits"):
        tf.compute_hardness(ours, "truth")


def test_a_first_sample_without_a_score(tf: Any, classified: Any) -> None:
    assert classified.first().pred is None
    with pytest.raises(TypeError, match="Cannot infer an appropriate field type"):
        tf.mistakes.fiftyone_compute_hardness(classified.clone(), "pred")
    ours = classified.clone()
    tf.compute_hardness(ours, "pred")
    assert ours.values("hardness")[0] is None
    assert ours.values("hardness")[1] > 0


def test_a_write_that_fails_leaves_no_run(
    tf: Any, boxes: Any, classified: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tf._documents, "BATCH", 3)

    def give_up(bar: Any) -> None:
        if bar.iteration >= 6:
            raise KeyboardInterrupt

    fields = ("predictions", "ground_truth")
    for dataset, compute in (
        (boxes.clone(), lambda d: tf.compute_mistakenness(d, *fields, progress=give_up)),
        (classified.clone(), lambda d: tf.compute_hardness(d, "pred", progress=give_up)),
    ):
        before = data.stored(dataset), data.schema(dataset)
        with pytest.raises(KeyboardInterrupt):
            compute(dataset)
        assert data.schema(dataset) == before[1]
        assert dataset.list_brain_runs() == []
        flat = str(data.stored(dataset))
        assert "mistakenness" not in flat
        assert "possible_" not in flat
        assert "hardness" not in flat
