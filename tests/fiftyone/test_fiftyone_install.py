"""tamis in FiftyOne's place, and what FiftyOne's own functions must do instead."""

from __future__ import annotations

import inspect
import logging
import pickle
import pydoc
import subprocess
import sys
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


def test_options_are_given_one_by_one(tf: Any) -> None:
    shared = [p.name for p in inspect.signature(tf.compute_uniqueness).parameters.values()][2:-1]
    assert [*inspect.signature(tf.zcore).parameters][2:-1] == shared
    for wrong, said in (
        ({"samples": 1, "k": 3}, "unexpected keyword argument 'k'"),
        ({}, "'samples'"),
    ):
        with pytest.raises(TypeError, match=rf"^compute_uniqueness\(\) .*{said}$"):
            tf.compute_uniqueness(**wrong)
    rows = np.random.default_rng(0).normal(size=(9, 4))
    options = tf._options.one_by_one(lambda samples, given, **rest: (samples, given, rest))
    samples, given, rest = options(1, None, rows, seed=2, num_workers=3)
    assert (samples, rest) == (1, {"seed": 2})
    assert given.embeddings is rows and (given.num_workers, given.skip_failures) == (3, True)


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
    """Both evaluations of labels that are not plain boxes."""
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


@pytest.fixture(scope="module")
def labelled(fo: Any) -> Any:
    """Boxes, classifications and embeddings of 24 samples."""
    made = data.dataset(fo, 1, images=24, plain=True)
    rng = np.random.default_rng(0)
    for name in ("guess", "truth"):
        made.set_values(
            name,
            [
                fo.Classification(label=label, confidence=0.5, logits=[1.0, 2.0])
                for label in rng.choice(["cat", "dog"], len(made))
            ],
        )
    made.set_values("no_logits", [fo.Classification(label="cat")] * len(made))
    made.add_sample_field("number", fo.FloatField)
    made.set_values("emb", list(rng.normal(size=(len(made), 6))))
    return made


def outcome(function: Any, *arguments: Any, **options: Any) -> Any:
    """What FiftyOne's log says meanwhile, and what is raised."""
    records: list[Any] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append((record.name, record.levelname, record.getMessage()))

    logger, handler = logging.getLogger("fiftyone"), Handler()
    logger.addHandler(handler)
    try:
        function(*arguments, **options)
    except Exception as error:
        return records, type(error), str(error).replace(getattr(arguments[0], "name", " "), "")
    finally:
        logger.removeHandler(handler)
    return records, None, ""


FIELDS = {"pred_field": "predictions", "label_field": "ground_truth"}
CLASSES = {"pred_field": "guess", "label_field": "truth"}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("evaluate_detections", {"pred_field": "predictions"}),
    ("evaluate_detections", {"pred_field": "predictions", "compute_mAP": True}),
    ("evaluate_detections", {"pred_field": "predictions", "compute_mAP": True, "iou_threshs": []}),
    ("evaluate_detections", {"pred_field": "predictions", "method": "open-images"}),
    ("evaluate_detections", {"pred_field": "nothing"}),
    ("evaluate_detections", {"pred_field": "guess", "gt_field": "truth"}),
    ("evaluate_detections", {"pred_field": "predictions", "eval_key": "not a name"}),
    ("evaluate_detections", {"pred_field": "predictions", "method": "nothing"}),
    ("compute_max_ious", {"label_field": "predictions"}),
    ("compute_max_ious", {"label_field": "predictions", "iou_attr": 5}),
    ("compute_max_ious", {"label_field": "number"}),
    ("find_duplicates", {"label_field": "predictions", "iou_thresh": 0.5}),
    ("find_duplicates", {"label_field": "predictions", "method": "nothing"}),
    ("compute_uniqueness", {"embeddings": "emb"}),
    ("compute_uniqueness", {"embeddings": "nothing"}),
    ("compute_uniqueness", {"embeddings": "emb", "uniqueness_field": "not a name"}),
    ("compute_uniqueness", {"embeddings": "emb", "roi_field": "number"}),
    ("compute_uniqueness", {"similarity_index": "nothing"}),
    ("compute_representativeness", {"embeddings": "emb"}),
    ("compute_representativeness", {"embeddings": "emb", "method": "cluster-center-downweight"}),
    ("compute_representativeness", {"embeddings": "emb", "method": "nothing"}),
    ("compute_representativeness", {"embeddings": "nothing"}),
    ("compute_near_duplicates", {"embeddings": "emb", "threshold": 0.5}),
    ("compute_near_duplicates", {"similarity_index": 5}),
    ("compute_leaky_splits", {"embeddings": "emb", "splits": ["odd", "even"]}),
    ("compute_leaky_splits", {"embeddings": "emb", "splits": ["nothing"]}),
    ("compute_leaky_splits", {"embeddings": "emb", "splits": 5}),
    ("compute_mistakenness", FIELDS),
    ("compute_mistakenness", CLASSES),
    ("compute_mistakenness", FIELDS | {"mistakenness_field": "not a name"}),
    ("compute_mistakenness", CLASSES | {"mistakenness_field": "not a name"}),
    ("compute_mistakenness", FIELDS | {"pred_field": "ground_truth"}),
    ("compute_mistakenness", CLASSES | {"pred_field": "no_logits"}),
    ("compute_mistakenness", {"pred_field": "predictions", "label_field": "truth"}),
    ("compute_hardness", {"label_field": "guess"}),
    ("compute_hardness", {"label_field": "no_logits"}),
    ("compute_hardness", {"label_field": "guess", "hardness_field": "not a name"}),
]


@pytest.mark.parametrize(("name", "options"), CALLS, ids=str)
def test_messages_and_errors_are_fiftyones(
    tf: Any, labelled: Any, name: str, options: dict[str, Any]
) -> None:
    ours = next(ours for _, ours, known in tf._install.REPLACED if known == name)
    want = outcome(getattr(ours, f"fiftyone_{name}"), labelled.clone(), **options)
    assert outcome(getattr(ours, name), labelled.clone(), **options) == want
    assert want[0] or want[1] or name in ("compute_max_ious", "find_duplicates")


def test_what_is_no_dataset(tf: Any) -> None:
    more = {"compute_leaky_splits": (["a"],), "compute_mistakenness": ("a", "b")}
    for _, ours, name in tf._install.REPLACED[2:]:
        arguments = (5, *more.get(name, ("a",)))
        want = outcome(getattr(ours, f"fiftyone_{name}"), *arguments)
        got = outcome(getattr(ours, name), *arguments)
        assert got[1] is want[1], name
        assert name == "compute_ious" or got == want


def test_help_has_fiftyones_text_and_what_differs(tf: Any) -> None:
    for _, ours, name in tf._install.REPLACED:
        function, original = getattr(ours, name), getattr(ours, f"fiftyone_{name}")
        text, own = str(inspect.getdoc(function)).split("\n\nWith tamis\n----------\n")
        assert text == inspect.getdoc(original)
        own_names = {"corrected", "ties"} & set(inspect.signature(function).parameters)
        assert all(f"{argument} : " in own for argument in own_names)
        shown = pydoc.plain(pydoc.render_doc(function))
        assert all(f"{argument}" in shown for argument in own_names)


def test_replaced_functions_go_by_fiftyones_names(tf: Any) -> None:
    for _, ours, name in tf._install.REPLACED:
        function, original = getattr(ours, name), getattr(ours, f"fiftyone_{name}")
        assert (function.__module__, function.__name__) == (ours.__name__, name)
        tf.install()
        assert (function.__module__, function.__name__) == (original.__module__, name)
        assert function.__qualname__ == original.__qualname__
        assert pickle.loads(pickle.dumps(function)) is function
        tf.uninstall()
        assert function.__module__ == ours.__name__


WITHOUT_TAMIS = """
import sys
sys.modules["tamis"] = None
import fiftyone as fo
dataset = fo.load_dataset(sys.argv[1])
assert dataset.list_brain_runs(type="similarity") == ["sim"], dataset.list_brain_runs()
print(dataset.get_brain_info("sim"))
index = dataset.load_brain_results("sim")
assert (index.config.method, index.total_index_size) == ("sklearn", len(dataset))
print(",".join(dataset.sort_by_similarity(dataset.first().id, k=5, brain_key="sim").values("id")))
print(dataset.load_evaluation_results("ev").mAP())
dataset.rename_brain_run("sim", "renamed")
for key in dataset.list_brain_runs():
    dataset.delete_brain_run(key)
dataset.delete_evaluation("ev")
assert not any("ev" in path or "unique" in path for path in dataset.get_field_schema(flat=True))
assert (dataset.list_brain_runs(), dataset.list_evaluations()) == ([], [])
"""


def test_runs_are_read_and_deleted_where_tamis_is_not_installed(installed: Any, fo: Any) -> None:
    import fiftyone.brain as fob

    dataset = data.dataset(fo, 1, plain=True)
    dataset.persistent = True
    x = np.random.default_rng(0).normal(size=(len(dataset), 6))
    fob.compute_similarity(
        dataset, embeddings=x, brain_key="sim", backend="tamis", metric="euclidean"
    )
    fob.compute_uniqueness(dataset, embeddings=x)
    fob.compute_mistakenness(dataset, "predictions", "ground_truth")
    results = dataset.evaluate_detections("predictions", eval_key="ev", compute_mAP=True)
    dataset.clear_cache()
    index = dataset.load_brain_results("sim")  # here it is tamis' again
    assert type(index) is installed.TamisSimilarityIndex
    assert type(index.config) is installed.TamisSimilarityConfig
    assert type(index.backend) is installed.TamisSimilarity
    assert type(dataset.get_brain_info("sim").config) is installed.TamisSimilarityConfig
    assert dataset.list_brain_runs(method="tamis") == ["sim"]
    near = dataset.sort_by_similarity(dataset.first().id, k=5, brain_key="sim").values("id")
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_TAMIS, dataset.name], capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, ""), run.stderr
    *_, ids, score = run.stdout.splitlines()
    assert ids.split(",") == near
    assert float(score) == results.mAP()
