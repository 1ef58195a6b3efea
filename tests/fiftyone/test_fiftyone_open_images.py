"""Open Images' hierarchy and verified labels, against FiftyOne's own evaluation field by field."""

from __future__ import annotations

from typing import Any

import fiftyone_data as data
import numpy as np
import pytest
from test_fiftyone_evaluation import check, filtered, tf, whole

__all__ = ["tf"]  # the fixture
pytestmark = pytest.mark.filterwarnings("default")

HIERARCHY = {
    "LabelName": "Entity",
    "Subcategory": [
        {
            "LabelName": "animal",
            "Subcategory": [
                {"LabelName": "mammal", "Subcategory": [{"LabelName": "cat"}, {"LabelName": "dog"}]}
            ],
        },
        {"LabelName": "pet", "Subcategory": [{"LabelName": "cat"}, {"LabelName": "fish"}]},
        {"LabelName": "all"},
    ],
}
NAMES = ["cat", "dog", "mammal", "animal", "pet", "fish", "all"]


def relabel(dataset: Any, seed: int, labels: list[Any] = NAMES) -> Any:
    """Labels of all levels, crowds, and what was verified in each image."""
    import fiftyone as fo

    rng = np.random.default_rng(seed)
    made = dataset.clone()
    for sample in made.iter_samples(autosave=True):
        for name in ("ground_truth", "predictions"):
            for label in sample[name].detections if sample[name] else ():
                label.label = labels[rng.integers(len(labels))]
                if name == "ground_truth" and rng.random() < 0.3:
                    label["IsGroupOf"] = bool(rng.random() < 0.8)
        for name in ("there", "not_there"):
            chosen = rng.choice(NAMES, rng.integers(0, 4), replace=False).tolist()
            found = [fo.Classification(label=one) for one in chosen]
            sample[name] = fo.Classifications(classifications=found) if chosen else None
    return made


@pytest.fixture(scope="module")
def images(fo: Any) -> Any:
    return relabel(data.dataset(fo, 1, images=14, plain=True), 0)


@pytest.fixture
def never(tf: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """FiftyOne's own function is for the other side only."""
    original = tf.detections.fiftyone_evaluate_detections
    asked: list[Any] = []

    def counted(*args: Any, **kwargs: Any) -> Any:
        asked.append(args)
        return original(*args, **kwargs)

    monkeypatch.setattr(tf.detections, "fiftyone_evaluate_detections", counted)
    return asked


OPTIONS: list[dict[str, Any]] = [
    {"hierarchy": HIERARCHY},
    {"hierarchy": HIERARCHY, "classwise": False},
    {"hierarchy": HIERARCHY, "eval_key": None, "iou": 0.2},
    {"hierarchy": HIERARCHY, "max_preds": 2, "classes": ["cat", "animal", "no such"]},
    {"hierarchy": HIERARCHY, "expand_gt_hierarchy": False},
    {"hierarchy": HIERARCHY, "pos_label_field": "there"},
    {"hierarchy": HIERARCHY, "neg_label_field": "not_there"},
    {"hierarchy": HIERARCHY, "pos_label_field": "there", "neg_label_field": "not_there"},
    {"pos_label_field": "there", "neg_label_field": "not_there", "classwise": False},
    {"neg_label_field": "not_there", "iscrowd": "no_such_attribute", "dynamic": False},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: ",".join(options))
def test_options(tf: Any, images: Any, never: Any, options: dict[str, Any]) -> None:
    results = check(tf, images, method="open-images", **options)
    assert results.mAP() is not None
    assert len(never) == 1


VERIFIED = {"hierarchy": HIERARCHY, "pos_label_field": "there", "neg_label_field": "not_there"}
VIEWS = {
    "tags": lambda d: d.match_tags("odd"),
    "shuffled": lambda d: d.shuffle(seed=5),
    "filtered": filtered,
    "empty": lambda d: d.match_tags("none"),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_views(tf: Any, images: Any, never: Any, view: Any) -> None:
    check(tf, images, view, method="open-images", **VERIFIED)
    assert len(never) == 1


def test_awkward_labels(tf: Any, fo: Any, never: Any) -> None:
    """Confidences that are missing or 0, boxes of no area; labels that nobody verified."""
    odd = relabel(data.dataset(fo, 2), 3)
    for sample in odd.iter_samples(autosave=True):
        for label in sample.predictions.detections if sample.predictions else ():
            label.confidence = 0.5 if label.confidence is None else label.confidence
    check(tf, odd, method="open-images", **VERIFIED)
    unknown = relabel(odd, 4, [*NAMES, None, ""])
    fields = {key: value for key, value in VERIFIED.items() if key != "hierarchy"}
    check(tf, unknown, method="open-images", **fields)
    assert len(never) == 2


@pytest.mark.parametrize("label", ["unknown", None])
def test_a_label_beyond_the_hierarchy(tf: Any, images: Any, label: Any) -> None:
    """FiftyOne raises KeyError; nothing is written."""
    dataset = images.clone()
    sample = dataset.first()
    sample.ground_truth.detections[0].label = label
    sample.save()
    with pytest.raises(KeyError):
        tf.evaluate_detections(
            dataset, "predictions", method="open-images", hierarchy=HIERARCHY, eval_key=None
        )


def test_more_ground_truths_than_a_leaf_of_the_r_tree(tf: Any, fo: Any, never: Any) -> None:
    """Of the parent, though not of the classes themselves."""
    rng = np.random.default_rng(5)
    sample = fo.Sample(filepath="/nowhere/crowded.jpg")
    sample["ground_truth"] = data.detections(fo, rng, 150, scored=False, plain=True)
    sample["predictions"] = data.detections(fo, rng, 40, scored=True, plain=True)
    for i, label in enumerate(sample.predictions.detections):
        label.label = ["cat", "dog", "mammal"][i % 3]
    dataset = fo.Dataset()
    dataset.add_sample(sample)
    check(tf, dataset, whole, method="open-images", hierarchy=HIERARCHY)
    assert len(never) == 1


def test_what_is_left_to_fiftyone(tf: Any, images: Any, never: Any) -> None:
    options: dict[str, Any] = {"method": "open-images", "hierarchy": HIERARCHY}
    children = images.filter_labels("ground_truth", fo_label("cat"), only_matches=False)
    children = children.filter_labels("predictions", fo_label("cat"), only_matches=False).clone()
    check(tf, children, expand_pred_hierarchy=True, **options)
    assert len(never) == 2
    with pytest.raises(AttributeError):
        tf.evaluate_detections(images, "predictions", pos_label_field="ground_truth", **options)


def fo_label(label: str) -> Any:
    from fiftyone import ViewField as F

    return F("label") == label
