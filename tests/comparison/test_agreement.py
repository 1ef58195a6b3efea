"""agreement: by hand, against the obvious loops, and published values."""

from __future__ import annotations

import importlib
import json
from typing import Any

import numpy as np
import pytest
import tamis
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from tamis import coco
from tamis.comparison import draws
from tamis.comparison.agreement import cohens_kappa

SIDES = ("left", "top", "right", "bottom")


def version(images: Any) -> list[dict[str, Any]]:
    """Of lists of (box, label)."""
    return [
        {
            "boxes": np.array([b for b, _ in image], float).reshape(-1, 4),
            "labels": np.array([c for _, c in image], int),
        }
        for image in images
    ]


A, B, C = [0, 0, 10, 10], [20, 20, 40, 40], [100, 0, 120, 20]


def test_by_hand() -> None:
    old = version([[(A, 1), (B, 2)], [(C, 3)], []])
    new = version([[([22, 20, 40, 40], 2), (A, 5)], [], [(C, 3)]])
    found = tamis.agreement(old, new)
    assert found.pairs.tolist() == [[0, 1], [1, 0]] and found.iou.tolist() == [1, 0.9]
    assert found.relabelled.tolist() == [0] and found.moved.tolist() == [1]
    assert found.removed.tolist() == [2] and found.added.tolist() == [2]
    assert found.f1[0.5] == 4 / 6 and found.f1[0.9] == 4 / 6 and found.f1[0.95] == 2 / 6
    assert found.f1_labelled[0.5] == 2 / 6 and found.f1_labelled[0.95] == 0
    assert found.tightness.median["left"] == pytest.approx(-0.05)  # 0 and -2 of 20, between them
    assert found.tightness.spread["left"] == pytest.approx(0.05)
    assert found.tightness.size == pytest.approx(np.log(0.9) / 2)
    boxes = np.array([A, B, C, [22, 20, 40, 40], A, C], float)
    chance = [1 - tamis.box_iou(boxes[i : i + 1], boxes[j : j + 1])[0, 0]
              for i in range(6) for j in range(6) if i != j]  # fmt: skip
    assert found.alpha == pytest.approx(1 - ((0 + 0.1 + 1 + 1) / 4) / np.mean(chance), rel=1e-12)


def greedy(a: Any, b: Any, least: float) -> list[tuple[int, int]]:
    """The best pair of all, without its boxes the best of all, and so on."""
    pairs, base = [], [0, 0]
    for x, y in zip(a, b, strict=True):
        if len(x["boxes"]) and len(y["boxes"]):
            iou = tamis.box_iou(x["boxes"], y["boxes"])
            while iou.max() >= max(least, 1e-300):
                i, j = np.unravel_index(np.argmax(iou), iou.shape)
                pairs.append((base[0] + int(i), base[1] + int(j)))
                iou[i, :] = iou[:, j] = -1
        base = [base[0] + len(x["boxes"]), base[1] + len(y["boxes"])]
    return pairs


def random_version(rng: np.random.Generator, images: int, most: int = 8) -> list[dict[str, Any]]:
    out = []
    for _ in range(images):
        corner = rng.integers(0, 12, (rng.integers(0, most), 2))
        boxes = np.concatenate([corner, corner + rng.integers(0, 12, corner.shape)], 1)
        out.append({"boxes": boxes.astype(float), "labels": rng.integers(0, 3, len(boxes))})
    return out


@examples(60)
@given(st.integers(0, 10**6), st.integers(1, 5), st.sampled_from([0.1, 0.3, 0.5, 1.0]))
def test_pairs_are_those_of_the_loop(seed: int, images: int, least: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = random_version(rng, images), random_version(rng, images)
    found = tamis.agreement(a, b, iou=least, thresholds=[least])
    pairs = greedy(a, b, least)
    assert sorted(map(tuple, found.pairs.tolist())) == sorted(pairs)
    total = sum(len(x["boxes"]) for x in (*a, *b))
    if total:
        assert found.f1[least] == 2 * len(pairs) / total
    assert len(found.removed) + len(pairs) == sum(len(x["boxes"]) for x in a)
    assert len(found.added) + len(pairs) == sum(len(x["boxes"]) for x in b)


@examples(30)
@given(st.integers(0, 10**6))
def test_a_higher_threshold_keeps_the_best_of_the_same_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = random_version(rng, 3), random_version(rng, 3)
    low, high = (tamis.agreement(a, b, iou=t, thresholds=[0.1, 0.6]) for t in (0.1, 0.6))
    assert low.pairs[low.iou >= 0.6].tolist() == high.pairs.tolist() and low.f1 == high.f1


def test_cohens_kappa_of_a_textbook() -> None:
    """Two raters of 50 proposals, 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: 0.4."""
    a = np.repeat([1, 1, 0, 0], [20, 5, 10, 15])
    b = np.repeat([1, 0, 1, 0], [20, 5, 10, 15])
    assert cohens_kappa(a, b) == pytest.approx(0.4, rel=1e-12)
    sklearn = pytest.importorskip("sklearn.metrics")
    a, b = np.random.default_rng(0).integers(0, 5, (2, 300))
    assert cohens_kappa(a, b) == pytest.approx(sklearn.cohen_kappa_score(a, b), rel=1e-12)
    assert np.isnan(cohens_kappa(a[:0], b[:0])) and np.isnan(cohens_kappa(a[:1], a[:1]))


def test_columns_lists_and_datasets_are_one() -> None:
    rng = np.random.default_rng(3)
    a, b = random_version(rng, 6), random_version(rng, 6)

    def columns(images: Any) -> dict[str, Any]:
        parts = {k: np.concatenate([i[k] for i in images]) for k in ("boxes", "labels")}
        return {**parts, "splits": np.cumsum([0, *(len(i["boxes"]) for i in images)])}

    def dataset(images: Any) -> Any:
        truth = coco.COCO()
        anns = [
            {"id": 100 * i + j, "image_id": 10 - i, "category_id": int(c),
             "bbox": [*box[:2], box[2] - box[0], box[3] - box[1]]}
            for i, image in enumerate(images)
            for j, (box, c) in enumerate(zip(image["boxes"].tolist(), image["labels"], strict=True))
        ]  # fmt: skip
        truth.dataset = {
            "images": [{"id": 10 - i} for i in range(6)], "annotations": anns, "categories": [],
        }  # fmt: skip
        return truth

    first = tamis.agreement(a, b, iou=0.2)
    second = tamis.agreement(columns(a), columns(b), iou=0.2)
    assert json.dumps(first.to_dict()) == json.dumps(second.to_dict())
    np.testing.assert_array_equal(first.pairs, second.pairs)
    third = tamis.agreement(dataset(a[::-1]), dataset(b[::-1]), iou=0.2)
    assert third.to_dict() == first.to_dict()


def test_the_same_and_nothing() -> None:
    rng = np.random.default_rng(1)
    a = [{"boxes": np.sort(rng.random((5, 2, 2)), 1).reshape(-1, 4), "labels": np.arange(5)}] * 4
    found = tamis.agreement(a, a)
    assert len(found.pairs) == 20 and found.alpha == 1 and set(found.f1.values()) == {1}
    assert found.kappa == 1 and set(found.tightness.median.values()) == {0}
    nothing = tamis.agreement(version([[]]), version([[]]))
    assert len(nothing.pairs) == 0 and np.isnan([nothing.alpha, nothing.kappa]).all()
    json.loads(json.dumps(nothing.to_dict(), allow_nan=False))
    assert len(str(found).splitlines()) <= 20 and len(str(nothing).splitlines()) <= 20


def test_chance_of_many_boxes_is_near_that_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    a, b = random_version(rng, 40, 30), random_version(rng, 40, 30)
    exact = tamis.agreement(a, b).alpha
    monkeypatch.setattr(
        importlib.import_module("tamis.comparison.agreement"), "_CHANCE_PAIRS", 1 << 17
    )
    drawn = tamis.agreement(a, b).alpha
    assert drawn != exact and drawn == pytest.approx(exact, abs=0.005)


def batch(rng: np.random.Generator, images: int, looser: float) -> tuple[Any, Any]:
    """Boxes and their second version, whose right side lies further out, by image more or less."""
    first, second = [], []
    for _ in range(images):
        corner = rng.random((4, 2)) * 500 * [1, 0] + [0, 100]
        boxes = np.concatenate([corner, corner + 100], 1) + np.arange(4)[:, None] * [0, 200, 0, 200]
        moved = boxes + rng.normal(0, 1, boxes.shape)
        moved[:, 2] += 100 * looser + rng.normal(0, 2)
        for out, x in ((first, boxes), (second, moved)):
            out.append({"boxes": x, "labels": np.zeros(4, int)})
    return first, second


def test_tightness_shifts_between_batches() -> None:
    rng = np.random.default_rng(0)
    one = tamis.agreement(*batch(rng, 60, 0.0)).tightness
    two = tamis.agreement(*batch(rng, 80, 0.05)).tightness
    shift = one.shift(two, seed=1)
    assert list(shift) == list(SIDES)
    assert shift["right"].low > 0.03 and shift["right"].low < 0.05 < shift["right"].high
    for side in ("left", "top", "bottom"):
        assert shift[side].low < 0 < shift[side].high
    for side, interval in shift.items():
        assert interval.value == two.median[side] - one.median[side]
    assert shift == one.shift(two, seed=1) and shift != one.shift(two, seed=2)
    with pytest.raises(TypeError, match=r"Tightness.shift: other must be a Tightness, got int"):
        one.shift(3)  # type: ignore[arg-type]


def test_medians_of_samples_are_those_of_images_repeated() -> None:
    t = tamis.agreement(*batch(np.random.default_rng(4), 15, 0.02)).tightness
    times = draws.times_drawn(7, range(20), 15, 0)
    for row, counts in zip(t._medians(20, 7, 0), times, strict=True):
        repeated = np.repeat(t.offsets, counts[t.image], axis=0)
        np.testing.assert_allclose(row, np.median(repeated, axis=0), rtol=1e-14)


@pytest.mark.parametrize(
    ("a", "options", "error", "text"),
    [
        ([{"labels": [1]}], {}, KeyError, "a lacks 'boxes'"),
        (3, {}, TypeError, "a must be a dict, a list of dicts or a COCO dataset, got int"),
        ([], {}, ValueError, "a and b must hold as many images, got 0 and 1"),
        (coco.COCO(), {}, TypeError, "a and b must both be COCO datasets, or both columns"),
        (version([[]]), {"iou": 0}, ValueError, r"iou must be in \(0, 1\], got 0"),
        (version([[]]), {"same": 2}, ValueError, r"same must be in \(0, 1\], got 2"),
        (version([[]]), {"fmt": "x"}, ValueError, "fmt must be 'xyxy', 'xywh' or 'cxcywh'"),
        (version([[]]), {"thresholds": []}, ValueError, "thresholds must be a number or numbers"),
        (version([[([0, 0, 1, np.nan], 1)]]), {}, ValueError, "a boxes has a NaN"),
    ],
)
def test_bad_input(a: Any, options: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match="agreement: " + text):
        tamis.agreement(a, version([[]]), **options)
