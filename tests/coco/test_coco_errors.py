"""Files that are cut, results of other images, records without a field: errors that say where."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
from typing import Any

import numpy as np
import pytest
import tamis.coco
import tamis.lvis
from coco_harness import category, dataset, found, image, truth
from lvis_cases import problem
from tamis import _core

pytest.importorskip("pycocotools")
import pycocotools.coco

RLE = {"size": [99, 99], "counts": "0`0l6"}
SHAPES: dict[str, Any] = {
    "bbox": {"bbox": [1, 2.5, 8, 8]},
    "segm": {"segmentation": RLE},
    "keypoints": {"keypoints": [10, 3, 1] * 17},
}


def load(library: Any, gt: str, dt: Any) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            return len(library.COCO(gt).loadRes(dt).anns)
        except Exception as error:
            return type(error).__name__


@pytest.fixture
def gt(tmp_path: Any) -> str:
    (tmp_path / "gt.json").write_text(
        json.dumps(dataset([truth(i, 1, 1, [i, 1, 5, 5]) for i in (1, 2, 3)]))
    )
    return str(tmp_path / "gt.json")


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("chunk", [1, 40, 200, 1 << 18])
def test_plain_results_that_are_cut_are_refused(kind, chunk):
    record = {"image_id": 1, "category_id": 1, **SHAPES[kind], "score": 0.5}
    text = json.dumps([record] * 3).encode()
    assert _core.read_plain_results(text, chunk) is not None
    for end in range(len(text)):
        for tail in (b"", b" ", b"\n", b",", b", "):
            assert _core.read_plain_results(text[:end] + tail, chunk) is None
    for tail in (b"]", b",", b", {}", b"]]", b", []"):
        assert _core.read_plain_results(text + tail, chunk) is None


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("parts", [1, 2])
def test_files_that_are_cut_are_refused(kind, parts, gt, tmp_path):
    record = {"image_id": 1, "category_id": 1, **SHAPES[kind], "score": 0.5}
    n = 2 if parts == 1 else 300_000 // len(json.dumps(record))  # a part has 256 KiB
    text = json.dumps([record] * n)
    rng = np.random.default_rng(n)
    comma = text.rindex("}, {", 0, len(text) * 3 // 4) + 2
    cuts = [comma, comma - 1, comma + 1, comma + 2, text.rindex("{"), len(text) - 1, len(text) - 2]
    cuts += rng.integers(1, len(text), 30).tolist()
    for end in cuts:
        for tail in ("", " ", "\n"):
            (tmp_path / "dt.json").write_text(text[:end] + tail)
            assert load(tamis.coco, gt, str(tmp_path / "dt.json")) == "JSONDecodeError"


def test_ground_truths_that_are_cut_are_refused(gt, tmp_path, capsys):
    text = json.dumps(dataset([truth(i, 1, 1, [i, 1, 5, 5]) for i in (1, 2, 3)]))
    for end in range(len(text)):
        (tmp_path / "cut.json").write_text(text[:end])
        with pytest.raises(json.JSONDecodeError):
            tamis.coco.COCO(tmp_path / "cut.json")


@pytest.mark.parametrize("content", ["null", "[]", "3", '"a"', "true"])
def test_files_of_something_else(content, gt, tmp_path, capsys):
    (tmp_path / "other.json").write_text(content)
    name = type(json.loads(content)).__name__
    for library in (pycocotools.coco, tamis.coco):
        with pytest.raises(AssertionError, match=f"annotation file format <class '{name}'> not"):
            library.COCO(str(tmp_path / "other.json"))
    if content != "[]":
        with pytest.raises(AssertionError, match=rf"results in not an array.*json holds {name}"):
            tamis.coco.COCO(gt).loadRes(str(tmp_path / "other.json"))
    with pytest.raises(AssertionError, match=f"<class '{name}'> not supported"):
        tamis.lvis.LVIS(tmp_path / "other.json")


def test_json_errors_name_file_line_and_column(gt, tmp_path, capsys):
    path = tmp_path / "broken.json"
    path.write_text('[{"image_id": 1},\n {"image_id": ]')
    where = rf"{path}: Expecting value: line 2 column 15 \(char 32\)"
    for read in (tamis.coco.COCO, tamis.lvis.LVIS, tamis.coco.COCO(gt).loadRes):
        with pytest.raises(json.JSONDecodeError, match=where) as caught:
            read(str(path))
        assert (caught.value.lineno, caught.value.colno) == (2, 15)
    path.write_bytes(b'[{"image_id": 1},\n {"file": "\xff"}]')
    with pytest.raises(UnicodeDecodeError, match=rf"{path}: line 2 column 12"):
        tamis.coco.COCO(path)


def test_a_data_set_given_as_results(gt, capsys):
    coco = tamis.coco.COCO(gt)
    keys = "'info', 'images', 'annotations', 'categories'"
    text = rf"results in not an array of objects: .*gt.json holds dict with the keys {keys}; its"
    with pytest.raises(AssertionError, match=text):
        coco.loadRes(gt)
    with pytest.raises(AssertionError, match=r"array of objects: dict with the keys 'preds'$"):
        coco.loadRes({"preds": []})
    with pytest.raises(AssertionError, match=r"array of objects: tuple$"):
        coco.loadRes(())


@pytest.mark.parametrize("as_", ["file", "list", "array"])
def test_results_of_unknown_images(as_, gt, tmp_path, capsys):
    results = [found(i, 1, [1, 1, 5, 5], 0.5) for i in (1, 9, 7, 9, 1)]
    (tmp_path / "dt.json").write_text(json.dumps(results))
    given: Any = {
        "file": str(tmp_path / "dt.json"),
        "list": results,
        "array": np.array([[r["image_id"], 1, 1, 5, 5, 0.5, 1] for r in results]),
    }[as_]
    text = r"Results do not correspond to current coco set: no image has the id 9, 7 \(2 unknown"
    with pytest.raises(AssertionError, match=text):
        tamis.coco.COCO(gt).loadRes(given)
    many = [found(i, 1, [1, 1, 5, 5], 0.5) for i in range(2, 40)]
    with pytest.raises(AssertionError, match=r"the id 2, 3, 4, 5, 6, \.\.\. \(38 unknown in all\)"):
        tamis.coco.COCO(gt).loadRes(many)


def test_text_image_ids_that_are_unknown(tmp_path, capsys):
    data = dataset([truth(1, "a", 1, [1, 1, 5, 5])], images=["a", "b"])
    (tmp_path / "gt.json").write_text(json.dumps(data))
    (tmp_path / "dt.json").write_text(json.dumps([found(i, 1, [1, 1, 5, 5], 0.5) for i in "abcc"]))
    with pytest.raises(AssertionError, match=r"no image has the id 'c' \(1 unknown in all\)"):
        tamis.coco.COCO(tmp_path / "gt.json").loadRes(tmp_path / "dt.json")


def without(field: str, record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != field}


@pytest.mark.parametrize(
    ("field", "kind", "text"),
    [
        ("area", "bbox", r"'area': not in annotations\[1\] \(id 12\)"),
        ("iscrowd", "bbox", r"'iscrowd': not in annotations\[1\] \(id 12\)"),
        ("bbox", "bbox", r"'bbox': not in annotations\[1\] \(id 12\)"),
        ("segmentation", "segm", r"'segmentation': not in annotations\[1\] \(id 12\)"),
        ("num_keypoints", "keypoints", r"'num_keypoints': not in annotations\[1\] \(id 12\)"),
        ("image_id", "bbox", r"'image_id': not in annotations\[1\] \(id 12\)"),
        ("category_id", "bbox", r"'category_id': not in annotations\[1\] \(id 12\)"),
        ("id", "bbox", r"'id': not in annotations\[1\]$"),
    ],
)
@pytest.mark.parametrize("as_file", [True, False])
def test_annotations_without_a_field(field, kind, text, as_file, tmp_path, capsys):
    more = {"segmentation": RLE, "num_keypoints": 17, "keypoints": [1, 2, 2] * 17}
    anns = [truth(i, 1, 1, [i, 1, 5, 5], **more) for i in (11, 12, 13)]
    anns[1] = without(field, anns[1])
    with pytest.raises(KeyError, match=text) as caught:
        evaluate(dataset(anns), [found(1, 1, [1, 1, 5, 5], 0.5, **more)], kind, as_file, tmp_path)
    assert caught.value.args[0] == field
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("field", ["image_id", "category_id", "bbox", "score"])
@pytest.mark.parametrize("as_file", [True, False])
def test_results_without_a_field(field, as_file, tmp_path, capsys):
    results = [found(1, 1, [1, 1, 5, 5], 0.5) for _ in range(3)]
    results[2] = without(field, results[2])
    text = rf"'{field}': not in results\[2\]"
    with pytest.raises(KeyError, match=text):
        evaluate(dataset([truth(1, 1, 1, [1, 1, 5, 5])]), results, "bbox", as_file, tmp_path)


def test_images_without_a_size(tmp_path, capsys):
    anns = [truth(1, 1, 1, [1, 1, 5, 5], segmentation=[[1, 1, 6, 1, 6, 6]])]
    gt = dataset(anns)
    del gt["images"][0]["height"]
    with pytest.raises(KeyError, match=r"'height': not in images\[0\] \(id 1\)"):
        evaluate(gt, [found(1, 1, [1, 1, 5, 5], 0.5)], "segm", True, tmp_path)


def test_images_of_lvis_without_a_list(tmp_path):
    gt, dt = problem(7)
    del gt["images"][2]["neg_category_ids"]
    for name, content in (("gt.json", gt), ("dt.json", dt)):
        (tmp_path / name).write_text(json.dumps(content))
    e = tamis.lvis.LVISEval(str(tmp_path / "gt.json"), str(tmp_path / "dt.json"), "bbox")
    with pytest.raises(KeyError, match=r"'neg_category_ids': not in images\[2\] \(id \d+\)"):
        e.run()


@pytest.mark.parametrize("table", ["images", "categories"])
def test_images_and_categories_without_an_id(table, capsys):
    coco = tamis.coco.COCO()
    records = {"images": [image(1), {}], "categories": [category(1), {}]}
    coco.dataset = {**dataset([]), table: records[table]}
    with pytest.raises(KeyError, match=rf"'id': not in {table}\[1\]"):
        coco.createIndex()


def evaluate(gt: Any, dt: Any, kind: str, as_file: bool, folder: Any) -> None:
    if as_file:
        for name, content in (("gt.json", gt), ("dt.json", dt)):
            (folder / name).write_text(json.dumps(content))
        coco = tamis.coco.COCO(folder / "gt.json")
        results = coco.loadRes(folder / "dt.json")
    else:
        coco = tamis.coco.COCO()
        coco.dataset = gt
        coco.createIndex()
        results = coco.loadRes(dt)
    tamis.coco.COCOeval(coco, results, kind).evaluate()


def test_a_key_error_of_somebody_elses(gt, capsys):
    class Own(tamis.coco.COCOeval):
        def evaluateImg(self, *of: Any) -> Any:
            raise KeyError("mine")

    coco = tamis.coco.COCO(gt)
    with pytest.raises(KeyError, match=r"^'mine'$"):
        Own(coco, coco.loadRes([found(1, 1, [1, 1, 5, 5], 0.5)]), "bbox").evaluate()
