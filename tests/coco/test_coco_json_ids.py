"""Ids spelled 1.0 or as text: the readers' columns, and pycocotools' numbers from them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tamis
import tamis.coco
from coco_harness import Case, differences, run
from coco_json_reference import check, reference_dataset, reference_results
from tamis import _core

pytest.importorskip("pycocotools")
import pycocotools.coco
import pycocotools.cocoeval

THEIRS = SimpleNamespace(COCO=pycocotools.coco.COCO, COCOeval=pycocotools.cocoeval.COCOeval)


def results(*ids: str) -> str:
    rows = ", ".join(
        f'{{"image_id": {i}, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5}}' for i in ids
    )
    return f"[{rows}]"


def dataset(images: str, *image_ids: str, key: str = "image_id") -> str:
    fields = {"id": "{n}", "image_id": "7", "category_id": "3", "area": "12.5", "iscrowd": "0"}
    rows = []
    for n, image_id in enumerate(image_ids, 1):
        own = fields | {"id": str(n), "bbox": "[1, 2, 3, 4]", key: image_id}
        rows.append("{" + ", ".join(f'"{k}": {v}' for k, v in own.items()) + "}")
    return f'{{"images": [{images}], "annotations": [{", ".join(rows)}]}}'


@pytest.mark.parametrize(
    "ids",
    [
        ("1.0", "2", "3e0"),
        ("-0.0", "0", "1"),
        ('"1"', '"2"', '"1"', '"3"'),
        ('""', r'"\u00e9"', '"é"', '"a b"'),
        ("9007199254740992.0", "9007199254740991", "1"),
    ],
)
def test_regular_ids(ids):
    check(_core.read_coco_results, reference_results, results(*ids), regular=True)
    check(_core.read_coco_dataset, reference_dataset, dataset('{"id": 1}', *ids), regular=True)
    text = dataset('{"id": 1}', *ids, key="category_id")
    check(_core.read_coco_dataset, reference_dataset, text, regular=True)


@pytest.mark.parametrize(
    "ids", [('"1"', "1"), ("1.5", "1"), ("1e300", "1"), ("1", '"a"', '"b"'), ("true", "1")]
)
def test_irregular_ids(ids):
    check(_core.read_coco_results, reference_results, results(*ids), regular=False)
    check(_core.read_coco_dataset, reference_dataset, dataset('{"id": 1}', *ids), regular=False)


@pytest.mark.parametrize(
    ("images", "regular"),
    [
        ('{"id": "a"}, {"id": "b"}, {"id": "a"}', True),
        ('{"id": 1.0}, {"id": 2.0}', True),
        ('{"id": 3, "id": "a"}, {"id": "b"}', True),
        ('{"id": 1.0}, {"id": 2}', False),
        ('{"id": "1"}, {"id": 1}', False),
    ],
)
def test_ids_of_images_are_of_one_kind(images, regular):
    text = dataset(images, "1", "2", "3")
    check(_core.read_coco_dataset, reference_dataset, text, regular=regular)


def test_annotations_have_no_text_ids():
    text = dataset('{"id": 1}', '"a"', '"b"', key="id")
    check(_core.read_coco_dataset, reference_dataset, text, regular=False)


def case(change_gt: Any, change_dt: Any, seed: int = 3, **more: Any) -> Case:
    """Boxes and their squares as masks in 12 images, of 4 categories, with crowds."""
    rng = np.random.default_rng(seed)
    n = 90
    boxes = np.round(np.c_[rng.uniform(0, 60, (n, 2)), rng.uniform(4, 30, (n, 2))], 1)
    anns = [
        {"id": i + 1, "image_id": int(rng.integers(1, 13)), "category_id": int(rng.integers(1, 5)),
         "bbox": b, "area": b[2] * b[3], "iscrowd": int(rng.random() < 0.1),
         "segmentation": [[b[0], b[1], b[0] + b[2], b[1], b[0] + b[2], b[1] + b[3]]]}
        for i, b in enumerate(boxes.tolist())
    ]  # fmt: skip
    found = [
        {"image_id": a["image_id"], "category_id": a["category_id"], "score": round(s, 1),
         "bbox": [v + 1 for v in a["bbox"]]}
        for a, s in zip(anns, rng.random(n).tolist(), strict=True)
    ]  # fmt: skip
    gt = {
        "info": {},
        "images": [{"id": i, "width": 100, "height": 100} for i in range(1, 13)],
        "categories": [{"id": i, "name": str(i)} for i in range(1, 5)],
        "annotations": anns,
    }
    change_gt(gt)
    for record in found:
        change_dt(record)
    return Case(gt, found, "file", **more)


def spell(*keys: str, as_: Any) -> Any:
    def change(record: Any) -> None:
        for key in keys:
            record[key] = as_(record[key])

    return change


def everywhere(images: Any = None, annotations: Any = None, categories: Any = None) -> Any:
    def change(gt: Any) -> None:
        for key, one in zip(
            ("images", "annotations", "categories"), (images, annotations, categories), strict=True
        ):
            for record in gt[key] if one else ():
                one(record)

    return change


def name(i: Any) -> str:
    return f"im{(7 * i) % 12}.jpg"  # their order is another


KEEP: Any = lambda record: None  # noqa: E731
SPELLINGS = {
    "annotation ids 1.0": (everywhere(annotations=spell("id", as_=float)), KEEP),
    "iscrowd 0.0": (everywhere(annotations=spell("iscrowd", as_=float)), KEEP),
    "category_id of results 1.0": (KEEP, spell("category_id", as_=float)),
    "all ids 1.0": (
        everywhere(
            spell("id", as_=float),
            spell("id", "image_id", "category_id", as_=float),
            spell("id", as_=float),
        ),
        spell("image_id", "category_id", as_=float),
    ),
    "text image ids": (
        everywhere(spell("id", as_=name), spell("image_id", as_=name)),
        spell("image_id", as_=name),
    ),
    "text category ids": (
        everywhere(annotations=spell("category_id", as_=name), categories=spell("id", as_=name)),
        spell("category_id", as_=name),
    ),
    "images text, annotations not": (everywhere(spell("id", as_=str)), spell("image_id", as_=str)),
    "ids 1.5": (everywhere(annotations=spell("id", as_=lambda i: i + 0.5)), KEEP),
    "image ids 1.5": (
        everywhere(spell("id", as_=lambda i: i / 2), spell("image_id", as_=lambda i: i / 2)),
        spell("image_id", as_=lambda i: i / 2),
    ),
}


def pooled(e: Any) -> None:
    e.params.useCats = 0


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("before", [KEEP, pooled], ids=["", "pooled"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_numbers_are_those_of_pycocotools(spelling, before, iou_type, tmp_path):
    of = case(*SPELLINGS[spelling], before=before, iou_type=iou_type)
    want, got = run(THEIRS, of, tmp_path), run(tamis.coco, of, tmp_path)
    assert "raises" not in want
    assert differences(want, got) == []


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_files_are_not_walked_record_by_record(spelling, tmp_path, capsys):
    of = case(*SPELLINGS[spelling])
    (tmp_path / "gt.json").write_text(json.dumps(of.gt))
    (tmp_path / "dt.json").write_text(json.dumps(of.dt))
    gt = tamis.coco.COCO(tmp_path / "gt.json")
    assert gt.getImgIds() == [image["id"] for image in of.gt["images"]]
    assert list(map(type, gt.getCatIds())) == [type(c["id"]) for c in of.gt["categories"]]
    e = tamis.coco.COCOeval(gt, gt.loadRes(str(tmp_path / "dt.json")), "bbox")
    e.evaluate()
    errors = tamis.detection_errors(e)  # of columns alone
    assert len(errors.kind) == len(of.dt)


@pytest.mark.parametrize("as_", [name, float])
def test_analyses_take_ids_of_any_kind(as_, tmp_path):
    def analyses(*change: Any) -> list[Any]:
        of = case(*change)
        (tmp_path / "gt.json").write_text(json.dumps(of.gt))
        (tmp_path / "dt.json").write_text(json.dumps(of.dt))
        gt = tamis.coco.COCO(tmp_path / "gt.json")
        e = tamis.coco.COCOeval(gt, gt.loadRes(str(tmp_path / "dt.json")), "bbox")
        e.evaluate()
        best, scores = tamis.best_f1(e), tamis.image_scores(e)
        return [
            tamis.detection_errors(e).counts, tamis.confusion_matrix(e).matrix.tolist(),
            np.sort(best.f1).tolist(), sorted(np.asarray(scores["f1"]).tolist()),
            set(np.asarray(scores["image"]).tolist()),
        ]  # fmt: skip

    plain = analyses(KEEP, KEEP)
    change = spell("image_id", as_=as_)
    other = analyses(everywhere(spell("id", as_=as_), change), change)
    assert other[1:4] == plain[1:4]
    assert other[4] == {as_(i) for i in plain[4]}
