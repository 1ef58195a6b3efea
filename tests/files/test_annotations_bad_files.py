"""Each reader tells all that is wrong at once: each bad file of a folder, each record of a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tamis
from annotation_files import png, put

VOC = "<annotation><size><width>90</width><height>80</height></size>{}</annotation>"
OBJECT = (
    "<object><name>cat</name><bndbox><xmin>{}</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax>"
    "</bndbox></object>"
)
KITTI = "Car 0.00 0 1.0 {} 20 30 40 1 1 1 1 1 1 1"
DOTA = "{} 10 30 10 30 30 10 30 ship 0"


def labelme(x: Any) -> str:
    shape = {"label": "cat", "shape_type": "rectangle", "points": [[x, 2], [8, 9]]}
    return json.dumps(
        {"shapes": [shape], "imagePath": "a.png", "imageWidth": 90, "imageHeight": 80}
    )


FOLDERS: dict[
    str, tuple[str, Callable[[Any], str]]
] = {  # a good value is 3, a bad one is no number
    "yolo": ("labels/{}.txt", lambda x: f"0 0.{x} 0.5 0.2 0.2"),
    "voc": ("{}.xml", lambda x: VOC.format(OBJECT.format(x))),
    "labelme": ("{}.json", labelme),
    "kitti": ("{}.txt", lambda x: KITTI.format(x)),
    "dota": ("{}.txt", lambda x: DOTA.format(x)),
}


@pytest.mark.parametrize("format", FOLDERS)
def test_every_bad_file_of_a_folder_is_named(tmp_path: Path, format: str) -> None:
    name, text = FOLDERS[format]
    for i in range(5):
        put(tmp_path / name.format(i), text(3 if i % 2 == 0 else "?"))
        put(tmp_path / f"images/{i}.png", png(90, 80))
    put(tmp_path / name.format(5), text(3)[:-7])  # cut short
    put(tmp_path / "images/5.png", png(90, 80))
    with pytest.raises(tamis.AnnotationError) as caught:
        tamis.read(tmp_path, format)
    found = {Path(problem.path).stem for problem in caught.value.problems}
    assert found == {"1", "3", "5"}
    assert all(str(problem).startswith(str(tmp_path)) for problem in caught.value.problems)
    for i in (1, 3, 5):
        put(tmp_path / name.format(i), text(3))
    assert len(tamis.read(tmp_path, format)) == 6


def coco(xs: list[Any]) -> str:
    boxes = [
        {
            "id": i + 1,
            "image_id": 1,
            "category_id": 1,
            "bbox": [x, 2, 3, 4],
            "area": 12,
            "iscrowd": 0,
        }
        for i, x in enumerate(xs)
    ]
    image = {"id": 1, "file_name": "a.png", "width": 90, "height": 80}
    return json.dumps(
        {"images": [image], "annotations": boxes, "categories": [{"id": 1, "name": "cat"}]}
    )


def ultralytics(xs: list[Any]) -> str:
    return json.dumps(
        [{"image_id": "a", "category_id": 0, "bbox": [x, 2, 3, 4], "score": 0.5} for x in xs]
    )


def cvat(xs: list[Any]) -> str:
    boxes = [f'<box label="cat" xtl="{x}" ytl="2" xbr="9" ybr="9"/>' for x in xs]
    image = '<image id="0" name="a.png" width="90" height="80">'
    return f"<annotations>{image}{chr(10).join(boxes)}</image></annotations>"


def label_studio(xs: list[Any]) -> str:
    tasks = []
    for x in xs:
        value = {"x": x, "y": 2, "width": 3, "height": 4, "rotation": 0, "rectanglelabels": ["cat"]}
        result = {
            "id": f"r{x}", "type": "rectanglelabels", "value": value, "original_width": 90,
            "original_height": 80, "from_name": "label", "to_name": "image",
        }  # fmt: skip
        tasks.append({"data": {"image": "a.png"}, "annotations": [{"result": [result]}]})
    return json.dumps(tasks)


def open_images(xs: list[Any]) -> str:
    head = "ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf"
    return "\n".join([head, *(f"a,cat,{x},0.9,0.1,0.9,0" for x in xs)])


FILES: dict[str, tuple[str, Callable[[list[Any]], str], Any]] = {
    "coco": ("gt.json", coco, 3),
    "ultralytics": ("predictions.json", ultralytics, 3),
    "cvat": ("annotations.xml", cvat, 3),
    "label_studio": ("tasks.json", label_studio, 3),
    "open_images": ("boxes.csv", open_images, 0.3),
}


@pytest.mark.parametrize("format", FILES)
def test_every_bad_record_of_a_file_is_named(tmp_path: Path, format: str) -> None:
    name, text, good = FILES[format]
    sizes = {"a.png": (80, 90), "a.jpg": (80, 90), "a": (80, 90)}
    path = put(tmp_path / name, text([good, "?", good, "??", "???"]))
    with pytest.raises(tamis.AnnotationError) as caught:
        tamis.read(path, format, image_sizes=sizes)
    assert len(caught.value.problems) == 3, str(caught.value)
    assert len(tamis.read(put(path, text([good] * 5)), format, image_sizes=sizes)) == 5
