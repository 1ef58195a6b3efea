"""Results in a list of dicts against a ground-truth file: nothing is built, nothing is missed."""

from __future__ import annotations

import contextlib
import copy
import gc
import io
import json
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tamis.coco
from coco_cases import random_problem
from coco_kinds import masks, people
from tamis import _core

pytest.importorskip("pycocotools")
import pycocotools.coco
import pycocotools.cocoeval

THEIRS = SimpleNamespace(COCO=pycocotools.coco.COCO, COCOeval=pycocotools.cocoeval.COCOeval)
CASES = {
    "bbox": lambda: random_problem(21),
    "segm": lambda: masks(22),
    "keypoints": lambda: people(23),
}


@pytest.fixture(params=CASES)
def case(request: Any, tmp_path: Any) -> Any:
    case = CASES[request.param]()
    (tmp_path / "gt.json").write_text(json.dumps(case.gt))
    return SimpleNamespace(kind=request.param, gt=str(tmp_path / "gt.json"), dt=case.dt)


def loaded(library: Any, case: Any, dt: Any) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        gt = library.COCO(case.gt)
        return gt, gt.loadRes(dt)


def stats(library: Any, gt: Any, results: Any, kind: str) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            e = library.COCOeval(gt, results, kind)
            e.evaluate()
            e.accumulate()
            e.summarize()
        except Exception as error:
            return type(error).__name__
    return e.stats.tolist()


def test_no_dicts_are_built(case: Any) -> None:
    gt, results = loaded(tamis.coco, case, copy.deepcopy(case.dt))
    want = stats(THEIRS, *loaded(THEIRS, case, copy.deepcopy(case.dt)), case.kind)
    assert stats(tamis.coco, gt, results, case.kind) == want
    assert "dataset" not in vars(gt) and "dataset" not in vars(results)
    assert results.getImgIds() == gt.getImgIds() and results.getCatIds() == gt.getCatIds()


def test_the_dicts_gain_what_pycocotools_adds(case: Any) -> None:
    ours, theirs = copy.deepcopy(case.dt), copy.deepcopy(case.dt)
    results = loaded(tamis.coco, case, ours)[1]
    want = loaded(THEIRS, case, theirs)[1]
    as_lists = lambda anns: json.loads(json.dumps(anns, default=lambda v: v.tolist()))  # noqa: E731
    assert [list(ann) for ann in ours] == [list(ann) for ann in theirs]
    assert as_lists([{**a, "area": float(a["area"])} for a in ours]) == as_lists(
        [{**a, "area": float(a["area"])} for a in theirs]
    )
    assert results.dataset["annotations"] is ours
    assert all(results.anns[ann["id"]] is ann for ann in ours)
    assert {k: len(v) for k, v in results.imgToAnns.items()} == {
        k: len(v) for k, v in want.imgToAnns.items()
    }
    assert results.dataset.keys() == want.dataset.keys()


EDITS = {
    "scores": lambda dt: [ann.update(score=1 - ann["score"]) for ann in dt],
    "categories": lambda dt: [ann.update(category_id=1) for ann in dt],
    "ids": lambda dt: [ann.update(id=ann["id"] + 7) for ann in dt[::2]],
    "areas": lambda dt: [ann.update(area=1e4) for ann in dt],
    "a score dropped": lambda dt: dt[3].pop("score"),
    "the list emptied": lambda dt: dt.clear(),
    "the list grown": lambda dt: dt.append(dict(dt[0])),
}


@pytest.mark.parametrize("edit", EDITS)
def test_edits_after_loading(edit: str, case: Any) -> None:
    def run(library: Any) -> Any:
        dt = copy.deepcopy(case.dt)
        sides = loaded(library, case, dt)
        EDITS[edit](dt)
        return stats(library, *sides, case.kind)

    assert run(tamis.coco) == run(THEIRS)


def test_a_dict_that_comes_twice(case: Any) -> None:
    def run(library: Any) -> Any:
        dt = copy.deepcopy(case.dt)
        return stats(library, *loaded(library, case, [*dt, dt[0], dt[0]]), case.kind)

    assert run(tamis.coco) == run(THEIRS)


@pytest.mark.parametrize("touched", [False, True])
def test_copies_stand_alone(touched: bool, case: Any) -> None:
    gt, results = loaded(tamis.coco, case, copy.deepcopy(case.dt))
    if touched:
        assert len(gt.anns) > 0
    want = stats(tamis.coco, gt, results, case.kind)
    for make in (copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))):
        assert stats(tamis.coco, gt, make(results), case.kind) == want
        assert stats(tamis.coco, make(gt), make(results), case.kind) == want


def test_the_collector_is_left_as_it_was(case: Any) -> None:
    for on in (True, False):
        (gc.enable if on else gc.disable)()
        try:
            loaded(tamis.coco, case, copy.deepcopy(case.dt))
            with pytest.raises((KeyError, TypeError)), contextlib.redirect_stdout(io.StringIO()):
                tamis.coco.COCO(case.gt).loadRes([*copy.deepcopy(case.dt), {"image_id": 1}])
            assert gc.isenabled() is on
        finally:
            gc.enable()


def record(**changes: Any) -> dict[str, Any]:
    one = {"id": 1, "image_id": 2, "category_id": 3, "area": 4.5, "bbox": [1, 2.5, 3, 4]}
    return one | {"score": 0.5, "iscrowd": 0} | changes


def test_columns_of_dicts() -> None:
    records = [record(), record(id=-(2**63), area=2**53, bbox=[-1, 1e300, True + 0, 2], score=1)]
    got = _core.result_columns(records)
    assert got is not None and list(got) == [
        "id", "image_id", "category_id", "area", "bbox", "score",
    ]  # fmt: skip
    for key, values in got.items():
        want = np.array([one[key] for one in records], values.dtype)
        np.testing.assert_array_equal(values, want)
    crowds = [record(iscrowd=v) for v in (0, 1, True, False, 255)]
    got = _core.annotation_columns(crowds)
    assert got is not None and got["iscrowd"].tolist() == [0, 1, 1, 0, 255]
    assert got["iscrowd"].dtype == np.uint8
    assert len(_core.result_columns([])["id"]) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "1"}, {"id": 2**63}, {"id": 1.0}, {"id": True}, {"id": None},
        {"image_id": np.int64(1)},
        {"category_id": [1]}, {"area": "1"}, {"area": 2**53 + 1}, {"area": np.float32(1)},
        {"bbox": (1, 2, 3, 4)}, {"bbox": [1, 2, 3]}, {"bbox": [1, 2, 3, 4, 5]}, {"bbox": None},
        {"bbox": [1, 2, 3, "4"]}, {"bbox": [1, 2, 3, None]}, {"bbox": np.ones(4)},
        {"score": None}, {"score": "a"}, {"score": 1j},
    ],
    ids=repr,
)  # fmt: skip
def test_dicts_of_anything_else_have_no_columns(changes: Any) -> None:
    assert _core.result_columns([record(), record(**changes)]) is None


@pytest.mark.parametrize("flag", [-1, 256, 0.0, "0", None, 2**70])
def test_crowds_that_are_no_small_integers(flag: Any) -> None:
    assert _core.annotation_columns([record(iscrowd=flag)]) is None


def test_records_that_are_no_plain_dicts() -> None:
    class Own(dict):
        pass

    for bad in (Own(record()), [], None, {k: v for k, v in record().items() if k != "area"}):
        assert _core.result_columns([record(), bad]) is None
