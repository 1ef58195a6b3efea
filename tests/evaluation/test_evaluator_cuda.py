"""DetectionEvaluator on CUDA arrays: bit-identical to the host."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Library
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from tamis import DetectionEvaluator, DetectionResult
from tamis._shared import arrays
from test_evaluator_obb import problem as oriented

pytestmark = pytest.mark.gpu


def images(seed: int, n: int, *, labels: int = 3, most: int = 40) -> tuple[Any, Any]:
    """n images, some of them empty; scores, boxes and so IoUs tie; areas of all ranges."""
    rng = np.random.default_rng(seed)

    def boxes(k: int) -> Any:
        size = rng.choice([1, 3, 9, 30], (k, 1)) * rng.integers(2, 6, (k, 2))
        low = rng.integers(0, 60, (k, 2))
        return np.concatenate([low, low + size], 1).astype(np.float32)

    preds, targets = [], []
    for _ in range(n):
        d, g = rng.integers(0, most), rng.integers(0, most // 2)
        found, truth = boxes(d), boxes(g)
        if g:
            near = rng.random(d) < 0.7
            found[near] = truth[rng.integers(0, g, near.sum())]
            found[near, 2:] += rng.integers(0, 3, (near.sum(), 2))
        scores = (rng.integers(-3, 9, d) / 8).astype(np.float32)
        scores[rng.random(d) < 0.1] *= 0  # of both signs
        preds.append({"boxes": found, "scores": scores, "labels": rng.integers(-1, labels, d)})
        target = {"boxes": truth, "labels": rng.integers(-1, labels, g)}
        if rng.random() < 0.7:
            target["iscrowd"] = rng.random(g) < 0.3
        if rng.random() < 0.5:
            target["area"] = rng.choice([100, 1024, 5000, 9216, 20000], g)
        targets.append(target)
    return preds, targets


def on(library: Library, side: dict[str, Any]) -> dict[str, Any]:
    return {k: v if k == "splits" else library.array(v) for k, v in side.items()}


def fed(library: Library | None, preds: Any, targets: Any, **options: Any) -> DetectionEvaluator:
    evaluator = DetectionEvaluator(**options)
    for pred, target in zip(preds, targets, strict=True):
        if library is not None:
            pred, target = on(library, pred), on(library, target)
        evaluator.update(pred, target)
    assert (evaluator._device == "cpu") == (library is None)
    return evaluator


def check(got: DetectionResult, want: DetectionResult) -> None:
    for key in ("classes", "precision", "recall", "scores"):
        mine, theirs = getattr(got, key), getattr(want, key)
        assert isinstance(mine, np.ndarray) and mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs, key)
    assert got.stats == want.stats
    assert got.per_class() == want.per_class()


@pytest.mark.parametrize("n", [1, 9])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_detections": (0, 2, 5), "fmt": "xywh"},
        {"max_detections": (0, 0, 0)},
        {"area_ranges": {"all": (0, 5000), "small": (100, 100)}, "fmt": "cxcywh"},
        {"iou_thresholds": np.linspace(0, 1, 70), "recall_thresholds": [0.5, 0.0, 1.0, 0.1]},
        {"iou_thresholds": [0.75], "recall_thresholds": np.linspace(0, 1.2, 600)},
    ],
    ids=["coco", "caps", "no cap", "areas", "two words", "two blocks of recalls"],
)
def test_images_equal_the_host(gpu_library: Library, options: Any, n: int) -> None:
    sides = images(n, n)
    check(fed(gpu_library, *sides, **options).compute(), fed(None, *sides, **options).compute())


@examples(25, fixtures_kept=True)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 5), labels=st.integers(1, 30))
def test_random_images(gpu_library: Library, seed: int, n: int, labels: int) -> None:
    sides = images(seed, n, labels=labels)
    options = {"max_detections": (1, 3, 8)}
    check(fed(gpu_library, *sides, **options).compute(), fed(None, *sides, **options).compute())


@pytest.mark.parametrize("most", [90, 700])
def test_crowded_images(gpu_library: Library, most: int) -> None:
    """More ground truths of a class than a warp has lanes, more detections than a block."""
    sides = images(most, 3, labels=0, most=most)
    options = {"max_detections": (10, 100, 1000), "iou_thresholds": [0.3, 0.5, 0.8]}
    check(fed(gpu_library, *sides, **options).compute(), fed(None, *sides, **options).compute())


def test_batched_by_splits_and_lists(gpu_library: Library) -> None:
    preds, targets = images(4, 8)
    for target in targets:
        target.setdefault("iscrowd", np.zeros(len(target["labels"]), bool))
        area = (target["boxes"][:, 2:] - target["boxes"][:, :2]).astype(float).prod(1)
        target.setdefault("area", area)
    want = fed(None, preds, targets).compute()
    batch = []
    for side in (preds, targets):
        joined = {k: np.concatenate([image[k] for image in side]) for k in side[0]}
        ends = np.cumsum([0] + [len(image["labels"]) for image in side])
        batch.append({**joined, "splits": ends})
    evaluator = DetectionEvaluator()
    evaluator.update(*(on(gpu_library, side) for side in batch))
    check(evaluator.compute(), want)
    evaluator = DetectionEvaluator()
    evaluator.update(*([on(gpu_library, image) for image in side] for side in (preds, targets)))
    check(evaluator.compute(), want)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
def test_dtypes(gpu_library: Library, dtype: str) -> None:
    preds, targets = images(6, 4)
    for side in (*preds, *targets):
        side["boxes"] = side["boxes"].astype(dtype)
        side["labels"] = side["labels"].astype(np.int16)
    check(fed(gpu_library, preds, targets).compute(), fed(None, preds, targets).compute())


def test_mixed_with_the_host_merged_and_pickled(gpu_library: Library) -> None:
    preds, targets = images(5, 9)
    want = fed(None, preds, targets).compute()
    on_host = fed(None, preds[:3], targets[:3])
    on_host.merge(fed(gpu_library, preds[3:], targets[3:]))
    check(on_host.compute(), want)
    evaluator = fed(gpu_library, preds[:4], targets[:4])
    evaluator.merge(fed(None, preds[4:8], targets[4:8]))
    last = {**targets[8], "boxes": gpu_library.array(targets[8]["boxes"])}  # the rest of the host
    evaluator.update(on(gpu_library, preds[8]), last)
    check(evaluator.compute(), want)
    check(pickle.loads(pickle.dumps(evaluator)).compute(), want)
    evaluator.reset()
    evaluator.update(preds[0], targets[0])
    check(evaluator.compute(), fed(None, preds[:1], targets[:1]).compute())


def test_arrays_may_change_after_update(gpu_library: Library) -> None:
    preds, targets = images(7, 4)
    evaluator = DetectionEvaluator(fmt="xywh")
    for pair in zip(preds, targets, strict=True):
        pred, target = (on(gpu_library, side) for side in pair)
        evaluator.update(pred, target)
        for x in (*pred.values(), *target.values()):
            x[:] = 0
    check(evaluator.compute(), fed(None, preds, targets, fmt="xywh").compute())


def test_update_does_not_wait(gpu_library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    preds, targets = images(1, 3)
    want = fed(None, preds, targets).compute()
    sides = [[on(gpu_library, image) for image in side] for side in (preds, targets)]
    evaluator = DetectionEvaluator()

    def host(function: str, name: str, x: Any) -> np.ndarray:
        assert isinstance(x, np.ndarray), name
        return x

    with monkeypatch.context() as patched, gpu_library.not_waiting():
        patched.setattr(arrays, "host", host)
        evaluator.update(*sides)
    check(evaluator.compute(), want)


def test_nothing_at_all(gpu_library: Library) -> None:
    none = {"boxes": np.empty((0, 4), np.float32), "labels": np.empty(0, int)}
    pred = {**none, "scores": np.empty(0, np.float32)}
    box = {"boxes": np.array([[0, 0, 9.0, 9]]), "labels": np.array([4])}
    for preds, targets in (
        ([pred], [none]),
        ([pred], [box]),
        ([{**box, "scores": np.ones(1)}], [none]),
    ):
        check(fed(gpu_library, preds, targets).compute(), fed(None, preds, targets).compute())


def test_analyses_are_those_of_the_host(gpu_library: Library) -> None:
    sides = images(8, 6)
    got, want = fed(gpu_library, *sides).compute(), fed(None, *sides).compute()
    got = pickle.loads(pickle.dumps(got))
    for key in ("gt", "iou", "ignored", "det"):
        np.testing.assert_array_equal(
            *(getattr(result.matches("small"), key) for result in (got, want))
        )
    for mine, theirs in zip(got.per_image().values(), want.per_image().values(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert str(got) == str(want)


def test_compute_names_what_is_not_finite(gpu_library: Library) -> None:
    for side, key, column in (
        ("preds", "boxes", "boxes"), ("preds", "scores", "scores"), ("targets", "boxes", "boxes"),
        ("targets", "area", "area"),
    ):  # fmt: skip
        preds, targets = images(9, 3, most=12)
        part = {"preds": preds, "targets": targets}[side][2]
        part.setdefault("area", np.ones(len(part["labels"])))
        part[key] = part[key].astype(float)
        part[key][1] = np.inf
        row = 1 + sum(
            len(image["labels"]) for image in {"preds": preds, "targets": targets}[side][:2]
        )
        evaluator = fed(gpu_library, preds, targets)
        with pytest.raises(
            ValueError, match=rf"{side} {column} has a NaN or .* in row {row} of all"
        ):
            evaluator.compute()


def test_bad_input(gpu_library: Library) -> None:
    preds, targets = ([on(gpu_library, image) for image in side] for side in images(3, 1))
    evaluator = DetectionEvaluator()
    for change, error, text in (
        ({"labels": preds[0]["scores"]}, TypeError, "labels must hold integers, got float32"),
        ({"scores": preds[0]["scores"][1:]}, ValueError, r"preds scores must have shape"),
        ({"boxes": preds[0]["boxes"][:, :3]}, ValueError, r"preds boxes must have shape \(N, 4\)"),
        ({"boxes": preds[0]["boxes"] != 0}, TypeError, "preds boxes must hold numbers, got bool"),
        ({"scores": [1.0]}, ValueError, r"preds scores must have shape \(.*\), got \(1,\)"),
    ):
        with pytest.raises(error, match=text):
            evaluator.update({**preds[0], **change}, targets[0])
    assert evaluator.compute().stats["AP"] == -1


def test_without_the_cuda_part_the_host_computes(
    gpu_library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = images(2, 5)
    want = fed(None, *sides).compute()

    def missing(function: str, where: str) -> Any:
        raise arrays.CudaUnavailable(function)

    with monkeypatch.context() as patched:
        patched.setattr(arrays, "backend", missing)
        evaluator = DetectionEvaluator()
        for pred, target in zip(*sides, strict=True):
            evaluator.update(on(gpu_library, pred), on(gpu_library, target))
    check(evaluator.compute(), want)
    assert all(isinstance(part[2], np.ndarray) for part, *_ in evaluator._parts)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_oriented_boxes_equal_the_host(gpu_library: Library, dtype: str, seed: int) -> None:
    sides = [side | {"boxes": side["boxes"].astype(dtype)} for side in oriented(seed)]
    options = {"iou_type": "obb", "iou_thresholds": [0.0, 0.3, 0.5, 0.75, 0.95]}
    want = fed(None, sides[:1], sides[1:], **options).compute()
    got = fed(gpu_library, sides[:1], sides[1:], **options).compute()
    check(got, want)
    assert 0.1 < got.stats["AP50"] < 0.9
    for key in ("gt", "iou", "ignored", "det"):
        mine, theirs = (getattr(result.matches(), key) for result in (got, want))
        np.testing.assert_array_equal(mine, theirs, key)
    assert got.errors().main == want.errors().main


@examples(20, fixtures_kept=True)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 4), labels=st.integers(1, 9))
def test_any_oriented_boxes(gpu_library: Library, seed: int, n: int, labels: int) -> None:
    """Whole numbers and quarter turns, so that IoUs tie."""
    sides, rng = images(seed, n, labels=labels, most=20), np.random.default_rng(seed)
    for image in (*sides[0], *sides[1]):
        angle = rng.choice([0, 90, -180, 45], (len(image["labels"]), 1))
        image["boxes"] = np.concatenate([image["boxes"], angle], 1).astype(np.float32)
    options = {"iou_type": "obb", "max_detections": (1, 3, 8)}
    check(fed(gpu_library, *sides, **options).compute(), fed(None, *sides, **options).compute())


def test_oriented_boxes_mixed_crowded_and_spoilt(gpu_library: Library) -> None:
    preds, targets = oriented(2)
    one = np.array([0, len(preds["labels"])]), np.array([0, len(targets["labels"])])
    preds |= {"splits": one[0], "labels": preds["labels"] % 2}  # more of a class than lanes
    targets |= {"splits": one[1], "labels": targets["labels"] % 2}
    both = fed(gpu_library, [preds], [targets], iou_type="obb")
    both.merge(fed(None, [preds], [targets], iou_type="obb"))
    check(both.compute(), fed(None, [preds] * 2, [targets] * 2, iou_type="obb").compute())
    preds["boxes"][9, 4] = np.nan
    with pytest.raises(ValueError, match="preds boxes has a NaN or infinite value in row 9 of all"):
        fed(gpu_library, [preds], [targets], iou_type="obb").compute()


def test_the_current_stream_and_a_million_pairs(gpu_library: Library) -> None:
    rng = np.random.default_rng(0)
    low = rng.integers(0, 500, (20_000, 2))
    boxes = np.concatenate([low, low + rng.integers(5, 90, (20_000, 2))], 1).astype(np.float32)
    ends, gt_ends = np.arange(0, 20_001, 100), np.arange(0, 2001, 10)
    pred = {"boxes": boxes, "scores": rng.random(20_000), "labels": rng.integers(0, 2, 20_000)}
    target = {"boxes": boxes[::10] + 1, "labels": pred["labels"][::10], "splits": gt_ends}
    stream, current = gpu_library.new_stream()
    with current:
        got = fed(gpu_library, [{**pred, "splits": ends}], [target]).compute()
        stream.synchronize()
    check(got, fed(None, [{**pred, "splits": ends}], [target]).compute())


def test_all_reduce_of_columns_on_the_device(gpu_library: Library, tmp_path: Path) -> None:
    """By NCCL where there is a GPU; its ranks need one each, so that here it has one."""
    torch = pytest.importorskip("torch")
    dist = pytest.importorskip("torch.distributed")
    preds, targets = images(11, 9)
    whole = fed(gpu_library, preds, targets)
    by = "nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(by, init_method=f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    try:
        part = fed(gpu_library, preds, targets)
        part.all_reduce()
    finally:
        dist.destroy_process_group()
    assert part._device == "cpu"
    check(part.compute(), whole.compute())
