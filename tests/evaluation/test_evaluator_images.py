"""Images by id: any order, any split over processes, repeats; names; work in the background."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import numpy as np
import pytest
import tamis
from conftest import Library
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from tamis import DetectionEvaluator, Masks
from test_evaluator_obb import problem as oriented

N = 24


def images(kind: str = "bbox", seed: int = 0) -> tuple[list[Any], list[Any]]:
    """Lists of dicts; scores have ties between images."""
    rng = np.random.default_rng(seed)
    preds, targets = [], []
    for _ in range(N):
        n, m = rng.integers(0, 9), rng.integers(0, 6)
        boxes = np.concatenate([rng.uniform(0, 40, (n, 2)), rng.uniform(5, 40, (n, 2))], 1)
        gt = np.concatenate([rng.uniform(0, 40, (m, 2)), rng.uniform(5, 40, (m, 2))], 1)
        few = min(n, m)
        boxes[:few] = gt[:few] + rng.normal(0, 1.5, (few, 4))
        pred: dict[str, Any] = {
            "scores": rng.integers(0, 6, n) / 6,
            "labels": rng.integers(0, 3, n),
        }
        target: dict[str, Any] = {"labels": rng.integers(0, 3, m)}
        if kind == "bbox":
            preds.append({**pred, "boxes": boxes})
            targets.append({**target, "boxes": gt})
        else:
            preds.append({**pred, "masks": Masks.from_boxes(boxes, (90, 90))})
            targets.append({**target, "masks": Masks.from_boxes(gt, (90, 90))})
    return preds, targets


def evaluator(kind: str) -> DetectionEvaluator:
    return DetectionEvaluator(kind, fmt="xywh", max_detections=(1, 3, 5))


def whole(kind: str) -> Any:
    one = evaluator(kind)
    one.update(*images(kind))
    return one.compute()


def same(a: Any, b: Any) -> None:
    assert a.stats == b.stats
    for key in ("precision", "recall", "scores", "classes"):
        np.testing.assert_array_equal(getattr(a, key), getattr(b, key))


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@examples(20)
@given(st.integers(0, 10**6), st.integers(1, 8))
def test_any_split_over_processes_gives_the_same_bits(kind: str, seed: int, ranks: int) -> None:
    """As a DistributedSampler deals them: shuffled, and padded by repeats."""
    rng = np.random.default_rng(seed)
    preds, targets = images(kind)
    order = rng.permutation(N)
    dealt = np.concatenate([order, order[: -N % ranks]])
    parts = []
    for rank in range(ranks):
        part = evaluator(kind)
        for i in dealt[rank::ranks]:
            part.update(preds[i], targets[i], image_ids=[int(i)])
        parts.append(pickle.loads(pickle.dumps(part)))
    first, *rest = (parts[i] for i in rng.permutation(ranks))
    for part in rest:
        first.merge(part)
    result = first.compute()
    same(result, whole(kind))
    assert result.image_ids.tolist() == list(range(N))
    for key, column in result.per_image().items():
        np.testing.assert_array_equal(column, whole(kind).per_image()[key])


def test_text_ids_and_many_images_in_one_update() -> None:
    preds, targets = images()
    ids = [f"img_{i:03d}.jpg" for i in range(N)]
    one = evaluator("bbox")
    one.update(preds[10:], targets[10:], image_ids=ids[10:])
    one.update(preds[:14], targets[:14], image_ids=ids[:14])
    result = one.compute()
    same(result, whole("bbox"))
    assert result.per_image()["image"].tolist() == ids


@pytest.mark.gpu
def test_on_a_device(gpu_library: Library) -> None:
    preds, targets = images()
    one = evaluator("bbox")
    for i in np.random.default_rng(3).permutation(np.arange(2 * N) % N).tolist():
        sides = ({k: gpu_library.array(v) for k, v in s[i].items()} for s in (preds, targets))
        one.update(*sides, image_ids=np.array([i]))
    same(one.compute(), whole("bbox"))


def test_oriented_boxes() -> None:
    pred, target = oriented(0)
    n = len(pred["splits"]) - 1

    def image(i: int) -> Any:
        return tuple(
            {k: v[s["splits"][i] : s["splits"][i + 1]] for k, v in s.items() if k != "splits"}
            for s in (pred, target)
        )

    one, other = DetectionEvaluator("obb"), DetectionEvaluator("obb")
    one.update(pred, target)
    for i in reversed(range(n)):
        other.update(*image(i), image_ids=[i])
    same(other.compute(), one.compute())


def test_bad_ids() -> None:
    preds, targets = images()
    one = evaluator("bbox")
    with pytest.raises(ValueError, match="image_ids must have one id for each of 2 images, got 1"):
        one.update(preds[:2], targets[:2], image_ids=[1])
    for wrong in ([1.5, 2.5], [1, "a"], np.zeros((2, 1), int), [None, 2]):
        with pytest.raises(TypeError, match="image_ids must be integers or strings"):
            one.update(preds[:2], targets[:2], image_ids=wrong)
    one.update(preds[:2], targets[:2], image_ids=[1, 2])
    for ids in (None, ["a", "b"]):
        with pytest.raises(ValueError, match="image_ids must be given by all updates or by none"):
            one.update(preds[:2], targets[:2], image_ids=ids)
    other = evaluator("bbox")
    other.update(preds[:1], targets[:1])
    with pytest.raises(ValueError, match=r"merge: image_ids must be given by all"):
        one.merge(other)
    assert one.compute().image_ids.tolist() == [1, 2]


def test_class_names() -> None:
    preds, targets = images()
    for classes in (["cat", "dog", "cow"], {0: "cat", 1: "dog", 2: "cow"}):
        one = DetectionEvaluator(fmt="xywh", classes=classes)
        one.update(preds, targets)
        assert one.compute().class_names == ("cat", "dog", "cow")
        assert [row["name"] for row in one.compute().per_class()] == ["cat", "dog", "cow"]
    assert DetectionEvaluator(classes=["cat"]).compute().class_names == ()
    for wrong in ("cat", [1, 2], 3):
        with pytest.raises(TypeError, match="classes must be names, or a dict of labels to names"):
            DetectionEvaluator(classes=wrong)  # type: ignore[arg-type]


def test_names_of_classes_in_analyses() -> None:
    preds, targets = images()
    one = DetectionEvaluator(fmt="xywh", classes={0: "cat", 2: "cow"})
    one.update(preds, targets)
    result = one.compute()
    names = ["cat", None, "cow"]
    assert result.best_f1().table()["name"].tolist() == [*names, None]
    assert result.olrp().table()["name"].tolist() == names
    assert (
        result.calibration(bins=2).table()["name"].tolist() == np.repeat([*names, None], 2).tolist()
    )
    matrix = result.confusion_matrix().table()
    by_label = dict(enumerate(names)) | {None: None}
    for side in ("target", "detection"):
        assert matrix[f"{side}_name"].tolist() == [by_label[k] for k in matrix[side]]
    found = tamis.failures(result)
    assert found.table()["name"].tolist() == [names[k] for k in found.label]
    assert f"class {names[found.label[0]] or found.label[0]}," in str(found)
    plain = evaluator("bbox")
    plain.update(preds, targets)
    assert "name" not in plain.compute().best_f1().table()


@pytest.mark.parametrize("kind", ["numbered", "by number", "by text", "in order"])
def test_names_of_images(kind: str) -> None:
    preds, targets = images()
    numbers = list(range(N)) if kind == "numbered" else list(range(100, 100 + N))
    ids = list(map(str, numbers)) if kind == "by text" else numbers
    called = [f"a/{i}.jpg" for i in range(N - 1)]  # the last image has none
    names: Any = dict(zip(ids, called, strict=False))
    if kind in ("numbered", "in order"):
        names = np.array(called)
    one = DetectionEvaluator(fmt="xywh", max_detections=(1, 3, 5), image_names=names)
    if kind == "in order":
        one.update(preds, targets)
    else:
        for i in np.random.default_rng(1).permutation(N).tolist():
            one.update(preds[i], targets[i], image_ids=[ids[i]])
    called.append(str(N - 1 if kind in ("numbered", "in order") else ids[-1]))
    result = pickle.loads(pickle.dumps(one)).compute()
    same(result, whole("bbox"))
    assert result.image_ids.tolist() == called
    assert result.per_image().table()["image"].tolist() == called
    worst = result.worst_images(count=1)
    assert worst.image[0] in called and worst.image[0] in str(worst)
    errors, plain = result.errors(), whole("bbox").errors()
    assert errors.image_ids[errors.image].tolist() == [called[i] for i in plain.image]
    found = tamis.failures(result)
    assert found.table()["image_id"].tolist() == [called[i] for i in found.image]
    assert f"image {called[found.image[0]]}, class" in str(found)


def test_bad_names_of_images() -> None:
    for wrong in ("a", [1, 2], 3, {1: 2}, np.array("a"), np.array([["a"]])):
        with pytest.raises(TypeError, match="image_names must be names, or a dict of image ids"):
            DetectionEvaluator(image_names=wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="image_names must differ, got 'b' twice"):
        DetectionEvaluator(image_names=["a", "b", "b"])


def test_submit_computes_what_was_there() -> None:
    preds, targets = images()
    one = evaluator("bbox")
    one.update(preds, targets)
    future = one.submit()
    one.update(preds, targets)
    one.reset()
    same(future.result(timeout=60), whole("bbox"))
    named = [t for t in threading.enumerate() if t.name.startswith("tamis")]
    assert all(t.daemon for t in named)


def test_submit_hands_on_what_compute_raises(gpu_library: Library) -> None:
    one = evaluator("bbox")
    boxes = gpu_library.array(np.array([[0.0, 0, np.nan, 3]]))
    label = gpu_library.array(np.array([1]))
    one.update(
        {"boxes": boxes, "scores": gpu_library.array(np.ones(1)), "labels": label},
        {"boxes": boxes, "labels": label},
    )
    with pytest.raises(ValueError, match="preds boxes has a NaN"):
        one.submit().result(timeout=60)
