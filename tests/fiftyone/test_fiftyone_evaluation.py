"""`evaluate_detections` against FiftyOne's own, field by field in a real database."""

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
def odd(fo: Any) -> Any:
    return data.dataset(fo)


@pytest.fixture(scope="module")
def plain(fo: Any) -> Any:
    return data.dataset(fo, 1, plain=True)


def whole(dataset: Any) -> Any:
    return dataset


def check(tf: Any, dataset: Any, view: Any = whole, **options: Any) -> Any:
    """Both evaluations on clones: the same documents, schema, run and results."""
    ours, theirs = dataset.clone(), dataset.clone()
    options = {"eval_key": "ev", **options}
    got = tf.evaluate_detections(view(ours), "predictions", **options)
    want = tf.detections.fiftyone_evaluate_detections(view(theirs), "predictions", **options)
    data.assert_same_results(got, want)
    assert data.stored(ours) == data.stored(theirs)
    assert data.schema(ours) == data.schema(theirs)
    assert ours.list_evaluations() == theirs.list_evaluations()
    if options["eval_key"]:
        loaded = [d.load_evaluation_results("ev", cache=False) for d in (ours, theirs)]
        data.assert_same_results(*loaded)
        assert str(ours.app_config.sidebar_groups) == str(theirs.app_config.sidebar_groups)
    return got


OPTIONS: list[dict[str, Any]] = [
    {},
    {"classwise": False},
    {"iou": 0},
    {"iou": 1},
    {"dynamic": False},
    {"eval_key": None},
    {"classes": ["cat", "bird", "no such"], "missing": "nothing"},
    {"iscrowd": "no_such_attribute"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_awkward_labels(tf: Any, odd: Any, options: dict[str, Any]) -> None:
    check(tf, odd, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"compute_mAP": True},
        {"compute_mAP": True, "classwise": False},
        {"compute_mAP": True, "max_preds": 2, "iou_threshs": [0.3, 0.75]},
        {"compute_mAP": True, "classes": ["dog", "emu"], "eval_key": None},
        {"method": "open-images"},
        {"method": "open-images", "classwise": False, "max_preds": 3},
        {"method": "open-images", "iscrowd": "iscrowd", "iou": 0.2},
    ],
    ids=str,
)  # fmt: skip
def test_curves(tf: Any, plain: Any, options: dict[str, Any]) -> None:
    results = check(tf, plain, **options)
    assert results.mAP() is not None


def test_missing_confidences_have_no_curve(tf: Any, odd: Any) -> None:
    before = data.stored(odd)
    with pytest.raises(ValueError, match="must have their `confidence` attribute populated"):
        tf.evaluate_detections(odd, "predictions", eval_key="ev", compute_mAP=True)
    assert data.stored(odd) == before
    assert odd.list_evaluations() == []


def filtered(dataset: Any) -> Any:
    from fiftyone import ViewField as F

    view = dataset.filter_labels("predictions", F("confidence") > 0.3, only_matches=False)
    return view.filter_labels("ground_truth", F("label") == "cat")


VIEWS = {
    "tags": lambda d: d.match_tags("odd"),
    "shuffled": lambda d: d.shuffle(seed=5),
    "filtered": filtered,
    "filtered and mapped": lambda d: filtered(d).map_labels("predictions", {"dog": "cat"}),
    "empty": lambda d: d.match_tags("none"),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_views(tf: Any, odd: Any, view: Any) -> None:
    check(tf, odd, view)


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_views_of_more_samples_than_a_command_names(
    tf: Any, odd: Any, view: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tf._documents, "IDS", 2)
    check(tf, odd, view)


def test_documents_in_small_pieces(tf: Any, odd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a set of millions comes: each piece has texts of its own."""
    fields = [(f"{name}.detections", tf._sides.BOX) for name in ("predictions", "ground_truth")]
    whole = tf._bson_columns.read(odd, fields)
    one_by_one: list[bytes] = []
    for i in range(len(odd)):
        pipeline = odd[i : i + 1]._pipeline(detach_frames=True)
        one_by_one += odd._sample_collection.aggregate_raw_batches(pipeline)
    monkeypatch.setattr(tf._bson_columns, "_chunks", lambda _: [[batch] for batch in one_by_one])
    pieces = tf._bson_columns.read(odd, fields)
    assert pieces.texts == whole.texts
    assert np.array_equal(pieces.ids, whole.ids)
    for a, b in zip(pieces.lists, whole.lists, strict=True):
        assert a.counts.tolist() == b.counts.tolist()
        assert all(np.array_equal(a.columns[name], b.columns[name]) for name in b.columns)


def test_a_run_is_overwritten(tf: Any, plain: Any) -> None:
    ours, theirs = plain.clone(), plain.clone()
    for dataset, evaluate in (
        (ours, tf.evaluate_detections),
        (theirs, tf.detections.fiftyone_evaluate_detections),
    ):
        evaluate(dataset, "predictions", eval_key="ev", iou=0.2)
        evaluate(dataset, "predictions", eval_key="ev", iou=0.8)
    assert data.stored(ours) == data.stored(theirs)
    assert ours.list_evaluations() == ["ev"]


def test_views_of_the_app(tf: Any, plain: Any) -> None:
    ours, theirs = plain.clone(), plain.clone()
    tf.evaluate_detections(ours[:6], "predictions", eval_key="ev")
    tf.detections.fiftyone_evaluate_detections(theirs[:6], "predictions", eval_key="ev")
    fields = ["type", "iou", "crowd", "predictions.detections.label", "ground_truth.detections.id"]
    patches = [d.to_evaluation_patches("ev").values(fields) for d in (ours, theirs)]
    assert patches[0] == patches[1]
    assert len(ours.load_evaluation_view("ev")) == 6
    for dataset in (ours, theirs):
        dataset.rename_evaluation("ev", "new")
    assert data.stored(ours) == data.stored(theirs)
    for dataset in (ours, theirs):
        dataset.delete_evaluation("new")
    assert data.schema(ours) == data.schema(plain)
    assert data.stored(ours) == data.stored(theirs)


def test_more_ground_truths_than_a_leaf_of_the_r_tree(tf: Any, fo: Any) -> None:
    dataset = data.dataset(fo, 3, images=2, plain=True, gts=10, preds=10)
    rng = np.random.default_rng(0)
    crowded = fo.Sample(filepath="/nowhere/crowded.jpg")
    crowded["ground_truth"] = data.detections(fo, rng, 110, scored=False, plain=True)
    crowded["predictions"] = data.detections(fo, rng, 20, scored=True, plain=True)
    for labels in (crowded.ground_truth, crowded.predictions):
        for label in labels.detections:
            label.label = "cat"
    dataset.add_sample(crowded)
    check(tf, dataset)


@pytest.mark.parametrize("n", [100, 101])
def test_the_leaf_of_the_r_tree_holds_a_hundred(tf: Any, fo: Any, n: int) -> None:
    rng = np.random.default_rng(n)
    sample = fo.Sample(filepath="/nowhere/leaf.jpg")
    sample["ground_truth"] = data.detections(fo, rng, n, scored=False, plain=True)
    sample["predictions"] = data.detections(fo, rng, 15, scored=True, plain=True)
    dataset = fo.Dataset()
    dataset.add_sample(sample)
    check(tf, dataset, classwise=False, compute_mAP=True, iou_threshs=[0.3, 0.6])


def test_labels_that_share_an_id(tf: Any, fo: Any, plain: Any) -> None:
    dataset = plain[:6].clone()
    dataset.clone_sample_field("ground_truth", "copy")
    ours, theirs = dataset.clone(), dataset.clone()
    tf.evaluate_detections(ours, "copy", eval_key="ev")
    tf.detections.fiftyone_evaluate_detections(theirs, "copy", eval_key="ev")
    assert data.stored(ours) == data.stored(theirs)
    check(tf, plain[:4].clone(), gt_field="predictions")
    twice = plain[:6].clone()
    for sample in twice.iter_samples(autosave=True):
        if sample.predictions is not None:
            sample.predictions.detections += sample.predictions.detections[:2]
    check(tf, twice)


@pytest.mark.parametrize("field", ["predictions", "ground_truth"])
@pytest.mark.parametrize("box", [[0.1, 0.1, -0.1, 0.2], [0.1, 0.1, float("nan"), 0.2]])
def test_boxes_that_are_none(tf: Any, plain: Any, field: str, box: Any) -> None:
    dataset = plain[:3].clone()
    sample = dataset.first()
    sample[field].detections[0].bounding_box = box
    sample.save()
    try:
        tf.detections.fiftyone_evaluate_detections(dataset.clone(), "predictions")
    except Exception as error:
        before = data.stored(dataset)
        with pytest.raises(type(error)):
            tf.evaluate_detections(dataset, "predictions", eval_key="ev")
        assert data.stored(dataset) == before
        assert dataset.list_evaluations() == []
    else:
        check(tf, dataset)


def test_bad_arguments_change_nothing(tf: Any, plain: Any) -> None:
    before = data.stored(plain), data.schema(plain)
    with pytest.raises(ValueError, match="ties must be 'fiftyone' or 'coco', got 'pascal'"):
        tf.evaluate_detections(plain, "predictions", ties="pascal")
    for options in ({"eval_key": "not a name"}, {"method": "none"}, {"gt_field": "no_field"}):
        with pytest.raises(ValueError):
            tf.evaluate_detections(plain, "predictions", **options)
    assert (data.stored(plain), data.schema(plain)) == before


def test_a_write_that_fails_leaves_no_run(
    tf: Any, plain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tf._documents, "BATCH", 4)
    dataset = plain.clone()
    before = data.stored(dataset), data.schema(dataset)

    def give_up(bar: Any) -> None:
        if bar.iteration >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tf.evaluate_detections(dataset, "predictions", eval_key="ev", progress=give_up)
    assert (data.stored(dataset), data.schema(dataset)) == before
    assert dataset.list_evaluations() == []


def test_progress(tf: Any, plain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf._documents, "BATCH", 4)
    seen: list[int] = []
    tf.evaluate_detections(
        plain.clone(), "predictions", eval_key="ev", progress=lambda bar: seen.append(bar.iteration)
    )
    assert seen[-1] == len(plain)
    assert len(seen) == 3


def test_ties_as_pycocotools_has_them(tf: Any, plain: Any) -> None:
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    dataset = plain.clone()
    for sample in dataset.iter_samples(autosave=True):  # what FiftyOne does with crowds is its own
        for gt in sample.ground_truth.detections if sample.ground_truth else ():
            gt.iscrowd = False
    results = tf.evaluate_detections(dataset, "predictions", compute_mAP=True, ties="coco")
    truth, found = [], []
    names = ["cat", "dog"]
    for i, sample in enumerate(dataset):
        for gt in sample.ground_truth.detections if sample.ground_truth else ():
            box = [1024 * side for side in gt.bounding_box]
            row = {"id": len(truth) + 1, "image_id": i, "bbox": box, "area": box[2] * box[3]}
            truth.append({**row, "category_id": names.index(gt.label), "iscrowd": 0})
        for det in sample.predictions.detections if sample.predictions else ():
            box = [1024 * side for side in det.bounding_box]
            row = {"image_id": i, "bbox": box, "score": det.confidence}
            found.append({**row, "category_id": names.index(det.label)})
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i} for i in range(len(dataset))],
        "categories": [{"id": i} for i in range(2)],
        "annotations": truth,
    }
    coco.createIndex()
    run = COCOeval(coco, coco.loadRes(found), "bbox")
    run.evaluate()
    run.accumulate()
    want = run.eval["precision"][:, :, :, 0, 2].transpose(0, 2, 1)
    np.testing.assert_allclose(results.precision, want, rtol=0, atol=1e-12)
    theirs = tf.detections.fiftyone_evaluate_detections(dataset, "predictions", compute_mAP=True)
    assert results.mAP() < theirs.mAP()
