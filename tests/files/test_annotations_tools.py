"""What annotation tools export: CVAT, Label Studio, LabelMe, Open Images, DOTA, KITTI, VOC."""
# ruff: noqa: E501  # lines as tools write them

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
from annotation_files import png, put
from conftest import data_path

# --- CVAT -------------------------------------------------------------------------------------

CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><labels><label><name>dog</name><attributes><attribute><name>age</name></attribute></attributes></label>
<label><name>cat</name></label></labels></task></meta>
<image id="0" name="a &amp; b.png" width="200" height="100">
<box label="cat" occluded="1" source="manual" xtl="10.0" ytl="20.0" xbr="30.0" ybr="60.0" z_order="0">
<attribute name="age">3</attribute></box>
<box label="dog" source="manual" occluded="0" xtl="10" ytl="20" xbr="50" ybr="40" rotation="90.0"></box>
<polygon label="cat" points="0,0;10,0;10,10" group_id="4"/>
<ellipse label="cat" cx="50" cy="50" rx="10" ry="5"/>
<mask label="dog" rle="1, 2, 3" left="5" top="6" width="3" height="2"/>
<polyline label="cat" points="0,0;1,1"/><tag label="x"/><points label="cat" points="1,1"/>
</image><image id="1" name="empty.png" width="20" height="10"/></annotations>"""


def test_cvat_shapes(tmp_path: Path) -> None:
    found = tamis.read(put(tmp_path / "annotations.xml", CVAT))
    assert found.format == "cvat" and found.image_names == ("a & b.png", "empty.png")
    assert found.classes == {0: "dog", 1: "cat"} and found.labels.tolist() == [1, 0, 1, 1, 0]
    assert found.boxes.tolist()[0] == [10, 20, 20, 40] and found.splits.tolist() == [0, 5, 5]
    assert found.boxes[1] == pytest.approx([20, 10, 20, 40])  # turned about its centre (30, 30)
    assert found.oriented is not None and found.oriented[1].tolist() == [30, 30, 40, 20, 90]
    assert found.boxes[2:].tolist() == [[0, 0, 10, 10], [40, 45, 20, 10], [5, 6, 3, 2]]
    assert found.attributes["occluded"].tolist() == [1, 0, 0, 0, 0]
    assert found.attributes["age"].tolist() == ["3", "", "", "", ""]
    assert found.image_sizes.tolist() == [[100, 200], [10, 20]]
    assert found.masks is not None and found.masks.area().tolist()[4] == 2
    assert np.argwhere(found.masks[4:5].decode()[0]).tolist() == [[6, 6], [6, 7]]
    assert sorted(f.unit for f in found.remarks) == ["points shapes", "polyline shapes"]
    assert found.where(0).endswith("annotations.xml:6")


def test_cvat_tracks(tmp_path: Path) -> None:
    text = """<annotations><meta><task><original_size><width>200</width><height>100</height></original_size>
</task></meta><track id="7" label="car"><box frame="0" outside="0" occluded="0" keyframe="1" xtl="1" ytl="2" xbr="3" ybr="5"/>
<box frame="1" outside="1" occluded="0" keyframe="1" xtl="1" ytl="2" xbr="3" ybr="5"/></track>
<track id="8" label="car"><box frame="0" outside="0" xtl="0" ytl="0" xbr="3" ybr="5"/></track></annotations>"""
    found = tamis.read(put(tmp_path / "a.xml", text))
    assert found.image_names == ("frame_000000",) and len(found) == 2
    assert found.attributes["track_id"].tolist() == [7, 8]
    assert found.image_sizes.tolist() == [[100, 200]]


@pytest.mark.parametrize(
    "old, new, line, text",
    [
        ('xtl="10.0"', 'xtl="ten"', 6, "expected a number, got 'ten'"),
        ('xtl="10.0"', 'xtl="nan"', 6, "expected finite coordinates, got nan"),
        ('xtl="10.0"', 'xtl="1e300"', 6, "expected finite coordinates, got 1e[+]300"),
        ('xtl="10.0" ', "", 6, "no 'xtl'"),
        ("0,0;10,0;10,10", "0,0;10,0", 9, "points must be 3 or more pairs"),
        ('rle="1, 2, 3"', 'rle="1, 2"', 11, "rle must cover 3 x 2 pixels, got 3"),
        ("</image>", "</imag>", 13, "expected XML: mismatched tag"),
        ("<annotations>", '<!DOCTYPE x [<!ENTITY a "b">]><annotations>', 2, "not expanded: 'a'"),
        (
            "<annotations>",
            '<!DOCTYPE x SYSTEM "x.dtd"><annotations>&a;',
            2,
            "an entity that is not expanded: 'a'",
        ),
    ],
)
def test_cvat_that_is_wrong(tmp_path: Path, old: str, new: str, line: int, text: str) -> None:
    path = put(tmp_path / "a.xml", CVAT.replace(old, new, 1))
    with pytest.raises(tamis.AnnotationError, match=text) as caught:
        tamis.read(path)
    assert caught.value.problems[0].line == line and caught.value.problems[0].path == str(path)


# --- Label Studio -----------------------------------------------------------------------------


def task(number: int, *versions: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "data": {"image": f"/data/upload/1/0a1b2c3d-{number}.png"},
        "annotations": list(versions),
        **more,
    }


def version(*results: Any, **more: Any) -> dict[str, Any]:
    return {"id": 1, "completed_by": 5, "was_cancelled": False, "result": list(results), **more}


def rectangle(label: str = "cat", **value: Any) -> dict[str, Any]:
    box = {"x": 10, "y": 20, "width": 50, "height": 10, "rotation": 0, "rectanglelabels": [label]}
    size = {"original_width": 200, "original_height": 100}
    return {"id": "r", "type": "rectanglelabels", "value": {**box, **value}, **size}


def studio(tmp_path: Path, *tasks: Any) -> tamis.Annotations:
    return tamis.read(put(tmp_path / "export.json", json.dumps(tasks)))


def test_label_studio_percents_and_rotation(tmp_path: Path) -> None:
    polygon = {**rectangle(), "type": "polygonlabels"}
    polygon["value"] = {"points": [[0, 0], [10, 0], [10, 10]], "polygonlabels": ["dog"]}
    ellipse = {**rectangle(), "type": "ellipselabels"}
    ellipse["value"] = {"x": 50, "y": 50, "radiusX": 5, "radiusY": 10, "ellipselabels": ["dog"]}
    found = studio(
        tmp_path,
        task(1, version(rectangle(), rectangle(rotation=90), polygon, ellipse)),
        task(2, version()),
    )
    assert found.format == "label_studio" and found.image_names == ("1.png", "2.png")
    assert found.boxes[0].tolist() == [20, 20, 100, 10]
    assert found.boxes[1] == pytest.approx([10, 20, 10, 100])  # about its upper left corner
    assert found.boxes[2:].tolist() == [[0, 0, 20, 10], [90, 40, 20, 20]]
    assert found.classes == {0: "cat", 1: "dog"} and found.labels.tolist() == [0, 0, 1, 1]
    assert found.image_sizes.tolist() == [[100, 200], [0, 0]]


def test_label_studio_several_annotators_and_predictions(tmp_path: Path) -> None:
    guess = {"model_version": "v1", "score": 0.75, "result": [rectangle("dog")]}
    first = task(
        1,
        version(rectangle("no"), was_cancelled=True),
        version(rectangle("cat")),
        version(rectangle("dog")),
    )
    second = task(
        2, version(rectangle("a")), version(rectangle("b"), ground_truth=True), predictions=[guess]
    )
    found = studio(tmp_path, first, second)
    assert [found.label_name(x) for x in found.labels] == ["cat", "b"]
    assert [f.kind for f in found.remarks] == ["several annotators"]
    guesses = tamis.read(tmp_path / "export.json", "label_studio_predictions")
    assert guesses.scores is not None and guesses.scores.tolist() == [0.75]
    assert studio(tmp_path, task(1, predictions=[guess])).scores is not None


def test_label_studio_labels_apart_and_min(tmp_path: Path) -> None:
    apart = [{**rectangle(), "type": "rectangle"}, {**rectangle(), "type": "labels"}]
    del apart[0]["value"]["rectanglelabels"]
    apart[1]["value"] = {"labels": ["cow"]}
    found = studio(tmp_path, task(1, version(*apart)))
    assert found.classes == {0: "cow"} and len(found) == 1
    shape = {**rectangle()["value"], "original_width": 200, "original_height": 100}
    least = {"id": 1, "image": "s3://bucket/dir/x.jpg", "label": [shape], "annotator": 3}
    found = tamis.read(put(tmp_path / "min.json", json.dumps([least])))
    assert found.boxes.tolist() == [[20, 20, 100, 10]] and found.image_names == ("x.jpg",)


def test_label_studio_that_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(tamis.AnnotationError, match=r"task 7: .*could not|task 7: "):
        studio(tmp_path, task(7, version(rectangle(x="ten"))))
    with pytest.raises(tamis.AnnotationError, match=r"task 7.*original_width"):
        studio(tmp_path, task(7, version({**rectangle(), "original_width": None})))


# --- LabelMe ----------------------------------------------------------------------------------


def labelme(tmp_path: Path, *shapes: Any, **more: Any) -> tamis.Annotations:
    data = {
        "version": "5",
        "shapes": list(shapes),
        "imagePath": "a.png",
        "imageHeight": 100,
        "imageWidth": 200,
        **more,
    }
    put(tmp_path / "a.json", json.dumps(data))
    return tamis.read(tmp_path)


def shape(kind: str, *points: Any, **more: Any) -> dict[str, Any]:
    return {
        "label": "cat",
        "points": [list(p) for p in points],
        "group_id": None,
        "shape_type": kind,
        "flags": {},
        **more,
    }


def test_labelme_shapes(tmp_path: Path) -> None:
    found = labelme(
        tmp_path, shape("rectangle", (30, 40), (10, 20)), shape("circle", (50, 50), (53, 54)),
        shape("polygon", (0, 0), (10, 0), (10, 10), flags={"crowded": True}), shape("point", (1, 1)),
        shape("polygon", (0, 0), (5, 0), (5, 5), group_id=1), shape("line", (0, 0), (1, 1)),
        shape("polygon", (20, 0), (25, 0), (25, 5), group_id=1),
    )  # fmt: skip
    assert found.boxes.tolist() == [
        [10, 20, 20, 20],
        [45, 45, 10, 10],
        [0, 0, 10, 10],
        [0, 0, 25, 5],
    ]
    assert found.shapes is not None and len(found.shapes.polygons(3)) == 2
    assert found.attributes["crowded"].tolist()[2] == 1
    assert {f.unit for f in found.remarks} == {"point shapes", "line shapes"}


def test_labelme_sizes_and_names(tmp_path: Path) -> None:
    put(tmp_path / "a.png", png(40, 30))
    found = labelme(
        tmp_path, shape("rectangle", (0, 0), (1, 1)), imageHeight=None, imagePath="..\\x\\a.png"
    )
    assert found.image_names == ("a.png",)
    found = labelme(tmp_path, shape("rectangle", (0, 0), (1, 1)), imageHeight=None)
    assert found.image_sizes.tolist() == [[30, 40]]


@pytest.mark.parametrize(
    "wrong, text",
    [
        (shape("circle", (0, 0)), "shape 1: .*a circle has 2 points, got 1"),
        (shape("polygon", (0, 0), (1, 1)), "a polygon has 3 points or more, got 2"),
        ({"points": [[0, 0], [1, 1]]}, "no 'label'"),
        (shape("rectangle", (0, 0), ("x", 1)), "shape 1"),
        (shape("rectangle", (0, 0), (float("nan"), 1)), "expected finite coordinates, got nan"),
        ("text", "shape 1"),
    ],
)
def test_labelme_that_is_wrong(tmp_path: Path, wrong: Any, text: str) -> None:
    put(tmp_path / "b.json", "{")
    with pytest.raises(tamis.AnnotationError, match=text) as caught:
        labelme(tmp_path, wrong)
    assert any("b.json:1: expected JSON" in str(p) for p in caught.value.problems)


# --- Open Images ------------------------------------------------------------------------------

HEAD = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"


def test_open_images(tmp_path: Path) -> None:
    put(tmp_path / "class-descriptions-boxable.csv", "/m/01,Cat\n/m/02,Dog\n")
    rows = "b,x,/m/02,1,0.1,0.5,0,1,0,0,1,0,0\na,x,/m/01,1,0,1,0.5,1,-1,0,0,0,0\nb,x,/m/01,1,0,1,0,1,0,0,0,0,0\n"
    found = tamis.read(put(tmp_path / "boxes.csv", HEAD + rows), image_sizes=(100, 200))
    assert found.format == "open_images" and found.scores is None
    assert found.boxes.tolist() == [[20, 0, 80, 100], [0, 0, 200, 100], [0, 50, 200, 50]]
    assert found.iscrowd.tolist() == [1, 0, 0] and found.classes == {0: "Cat", 1: "Dog"}
    assert list(found.image_ids) == ["b", "a"] and found.where(2).endswith("boxes.csv:3")
    european = (HEAD + rows).replace(",", ";").replace(".", ",")
    assert tamis.read(put(tmp_path / "boxes.csv", european), image_sizes=(100, 200)) == found
    results = tamis.read(
        put(tmp_path / "boxes.csv", HEAD + rows.replace(",1,0", ",0.5,0", 1)),
        image_sizes=(100, 200),
    )
    assert results.scores is not None and results.scores.tolist() == [0.5, 1, 1]


@pytest.mark.parametrize(
    "text, line, message",
    [
        (HEAD + "a,x,c,1,x,1,0,1,,,,,\n", 2, "expected a number, got 'x'"),
        (HEAD + "a,x,c,1,0,1,0,1\n", 2, "expected 13 cells, got 8"),
        (HEAD + "a,x,c,1,0,inf,0,1,,,,,\n", 2, "finite"),
        (HEAD.replace("XMin,", ""), 1, "there is no XMin"),
        ("", 0, "empty"),
    ],
)
def test_open_images_that_are_wrong(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(tamis.AnnotationError, match=message) as caught:
        tamis.read(put(tmp_path / "a.csv", text), image_sizes=(10, 10))
    assert caught.value.problems[0].line == line


def test_open_images_need_sizes(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", HEAD + "a,x,c,1,0,1,0,1,,,,,\n")
    with pytest.raises(tamis.AnnotationError, match="the size of image 'a' is not known"):
        tamis.read(path)
    put(tmp_path / "images/a.png", png(20, 10))
    assert tamis.read(path, images=tmp_path / "images").boxes.tolist() == [[0, 0, 20, 10]]


# --- DOTA, KITTI, VOC -------------------------------------------------------------------------


def test_dota(tmp_path: Path) -> None:
    put(
        tmp_path / "P1.txt",
        "imagesource:GoogleEarth\ngsd:0.14\n0 0 10 0 10 5 0 5 plane 0\n5 0 10 5 5 10 0 5 small-vehicle 1\n",
    )
    put(tmp_path / "P2.txt", "")
    found = tamis.read(tmp_path)
    assert found.format == "dota" and found.fmt == "obb" and found.n_images == 2
    assert found.boxes[0].tolist() == [5, 2.5, 10, 5, 0]
    cx, cy, w, h, angle = found.boxes[1]
    assert (cx, cy, w, h, angle % 90) == pytest.approx((5, 5, math.sqrt(50), math.sqrt(50), 45))
    assert found.attributes["difficult"].tolist() == [0, 1]
    assert tamis.read(tmp_path, difficult="crowd").iscrowd.tolist() == [0, 1]
    results = tmp_path / "dt"
    put(results / "Task1_plane.txt", "P1 0.9 0 0 10 0 10 5 0 5\n")
    put(results / "Task1_small-vehicle.txt", "P1 0.5 5 0 10 5 5 10 0 5\n")
    dt = tamis.read(results)
    gt, dt = tamis.align(found, dt)
    evaluator = tamis.DetectionEvaluator("obb")
    evaluator.update(dt.preds(), gt.targets())
    assert evaluator.compute().stats["AP"] == pytest.approx(1)
    put(
        tmp_path / "P3.txt",
        "0 0 10 0 10 5 0 plane 0\n0 0 1 1 1 1 1 nan plane 0\n1 2 3 4 5 6 7 8 plane x\n",
    )
    with pytest.raises(tamis.AnnotationError) as caught:
        tamis.read(tmp_path, "dota")
    assert [p.line for p in caught.value.problems if "P3" in p.path] == [1, 2, 3]


KITTI = "Car 0.00 1 -1.58 587.01 173.33 614.12 200.12 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59"


def test_kitti(tmp_path: Path) -> None:
    dont = "DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10"
    found = tamis.read(put(tmp_path / "000001.txt", f"{KITTI}\n{dont}\n"))
    assert found.format == "kitti" and found.image_names == ("000001.png",)
    assert found.boxes[0] == pytest.approx([587.01, 173.33, 27.11, 26.79])
    assert found.iscrowd.tolist() == [0, 1] and found.attributes["occluded"].tolist() == [1, -1]
    assert found.attributes["rotation_y"][0] == -1.59
    scored = tamis.read(put(tmp_path / "000001.txt", f"{KITTI} 0.5\n"))
    assert scored.scores is not None and scored.scores.tolist() == [0.5]
    put(tmp_path / "000002.txt", "Car 0\n" + KITTI.replace("587.01", "x"))
    with pytest.raises(
        tamis.AnnotationError,
        match=r"000002\.txt:1: expected 15 columns.*\n.*:2: expected a number",
    ):
        tamis.read(tmp_path, "kitti")


def test_voc_flags_offsets_and_names(tmp_path: Path) -> None:
    objects = "".join(
        f"<object><name>cat</name><difficult>{d}</difficult><bndbox><xmin>1</xmin><ymin>1</ymin>"
        "<xmax>10</xmax><ymax>5</ymax></bndbox></object>"
        for d in (0, 1)
    )
    for name in ("a", "b"):
        put(
            tmp_path / f"Annotations/{name}.xml",
            f"<annotation><filename>b.jpg</filename><size><width>20</width><height>10</height></size>{objects}</annotation>",
        )
    put(tmp_path / "ImageSets/Main/val.txt", "a 1\n")
    found = tamis.read(tmp_path)
    assert found.boxes.tolist() == [[1, 1, 9, 4]] * 4 and found.iscrowd.tolist() == [0] * 4
    assert found.image_names == ("a.jpg", "b.jpg") and found.attributes["difficult"].sum() == 2
    assert [f.kind for f in found.remarks] == ["filename of another image"]
    assert tamis.read(tmp_path, one_based=True).boxes.tolist() == [[0, 0, 10, 5]] * 4
    assert tamis.read(tmp_path, difficult="crowd").iscrowd.tolist() == [0, 1] * 2
    assert tamis.read(tmp_path, split="val").image_names == ("a.jpg",)
    with pytest.raises(tamis.AnnotationError, match="class 'cat' is not among classes="):
        tamis.read(tmp_path, classes=["dog"])
    assert tamis.read(tmp_path, classes=["dog", "cat"]).labels.tolist() == [1] * 4


def test_a_real_open_images_file() -> None:
    path = data_path("gt_only", "openimages_sample_annotations.csv")
    found = tamis.read(path, image_sizes=(1000, 1000))
    lines = path.read_text().splitlines()
    assert len(found) == sum(
        bool(line) and ",," not in line for line in lines[1:]
    ) and found.n_images == len({x.split(",")[0] for x in filter(None, lines[1:])})


def test_huge_numbers_of_flags_and_sizes(tmp_path: Path) -> None:
    found = labelme(
        tmp_path, shape("rectangle", (0, 0), (1, 1), group_id=10**400), imageHeight=10**30
    )
    assert found.attributes["group_id"].tolist() == [10**400]
    assert found.image_sizes.tolist() == [[0, 0]]
