"""tamis.torchmetrics against torchmetrics' own class on pycocotools."""

from __future__ import annotations

import contextlib
import copy
import doctest
import importlib
import io
import pickle
import sys
import warnings
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from generated import examples, share
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics_cases import assert_same, images, import_torchmetrics

detection = import_torchmetrics()
import torch  # noqa: E402
from tamis.torchmetrics import MeanAveragePrecision  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*compute.*before the ``update``:UserWarning"),
    pytest.mark.filterwarnings("ignore:Encountered more than:UserWarning"),
]

EVERYTHING = {"class_metrics": True, "extended_summary": True}


def both(**options: Any) -> tuple[Any, Any]:
    return MeanAveragePrecision(**options), detection.MeanAveragePrecision(**options)


def check(preds: Any, target: Any, **options: Any) -> None:
    """Two updates, then the same states and results."""
    ours, theirs = both(**options)
    half = len(preds) // 2
    for metric in (ours, theirs):
        metric.update(preds[:half], target[:half])
        metric.update(preds[half:], target[half:])
    assert_same(filled(ours), filled(theirs))
    assert_same(ours.compute(), theirs.compute())


def filled(metric: Any) -> dict[str, list[Any]]:
    """States without those of empty images, whose type may differ."""
    return {k: [v for v in values if len(v)] for k, values in metric.metric_state.items()}


@pytest.mark.parametrize("n", [0, 1, 12])
@pytest.mark.parametrize("options", [{}, EVERYTHING], ids=["plain", "everything"])
@pytest.mark.parametrize("average", ["macro", "micro"])
@pytest.mark.parametrize("iou_type", ["bbox", "segm", ("bbox", "segm"), ("segm", "bbox")], ids=str)
def test_results_are_torchmetrics(n: int, options: Any, average: str, iou_type: Any) -> None:
    for seed in range(share(3)):
        preds, target = images(seed, n, masks="segm" in iou_type)
        check(preds, target, iou_type=iou_type, average=average, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"box_format": "xywh"},
        {"box_format": "cxcywh"},
        {"iou_thresholds": [0.75, 0.3]},
        {"rec_thresholds": [0.0, 0.5, 1.0]},
        {"max_detection_thresholds": [100, 2, 1]},
        {"max_detection_thresholds": [1, 2, 3], "class_metrics": True},
        {"compute_on_cpu": True},
    ],
    ids=str,
)
def test_options(options: Any) -> None:
    check(*images(5, 15, fmt=options.get("box_format", "xyxy")), **options)


def test_the_backend_decides_over_how_many_detections_map_is() -> None:
    preds, target = images(6, 10)
    results = []
    for backend in ("pycocotools", "faster_coco_eval"):
        metric = MeanAveragePrecision(max_detection_thresholds=[1, 2, 3], backend=backend)
        results.append(metric(preds, target))
    assert results[0]["map"] == -1 and results[1]["map"] > 0
    assert_same(results[0]["map_50"], results[1]["map_50"])
    pytest.importorskip("faster_coco_eval")
    theirs = detection.MeanAveragePrecision(
        max_detection_thresholds=[1, 2, 3], backend="faster_coco_eval"
    )
    for key, value in theirs(preds, target).items():
        torch.testing.assert_close(results[1][key], value, rtol=0, atol=1e-6)


@given(seed=st.integers(0, 2**32), n=st.integers(0, 6), iou_type=st.sampled_from(["bbox", "segm"]))
@examples(25)
def test_random_images(seed: int, n: int, iou_type: str) -> None:
    check(*images(seed, n, masks=iou_type == "segm"), iou_type=iou_type, **EVERYTHING)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int32", "int64"])
@pytest.mark.parametrize("fmt", ["xyxy", "cxcywh"])
def test_boxes_of_any_type(dtype: str, fmt: str) -> None:
    preds, target = images(7, 8, fmt=fmt)
    for item in [*preds, *target]:
        item["boxes"] = item["boxes"].to(getattr(torch, dtype))
    check(preds, target, box_format=fmt)


def test_mixed_types_gradients_and_uint8_masks() -> None:
    preds, target = images(8, 9, masks=True)
    for i, item in enumerate(preds):
        item["boxes"] = item["boxes"].to([torch.float64, torch.float32, torch.float16][i % 3])
        item["scores"] = item["scores"].to([torch.float32, torch.bfloat16][i % 2])
        item["labels"] = item["labels"].to([torch.int32, torch.uint8, torch.int64][i % 3])
        item["masks"] = item["masks"].to(torch.uint8) * 255
        item["boxes"].requires_grad_()
        item["scores"].requires_grad_()
    target[3]["labels"] = target[3]["labels"].bool()
    ours, theirs = both(iou_type=("bbox", "segm"))
    assert_same(ours(preds, target), theirs(preds, target))
    check(preds, target)


def test_empty_images_as_people_write_them() -> None:
    none = torch.tensor([])
    box = torch.tensor([[1.0, 2.0, 30.0, 40.0]])
    pred = {"boxes": box, "scores": torch.tensor([0.5]), "labels": torch.tensor([3])}
    empty = {"boxes": none, "scores": none, "labels": none}
    for preds, target in (
        ([empty, pred], [{"boxes": box, "labels": torch.tensor([3])}] * 2),
        ([pred], [{"boxes": none, "labels": none}]),
        ([empty], [{"boxes": none, "labels": none}]),
    ):
        ours, theirs = both(**EVERYTHING)
        ours.update(preds, target)
        theirs.update(preds, target)
        assert_same(ours.compute(), theirs.compute())


def test_iscrowd_and_area_longer_than_the_labels() -> None:
    preds, target = images(9, 6)
    for item in target:
        item["area"] = torch.arange(len(item["labels"]) + 2) * 500
        item["iscrowd"] = torch.arange(len(item["labels"]) + 1) % 2
    check(preds, target)
    target[-1]["area"] = torch.zeros(0)
    target[-1] |= {"boxes": torch.ones(1, 4), "labels": torch.tensor([0])}
    for metric in both():
        metric.update(preds, target)
        with pytest.raises(IndexError):
            metric.compute()


GOOD = {"boxes": torch.ones(2, 4), "scores": torch.ones(2), "labels": torch.zeros(2).int()}
GT = {"boxes": torch.ones(2, 4), "labels": torch.zeros(2).int()}
LONGER = {"labels": torch.zeros(3).int()}


@pytest.mark.parametrize(
    ("preds", "target"),
    [
        (GOOD, [GT]),
        ([GOOD], None),
        ([GOOD, GOOD], [GT]),
        *(([{k: v for k, v in GOOD.items() if k != key}], [GT]) for key in GOOD),
        *(([GOOD], [{k: v for k, v in GT.items() if k != key}]) for key in GT),
        *(([GOOD | {key: [1, 2]}], [GT]) for key in GOOD),
        *(([GOOD], [GT | {key: [1, 2]}]) for key in GT),
        ([GOOD | LONGER], [GT]),
        ([GOOD], [GT | LONGER]),
        ([GOOD | {"boxes": torch.ones(2, 5)}], [GT]),
        ([GOOD | {"labels": torch.ones(2)}], [GT]),
        ([GOOD], [GT | {"labels": torch.ones(2)}]),
        ([GOOD | {"boxes": torch.ones(2, 4) * 1j}], [GT]),
        ([GOOD | {"scores": torch.ones(2).int()}], [GT]),
        ([GOOD | {"scores": torch.ones(2, 1)}], [GT]),
    ],
)
def test_errors_are_torchmetrics(preds: Any, target: Any) -> None:
    texts = []
    for metric in both():
        with pytest.raises(Exception) as caught:
            metric.update(preds, target)
            metric.compute()
        texts.append((caught.type, str(caught.value)))
    assert texts[0] == texts[1]


def test_boxes_of_five_numbers_and_masks_of_floats_raise() -> None:
    for metric in both(box_format="xywh"):
        metric.update([GOOD], [GT | {"boxes": torch.ones(2, 5)}])
        with pytest.raises(ValueError, match=r"Invalid input box of sample 0, .* 4 values, got 5"):
            metric.compute()
    for metric in both(iou_type="segm"):
        with pytest.raises(ValueError, match=r"uint8"):
            metric.update([GOOD | {"masks": torch.ones(2, 4, 4)}], [GT | {"masks": GT["boxes"]}])


def test_nothing_is_added_by_an_update_that_fails() -> None:
    metric = MeanAveragePrecision()
    with pytest.raises(ValueError):
        metric.update([GOOD, GOOD], [GT, GT | {"boxes": torch.ones(2, 5)}])
    assert not any(metric.metric_state.values())


class Boxes(torch.Tensor):
    """As torchvision's tv_tensors are."""


@pytest.mark.parametrize("size", [1, 5])
def test_what_is_no_list_of_dicts_of_plain_tensors(size: int) -> None:
    """Tuples, other mappings and subclasses of tensors go through torchmetrics' own check."""
    preds, target = images(13, 10)
    want = detection.MeanAveragePrecision()(preds, target)
    metric = MeanAveragePrecision()
    for i in range(0, 10, size):
        sides = [
            tuple(
                OrderedDict(item, boxes=item["boxes"].as_subclass(Boxes))
                for item in side[i : i + size]
            )
            for side in (preds, target)
        ]
        metric.update(*sides)
    assert_same(metric.compute(), want)


def test_states_hold_their_own_images_only() -> None:
    preds, target = images(14, 40)
    metric = MeanAveragePrecision()
    metric.update(preds, target)
    for boxes in (*metric.detection_box, *metric.groundtruth_box):
        assert boxes.untyped_storage().nbytes() == boxes.nbytes


def test_zeros_made_in_inference_mode_are_used_outside() -> None:
    metrics = [MeanAveragePrecision(), MeanAveragePrecision()]
    boxes = torch.tensor([[1.0, 2.0, 30.0, 40.0]]).repeat(231, 1)  # as many as in no other test
    target = [{"boxes": boxes, "labels": torch.zeros(231, dtype=torch.int64)}]
    with torch.inference_mode():
        metrics[0].update([GOOD], target)
    metrics[1].update([GOOD], target)
    assert not metrics[1].groundtruth_crowds[0].is_inference()
    assert_same(metrics[0].compute(), metrics[1].compute())


def test_warnings() -> None:
    for metric in both(max_detection_thresholds=[1, 1, 1]):
        with pytest.warns(UserWarning, match="before the ``update``"):
            metric.compute()
        with pytest.warns(UserWarning, match="more than 1 detections in a single image"):
            metric.update([GOOD], [GT])
        metric.warn_on_many_detections = False
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            metric.update([GOOD], [GT])


def test_what_is_given_may_change_after_update() -> None:
    preds, target = images(10, 5)
    want = MeanAveragePrecision()(preds, target)
    for split in (1, 5):
        metric = MeanAveragePrecision()
        for i in range(0, 5, split):
            metric.update(preds[i : i + split], target[i : i + split])
        saved = [item["boxes"].clone() for item in preds]
        for item in preds:
            item["boxes"] += 1000
        assert_same(metric.compute(), want)
        for item, boxes in zip(preds, saved, strict=True):
            item["boxes"].copy_(boxes)


@pytest.mark.parametrize("iou_type", ["bbox", ("bbox", "segm")], ids=str)
def test_it_is_a_metric(iou_type: Any, tmp_path: Path) -> None:
    """forward, reset, pickle, copies, state_dict, collections, moves: as any metric's."""
    import torchmetrics

    preds, target = images(11, 6, masks=True)
    ours, theirs = both(iou_type=iou_type)
    for at in (0, 3):
        part = (preds[at : at + 3], target[at : at + 3])
        assert_same(ours(*part), theirs(*part))
    want = theirs.compute()
    assert_same(ours.compute(), want)
    assert isinstance(ours, detection.MeanAveragePrecision)
    for twin in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours), ours.clone()):
        assert type(twin) is MeanAveragePrecision
        twin._computed = None
        assert_same(twin.compute(), want)
        twin.update(preds, target)
    assert_same(ours.to("cpu").compute(), want)
    for metric in (ours, theirs):
        metric.persistent(True)
    assert_same(ours.state_dict(), theirs.state_dict())
    collection = torchmetrics.MetricCollection({"a": ours, "b": theirs}, compute_groups=False)
    collection.reset()
    assert not any(ours.metric_state.values()) and not ours.update_called
    collection.update(preds, target)
    result = collection.compute()
    for key in want:
        assert_same(result[f"a_{key}"], result[f"b_{key}"])
    ours.tm_to_coco(str(tmp_path / "ours"))
    theirs.tm_to_coco(str(tmp_path / "theirs"))
    for side in ("preds", "target"):
        texts = [(tmp_path / f"{who}_{side}.json").read_text() for who in ("ours", "theirs")]
        assert texts[0] == texts[1]
    if iou_type == "bbox":
        results = [m.coco_to_tm(*(str(tmp_path / f"ours_{s}.json") for s in ("preds", "target")))
                   for m in (ours, theirs)]  # fmt: skip
        assert_same(*results)


def test_without_torchvision_the_import_fails_as_theirs(monkeypatch: Any) -> None:
    monkeypatch.delattr(detection, "MeanAveragePrecision")
    monkeypatch.delitem(sys.modules, "tamis.torchmetrics")
    with pytest.raises(ImportError, match="cannot import name 'MeanAveragePrecision'"):
        importlib.import_module("tamis.torchmetrics")


def test_half_precision_of_states() -> None:
    preds, target = images(12, 6)
    ours, theirs = both()
    for metric in (ours, theirs):
        metric.update(preds, target)
        metric.set_dtype(torch.float16)
    assert_same(ours.metric_state, theirs.metric_state)


@pytest.mark.parametrize("name", ["", "tm_to_coco", "plot"])
def test_torchmetrics_documented_examples(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "plot":
        pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    documented = detection.MeanAveragePrecision
    text = (getattr(documented, name) if name else documented).__doc__
    for module in ("torchmetrics.detection.mean_ap", "torchmetrics.detection"):
        text = text.replace(f"from {module} import", "from tamis.torchmetrics import")
    run_examples(text, at_least=4)


def test_own_example() -> None:
    run_examples(MeanAveragePrecision.__doc__, at_least=4)


def run_examples(text: str, at_least: int) -> None:
    examples = doctest.DocTestParser().get_doctest(text, {"torch": torch}, "examples", None, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    report = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()):
        runner.run(examples, out=report.write)
    assert runner.failures == 0, report.getvalue()
    assert runner.tries >= at_least


def test_threads_share_a_metric() -> None:
    metric = MeanAveragePrecision()
    box, label = torch.tensor([[0.0, 0, 9, 9]]), torch.tensor([1])
    pred = {"boxes": box, "scores": torch.tensor([0.5]), "labels": label}
    target = {"boxes": box, "labels": label}

    def add() -> None:
        for _ in range(20):
            metric.update([pred, pred], [target, target])

    def look() -> None:
        for _ in range(3):
            metric.compute()
            assert len(pickle.loads(pickle.dumps(metric)).groundtruth_box) % 2 == 0

    with ThreadPoolExecutor(5) as pool:
        for result in [pool.submit(f) for f in (add, add, add, look, look)]:
            result.result(timeout=60)
    states = [getattr(metric, name) for name in metric._defaults if "mask" not in name]
    assert {len(state) for state in states} == {120}
    assert metric.update_count == 60
    assert copy.deepcopy(metric)._lock is not metric._lock
