"""The same 100 images in every format: the same boxes, and the same AP."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
from annotation_files import ap, as_dict, rows
from conftest import data_path
from generated import examples
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tamis.annotations.yaml_subset import read_yaml, scalar

GT = {
    "coco": "coco_format_v1/instances_default.json",
    "coco v2": "coco_format_v2/instances_v2.json",
    "voc": "pascalvoc_format",
    "imagenet": "imagenet_format",
    "cvat": "cvat_format",
    "open_images": "openimages_format",
    "yolo": "yolo_format",
    "labelme": "labelme_format",
}
DT = {
    "coco": "coco_format/coco_dets.json",
    "xywh": "abs_xywh",
    "xyxy": "abs_xyx2y2",
    "relative": "rel_xywh",
}
VOC = [
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
]  # fmt: skip
ROUNDED = {"open_images": 1e-6, "yolo": 1e-3}  # pixels
OBJECTS = {"labelme": 31}


def gt(name: str) -> tamis.Annotations:
    images = {"images": data_path("formats", "images")} if name in ("yolo", "open_images") else {}
    return tamis.read(data_path("formats", "gts", *GT[name].split("/")), **images)


def dt(name: str, like: tamis.Annotations) -> tamis.Annotations:
    classes = {} if name == "coco" else {"classes": VOC}
    return tamis.read(data_path("formats", "dets", *DT[name].split("/")), like=like, **classes)


@pytest.mark.parametrize("name", GT)
def test_every_ground_truth_has_the_same_boxes(name: str) -> None:
    expected, found = as_dict(gt("coco")), gt(name)
    assert found.format == {"coco v2": "coco", "imagenet": "voc"}.get(name, name)
    assert len(found) == OBJECTS.get(name, 273) and found.remarks == ()
    assert found.n_images == (12 if name == "labelme" else 100)
    of_name = as_dict(found)
    images = {key[0] for key in of_name}
    assert of_name.keys() == {key for key in expected if key[0] in images}
    for key, boxes in of_name.items():
        assert np.abs(boxes - expected[key]).max() <= ROUNDED.get(name, 0) + 1e-9, key


def test_sizes_are_those_of_the_pictures() -> None:
    sizes = {
        Path(n).stem: s for n, s in zip(gt("yolo").image_names, gt("yolo").image_sizes, strict=True)
    }
    for name in GT:
        a = gt(name)
        for i in range(a.n_images):
            assert np.array_equal(a.image_sizes[i], sizes[Path(a.image_name(i)).stem]), name


@pytest.mark.parametrize("results", DT)
@pytest.mark.parametrize("name", [n for n in GT if n != "labelme"])
def test_every_pair_has_the_same_ap(name: str, results: str) -> None:
    truth = gt(name)
    found = ap(truth, dt(results, truth))
    expected = ap(gt("coco"), dt("coco", gt("coco")))
    assert expected["AP"] == pytest.approx(0.346958, abs=1e-6)
    for key, value in expected.items():
        tolerance = 2e-3 if {name, results} & {"yolo", "open_images", "relative"} else 1e-12
        assert found[key] == pytest.approx(value, abs=tolerance), key


def test_the_numbers_are_those_of_pycocotools() -> None:
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    for place in (
        "voc2007_test/pascal_test2007_difficult_as_crowd.json",
        "formats/gts/coco_format_v1/instances_default.json",
    ):
        path = data_path(*place.split("/"))
        truth = tamis.read(path)
        if "voc2007" in place:
            found = tamis.read(data_path("voc2007_test", "dt_zengyian3_yolov3.bbox.json"))
        else:
            found = dt("coco", truth)
        truth, found = tamis.align(truth, found)
        some = np.arange(0, truth.n_images, 1 + truth.n_images // 500)  # the peer takes its time
        truth, found = truth.select(some), found.select(some)
        reference = coco.COCO(str(path))
        boxes = [
            {"image_id": image, "category_id": label, "bbox": box, "score": score}
            for image, label, box, score in zip(
                found.image_ids[found.image_index].tolist(), found.labels.tolist(),
                found.boxes.tolist(), np.asarray(found.scores).tolist(), strict=True,
            )
        ]  # fmt: skip
        peer = evaluation.COCOeval(reference, reference.loadRes(boxes), "bbox")
        peer.params.imgIds = truth.image_ids.tolist()
        peer.evaluate()
        peer.accumulate()
        peer.summarize()
        assert list(ap(truth, found).values()) == peer.stats.tolist()


# --- against other libraries ------------------------------------------------------------------


def globox_rows(found: Any) -> list[Any]:
    return sorted(
        (
            Path(a.image_id).stem,
            box.label,
            [round(x, 6) for x in (*box.ltrb[:2], box.width, box.height)],
        )
        for a in found
        for box in a.boxes
    )


@pytest.mark.parametrize(
    "name", ["coco", "voc", "imagenet", "cvat", "labelme", "yolo", "open_images"]
)
def test_globox_reads_the_same(name: str, tmp_path: Path) -> None:
    globox = pytest.importorskip("globox")
    path, images = data_path("formats", "gts", *GT[name].split("/")), data_path("formats", "images")
    g = globox.AnnotationSet
    if name == "coco":
        found = g.from_coco(path)
    elif name in ("voc", "imagenet"):
        found = g.from_pascal_voc(path / "Annotations" if name == "imagenet" else path)
    elif name == "cvat":
        found = g.from_cvat(path / "annotations.xml")
    elif name == "labelme":
        found = g.from_labelme(path)
    elif name == "yolo":
        names = (path / "obj.names").read_text().split()
        found = g.from_yolo_darknet(path / "obj_train_data", image_folder=images)
        found.map_labels(dict(zip(map(str, range(20)), names, strict=True)))
    else:
        text = (path / "all_bounding_boxes.csv").read_text()
        with open(tmp_path / "points.csv", "w", newline="") as file:  # it reads points only
            csv.writer(file).writerows(
                [c.replace(",", ".") for c in r] for r in csv.reader(text.splitlines())
            )
        found = g.from_openimage(tmp_path / "points.csv", image_folder=images)
    ours, theirs = rows(gt(name)), globox_rows(found)
    assert [r[:2] for r in ours] == [r[:2] for r in theirs]
    difference = np.array([r[2] for r in ours]) - np.array([r[2] for r in theirs])
    assert np.abs(difference).max() <= 2e-6


def test_supervision_reads_the_same() -> None:
    """Of VOC it takes 1 off xmin and ymin: one_based=True."""
    sv = pytest.importorskip("supervision")
    images = str(data_path("formats", "images"))
    voc, coco = (str(data_path("formats", "gts", *GT[name].split("/"))) for name in ("voc", "coco"))
    for found, ours in (
        (sv.DetectionDataset.from_pascal_voc(images, voc), tamis.read(voc, one_based=True)),
        (sv.DetectionDataset.from_coco(images, coco), tamis.read(coco)),
    ):
        theirs = []
        for path, detections in found.annotations.items():
            for (x0, y0, x1, y1), label in zip(detections.xyxy, detections.class_id, strict=True):
                box = [round(float(v), 4) for v in (x0, y0, x1 - x0, y1 - y0)]
                theirs.append((Path(path).stem, found.classes[label], box))
        assert rows(ours) == sorted(theirs)


# --- the YAML of data.yaml --------------------------------------------------------------------

YAMLS = [
    "names: [a, 'b c', \"d\"]\nnc: 3\n",
    "names:\n  0: person\n  1: traffic light  # a comment\nval: x/y\n",
    "names:\n- a\n- b\ntrain:\n  - x\n  - y # z\n",
    "path: ../datasets/coco # root\nnames: {0: a, 1: 'b: c'}\n",
    "names: [a,\n  b,\n  c]\nkpt_shape: [17, 3]\nflip_idx: [0, 2, 1]\n",
    "# nothing\n",
    "nc: 1\nnames: ['it''s']\n",
    "download: |\n  import os\n  x: y\nnames:\n  0: a#b\n",
    "---\ntrain: C:/x/images\ntest:\nnames: ['0']\n",
    "roboflow:\n  license: CC BY 4.0\n  project: a-b\n  url: https://x.y/z\nnames: [a]\n",
]


@pytest.mark.parametrize("text", YAMLS)
def test_yaml_is_that_of_pyyaml(tmp_path: Path, text: str) -> None:
    yaml = pytest.importorskip("yaml")
    path = tmp_path / "data.yaml"
    path.write_text(text)
    expected = yaml.safe_load(text) or {}
    found = read_yaml(str(path))
    expected.pop("download", None), found.pop("download", None)
    assert found == expected


WORDS = [
    "yes", "No", "ON", "off", "true", "FALSE", "nUll", "NULL", "~", "1e5", "1.e+5", ".5", "-.5",
]  # fmt: skip


@examples(300)
@example("08").via("no octal number")
@example("010").via("octal")
@example("1:30").via("base 60")
@example("7" * 5000).via("more digits than int() takes")
@given(
    st.text("01289._-+", min_size=1, max_size=6)
    | st.text("0189:xbfE+.", min_size=1, max_size=6)
    | st.sampled_from(WORDS)
)
def test_a_bare_word_is_what_pyyaml_takes_it_for(word: str) -> None:
    yaml = pytest.importorskip("yaml")
    try:
        expected = yaml.safe_load(f"a: {word}")["a"]
    except Exception:
        assume(len(word) > 1000)
        expected = word
    assume(not isinstance(expected, float) or ":" not in word)  # base 60 with a point is text here
    assume(isinstance(expected, int | float | str | None))  # and so is a date
    assert repr(scalar(word)) == repr(expected)


@pytest.mark.parametrize(
    "text, line",
    [("names: [a, b", 1), ("a\n", 1), ("x: 1\n  y: 2\n", 2), ("- a\n- b\n", 0), ("a: {b}", 1)],
)
def test_what_is_no_yaml_is_told(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "data.yaml"
    path.write_text(text)
    with pytest.raises(tamis.AnnotationError, match="expected") as caught:
        read_yaml(str(path))
    assert caught.value.problems[0].line == line


plain = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)
names = st.lists(
    plain
    | st.sampled_from(
        ["a b", "traffic light", "it's", 'q"q', "x#y", "a: b", "yes", "-1", "a,b", "[x]"]
    ),
    max_size=6,
)


@examples(100)
@given(names, st.booleans(), st.booleans())
def test_what_pyyaml_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], as_dict: bool, flow: bool
) -> None:
    yaml = pytest.importorskip("yaml")
    data = {"names": dict(enumerate(names)) if as_dict else names, "nc": len(names)}
    path = tmp_path_factory.mktemp("x") / "data.yaml"
    path.write_text(
        yaml.safe_dump(data, default_flow_style=None if flow else False, allow_unicode=True)
    )
    found = read_yaml(str(path))
    values = found["names"].values() if isinstance(found["names"], dict) else found["names"]
    assert [str(v) for v in values] == [str(v) for v in names]
