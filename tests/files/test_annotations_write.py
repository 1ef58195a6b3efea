"""Writing label files, and reading them back."""
# ruff: noqa: E501

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
from annotation_files import put
from conftest import data_path
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from test_annotations_coco import ann, dataset, read, result

SETS = [
    ("coco128/instances.json",), ("formats/gts/cvat_format/annotations.xml",),
    ("formats/gts/pascalvoc_format",), ("formats/gts/labelme_format",),
]  # fmt: skip


def real(path: str) -> tamis.Annotations:
    if path.startswith("coco128"):
        return tamis.read(
            next(p for p in sorted(data_path("coco128").glob("*.json")) if "dt" not in p.name)
        )
    return tamis.read(data_path(*path.split("/")))


@pytest.mark.parametrize("path", [s[0] for s in SETS])
def test_coco_round_trip(tmp_path: Path, path: str) -> None:
    a = real(path)
    tamis.write(a, tmp_path / "b.json")
    b = tamis.read(tmp_path / "b.json")
    assert b.boxes.tolist() == a.boxes.tolist() and b.classes == a.classes
    assert b.image_names == a.image_names and b.image_sizes.tolist() == a.image_sizes.tolist()
    assert b.iscrowd.tolist() == a.iscrowd.tolist() and b.labels.tolist() == a.labels.tolist()
    if a.format == "coco":
        assert a == b and a.shapes is not None and a.shapes.given.any()


@pytest.mark.parametrize("path", [s[0] for s in SETS])
def test_yolo_round_trip(tmp_path: Path, path: str) -> None:
    a = real(path)
    tamis.write(a, tmp_path / "out")
    b = tamis.read(tmp_path / "out", like=a)
    assert b.boxes.shape == a.boxes.shape and list(b.classes.values()) == a.class_names
    assert [b.label_name(x) for x in b.labels] == [a.label_name(x) for x in a.labels]
    single = np.ones(len(a), bool) if a.shapes is None else np.diff(a.shapes.row_parts) == 0
    assert np.abs(b.boxes - a.boxes)[single].max(initial=0) < 1e-9
    if a.shapes is not None:
        one = np.flatnonzero(np.diff(a.shapes.row_parts) == 1)[:50]
        for row in one.tolist():
            assert b.shapes is not None
            assert b.shapes.polygons(row)[0] == pytest.approx(a.shapes.polygons(row)[0])


@pytest.mark.parametrize("path", [s[0] for s in SETS])
def test_cvat_round_trip(tmp_path: Path, path: str) -> None:
    a = real(path)
    if a.shapes is not None:  # several polygons are several objects there
        a = a.keep(np.diff(a.shapes.row_parts) <= 1)
    tamis.write(a, tmp_path / "b.xml")
    b = tamis.read(tmp_path / "b.xml")
    assert len(a) == len(b) and b.image_names == a.image_names
    assert [b.label_name(x) for x in b.labels] == [a.label_name(x) for x in a.labels]
    plain = np.ones(len(a), bool) if a.shapes is None else np.diff(a.shapes.row_parts) == 0
    given = np.zeros(len(a), bool) if a.shapes is None else a.shapes.given
    assert np.abs(b.boxes - a.boxes)[plain & ~given].max(initial=0) < 1e-9
    if given.any():
        assert a.masks is not None and b.masks is not None
        assert a.masks[np.flatnonzero(given)].to_coco() == b.masks[np.flatnonzero(given)].to_coco()


def oriented(scores: bool = False) -> tamis.Annotations:
    return tamis.Annotations(
        boxes=np.array([[50.0, 40, 20, 10, 30], [20, 20, 10, 5, 0]]), labels=np.array([0, 1]),
        splits=np.array([0, 2]), image_ids=np.array(["a"], object), classes={0: "x", 1: 'y "<&>'},
        scores=np.array([0.25, 0.5]) if scores else None, image_names=("sub dir/ä.png",), fmt="obb",
        image_sizes=np.array([[100, 200]]),
    )  # fmt: skip


@pytest.mark.parametrize("scores", [False, True])
def test_oriented_boxes_round_trip(tmp_path: Path, scores: bool) -> None:
    a = oriented(scores)
    tamis.write(a, tmp_path / "yolo")
    b = tamis.read(tmp_path / "yolo", like=a)
    assert b.fmt == "obb" and b.boxes == pytest.approx(a.boxes) and b.classes == a.classes
    assert (b.scores is None) == (not scores)
    tamis.write(a, tmp_path / "c.xml")
    c = tamis.read(tmp_path / "c.xml").as_obb()
    assert c.boxes == pytest.approx(a.boxes) and c.class_names == a.class_names


def test_results_round_trip(tmp_path: Path) -> None:
    dt = read(tmp_path, [result(2, 18, 0.125), result(1)])
    tamis.write(dt, tmp_path / "b.json")
    assert tamis.read(tmp_path / "b.json") == dt


def test_keypoints_round_trip(tmp_path: Path) -> None:
    points = [20.0, 20, 2, 25, 30, 1, 0, 0, 0]
    a = read(
        tmp_path,
        dataset(
            ann(1, keypoints=points, num_keypoints=2), ann(2, 2, keypoints=points, num_keypoints=2)
        ),
    )
    assert a.keypoints is not None and a.keypoints.shape == (2, 3, 3)
    tamis.write(a, tmp_path / "b.json")
    assert tamis.read(tmp_path / "b.json") == a
    tamis.write(a, tmp_path / "yolo")
    b = tamis.read(tmp_path / "yolo", like=a)
    assert b.keypoints == pytest.approx(a.keypoints)


def test_writing_is_all_or_nothing(tmp_path: Path) -> None:
    a = oriented()
    bare = tamis.Annotations(
        a.boxes, a.labels, a.splits, a.image_ids, a.classes, fmt="obb", image_names=a.image_names
    )
    with pytest.raises(
        ValueError, match=r"write: YOLO needs image sizes, and 'sub dir/ä\.png' has none"
    ):
        tamis.write(bare, tmp_path / "x")
    for name in ("../x", "/x", "a//b", ""):
        wrong = tamis.Annotations(
            a.boxes, a.labels, a.splits, np.array([""], object), a.classes, fmt="obb", image_names=(name,),
            image_sizes=a.image_sizes,
        )  # fmt: skip
        with pytest.raises(ValueError, match="write: image names must be relative paths"):
            tamis.write(wrong, tmp_path / "x")
    nan = tamis.Annotations(a.boxes * np.nan, a.labels, a.splits, a.image_ids, a.classes, fmt="obb")
    put(tmp_path / "old.json", "old")
    with pytest.raises(ValueError):
        tamis.write(nan, tmp_path / "old.json")
    assert os.listdir(tmp_path) == ["old.json"] and (tmp_path / "old.json").read_text() == "old"
    put(tmp_path / "full/a")
    with pytest.raises(FileExistsError):
        tamis.write(a, tmp_path / "full")
    with pytest.raises(ValueError, match="write: format must be"):
        tamis.write(a, tmp_path / "a.csv")
    with pytest.raises(TypeError, match="write: annotations must be"):
        tamis.write([], tmp_path / "a.json")  # type: ignore[arg-type]


numbers = st.floats(0, 240)


@examples(50)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 2), st.lists(numbers, min_size=4, max_size=4)),
        max_size=12,
    )
)
def test_random_sets_round_trip(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    counts = np.bincount([r[0] for r in rows], minlength=4)
    a = tamis.Annotations(
        boxes=np.array([r[2] for r in rows]).reshape(-1, 4), labels=np.array([r[1] for r in rows], np.int64),
        splits=np.concatenate([[0], np.cumsum(counts)]), image_ids=np.array(list("abcd"), object),
        classes={0: "x", 1: "y", 2: "z"}, image_names=("a.jpg", "b.jpg", "c.jpg", "d.jpg"),
        image_sizes=np.array([[480, 640]] * 4),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("x")
    for name in ("a.json", "a.xml", "yolo"):
        tamis.write(a, folder / name)
        b = tamis.read(folder / name, **({"like": a, "task": "detect"} if name == "yolo" else {}))
        assert b.splits.tolist() == a.splits.tolist() and b.labels.tolist() == a.labels.tolist()
        assert np.abs(b.boxes - a.boxes).max(initial=0) <= (0 if name == "a.json" else 1e-6)
