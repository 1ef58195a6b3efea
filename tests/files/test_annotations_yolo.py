"""YOLO data sets: layouts of folders and of rows."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tamis
from annotation_files import png, put

NAMES = "names: [cat, dog]\n"


def dataset(
    root: Path, yaml: str = "path: .\ntrain: images/train\nval: images/val\n" + NAMES
) -> Path:
    for split, stems in {"train": "ab", "val": "cd"}.items():
        for stem in stems:
            put(root / "images" / split / f"{stem}.png", png(200, 100))
    put(root / "labels/train/a.txt", "0 0.5 0.5 0.5 0.5\n")
    put(root / "labels/val/c.txt", "1 0.5 0.5 0.5 0.5\n1 0.25 0.5 0.1 0.2\n")
    return put(root / "data.yaml", yaml)


def labels(root: Path, content: str, **options: object) -> tamis.Annotations:
    put(root / "a.txt", content)
    return tamis.read(root, "yolo", **{"image_sizes": (100, 200), **options})  # type: ignore[arg-type]


def test_data_yaml_reads_its_validation_images(tmp_path: Path) -> None:
    found = tamis.read(dataset(tmp_path))
    assert found.image_names == ("c.png", "d.png") and found.classes == {0: "cat", 1: "dog"}
    assert found.boxes.tolist() == [[50, 25, 100, 50], [40, 40, 20, 20]]
    assert found.labels.tolist() == [1, 1] and found.splits.tolist() == [0, 2, 2]
    assert found.image_sizes.tolist() == [[100, 200]] * 2
    assert [f.kind for f in found.remarks] == ["images without label file"]
    assert found.where(1).endswith("c.txt:2")
    assert tamis.read(tmp_path) == found  # the folder is that of the yaml
    assert tamis.read(tmp_path, split="train").image_names == ("a.png", "b.png")
    assert tamis.read(tmp_path, split="all").n_images == 4
    with pytest.raises(tamis.AnnotationError, match="expected a split 'test', got val, train"):
        tamis.read(tmp_path, split="test")


@pytest.mark.parametrize(
    "yaml",
    [
        "train: ../train/images\nval: ../images/val\nnc: 2\n" + NAMES,  # Roboflow's
        "path: /nowhere/coco\nval: images/val\n" + NAMES,
        "path: ''\nval: [images/val]\nnames:\n  0: cat\n  1: dog\n",
        "val: val.txt\nnames: {0: cat, 1: dog}\n",
        "\ufeffval: images/val\r\nnames:\r\n- cat\r\n- dog\r\n",
    ],
)
def test_yamls_as_tools_write_them(tmp_path: Path, yaml: str) -> None:
    put(tmp_path / "val.txt", "./images/val/c.png\n./images/val/d.png\n")
    dataset(tmp_path, yaml)
    found = tamis.read(tmp_path / "data.yaml")
    assert found.classes == {0: "cat", 1: "dog"} and len(found) == 2 and found.n_images == 2


@pytest.mark.parametrize(
    "yaml, text",
    [
        ("val: nowhere\n" + NAMES, "expected the folder or list of images 'nowhere'"),
        (
            "val: images/val\nnames: [a]\nnc: 2\n",
            "expected as many names as nc, got 1 names and nc: 2",
        ),
        ("val: images/val\nnames: {a: b}\n", "expected names with class numbers"),
        ("val: images/val\nkpt_shape: [3]\n" + NAMES, "expected kpt_shape"),
        ("val: images/val\nnames: [cat]\n", "c.txt:1: expected a class of 0 to 0, got 1"),
    ],
)
def test_yamls_that_are_wrong(tmp_path: Path, yaml: str, text: str) -> None:
    with pytest.raises(tamis.AnnotationError, match=text.replace("[", r"\[")):
        tamis.read(dataset(tmp_path, yaml))


def test_labels_without_the_images(tmp_path: Path) -> None:
    dataset(tmp_path)
    for path in (tmp_path / "images").rglob("*.png"):
        path.unlink()
    with pytest.raises(tamis.AnnotationError, match="its image was not found, so its size"):
        tamis.read(tmp_path)
    assert tamis.read(tmp_path, image_sizes=(100, 200)).boxes[0].tolist() == [50, 25, 100, 50]
    assert tamis.read(tmp_path, image_sizes={"c.jpg": (100, 200)}).boxes[0, 2] == 100


def test_a_folder_of_labels_finds_its_images_and_names(tmp_path: Path) -> None:
    dataset(tmp_path).unlink()
    put(tmp_path / "classes.txt", "cat\ndog\n\n")
    for place, images in ((tmp_path / "labels/val", 2), (tmp_path / "labels/val/c.txt", 1)):
        found = tamis.read(place)
        assert found.n_images == images
        assert found.classes == {0: "cat", 1: "dog"} and len(found) == 2
    everything = tamis.read(tmp_path)
    assert sorted(everything.image_ids) == ["train/a", "train/b", "val/c", "val/d"]


def test_the_same_stem_in_two_folders(tmp_path: Path) -> None:
    for folder, width in (("x", 100), ("y", 200)):
        put(tmp_path / "images" / folder / "a b é.png", png(width, 100))
        put(tmp_path / "labels" / folder / "a b é.txt", "0 .5 .5 1 1")
    found = tamis.read(tmp_path)
    assert found.boxes[:, 2].tolist() == [100, 200]
    assert list(found.image_ids) == ["x/a b é", "y/a b é"]


def test_loops_of_links(tmp_path: Path) -> None:
    dataset(tmp_path)
    os.symlink(tmp_path, tmp_path / "images" / "val" / "loop")
    os.symlink(tmp_path / "self", tmp_path / "self")
    assert tamis.read(tmp_path).n_images == 4  # those of train are seen through the loop
    with pytest.raises(OSError):
        tamis.read(tmp_path / "self")


def test_darknet(tmp_path: Path) -> None:
    put(tmp_path / "obj.data", "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\n")
    put(tmp_path / "obj.names", "cat\ndog\n")
    put(tmp_path / "train.txt", "data/obj_train_data/a.png\ndata/obj_train_data/b.png\n")
    put(tmp_path / "obj_train_data/a.txt", "1 .5 .5 1 1\n")
    put(tmp_path / "obj_train_data/a.png", png(20, 10))
    put(tmp_path / "obj_train_data/b.png", png(20, 10))
    found = tamis.read(tmp_path)
    assert found.boxes.tolist() == [[0, 0, 20, 10]] and found.n_images == 2
    assert found.classes == {0: "cat", 1: "dog"}


# --- what rows mean ---------------------------------------------------------------------------


def test_confidences(tmp_path: Path) -> None:
    found = labels(tmp_path, "0 .5 .5 .5 .5 .9\n1 .5 .5 .1 .1 .25")
    assert found.scores is not None and found.scores.tolist() == [0.9, 0.25]
    tracked = labels(tmp_path, "0 .5 .5 .5 .5 .9 1\n1 .5 .5 .1 .1 .25 17")
    assert tracked == found


def test_a_row_without_its_confidence_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        tamis.AnnotationError, match=r"a\.txt:2: expected a class and cx cy w h and a"
    ):
        labels(tmp_path, "0 .5 .5 .5 .5 .9\n1 .5 .5 .1 .1\n0 .5 .5 .5 .5 .9\n")


def test_pixels_and_confidences_ahead(tmp_path: Path) -> None:
    sizes = labels(tmp_path, "0 .9 50 60 100 20\n1 .5 10 10 5 5")
    corners = labels(tmp_path, "0 .9 50 60 150 80\n1 .5 10 10 15 15\n0 .5 190 90 200 100")
    ahead = labels(
        tmp_path, "0 .9 .5 .7 .5 .2\n1 .5 .0625 .125 .025 .05", layout="label score cx cy w h"
    )
    assert sizes.boxes.tolist() == corners.boxes[:2].tolist() == [[50, 60, 100, 20], [10, 10, 5, 5]]
    assert ahead.boxes == pytest.approx(sizes.boxes)
    assert sizes.scores is not None and sizes.scores.tolist() == [0.9, 0.5]
    with pytest.raises(tamis.AnnotationError, match="give layout="):  # both fit
        labels(tmp_path, "0 .9 10 10 20 20")
    found = labels(tmp_path, "0 .9 10 10 20 20", layout="label score x y w h")
    assert found.boxes.tolist() == [[10, 10, 20, 20]]


def test_words_are_classes(tmp_path: Path) -> None:
    found = labels(tmp_path, "dog .5 .5 1 1\ncat .5 .5 1 1")
    assert found.classes == {0: "cat", 1: "dog"} and found.labels.tolist() == [1, 0]
    given = labels(tmp_path, "dog .5 .5 1 1", classes=["x", "cat", "dog"])
    assert given.labels.tolist() == [2]
    with pytest.raises(tamis.AnnotationError, match="got 'emu'"):
        labels(tmp_path, "emu .5 .5 1 1\ncat .5 .5 1 1", classes=["cat"])
    with pytest.raises(tamis.AnnotationError, match="a class number or a known name, got 'dog'"):
        labels(tmp_path, "0 .5 .5 1 1\ndog .5 .5 1 1")


def test_segments_and_a_box_among_them(tmp_path: Path) -> None:
    found = labels(tmp_path, "0 0 0 .5 0 .5 .5\n1 .5 .5 .5 .5\n0 .1 .1 .2 .1 .2 .2 .1 .2 .05 .15")
    assert found.boxes[:2].tolist() == [[0, 0, 100, 50], [50, 25, 100, 50]]
    assert found.boxes[2] == pytest.approx([10, 10, 30, 10])
    assert found.shapes is not None and found.shapes.polygons(0) == [[0, 0, 100, 0, 100, 50]]
    assert found.shapes.polygons(1) == []
    assert found.masks is not None and found.masks.area()[0] == pytest.approx(2500, abs=100)
    scored = labels(tmp_path, "0 0 0 .5 0 .5 .5 .75\n1 0 0 .5 0 .5 .5 0 .5 .5")
    assert scored.scores is not None and scored.scores.tolist() == [0.75, 0.5]


def test_oriented_boxes(tmp_path: Path) -> None:
    found = labels(tmp_path, "0 .1 .2 .3 .2 .3 .6 .1 .6\n1 .25 0 .5 .5 .25 1 0 .5")
    assert found.fmt == "obb" and found.boxes.shape == (2, 5)
    cx, cy, w, h, angle = found.boxes[0]
    assert (cx, cy, w, h, angle % 90) == pytest.approx((40, 40, 40, 40, 0))
    assert found.boxes[1, 2] * found.boxes[1, 3] == pytest.approx(5000)
    assert found.as_xywh().boxes[1] == pytest.approx([0, 0, 100, 100])
    assert labels(tmp_path, "0 .1 .2 .3 .2 .3 .6 .1 .6 .5").scores == pytest.approx([0.5])
    segments = labels(tmp_path, "0 .1 .2 .3 .2 .3 .6 .1 .6", task="segment")
    assert segments.fmt == "xywh" and segments.boxes[0] == pytest.approx([20, 20, 40, 40])


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("score", ["", " 0.5"])
def test_keypoints(tmp_path: Path, dims: int, score: str) -> None:
    points = ".5 .5 2 .4 .4 1 0 0 0" if dims == 3 else ".5 .5 .4 .4 0 0"
    put(tmp_path / "data.yaml", f"val: images\nkpt_shape: [3, {dims}]\n{NAMES}")
    put(tmp_path / "images/a.png", png(200, 100))
    put(tmp_path / "labels/a.txt", f"0 .5 .5 .5 .5 {points}{score}\n")
    found = tamis.read(tmp_path)
    seen = [2, 1, 0] if dims == 3 else [2, 2, 0]
    assert found.keypoints is not None
    assert found.keypoints[0].tolist() == [[100, 50, seen[0]], [80, 40, seen[1]], [0, 0, seen[2]]]
    assert found.boxes.tolist() == [[50, 25, 100, 50]]
    assert (found.scores is not None) == bool(score)


def test_keypoints_that_nothing_announces(tmp_path: Path) -> None:
    row = "0 .5 .5 .5 .5 .5 .5 2 .4 .4 1 0 0 0"
    found = labels(tmp_path, f"{row}\n{row}\n")
    assert found.keypoints is not None and found.keypoints.shape == (2, 3, 3)


@pytest.mark.parametrize(
    "row, text",
    [
        ("0 .5 .5 .5 500", "expected coordinates relative to the image, in [0, 1], got 500"),
        ("0 .5 .5 .5", "expected a class and cx cy w h, got 4 numbers"),
        ("0", "expected a class and cx cy w h, got 1 numbers"),
        ("7 .5 .5 .5 .5", "expected a class of 0 to 1, got 7"),
        ("0 .5 .5 nan .5", "expected a finite number, got 'nan'"),
    ],
)
def test_bad_rows_are_told_with_their_line(tmp_path: Path, row: str, text: str) -> None:
    good = "0 .5 .5 .5 .5\n" * 3
    with pytest.raises(tamis.AnnotationError) as caught:
        labels(tmp_path, good + row + "\n" + good, classes=["cat", "dog"])
    (problem,) = caught.value.problems
    assert (problem.line, problem.text) == (4, text) and problem.path.endswith("a.txt")
    assert isinstance(caught.value, ValueError)


def test_all_bad_files_are_told_at_once(tmp_path: Path) -> None:
    for i in range(30):
        put(tmp_path / f"{i:02}.txt", "0 .5 .5 .5 .5\n0 x\n")
    with pytest.raises(tamis.AnnotationError) as caught:
        tamis.read(tmp_path, image_sizes=(10, 10))
    assert len(caught.value.problems) == 30
    text = str(caught.value)
    assert text.startswith("30 problems in 30 files:") and text.endswith("and 10 more")


def test_results_take_images_and_names_of_the_ground_truth(tmp_path: Path) -> None:
    gt = tamis.read(dataset(tmp_path / "gt"))
    put(tmp_path / "dt/c.txt", "1 0.5 0.5 0.5 0.5 0.9\n")
    dt = tamis.read(tmp_path / "dt", like=gt)
    assert dt.n_images == 2 and dt.classes == gt.classes
    assert dt.boxes.tolist() == [[50, 25, 100, 50]]
    put(tmp_path / "dt/z.txt", "1 0.5 0.5 0.5 0.5 0.9\n")
    with pytest.raises(tamis.AnnotationError, match=r"z\.txt: its image was not found"):
        tamis.read(tmp_path / "dt", like=gt)


def test_empty_sets(tmp_path: Path) -> None:
    with pytest.raises(tamis.AnnotationError, match="expected label files"):
        tamis.read(tmp_path)
    with pytest.raises(tamis.AnnotationError, match=r"zero\.txt:1: expected"):
        tamis.read(put(tmp_path / "zero.txt", b"\0"), image_sizes=(10, 10), classes=["a"])
    (tmp_path / "zero.txt").unlink()
    found = labels(tmp_path, "")
    assert len(found) == 0 and found.n_images == 1 and found.boxes.shape == (0, 4)
    assert found.targets()["splits"].tolist() == [0, 0]


@pytest.mark.parametrize("layout", ["x y w h", "label a b c d", "label score", ""])
def test_layouts_that_are_none(tmp_path: Path, layout: str) -> None:
    with pytest.raises(ValueError, match="read: layout must be"):
        labels(tmp_path, "0 1 1 1 1", layout=layout)


def test_a_list_of_images_that_are_elsewhere(tmp_path: Path) -> None:
    """CVAT's Ultralytics export without pictures."""
    put(tmp_path / "data.yaml", "path: .\ntrain: train.txt\nnames:\n  0: cat\n")
    put(tmp_path / "train.txt", "data/images/train/a.png\n")
    put(tmp_path / "labels/train/a.txt", "0 .5 .5 1 1\n")
    assert tamis.read(tmp_path, image_sizes=(10, 20)).boxes.tolist() == [[0, 0, 20, 10]]
    (tmp_path / "labels/train/a.txt").unlink()
    with pytest.raises(tamis.AnnotationError, match="expected label files such as"):
        tamis.read(tmp_path, image_sizes=(10, 20))


def test_label_studios_export(tmp_path: Path) -> None:
    put(tmp_path / "notes.json", '{"categories": [{"id": 0, "name": "cat"}], "info": {}}')
    put(tmp_path / "classes.txt", "cat\n")
    put(tmp_path / "images/a.png", png(20, 10))
    put(tmp_path / "labels/a.txt", "0 .5 .5 1 1\n")
    found = tamis.read(tmp_path)
    assert found.format == "yolo" and found.classes == {0: "cat"} and len(found) == 1


def test_results_from_zero_against_ground_truth_from_one(tmp_path: Path) -> None:
    gt = tamis.Annotations(
        np.array([[50.0, 25, 100, 50], [0, 0, 20, 10]]), np.array([1, 2]), np.array([0, 1, 2]),
        np.array([7, 8]), {1: "cat", 2: "dog", 3: "emu"}, image_names=("a.png", "b.png"),
        image_sizes=np.array([[100, 200]] * 2),
    )  # fmt: skip
    put(tmp_path / "a.txt", "0 .5 .5 .5 .5 .9\n")
    put(tmp_path / "b.txt", "1 .05 .05 .1 .1 .9\n")
    for first in (0, 1):  # also where no detection has the first class
        if first:
            put(tmp_path / "a.txt", "")
        dt = tamis.read(tmp_path, like=gt)
        with pytest.warns(UserWarning, match="places among the classes"):
            _, both = tamis.align(gt, dt)
        assert both.labels.tolist() == [1, 2][first:]


def test_results_of_a_detector_that_found_nothing(tmp_path: Path) -> None:
    gt = tamis.read(dataset(tmp_path / "gt"))
    put(tmp_path / "dt/c.txt", "")
    _, dt = tamis.align(gt, tamis.read(tmp_path / "dt", like=gt))
    evaluator = tamis.DetectionEvaluator(fmt="xywh")
    evaluator.update(dt.preds(), gt.targets())
    assert evaluator.compute().stats["AP"] == 0
