"""drift of annotations: classes, mix and geometry of boxes, permuted by image."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tamis
from generated import share
from tamis.embeddings import drift_annotations
from test_drift import standard_error


def columns(images: int, seed: int, *, shares=(0.5, 0.3, 0.2), scale=1.0) -> dict[str, Any]:
    """Boxes of one image are alike: of its own size and mostly of one class."""
    rng = np.random.default_rng((3, seed))
    counts = rng.poisson(5, images)
    image = np.repeat(np.arange(images), counts)
    size = np.exp(rng.normal(3, 0.4, images))[image] * np.exp(rng.normal(0, 0.1, len(image)))
    w = scale * size * np.exp(rng.normal(0, 0.2, len(image)))
    h = scale * size
    x, y = rng.uniform(0, 640 - w), rng.uniform(0, 480 - h)
    main = rng.choice(3, images, p=shares)[image]
    labels = np.where(rng.random(len(image)) < 0.8, main, rng.integers(0, 3, len(image)))
    return {
        "boxes": np.stack([x, y, w, h], 1), "labels": labels,
        "splits": np.concatenate([[0], np.cumsum(counts)]),
        "image_sizes": np.tile([480, 640], (images, 1)),
        "classes": {0: "car", 1: "person", 2: "traffic light"},
    }  # fmt: skip


def coco(c: dict[str, Any]) -> dict[str, Any]:
    images = len(c["splits"]) - 1
    image = np.repeat(np.arange(images), np.diff(c["splits"]))
    return {
        "images": [{"id": 10 + i, "height": 480, "width": 640} for i in range(images)],
        "annotations": [
            {"id": i, "image_id": 10 + int(image[i]), "bbox": box, "category_id": int(label)}
            for i, (box, label) in enumerate(zip(c["boxes"].tolist(), c["labels"], strict=True))
        ],
        "categories": [{"id": key, "name": name} for key, name in c["classes"].items()],
    }


def test_every_kind_of_input_says_the_same(tmp_path):
    a, b = columns(60, 0), columns(50, 1)
    want = tamis.drift(a, b, permutations=49)
    (tmp_path / "a.json").write_text(json.dumps(coco(a)))
    assert tamis.drift(tmp_path / "a.json", coco(b), permutations=49) == want
    assert tamis.drift(SimpleNamespace(**a), b, permutations=49) == want
    names = ["schema", "class mix", "area", "aspect", "centre x", "centre y", "border", "objects"]
    assert [c.name for c in want.checks] == names
    assert len(str(want).splitlines()) <= 20
    json.dumps(want.to_dict(), allow_nan=False)


def drawn(truth: dict[str, Any], seed: int, right: float = 0.0) -> dict[str, Any]:
    """The same objects drawn by hand, their right sides further out by a share of the width."""
    boxes = truth["boxes"] * 1.0
    boxes[:, 2:] *= np.random.default_rng((4, seed)).uniform(0.95, 1.05, (len(boxes), 2))
    boxes[:, 2] *= 1 + right
    return {**truth, "boxes": boxes}


def tightness(truth: dict[str, Any], drawn: dict[str, Any]) -> tamis.Tightness:
    sides = ({k: side[k] for k in ("boxes", "labels", "splits")} for side in (truth, drawn))
    return tamis.agreement(*sides, fmt="xywh").tightness


def test_looser_boxes_of_a_batch_have_drifted():
    truth = [columns(80, 0), columns(70, 1)]
    old, same, loose = drawn(truth[0], 0), drawn(truth[1], 1), drawn(truth[1], 1, right=0.06)
    of_old = tightness(truth[0], old)
    found = tamis.drift(old, same, tightness=(of_old, tightness(truth[1], same)), seed=1)
    tight = [c for c in found.checks if c.name.startswith("tight")]
    assert [c.name[6:] for c in tight] == ["left", "top", "right", "bottom"]
    assert min(c.p for c in tight) > 0.05 and len(str(found).splitlines()) <= 20
    found = tamis.drift(old, loose, tightness=(of_old, tightness(truth[1], loose)), seed=1)
    drifted = [c.name for c in found.checks if c.drifted]
    assert "tight right" in drifted and "tight left" not in drifted
    check = found["tight right"]
    medians = [np.nanmean(t.offsets[:, 2]) for t in (of_old, tightness(truth[1], loose))]
    assert check.note == f"mean {medians[0]:.4g} -> {medians[1]:.4g}"
    assert check.n == (len(truth[0]["boxes"]), len(truth[1]["boxes"]))
    for wrong in (of_old, (of_old,), (of_old, 3)):
        with pytest.raises(TypeError, match="drift: tightness must be the Tightness of the ref"):
            tamis.drift(old, same, tightness=wrong)
    with pytest.raises(ValueError, match="drift: tightness must be None for embeddings"):
        tamis.drift(np.eye(5), np.eye(5), tightness=(of_old, of_old))


def test_schema():
    a, b = columns(20, 0), columns(20, 1)
    b["classes"] = {0: "car", 1: "Persons", 2: "signal", 3: "bike"}
    found = tamis.drift(a, b, permutations=9)
    assert found["schema"].drifted and found.exit_code == 1
    assert found.details["new"] == ["Persons", "bike", "signal"]
    assert found.details["vanished"] == ["person", "traffic light"]
    assert found.details["renamed"] == {"person": "Persons", "traffic light": "signal"}
    assert not tamis.drift(a, columns(20, 1), permutations=9)["schema"].drifted


def test_crowds_and_images_without_boxes():
    a = coco(columns(20, 0))
    b = json.loads(json.dumps(a))
    b["annotations"] += [{**b["annotations"][0], "iscrowd": 1, "bbox": [0, 0, 600, 400]}] * 9
    assert tamis.drift(a, b, permutations=9)["area"].statistic == 0
    a["images"] += [{"id": 1000 + i} for i in range(20)]
    found = tamis.drift(a, b, permutations=299)
    assert found["objects"].n == (40, 20) and found["objects"].drifted


def test_statistics_equal_scipy():
    stats = pytest.importorskip("scipy.stats")
    distance = pytest.importorskip("scipy.spatial.distance")
    a, b = columns(80, 0), columns(70, 1, scale=1.3)
    found = tamis.drift(a, b, permutations=9)
    areas = [np.sqrt(c["boxes"][:, 2] * c["boxes"][:, 3] / (480 * 640)) for c in (a, b)]
    assert found["area"].statistic == pytest.approx(stats.ks_2samp(*areas).statistic)
    spread = np.concatenate(areas).std()
    assert found["area"].effect == pytest.approx(stats.wasserstein_distance(*areas) / spread)
    counts = [np.diff(c["splits"]) for c in (a, b)]  # with ties
    assert found["objects"].statistic == pytest.approx(stats.ks_2samp(*counts).statistic)
    mixes = [np.bincount(c["labels"], minlength=3) for c in (a, b)]
    want = distance.jensenshannon(*mixes, base=2)
    assert found["class mix"].effect == pytest.approx(want)
    assert found.details["mix"]["car"] == pytest.approx([m[0] / m.sum() for m in mixes])


def test_p_is_uniform_though_boxes_of_an_image_are_alike():
    stats = pytest.importorskip("scipy.stats")
    names = ("class mix", "area", "aspect", "objects")
    p: dict[str, list[float]] = {name: [] for name in names}
    naive = []
    times = share(200)
    for seed in range(times):
        a, b = columns(30, 2 * seed), columns(30, 2 * seed + 1)
        found = tamis.drift(a, b, permutations=49, seed=seed)
        for name in names:
            p[name].append(found[name].p)
        naive.append(stats.ks_2samp(a["boxes"][:, 3], b["boxes"][:, 3]).pvalue)
    assert np.mean(np.array(naive) <= 0.05) > 0.2  # what a test of single boxes would say
    for name in ("class mix", "area", "aspect"):
        values = np.array(p[name]) - np.random.default_rng(0).random(times) / 50
        assert stats.kstest(values, "uniform").pvalue > 0.01, name
    for name in names:
        assert np.mean(np.array(p[name]) <= 0.05) < 0.05 + 3.25 * standard_error(times), name


def test_drifts_are_found():
    a = columns(200, 0)
    assert tamis.drift(a, columns(200, 1, scale=1.5), permutations=299)["area"].drifted
    assert tamis.drift(a, columns(200, 1, shares=(0.2, 0.2, 0.6)), permutations=299)[
        "class mix"
    ].drifted
    assert not tamis.drift(a, columns(200, 1), permutations=299).drifted


def test_jensen_shannon_of_an_empty_side_is_zero():
    assert drift_annotations.jensen_shannon(np.array([1.0, 2]), np.array([0.0, 0])) == 0
    assert drift_annotations.jensen_shannon(np.array([1.0, 0]), np.array([0.0, 3])) == 1


def test_what_does_not_fit():
    a = columns(10, 0)
    cases = {
        r"drift: batch boxes must have shape \(n, 4\)": {**a, "boxes": a["boxes"][:, :3]},
        "drift: batch must have the columns boxes, labels and splits": {"boxes": a["boxes"]},
        "drift: batch boxes must be finite, box 0 is not": {**a, "boxes": a["boxes"] * np.nan},
        "at least one image": {"annotations": [], "images": []},
        "upright boxes": {**a, "fmt": "obb"},
    }
    for text, batch in cases.items():
        with pytest.raises(ValueError, match=text):
            tamis.drift(a, batch)
    with pytest.raises(TypeError, match="batch must be annotations as the other side is"):
        tamis.drift(a, np.zeros((3, 3)))
    with pytest.raises(ValueError, match="tests must be None for annotations"):
        tamis.drift(a, a, tests=["knn"])


def test_annotations_that_were_read_are_taken(tmp_path):
    a, b = coco(columns(40, 0)), coco(columns(30, 1))
    for name, data in (("a", a), ("b", b)):
        (tmp_path / f"{name}.json").write_text(json.dumps(data))
    read = [tamis.read(tmp_path / f"{name}.json") for name in ("a", "b")]
    assert tamis.drift(*read, permutations=49) == tamis.drift(a, b, permutations=49)
