"""`tamis.lvis` against lvis 0.5.3: everything an evaluation leaves behind, bit for bit."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import pickle
from typing import Any

import numpy as np
import pytest
from conftest import data_path
from generated import share
from lvis_cases import evaluate, outcome, problem
from tamis import lvis as ours

# of precision and recall of problems 0 to 9 as lvis 0.5.3 computes them, for where it is absent
KNOWN = {
    "bbox": "595a886ee51a66ce620296174336103db9a45fe2f77df6e190c838ed310f14d6",
    "segm": "1e50f95ad9f0c0129f54ba5e298caf92cc075a40f53242323c22e77502bf09cc",
}

pytestmark = [
    pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated"),
    pytest.mark.filterwarnings("ignore:__array__ implementation"),
]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("tamis.lvis").setLevel(logging.ERROR)
    logging.getLogger("lvis").setLevel(logging.ERROR)


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("lvis.lvis")  # "lvis" alone finds this folder
    module = pytest.importorskip("lvis")
    monkeypatch.setattr(np, "float", float, raising=False)  # gone since NumPy 1.24
    logging.getLogger("lvis.results").setLevel(logging.ERROR)
    return module


def assert_same(theirs: Any, gt: Any, dt: Any, kind: str, folder: Any, **how: Any) -> None:
    wanted = outcome(*evaluate(theirs, gt, dt, kind, folder, **how))
    got = outcome(*evaluate(ours, gt, dt, kind, folder, **how))
    for key, value in wanted.items():
        assert got[key] == value, key


def digest(library: Any, kind: str, folder: Any) -> str:
    total = hashlib.sha256()
    for seed in range(10):
        e, _ = evaluate(library, *problem(seed, masks=kind == "segm"), kind, folder, max_dets=15)
        total.update(np.ascontiguousarray(e.eval["precision"]).tobytes())
        total.update(np.ascontiguousarray(e.eval["recall"]).tobytes())
    return total.hexdigest()


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_numbers_known_of_lvis(kind: str, tmp_path: Any) -> None:
    assert digest(ours, kind, tmp_path) == KNOWN[kind]


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_the_known_numbers_are_those_of_lvis(theirs: Any, kind: str, tmp_path: Any) -> None:
    assert digest(theirs, kind, tmp_path) == KNOWN[kind]


@pytest.mark.parametrize("max_dets", [300, 12, -1])
@pytest.mark.parametrize("files", [True, False], ids=["files", "list"])
@pytest.mark.parametrize("masks", [False, True], ids=["boxes", "masks"])
@pytest.mark.parametrize("seed", range(share(6)))
def test_random_problems(
    theirs: Any, seed: int, masks: bool, files: bool, max_dets: int, tmp_path: Any
) -> None:
    gt, dt = problem(seed, masks=masks)
    for kind in ("bbox", "segm"):
        assert_same(theirs, gt, dt, kind, tmp_path, files=files, max_dets=max_dets)


@pytest.mark.parametrize("files", [True, False], ids=["files", "list"])
@pytest.mark.parametrize("masks", [False, True], ids=["boxes", "masks"])
def test_the_fast_way_is_taken(masks: bool, files: bool, tmp_path: Any) -> None:
    for kind in ("bbox", "segm"):
        e, _ = evaluate(ours, *problem(0, masks=masks), kind, tmp_path, files=files)
        assert e._plain is not None
        untouched = "anns" not in vars(e.lvis_gt) and "anns" not in vars(e.lvis_dt)
        assert untouched == (files and (masks or kind == "bbox"))


def test_masks_beside_boxes(theirs: Any, tmp_path: Any) -> None:
    """The area is then that of the box."""
    gt, dt = problem(3, masks=True)
    for row, other in zip(dt, problem(3)[1] * 2, strict=False):
        row["bbox"] = other["bbox"]
    for max_dets in (300, 10):
        assert_same(theirs, gt, dt, "segm", tmp_path, max_dets=max_dets)


def _set(**values: Any) -> Any:
    return lambda e: vars(e.params).update(values)


def _halve(e: Any) -> None:
    e.params.img_ids, e.params.cat_ids = e.params.img_ids[::2], e.params.cat_ids[1:5]


def _edit(e: Any) -> None:
    for record in e.eval_imgs:
        if record is not None and record["area_rng"][1] == 1e10:
            record["dt_ignore"] = np.logical_not(record["dt_ignore"])


def _hook(name: str) -> Any:
    def subclass(base: Any) -> Any:
        def method(self: Any, *args: Any) -> Any:
            return getattr(base, name)(self, *args)

        return type("Mine", (base,), {name: method})

    return subclass


WAYS = {
    "params": {"before": _set(iou_thrs=np.array([0.3, 0.5, 0.75]), rec_thrs=np.linspace(0, 1, 7))},
    "areas": {"before": _set(area_rng=[[0, 50], [50, 1e5]], area_rng_lbl=["all", "large"])},
    "half": {"before": _halve},
    "shuffled categories": {"before": lambda e: e.params.cat_ids.reverse()},
    "one class": {"before": _set(use_cats=0)},
    "touched": {"touch": True},
    "edited": {"between": _edit},
    "ignored": {"before": lambda e: [ann.update(ignore=1) for ann in e.lvis_gt.anns.values()][:3]},
    **{name: {"subclass": _hook(name)} for name in ("_prepare", "compute_iou", "evaluate_img")},
}


@pytest.mark.parametrize("kind", ["bbox", "segm"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.replace(" ", "-"))
def test_ways_of_use(theirs: Any, way: str, kind: str, tmp_path: Any) -> None:
    gt, dt = problem(7, masks=kind == "segm")
    assert_same(theirs, gt, dt, kind, tmp_path, max_dets=12, **WAYS[way])


def test_annotations_with_a_flag_of_their_own(theirs: Any, tmp_path: Any) -> None:
    gt, dt = problem(11)
    for i, ann in enumerate(gt["annotations"]):
        ann["ignore"] = i % 2
    assert_same(theirs, gt, dt, "bbox", tmp_path)


def test_ids_that_are_no_integers(theirs: Any, tmp_path: Any) -> None:
    gt, dt = problem(12)
    for row in (*gt["annotations"], *dt):
        row["image_id"] = f"i{row['image_id']}"
    for img in gt["images"]:
        img["id"] = f"i{img['id']}"
    assert_same(theirs, gt, dt, "bbox", tmp_path)
    numbered = [{**row, "image_id": 1} for row in dt]
    for library in (theirs, ours):
        with pytest.raises(AssertionError, match="Results do not correspond"):
            evaluate(library, gt, numbered, "bbox", tmp_path)


def test_an_id_given_twice(theirs: Any, tmp_path: Any) -> None:
    """It stands for the last annotation of that id, even where that has no area."""
    gt, dt = problem(3)
    first = next(ann for ann in gt["annotations"] if ann["area"] > 0)
    again = {**first, "area": 0.0, "bbox": [20.0, 2.0, 9.0, 9.0]}
    assert_same(theirs, {**gt, "annotations": [*gt["annotations"], again]}, dt, "bbox", tmp_path)


def test_lists_of_categories_that_are_odd(theirs: Any, tmp_path: Any) -> None:
    """They matter only where a detection is looked up in them."""
    gt, dt = problem(3)
    spare = [dict(gt["images"][0], id=99, neg_category_ids=odd) for odd in (1, [[1]], [None])]
    for img in spare:
        case = {**gt, "images": [*gt["images"], img]}
        assert_same(theirs, case, dt, "bbox", tmp_path)


@pytest.mark.parametrize("files", [True, False], ids=["files", "list"])
def test_nothing_of_a_kind(theirs: Any, files: bool, tmp_path: Any) -> None:
    gt, dt = problem(13)
    absent = [dict(img, neg_category_ids=[]) for img in gt["images"]]
    for case in ({**gt, "annotations": []}, {**gt, "annotations": [], "images": absent}):
        assert_same(theirs, case, dt, "bbox", tmp_path, files=files)
    assert_same(theirs, gt, [dict(dt[0], bbox=[1, 1, 0, 5])], "bbox", tmp_path, files=files)


def test_look_ups(theirs: Any, tmp_path: Any) -> None:
    gt, dt = problem(5)
    (tmp_path / "gt.json").write_text(json.dumps(gt))
    answers = []
    for library in (theirs, ours):
        truth = library.LVIS(str(tmp_path / "gt.json"))
        found = library.LVISResults(str(tmp_path / "gt.json"), copy.deepcopy(dt))
        ids = truth.get_img_ids()
        first = truth.load_anns()[0]
        answers.append([
            ids, truth.get_cat_ids(), truth.get_ann_ids(), truth.get_ann_ids(ids[:3]),
            truth.get_ann_ids(ids, truth.get_cat_ids()[:3], [10, 1e4]),
            truth.load_imgs(ids[:2]), truth.load_imgs(None), truth.load_cats(None), truth.anns,
            dict(truth.img_ann_map), dict(truth.cat_img_map), found.dataset,
            found.get_top_results(ids[1], 0.5), truth.ann_to_rle(first),
            truth.ann_to_mask(first).tobytes(),
        ])  # fmt: skip
    assert answers[0] == answers[1]


def test_errors(theirs: Any, tmp_path: Any) -> None:
    gt, dt = problem(5)
    (tmp_path / "gt.json").write_text(json.dumps(gt))
    elsewhere = [{**dt[0], "image_id": 10**6}]
    (tmp_path / "dt.json").write_text(json.dumps(elsewhere))
    for library in (theirs, ours):
        truth = library.LVIS(str(tmp_path / "gt.json"))
        for results in (elsewhere, str(tmp_path / "dt.json")):
            with pytest.raises(AssertionError, match="Results do not correspond"):
                library.LVISResults(truth, results)
        with pytest.raises(AssertionError, match="results is not a list"):
            library.LVISResults(truth, {})
        with pytest.raises(IndexError):
            library.LVISResults(truth, [])
        with pytest.raises(TypeError, match="Unsupported type"):
            library.LVISResults(3, dt)
        with pytest.raises(TypeError, match="Unsupported type"):
            library.LVISEval(truth, 3)
        with pytest.raises(ValueError, match="iou_type: keypoints is not supported"):
            library.LVISEval(truth, dt, "keypoints")
        e = library.LVISEval(truth, copy.deepcopy(dt), "bbox")
        with pytest.raises(RuntimeError, match="accumulate"):
            e.summarize()
        e.params.img_ids = [10**6]
        with pytest.raises(KeyError):
            e.run()


def test_everything_can_be_pickled_and_copied(tmp_path: Any) -> None:
    e, _ = evaluate(ours, *problem(2), "bbox", tmp_path)
    for twin in (pickle.loads(pickle.dumps(e)), copy.deepcopy(e)):
        twin.run()
        assert twin.get_results() == e.get_results()
        assert twin.lvis_dt.anns == e.lvis_dt.anns


def test_running_twice_gives_the_same(tmp_path: Any) -> None:
    e, _ = evaluate(ours, *problem(2), "bbox", tmp_path)
    before = dict(e.get_results())
    e.run()
    assert e.get_results() == before


def test_real_annotations(theirs: Any, tmp_path: Any) -> None:
    """30 images of LVIS; detections are their annotations moved a little, and strangers."""
    gt = json.loads(data_path("gt_only", "lvis_val_100.json").read_text())
    gt["images"] = gt["images"][:30]
    kept = {img["id"] for img in gt["images"]}
    gt["annotations"] = [ann for ann in gt["annotations"] if ann["image_id"] in kept]
    rng = np.random.default_rng(0)
    dt = []
    negative = {img["id"]: img["neg_category_ids"] for img in gt["images"]}
    for ann in gt["annotations"]:
        for _ in range(3):
            x, y, w, h = ann["bbox"] + rng.normal(0, 0.08, 4) * (ann["bbox"][2:] * 2)
            category = ann["category_id"]
            if rng.random() < 0.2:
                category = int(rng.choice(negative[ann["image_id"]] or [1]))
            box = [float(v) for v in np.round([x, y, max(w, 1), max(h, 1)], 2)]
            dt.append({
                "image_id": ann["image_id"], "category_id": category, "bbox": box,
                "score": round(float(rng.random()), 2),
            })  # fmt: skip
    for kind in ("bbox", "segm"):
        found = [evaluate(library, gt, dt, kind, tmp_path)[0] for library in (theirs, ours)]
        assert found[0].results == found[1].results
        assert found[1].results["APr"] > 0.1
        for key in ("precision", "recall"):
            assert found[0].eval[key].tobytes() == found[1].eval[key].tobytes()
