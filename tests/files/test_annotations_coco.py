"""COCO files, odd ones too; aligning and writing; what hostile files do."""
# ruff: noqa: E501

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
import tamis.coco
from annotation_files import ap, put
from tamis.annotations.problems import Problem


def ann(number: int, image: Any = 1, category: Any = 1, **more: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": category, "bbox": [10, 10, 20, 30],
            "area": 600, "iscrowd": 0, **more}  # fmt: skip


def dataset(*anns: Any, **more: Any) -> dict[str, Any]:
    images = [{"id": i, "file_name": f"{i:06}.jpg", "height": 100, "width": 200} for i in (2, 1)]
    categories = [{"id": 1, "name": "cat"}, {"id": 18, "name": "dog"}]
    return {"images": images, "annotations": list(anns), "categories": categories, **more}


def read(folder: Path, data: Any, **options: Any) -> tamis.Annotations:
    return tamis.read(put(folder / "a.json", json.dumps(data)), **options)


def test_columns(tmp_path: Path) -> None:
    polygon = [[10.0, 10, 30, 10, 30, 40]]
    found = read(
        tmp_path, dataset(ann(5, 2, 18), ann(3, segmentation=polygon, area=300), ann(4, iscrowd=1))
    )
    assert found.image_ids.tolist() == [1, 2] and found.splits.tolist() == [0, 2, 3]
    assert found.image_names == ("000001.jpg", "000002.jpg")
    assert found.ids is not None and found.ids.tolist() == [3, 4, 5]
    assert found.classes == {1: "cat", 18: "dog"} and found.class_names == ["cat", "dog"]
    assert found.labels.tolist() == [1, 1, 18] and found.iscrowd.tolist() == [0, 1, 0]
    assert found.area is not None and found.area.tolist() == [300, 600, 600]
    assert found.shapes is not None and found.shapes.polygons(0) == polygon
    assert found.masks is not None and found.masks.area().tolist()[0] > 200
    assert found.xyxy.tolist()[0] == [10, 10, 30, 40] and len(found) == 3
    assert found.where(2) == "annotation 5 of 000002.jpg"
    assert pickle.loads(pickle.dumps(found)) == found and found != found.select([0])
    assert len(repr(found).splitlines()) <= 20 and "3 xywh boxes in 2 images" in repr(found)


def test_parts(tmp_path: Path) -> None:
    found = read(
        tmp_path, dataset(ann(1, 1), ann(2, 2), ann(3, 2, segmentation=[[0, 0, 1, 0, 1, 1]]))
    )
    part = found.select([1])
    assert part.image_ids.tolist() == [2] and part.splits.tolist() == [0, 2]
    assert part.ids is not None and part.ids.tolist() == [2, 3]
    assert part.shapes is not None and part.shapes.polygons(1) == [[0, 0, 1, 0, 1, 1]]
    assert found.select(np.array([True, False])).image_ids.tolist() == [1]
    assert found.select([]).n_images == 0 and found.select([0, 1]) == found
    assert found.keep(found.ids == 2).splits.tolist() == [0, 0, 1]  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="images must be places or"):
        found.select([True])
    with pytest.raises(TypeError, match="images must be integers"):
        found.select([0.5])
    with pytest.raises(ValueError, match="scores must be there"):
        found.preds()


ODD = {
    "no iscrowd, no area": lambda a: [a.pop("iscrowd"), a.pop("area")],
    "float ids": lambda a: a.update(image_id=1.0, category_id=1.0),
    "null segmentation": lambda a: a.update(segmentation=None),
    "more keys": lambda a: a.update(x={"images": [1, {"id": 7}]}, y="[\"images\": [{}]"),
    "box of the polygon": lambda a: [a.pop("bbox"), a.update(segmentation=[[10, 10, 30, 10, 30, 40]])],
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_records_are_read_as_plain_ones(tmp_path: Path, name: str) -> None:
    odd = ann(1)
    ODD[name](odd)
    found, plain = read(tmp_path, dataset(odd)), read(tmp_path, dataset(ann(1)))
    assert found.boxes.tolist() == plain.boxes.tolist() == [[10, 10, 20, 30]]
    assert found.image_ids.tolist() == [1, 2] and found.labels.tolist() == [1]
    assert found.targets().get("area", np.array([600])).tolist() == [600]


def test_mixed_id_types_are_told_and_read(tmp_path: Path) -> None:
    found = read(tmp_path, dataset(ann(1, "1", "18"), ann(2, 2)))
    assert found.image_ids.tolist() == [1, 2] and found.labels.tolist() == [18, 1]
    assert [f.kind for f in found.check().serious] == ["mixed id types"] * 2
    names = dataset(ann(1, "x"))
    names["images"] = [{"id": "x", "file_name": "x.jpg"}]
    found = read(tmp_path, names)
    assert found.image_ids.tolist() == ["x"] and not found.check().serious


@pytest.mark.parametrize(
    "data, text",
    [
        ({"images": [], "categories": []}, "expected a list 'annotations', got none"),
        (
            dataset(ann(1, bbox=[1, 2, 3])),
            r"annotations\[0\]: expected bbox \[x, y, width, height\]",
        ),
        (dataset(ann(1, bbox=[1, 2, 3, None])), r"annotations\[0\]: expected bbox"),
        (dataset(ann(1, bbox=[1, 2, 3, float("nan")])), r"annotations\[0\]: expected bbox"),
        (dataset(ann(1, bbox=[1, 2, 3, 10**400])), r"annotations\[0\]: expected bbox"),
        (
            dataset(ann(1), ann(2, image=None)),
            r"annotations\[1\]: expected a number image_id, got None",
        ),
        (
            dataset(ann(1, category="cat")),
            r"annotations\[0\]: expected a whole category_id, got 'cat'",
        ),
        (dataset(ann(1, category=1.5)), r"annotations\[0\]: expected a whole category_id, got 1.5"),
        (dataset([]), r"annotations\[0\]: expected an object, got \[\]"),
        (dataset(images=[{"id": [1]}]), r"images\[0\]: expected an object with an id"),
        (
            [{**ann(1), "score": float("inf")}],
            r"annotations\[0\]: expected a finite score, got inf",
        ),
        ([{**ann(1)}], r"annotations\[0\]: expected a finite score, got None"),
        (7, "expected a JSON object or list"),
    ],
)
def test_records_that_are_wrong(tmp_path: Path, data: Any, text: str) -> None:
    with pytest.raises(tamis.AnnotationError, match=text):
        read(tmp_path, data, format="coco")


@pytest.mark.parametrize(
    "content, text",
    [
        (b"", "empty file"), (b"{", "a.json:1: expected JSON"), (b'{"images": [\n\n,', ":3: expected JSON"),
        (b"\xff\xfe{\0", "expected JSON"), (b'{"images": "\xff"}', "expected utf-8 text, got byte 0xff"),
        (b"[" * 100_000, "nested too deep|expected JSON"), (b"[" + b"9" * 5000 + b"]", "expected"),
    ],
)  # fmt: skip
def test_files_that_are_no_json(tmp_path: Path, content: bytes, text: str) -> None:
    with pytest.raises(tamis.AnnotationError, match=text):
        tamis.read(put(tmp_path / "a.json", content))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marks_of_encodings(tmp_path: Path, encoding: str) -> None:
    text = json.dumps(dataset(ann(1))).replace('"cat"', '"Käse"')
    found = tamis.read(put(tmp_path / "a b é.json", text.encode(encoding)))
    assert found.classes[1] == "Käse" and len(found) == 1


def test_arguments_are_checked(tmp_path: Path) -> None:
    path = put(tmp_path / "a.json", json.dumps(dataset(ann(1))))
    for options, text in (
        ({"format": "x"}, "read: format must be"), ({"task": "x"}, "read: task must be"),
        ({"difficult": "x"}, "read: difficult must be"), ({"images": path}, "read: images must be a folder"),
        ({"classes": ["a", "a"]}, "distinct"), ({"layout": "x"}, "read: layout must be"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=text):
            tamis.read(path, **options)  # type: ignore[arg-type]
    for options, text in (({"like": 1}, "read: like"), ({"classes": "ab"}, "read: classes")):
        with pytest.raises(TypeError, match=text):
            tamis.read(path, **options)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        tamis.read(tmp_path / "none")
    with pytest.raises(tamis.AnnotationError, match="expected a folder or a file"):
        tamis.read(put(tmp_path / "a.doc"))


def test_errors_pickle() -> None:
    error = tamis.AnnotationError([Problem("a.txt", 3, "x"), Problem("b.txt", 0, "y")])
    same = pickle.loads(pickle.dumps(error))
    assert same.problems == error.problems and str(same) == str(error)
    assert str(error) == "2 problems in 2 files:\n  a.txt:3: x\n  b.txt: y"


# --- results and align ------------------------------------------------------------------------


def result(image: Any = 1, category: int = 1, score: float = 0.5, **more: Any) -> dict[str, Any]:
    return {
        "image_id": image,
        "category_id": category,
        "bbox": [10, 10, 20, 30],
        "score": score,
        **more,
    }


def test_results_and_images_that_are_not_there(tmp_path: Path) -> None:
    gt = read(tmp_path, dataset(ann(1), ann(2, 2, 18)))
    dt = read(tmp_path, [result(2, 18), result(1), result(9), result(1, 7)])
    with pytest.warns(UserWarning, match="1 images of dt are not in gt.*'9'.*; 1 classes.*'7'"):
        same, both = tamis.align(gt, dt)
    assert same is gt and both.image_ids.tolist() == [1, 2] and both.labels.tolist() == [1, 18]
    assert both.splits.tolist() == [0, 1, 2] and both.classes == gt.classes
    with pytest.raises(ValueError, match="align: 1 images"):
        tamis.align(gt, dt, unmatched="error")
    assert ap(gt, dt)["AP"] == pytest.approx(1)
    with pytest.raises(ValueError, match="no image of dt is in gt: dt has '9'; gt has"):
        tamis.align(gt, read(tmp_path, [result(9)]))
    with pytest.raises(
        ValueError, match="no class of dt is in gt: dt has '77'; gt has 'cat', 'dog'"
    ):
        tamis.align(gt, read(tmp_path, [result(1, 77)]))


def test_ultralytics_predictions(tmp_path: Path) -> None:
    """Text ids and numbers of file names; classes from 1."""
    gt = tamis.Annotations(
        boxes=np.array([[10.0, 10, 20, 30]] * 2), labels=np.array([0, 1]), splits=np.array([0, 1, 2]),
        image_ids=np.array(["000000000139", "x_1"], object), classes={0: "a", 1: "b"},
        image_names=("000000000139.jpg", "x_1.jpg"),
    )  # fmt: skip
    records = [result(139, 1, file_name="000000000139.jpg"), result("x_1", 2, file_name="x_1.jpg")]
    dt = read(tmp_path, records)
    assert dt.format == "ultralytics" and dt.image_names == ("000000000139.jpg", "x_1.jpg")
    assert ap(gt, dt)["AP"] == pytest.approx(1)
    with pytest.warns(UserWarning, match="count from 1"):
        tamis.align(gt, dt)
    for record in records:
        del record["file_name"]
    assert ap(gt, read(tmp_path, records))["AP"] == pytest.approx(1)
    turned = {"image_id": 1, "category_id": 1, "score": 0.5, "file_name": "a.jpg",
              "rbox": [20, 20, 10, 4, np.pi / 2], "poly": [18, 15, 22, 15, 22, 25, 18, 25]}  # fmt: skip
    dt = read(tmp_path, [turned])
    assert dt.boxes[0] == pytest.approx([18, 15, 4, 10])
    assert dt.as_obb().boxes[0] == pytest.approx([20, 20, 10, 4, 90])


def test_yolos_eighty_of_cocos_ninety_one(tmp_path: Path) -> None:
    gt = read(tmp_path, dataset(ann(1, 1, 1), ann(2, 2, 18)))
    dt = read(tmp_path, [result(1, 0), result(2, 1)])
    with pytest.warns(UserWarning, match="places among the classes"):
        _, both = tamis.align(gt, dt)
    assert both.labels.tolist() == [1, 18]


def test_names_without_case_and_hyphens() -> None:
    def one(name: str, image: str) -> tamis.Annotations:
        return tamis.Annotations(
            boxes=np.array([[0.0, 0, 9, 9]]), labels=np.array([3]), splits=np.array([0, 1]),
            image_ids=np.array([image], object), classes={3: name}, scores=np.array([0.5]),
            image_names=(image,),
        )  # fmt: skip

    gt, dt = tamis.align(one("Traffic-Light", "a/x.jpg"), one("traffic light", "b/x.png"))
    assert dt.labels.tolist() == [3] and dt.image_names == ("a/x.jpg",)
    with pytest.raises(ValueError, match="boxes of one fmt"):
        tamis.align(gt.as_obb(), dt)


def test_stems_in_two_folders_are_not_mixed_up() -> None:
    def two(*names: str) -> tamis.Annotations:
        n = len(names)
        return tamis.Annotations(
            boxes=np.arange(4.0 * n).reshape(n, 4), labels=np.zeros(n, np.int64), splits=np.arange(n + 1),
            image_ids=np.array(names, object), classes={0: "a"}, scores=np.ones(n), image_names=names,
        )  # fmt: skip

    _, dt = tamis.align(two("x/a.jpg", "y/a.jpg"), two("y/a.png", "x/a.png"))
    assert dt.boxes[:, 0].tolist() == [4, 0]
    with pytest.raises(ValueError, match="no image of dt"):
        tamis.align(two("x/a.jpg", "y/a.jpg"), two("a.png"))


def test_parts_by_class_and_what_evaluators_take() -> None:
    boxes = np.array([[0.0, 0, 9, 9], [1, 1, 9, 9], [2, 2, 9, 9]])
    a = tamis.Annotations(
        boxes, np.array([1, 2, 1]), np.array([0, 2, 3]), np.array([7, 8]), {1: "cat", 2: "dog"},
        keypoints=np.full((3, 17, 3), np.nan), scores=np.ones(3),
    )  # fmt: skip
    part = a.of_classes([1])
    assert part.boxes.tolist() == boxes[[0, 2]].tolist() and part.classes == {1: "cat"}
    assert part.splits.tolist() == [0, 1, 2] and part.n_images == 2
    assert len(a.of_classes([])) == 0
    assert set(a.preds()) == {"boxes", "labels", "scores", "splits"}
    assert (a.targets("keypoints")["keypoints"] == 0).all()
    with pytest.raises(ValueError, match="preds: masks must be there for iou_type 'segm'"):
        a.preds("segm")
    with pytest.raises(ValueError, match="targets: iou_type must be one of"):
        a.targets("boxes")


def test_results_keep_their_masks_beside_their_boxes(tmp_path: Path) -> None:
    dense = np.zeros((2, 100, 200), np.uint8)
    dense[0, 2:50, 3:70] = dense[1, 1:30, 100:101] = 1
    results = [
        {"image_id": 1, "category_id": 1, "bbox": [0, 0, 90, 80], "score": 0.5,
         "segmentation": {**mask, "counts": mask["counts"].decode()}}
        for mask in map(tamis.coco.mask.encode, map(np.asfortranarray, dense))
    ]  # fmt: skip
    found = tamis.read(put(tmp_path / "dt.json", json.dumps(results)))
    assert found.masks is not None and found.boxes.tolist() == [[0, 0, 90, 80]] * 2
    assert (np.stack(found.preds("segm")["masks"].decode()) == dense).all()


@pytest.mark.parametrize("iou_type", ["segm", "keypoints"])
def test_results_beside_boxes_are_as_large_as_the_boxes(tmp_path: Path, iou_type: str) -> None:
    """pycocotools' loadRes takes the area of the box, which decides the size of what is left."""
    square = [[10.0, 10, 50, 10, 50, 50, 10, 50]]  # 1,600 pixels: medium
    points = [x for i in range(17) for x in (10 + 2 * i, 10 + 2 * i, 2)]
    shape = {"segmentation": square, "keypoints": points, "num_keypoints": 17}
    gt = {
        "images": [{"id": 1, "height": 400, "width": 400}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 40, 40], "area": 1600,
             "iscrowd": 0, **shape}
        ],
    }  # fmt: skip
    # the second matches nothing: out of the range, it is no false positive there
    far = [[200.0, 200, 240, 200, 240, 240, 200, 240]]
    away = [x for i in range(17) for x in (200 + 2 * i, 200 + 2 * i, 2)]
    first = {"image_id": 1, "category_id": 1, "score": 0.5, "bbox": [10, 10, 40, 40]}
    second = {**first, "score": 0.9, "bbox": [0, 0, 300, 300]}
    for record, polygon, person in ((first, square, points), (second, far, away)):
        if iou_type == "segm":
            counts = tamis.coco.mask.merge(tamis.coco.mask.frPyObjects(polygon, 400, 400))
            record["segmentation"] = {**counts, "counts": counts["counts"].decode()}
        else:
            record["keypoints"] = person
    paths = put(tmp_path / "gt.json", json.dumps(gt)), put(tmp_path / "dt.json", "")
    Path(paths[1]).write_text(json.dumps([first, second]))
    ground = tamis.coco.COCO(paths[0])
    theirs = tamis.coco.COCOeval(ground, ground.loadRes(paths[1]), iou_type)
    theirs.evaluate(), theirs.accumulate(), theirs.summarize()
    evaluator = tamis.DetectionEvaluator(iou_type=iou_type)
    evaluator.update(tamis.read(paths[1]).preds(iou_type), tamis.read(paths[0]).targets(iou_type))
    stats = evaluator.compute().stats
    assert stats["APm"] == pytest.approx(1) and stats["AP"] == pytest.approx(0.5)
    assert list(stats.values()) == theirs.stats.tolist()
