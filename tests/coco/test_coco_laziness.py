"""Dicts are built late, yet nobody can tell: threads, interrupts, overrides, edited parameters."""

from __future__ import annotations

import contextlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from coco_cases import random_problem
from tamis import coco as ours
from tamis.coco import _sources
from tamis.regions.masks import Masks

pycocotools_coco = pytest.importorskip("pycocotools.coco")
pycocotools_eval = pytest.importorskip("pycocotools.cocoeval")
THEIRS = (pycocotools_coco.COCO, pycocotools_eval.COCOeval)
OURS = (ours.COCO, ours.COCOeval)


@pytest.fixture
def files(tmp_path: Any) -> tuple[str, str]:
    case = random_problem(21)
    for name, content in (("gt.json", case.gt), ("dt.json", case.dt)):
        (tmp_path / name).write_text(json.dumps(content))
    return str(tmp_path / "gt.json"), str(tmp_path / "dt.json")


def evaluator(classes: Any, files: Any) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        gt = classes[0](files[0])
        e = classes[1](gt, gt.loadRes(files[1]), "bbox")
        e.evaluate()
    return e


def finish(e: Any) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        e.accumulate()
    return e.eval["precision"]


def test_many_threads_touch_one_object(files: Any) -> None:
    for _ in range(20):
        with contextlib.redirect_stdout(io.StringIO()):
            coco = ours.COCO(files[0])
            results = coco.loadRes(files[1])
        with ThreadPoolExecutor(8) as pool:
            sizes = list(pool.map(lambda one: len(one.anns), [coco, results] * 16))
        assert sizes == [len(coco.anns), len(results.anns)] * 16


def test_an_interrupt_while_touching_loses_nothing(files: Any, monkeypatch: Any) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = ours.COCO(files[0])

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_sources.json_text, "loads", stop)
        with pytest.raises(KeyboardInterrupt):
            len(coco.anns)
    assert len(coco.anns) > 0


def test_an_overridden_create_index_sees_the_dicts(files: Any) -> None:
    def subclass(base: Any) -> Any:
        class Filtered(base):
            def createIndex(self) -> None:
                anns = self.dataset["annotations"]
                self.dataset["annotations"] = [a for a in anns if a["category_id"] == 1]
                super().createIndex()
                self.extra = 1

        return Filtered

    counts = []
    for classes in (THEIRS, OURS):
        with contextlib.redirect_stdout(io.StringIO()):
            coco = subclass(classes[0])(files[0])
        counts.append((len(coco.anns), coco.extra))
    assert counts[0] == counts[1]


def test_a_patch_of_the_class_is_a_hook(files: Any, monkeypatch: Any) -> None:
    calls = [0, 0]
    for i, classes in enumerate((THEIRS, OURS)):
        original = classes[1].evaluateImg

        def counted(self: Any, *args: Any, i: int = i, original: Any = original) -> Any:
            calls[i] += 1
            return original(self, *args)

        monkeypatch.setattr(classes[1], "evaluateImg", counted)
        evaluator(classes, files)
    assert calls[0] == calls[1] > 0


def test_a_patch_of_create_index_reaches_results(files: Any, monkeypatch: Any) -> None:
    seen = []
    original = ours.COCO.createIndex

    def counted(self: Any) -> None:
        seen.append(len(self.dataset["annotations"]))
        original(self)

    monkeypatch.setattr(ours.COCO, "createIndex", counted)
    evaluator(OURS, files)
    assert len(seen) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.imgIds.__delitem__(slice(3, None)),
        lambda p: p.catIds.pop(),
        lambda p: setattr(p, "iouThrs", p.iouThrs[:3]),
        lambda p: setattr(p, "maxDets", [1, 100]),
        lambda p: p.areaRng.pop(),
    ],
)
def test_parameters_changed_after_evaluate(change: Any, files: Any) -> None:
    outcomes = []
    for classes in (THEIRS, OURS):
        e = evaluator(classes, files)
        change(e.params)
        try:
            outcomes.append(finish(e))
        except (IndexError, ValueError):
            outcomes.append(None)
    assert (outcomes[0] is None) == (outcomes[1] is None)
    if outcomes[0] is not None:
        np.testing.assert_array_equal(*outcomes)


def test_more_thresholds_than_were_evaluated(files: Any) -> None:
    outcomes = []
    for classes in (THEIRS, OURS):
        e = evaluator(classes, files)
        e.params.iouThrs = np.array([0.5])
        with contextlib.redirect_stdout(io.StringIO()):
            e.evaluate()
        e.params.iouThrs = np.linspace(0.5, 0.95, 10)
        outcomes.append(finish(e))
    np.testing.assert_array_equal(*outcomes)


def test_records_keep_the_ids_they_were_evaluated_with(files: Any) -> None:
    want, got = (evaluator(classes, files) for classes in (THEIRS, OURS))
    for e in (want, got):
        e.params.imgIds[0], e.params.areaRng[0][1] = 99, 5
    for a, b in zip(want.evalImgs, got.evalImgs, strict=True):
        assert (a is None) == (b is None)
        assert a is None or a["image_id"] == b["image_id"]


@pytest.mark.parametrize("kind", ["segm", "boundary"])
def test_results_where_nothing_is_to_be_drawn(kind: str, tmp_path: Any) -> None:
    square = [2.0, 2.0, 12.0, 2.0, 12.0, 12.0, 2.0, 12.0]
    truth = {
        "id": 1, "image_id": 1, "category_id": 1, "segmentation": [square], "area": 100,
        "bbox": [2, 2, 10, 10], "iscrowd": 0,
    }  # fmt: skip
    gt = {
        "images": [{"id": i, "height": 40, "width": 50} for i in (1, 2)],
        "categories": [{"id": 1}],
        "annotations": [truth],
    }
    counts = ours.mask.frPyObjects([square], 40, 50)[0]["counts"].decode()
    mask = {"size": [40, 50], "counts": counts}
    found = [{"image_id": 2, "category_id": 1, "segmentation": mask, "score": 0.5}]
    for name, content in (("gt", gt), ("dt", found)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = ours.COCO(str(tmp_path / "gt.json"))
        e = ours.COCOeval(coco, coco.loadRes(str(tmp_path / "dt.json")), kind)
        e.evaluate()
        e.accumulate()
    assert (e.eval["recall"][:, 0, 0] == 0).all()
    assert e.ious == {(1, 1): [], (2, 1): []}


def test_polygons_are_drawn_where_there_are_results(tmp_path: Any, monkeypatch: Any) -> None:
    square = [2.0, 2.0, 12.0, 2.0, 12.0, 12.0, 2.0, 12.0]
    shapes = [[square], [[x + 1 for x in square], [x + 15 for x in square]], [square], [square]]
    cells = [(1, 1), (1, 2), (2, 1), (3, 1)]
    gt = {
        "images": [{"id": i, "height": 40, "width": 50} for i in (1, 2, 3)],
        "categories": [{"id": 1}, {"id": 2}],
        "annotations": [
            {
                "id": i, "image_id": image, "category_id": category, "segmentation": shape,
                "area": 100, "bbox": [2, 2, 10, 10], "iscrowd": 0,
            }
            for i, ((image, category), shape) in enumerate(zip(cells, shapes, strict=True), 1)
        ],
    }  # fmt: skip
    (tmp_path / "gt.json").write_text(json.dumps(gt))
    counts = ours.mask.frPyObjects([square], 40, 50)[0]["counts"].decode()
    text = {"size": [40, 50], "counts": counts}
    drawn: list[int] = []
    draw = Masks._points.__func__  # type: ignore[attr-defined]

    def counted(cls: Any, points: Any, splits: Any, sizes: Any) -> Any:
        drawn.append(len(sizes))
        return draw(cls, points, splits, sizes)

    monkeypatch.setattr(Masks, "_points", classmethod(counted))
    precisions, rounds = [], [[(1, 2)], [(1, 2), (2, 1)], cells]
    for classes in (OURS, THEIRS):
        with contextlib.redirect_stdout(io.StringIO()):
            ground_truth = classes[0](str(tmp_path / "gt.json"))
            for places in rounds:
                results = [
                    {"image_id": i, "category_id": c, "segmentation": text, "score": 0.5}
                    for i, c in places
                ]
                (tmp_path / "dt.json").write_text(json.dumps(results))
                found = ground_truth.loadRes(str(tmp_path / "dt.json"))
                e = classes[1](ground_truth, found, "segm")
                e.evaluate()
                precisions.append(finish(e))
    assert drawn == [2, 1, 2]  # polygons: each once
    for mine, theirs in zip(precisions[:3], precisions[3:], strict=True):
        np.testing.assert_array_equal(mine, theirs)
