"""Array arguments of the public functions: odd memory makes no difference, odd values raise."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import tamis
from tamis import _core
from tamis.labels.fiftyone_matching import match_fiftyone

N, M = 12, 9


def boxes(rng: np.random.Generator, n: int, width: int = 4) -> np.ndarray:
    low = rng.uniform(0, 30, (n, 2))
    turned = rng.uniform(-400, 400, (n, 1))
    sides = rng.uniform(1, 20, (n, 2))
    return np.concatenate([low, low + sides] if width == 4 else [low, sides, turned], axis=1)


def evaluate(iou_type: str, **columns: Any) -> np.ndarray:
    target = {k: columns.pop(f"gt_{k}") for k in ("boxes", "labels", "splits", "iscrowd", "area")}
    evaluator = tamis.DetectionEvaluator(iou_type)
    evaluator.update(columns, target)
    return evaluator.compute().precision


def cases() -> Iterator[tuple[str, Callable[..., Any], dict[str, np.ndarray]]]:
    """Name, function, and arrays it takes."""
    rng = np.random.default_rng(0)
    a, b, turned, other = boxes(rng, N), boxes(rng, M), boxes(rng, N, 5), boxes(rng, M, 5)
    splits, gt_splits = np.array([0, 4, 4, N]), np.array([0, 3, 5, M])
    labels, gt_labels = rng.integers(0, 3, N), rng.integers(0, 3, M)
    scores, crowd, flags = rng.random(N), rng.random(M) < 0.3, rng.random(N) < 0.3
    x, logits = rng.normal(size=(N, 4)), rng.normal(size=(N, 4))
    pixels = rng.random((N, 20, 25)) < 0.3
    masks, gt_masks = tamis.Masks.encode(pixels), tamis.Masks.encode(pixels[:M])
    dets = {"boxes": a, "scores": scores, "splits": splits, "labels": labels}
    gts = {"gt_boxes": b, "gt_splits": gt_splits, "gt_labels": gt_labels, "iscrowd": crowd}
    levels = {"thresholds": np.array([0.1, 0.5])}
    sure = {k: v for k, v in dets.items() if k != "scores"} | {"confidence": scores}
    for kind, (p, q) in {"box_iou": (a, b), "rotated_box_iou": (turned, other)}.items():
        yield kind, getattr(tamis, kind), {"a": p, "b": q}
        yield f"{kind}_paired", getattr(tamis, f"{kind}_paired"), {"a": p[:M], "b": q}
        batched = {"a": p, "a_splits": splits, "b": q, "b_splits": gt_splits}
        yield f"{kind}_batched", getattr(tamis, f"{kind}_batched"), batched
    yield "max_iou", tamis.max_iou, {
        "boxes": a, "splits": splits, "labels": labels, "other": b, "other_splits": gt_splits,
        "other_labels": gt_labels,
    }  # fmt: skip
    columns = {"splits": splits, "labels": labels, "iscrowd": flags}
    near = partial(tamis.find_duplicate_boxes, threshold=0.1)
    groups = partial(near, method="groups")
    yield "find_duplicate_boxes", groups, {"boxes": a, "scores": scores, **columns}
    yield "rotated duplicates", near, {"boxes": turned, **columns}
    yield "duplicate masks", partial(near, masks), columns
    yield "match_detections", tamis.match_detections, {**dets, **gts, **levels}
    yield "match_fiftyone", match_fiftyone, {**dets, **gts, **levels}
    mistakes = partial(tamis.label_mistakes, iou=0.1)
    yield "label_mistakes", mistakes, {**sure, **gts}
    yield "label_mistakes by logits", mistakes, {**sure, **gts, "logits": logits}
    agree = {"correct": labels > 0, "predicted": flags, "labelled": labels > 1}
    yield "classification_mistakes", tamis.classification_mistakes, {**agree, "confidence": scores}
    yield "hardness", tamis.hardness, {"logits": logits}
    yield "mistakes_of_matches", tamis.mistakes_of_matches, {
        "gt": np.where(labels < 1, -1, labels), "det": np.where(gt_labels < 1, -1, gt_labels),
        "det_iou": scores, "confidence": scores, "splits": splits, "gt_splits": gt_splits,
        "labels": labels, "gt_labels": gt_labels, "judged": crowd,
    }  # fmt: skip
    yield "mask_iou", partial(tamis.mask_iou, masks, gt_masks), {"iscrowd": crowd}
    yield "Masks.encode", lambda masks: tamis.Masks.encode(masks).area(), {"masks": pixels}
    drawn = partial(tamis.Masks.from_boxes, size=(40, 50))
    yield "Masks.from_boxes", lambda boxes: drawn(boxes).area(), {"boxes": a}
    columns = {**dets, **{k if k[:3] == "gt_" else f"gt_{k}": v for k, v in gts.items()}}
    columns["gt_area"] = rng.uniform(1, 400, M)
    yield "DetectionEvaluator", partial(evaluate, "bbox"), columns
    columns = {**columns, "boxes": turned, "gt_boxes": other}
    yield "DetectionEvaluator of oriented boxes", partial(evaluate, "obb"), columns
    points = rng.uniform(0, 99, (N, 17, 3)) + 1
    yield "oks", tamis.oks, {
        "keypoints": points, "gt_keypoints": points[:M], "gt_areas": scores[:M], "gt_boxes": b
    }  # fmt: skip
    yield "knn", partial(tamis.knn, k=2), {"x": x, "queries": x[:5]}
    yield "uniqueness", partial(tamis.uniqueness, k=2), {"x": x}
    yield "near_duplicates", partial(tamis.near_duplicates, threshold=1.0), {"x": x}
    yield "leaks", partial(tamis.leaks, threshold=1.0), {"x": x, "other": x[:5] + 0.1}
    yield "zcore", partial(tamis.zcore, n_samples=50, redundancy_nn=3), {"x": x}
    yield "select_coreset", partial(tamis.select_coreset, count=3), {"scores": scores}
    yield "select_batch", partial(tamis.select_batch, budget=4), {
        "scores": scores, "x": x, "failures": np.array([1, 5]), "exclude": np.array([2])
    }  # fmt: skip


CASES = {name: (function, arrays) for name, function, arrays in cases()}
ARGUMENTS = [(name, argument) for name, (_, arrays) in CASES.items() for argument in arrays]


def flat(result: Any) -> list[np.ndarray]:
    if is_dataclass(result):
        result = [getattr(result, field.name) for field in fields(result)]
    if isinstance(result, (tuple, list)):
        return [array for part in result for array in flat(part)]
    return [np.asarray(result)]


def memories(x: np.ndarray) -> Iterator[np.ndarray]:
    """The same values, laid out in other ways."""
    yield np.repeat(x, 2, axis=0)[::2]
    yield x[::-1].copy()[::-1]
    yield np.asfortranarray(x)
    fixed = x.copy()
    fixed.flags.writeable = False
    yield fixed
    yield x.astype(x.dtype.newbyteorder(">"))
    yield np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape)


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_memory_makes_no_difference(name: str, argument: str) -> None:
    function, arrays = CASES[name]
    want = flat(function(**arrays))
    for x in memories(arrays[argument]):
        for got, expected in zip(flat(function(**{**arrays, argument: x})), want, strict=True):
            np.testing.assert_array_equal(got, expected)


SECOND = [(name, "b") for name in CASES if "b" in CASES[name][1]] + [("max_iou", "other")]


@pytest.mark.parametrize(("name", "argument"), SECOND)
def test_memory_makes_no_difference_beside_torch(name: str, argument: str) -> None:
    torch = pytest.importorskip("torch")
    function, arrays = CASES[name]
    first = "boxes" if argument == "other" else "a"
    given = {**arrays, first: torch.from_numpy(arrays[first])}
    want = flat(function(**arrays))
    strided = np.ndarray(
        arrays[argument].shape, "f8", bytearray(9 * arrays[argument].nbytes), 0, (84, 12)
    )
    strided[...] = 1  # elements that overlap no other, at steps that are no multiples of their size
    strided[...] = arrays[argument]
    for x in [*memories(arrays[argument]), strided]:
        got = flat(function(**{**given, argument: x}))
        for one, expected in zip(got, want, strict=True):
            np.testing.assert_array_equal(one, expected)
    negated = torch._neg_view(-torch.from_numpy(arrays[argument]))
    for one, expected in zip(flat(function(**{**given, argument: negated})), want, strict=True):
        np.testing.assert_array_equal(one, expected)
    for x in (arrays[argument].astype(str), arrays[argument].astype(complex)):
        with pytest.raises(TypeError, match=argument):
            function(**{**given, argument: x})


def odd_values(x: np.ndarray) -> Iterator[Any]:
    yield x.astype(object)
    yield x.astype(str)
    yield x.astype(complex)
    yield np.zeros(x.shape, "M8[s]")
    yield np.zeros(x.shape, [("x", "f4")])
    yield np.ma.masked_array(x, mask=np.ones(x.shape, bool))
    yield np.stack([x, x])
    yield type("Thing", (), {})()
    if x.dtype.kind == "f":
        yield np.full_like(x, np.nan)
    torch = pytest.importorskip("torch")
    yield torch.eye(len(x)).to_sparse()
    yield torch.empty(x.shape, device="meta")


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_odd_values_raise(name: str, argument: str) -> None:
    function, arrays = CASES[name]
    named = argument.replace("gt_", "targets ") if "Evaluator" in name else argument
    for x in odd_values(arrays[argument]):
        with pytest.raises((TypeError, ValueError, tamis.CudaUnavailable), match=f"{named}|meta"):
            function(**{**arrays, argument: x})


@pytest.mark.parametrize("dtype", ["bool", "uint8"])
def test_sparse_pixels_raise(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    sparse = torch.eye(3, dtype=getattr(torch, dtype)).to_sparse()
    with pytest.raises(TypeError, match=r"^Masks.encode: masks must be a dense tensor"):
        tamis.Masks.encode(sparse)


def test_a_buffer_that_raises_is_no_obstacle() -> None:
    """As that of CuPy's arrays: they are taken by DLPack."""

    class Refusing(mmap.mmap):
        def __dlpack_device__(self) -> Any:
            return ids.__dlpack_device__()

        def __dlpack__(self, **options: Any) -> Any:
            return ids.__dlpack__(**options)

    ids = np.array([5, 2, 7])
    given, out = Refusing(-1, 1), np.empty(3, np.int32)
    given.close()
    with pytest.raises(ValueError, match="closed"):
        memoryview(given)
    _core.find_positions(given, np.array([2, 5]), out)
    assert out.tolist() == [1, 0, -1]


@pytest.mark.parametrize("table", [None, 5, object()])
def test_an_exchange_table_that_is_none_is_no_obstacle(table: Any) -> None:
    class Odd:
        __dlpack_c_exchange_api__ = table

        def __dlpack_device__(self) -> Any:
            return ids.__dlpack_device__()

        def __dlpack__(self, **options: Any) -> Any:
            return ids.__dlpack__(**options)

    ids, out = np.array([5, 2, 7]), np.empty(3, np.int32)
    _core.find_positions(Odd(), np.array([2, 5]), out)
    assert out.tolist() == [1, 0, -1]


def test_tensors_are_read_by_their_exchange_table() -> None:
    torch = pytest.importorskip("torch")
    if not hasattr(torch.Tensor, "__dlpack_c_exchange_api__"):
        pytest.skip("this PyTorch has no exchange table")

    tensor: Any = torch.Tensor

    class Silent(tensor):  # type: ignore[misc]
        def __dlpack__(self, **_: Any) -> Any:
            raise AssertionError("called into Python")

    known, out = np.array([2, 5]), np.empty(3, np.int32)
    six = torch.tensor([5, 0, 2, 0, 7, 0]).as_subclass(Silent)
    _core.find_positions(six[::2].contiguous(), known, out)
    assert out.tolist() == [1, 0, -1]
    for wrong in (six[::2], six[:3].float(), six.reshape(3, 2)):
        with pytest.raises(TypeError, match="incompatible function arguments"):
            _core.find_positions(wrong, known, out)
