"""tamis in FiftyOne's place, and what FiftyOne's own functions must do instead."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import fiftyone_data as data
import numpy as np
import pytest

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def tf(fo: Any) -> Any:
    import tamis.fiftyone

    return tamis.fiftyone


@pytest.fixture
def installed(tf: Any) -> Iterator[Any]:
    tf.install()
    yield tf
    tf.uninstall()


def test_every_name_is_replaced_and_restored(tf: Any) -> None:
    replaced = tf._install.REPLACED
    before = [getattr(module, name) for module, _, name in replaced]
    for _ in range(2):
        tf.install()
    assert all(getattr(m, name) is getattr(ours, name) for m, ours, name in replaced)
    for _ in range(2):
        tf.uninstall()
    assert [getattr(module, name) for module, _, name in replaced] == before


def test_signatures_are_fiftyones(tf: Any) -> None:
    for _, ours, name in tf._install.REPLACED:
        want = inspect.signature(getattr(ours, f"fiftyone_{name}")).parameters.values()
        got = inspect.signature(getattr(ours, name)).parameters.values()
        own = [p for p in got if p.name not in ("corrected", "ties")]
        assert [(p.name, p.default, p.kind) for p in own] == [
            (p.name, p.default, p.kind) for p in want
        ]
        extra = {p.kind for p in got} - {p.kind for p in own}
        assert extra <= {inspect.Parameter.KEYWORD_ONLY}


def test_fiftyones_own_call_sites(installed: Any, fo: Any) -> None:
    import fiftyone.brain as fob
    import fiftyone.utils.iou as foui

    ours, theirs = (data.dataset(fo, 1, plain=True) for _ in range(2))
    theirs = ours.clone()
    results = ours.evaluate_detections("predictions", eval_key="ev", compute_mAP=True)
    fob.compute_mistakenness(ours, "predictions", "ground_truth")
    foui.compute_max_ious(ours, "predictions")
    fob.compute_uniqueness(ours, embeddings=np.random.default_rng(0).normal(size=(len(ours), 8)))
    index = fob.compute_similarity(
        ours, embeddings=np.eye(len(ours)), brain_key="sim", backend="tamis"
    )
    assert type(index) is installed.TamisSimilarityIndex
    installed.uninstall()
    data.assert_same_results(
        results, theirs.evaluate_detections("predictions", eval_key="ev", compute_mAP=True)
    )
    fob.compute_mistakenness(theirs, "predictions", "ground_truth")
    foui.compute_max_ious(theirs, "predictions")
    ours.delete_sample_field("uniqueness")
    assert data.stored(ours) == data.stored(theirs)


def both(tf: Any, dataset: Any, field: str, gt_field: str, **options: Any) -> None:
    """Both evaluations of labels that are no plain boxes."""
    ours, theirs = dataset.clone(), dataset.clone()
    options |= {"gt_field": gt_field, "eval_key": "ev"}
    got = tf.evaluate_detections(ours, field, **options)
    want = tf.detections.fiftyone_evaluate_detections(theirs, field, **options)
    data.assert_same_results(got, want)
    assert data.stored(ours) == data.stored(theirs)
    assert data.schema(ours) == data.schema(theirs)
    assert ours.list_evaluations() == ["ev"]


@pytest.fixture(scope="module")
def shapes(fo: Any) -> Any:
    """Masks, lines, keypoints and cuboids, with a sample that lacks them."""
    rng = np.random.default_rng(2)
    samples = [fo.Sample(filepath=f"/nowhere/{i}.jpg") for i in range(5)]
    for sample in samples[:-1]:
        for name in ("gt", "pred"):
            boxes = data.boxes(rng, 5) + np.array([0, 0, 0.125, 0.125])
            kinds: dict[str, list[Any]] = {"mask": [], "line": [], "point": [], "cuboid": []}
            for box in boxes.tolist():
                points = rng.random((3, 2)).tolist()
                more: dict[str, Any] = {"label": ["cat", "dog"][rng.integers(2)]}
                score = {"confidence": float(rng.random())} if name == "pred" else {}
                mask = rng.random((9, 9)) < 0.7
                kinds["mask"].append(fo.Detection(bounding_box=box, mask=mask, **more, **score))
                kinds["line"].append(fo.Polyline(points=[points], **more, **score))
                scores = {key: [value] * 3 for key, value in score.items()}
                kinds["point"].append(fo.Keypoint(points=points, **more, **scores))
                place = {k: rng.random(3).tolist() for k in ("dimensions", "location", "rotation")}
                kinds["cuboid"].append(fo.Detection(bounding_box=box, **place, **more, **score))
            sample[f"{name}_mask"] = fo.Detections(detections=kinds["mask"])
            sample[f"{name}_cuboid"] = fo.Detections(detections=kinds["cuboid"])
            sample[f"{name}_line"] = fo.Polylines(polylines=kinds["line"])
            sample[f"{name}_point"] = fo.Keypoints(keypoints=kinds["point"])
    made = fo.Dataset()
    made.add_samples(samples, progress=False)
    return made


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("mask", {"use_masks": True, "compute_mAP": True, "iou_threshs": [0.2, 0.5]}),
        ("mask", {"use_masks": True, "method": "open-images", "iou": 0.2, "classwise": False}),
        ("line", {"iou": 0.3, "classwise": False}),
        ("line", {"use_boxes": True, "compute_mAP": True, "max_preds": 2}),
        ("point", {"iou": 0.3, "compute_mAP": True, "keypoint_sigmas": [0.5, 1, 2]}),
        ("point", {"method": "open-images", "iou": 0.3}),
        ("cuboid", {"iou": 0.1}),
    ],
    ids=str,
)
def test_other_labels(tf: Any, shapes: Any, kind: str, options: dict[str, Any]) -> None:
    both(tf, shapes, f"pred_{kind}", f"gt_{kind}", **options)


def test_video_frames(tf: Any, fo: Any) -> None:
    rng = np.random.default_rng(0)
    samples = [fo.Sample(filepath=f"/nowhere/{i}.mp4") for i in range(2)]
    for sample in samples:
        for number in (1, 2):
            frame = fo.Frame()
            frame["gt"] = data.detections(fo, rng, 4, scored=False, plain=True)
            frame["pred"] = data.detections(fo, rng, 5, scored=True, plain=True)
            sample.frames[number] = frame
    dataset = fo.Dataset()
    dataset.add_samples(samples, progress=False)
    both(tf, dataset, "frames.pred", "frames.gt")
    with pytest.raises(ValueError, match="ties='coco' needs samples that tamis can match"):
        tf.evaluate_detections(
            dataset, "frames.pred", gt_field="frames.gt", compute_mAP=True, ties="coco"
        )
    assert tf.find_duplicates(dataset, "frames.pred", 0.3) == tf.ious.fiftyone_find_duplicates(
        dataset, "frames.pred", 0.3
    )


def test_patches(tf: Any, fo: Any) -> None:
    dataset = data.dataset(fo, 1, images=4, plain=True)
    ours, theirs = dataset.clone(), dataset.clone()
    for dataset, evaluate in (
        (ours, tf.evaluate_detections),
        (theirs, tf.detections.fiftyone_evaluate_detections),
    ):
        evaluate(dataset, "predictions", eval_key="ev")
        evaluate(dataset.to_evaluation_patches("ev"), "predictions", eval_key="inner")
    assert data.stored(ours) == data.stored(theirs)


def test_a_hierarchy_and_a_method_of_ones_own(tf: Any, fo: Any) -> None:
    from fiftyone.utils.eval.coco import COCOEvaluation, COCOEvaluationConfig

    dataset = data.dataset(fo, 1, images=4, plain=True)
    children = [{"LabelName": "cat"}, {"LabelName": "dog"}]
    hierarchy = {
        "LabelName": "Entity",
        "Subcategory": [{"LabelName": "pet", "Subcategory": children}],
    }
    both(tf, dataset, "predictions", "ground_truth", method="open-images", hierarchy=hierarchy)

    class OwnEvaluation(COCOEvaluation):  # type: ignore[misc]
        pass

    class OwnEvaluationConfig(COCOEvaluationConfig):  # type: ignore[misc]
        @property
        def run_cls(self) -> Any:
            return OwnEvaluation

    results = tf.evaluate_detections(dataset, "predictions", method=OwnEvaluationConfig)
    assert type(results.config) is OwnEvaluationConfig
