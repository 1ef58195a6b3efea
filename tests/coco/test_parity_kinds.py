"""tamis.coco.COCOeval for masks and keypoints against pycocotools: every array and exception."""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import json
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from coco_harness import Case, differences, run
from coco_kinds import CASES, change, masks, people
from conftest import data_path, not_on_arm
from generated import share
from tamis import coco as ours

pycocotools_coco = pytest.importorskip("pycocotools.coco")
pycocotools_eval = pytest.importorskip("pycocotools.cocoeval")
THEIRS = SimpleNamespace(COCO=pycocotools_coco.COCO, COCOeval=pycocotools_eval.COCOeval)
pytestmark = pytest.mark.filterwarnings(  # theirs: of NaN, and of NumPy 2 in mask.decode
    "ignore::RuntimeWarning", "ignore:__array__ implementation:DeprecationWarning"
)


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, tmp_path: Any) -> None:
    want, got = run(THEIRS, CASES[name], tmp_path), run(ours, CASES[name], tmp_path)
    assert differences(want, got) == []


@functools.cache  # for every instruction set and number of threads
def many(kind: Any, mode: str) -> tuple[Case, dict[str, Any]]:
    case = kind(7, n_images=40, mode=mode)
    with tempfile.TemporaryDirectory() as folder:
        return case, run(THEIRS, case, Path(folder))


@pytest.mark.parametrize("mode", ["list", "file"])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("kind", [pytest.param(masks, marks=not_on_arm), people])
def test_every_isa_and_thread_count(
    isa: int, kind: Any, mode: str, threads: int, tmp_path: Any
) -> None:
    from tamis import set_num_threads

    case, want = many(kind, mode)
    set_num_threads(threads)
    try:
        assert differences(want, run(ours, case, tmp_path)) == []
    finally:
        set_num_threads(0)


def quiet(f: Any, *args: Any) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        return f(*args)


@pytest.mark.parametrize("case", [masks(21), people(22)])
def test_what_is_written_into_the_callers_dicts(case: Any) -> None:
    sides = []
    for library in (THEIRS, ours):
        gt = quiet(library.COCO)
        gt.dataset = copy.deepcopy(case.gt)
        quiet(gt.createIndex)
        dets = copy.deepcopy(case.dt)
        results = quiet(gt.loadRes, dets)
        loaded = copy.deepcopy(dets)
        e = quiet(library.COCOeval, gt, results, case.iou_type)
        quiet(e.evaluate)
        for ann in gt.dataset["annotations"]:
            ann.pop("_ignore", None)  # scratch of evaluateImg
        sides.append((loaded, dets, gt.dataset))
    for a, b in zip(*sides, strict=True):
        np.testing.assert_equal(a, b)
    first, second = (side[0][0] for side in sides)
    assert {k: type(v) for k, v in first.items()} == {k: type(v) for k, v in second.items()}


@pytest.mark.parametrize("kind", [masks, people])
def test_dicts_of_files_are_those_of_pycocotools(kind: Any, tmp_path: Any) -> None:
    case = kind(23)
    paths = [str(tmp_path / name) for name in ("gt.json", "dt.json")]
    for path, content in zip(paths, (case.gt, case.dt), strict=True):
        with open(path, "w") as f:
            json.dump(content, f)
    sides = []
    for library in (THEIRS, ours):
        gt = quiet(library.COCO, paths[0])
        sides.append((quiet(gt.loadRes, paths[1]), gt))
    for a, b in zip(*sides, strict=True):
        for name in ("dataset", "anns", "imgToAnns"):
            np.testing.assert_equal(getattr(a, name), getattr(b, name))


def test_masks_of_annotations() -> None:
    case = masks(24)
    both = []
    for library in (THEIRS, ours):
        coco = quiet(library.COCO)
        coco.dataset = case.gt
        quiet(coco.createIndex)
        both.append(coco)
    for ann in case.gt["annotations"]:
        want, got = (coco.annToRLE(ann) for coco in both)
        assert want == got
        np.testing.assert_array_equal(*(coco.annToMask(ann) for coco in both))


@pytest.mark.parametrize(
    ("counts", "text"),
    [("05Z4", "do not end together"), ("005P", "ends within a number")],
)
def test_masks_on_which_pycocotools_never_returns(counts: str, text: str, tmp_path: Any) -> None:
    case = change(masks(25), dt=lambda ann: ann["segmentation"].update(counts=counts))
    assert text in run(ours, case, tmp_path)["raises"]


def test_keypoints_of_the_wrong_length(tmp_path: Any) -> None:
    case = change(people(26), dt=lambda ann: ann.update(keypoints=ann["keypoints"][3:]))
    assert run(ours, case, tmp_path)["raises"].startswith("evaluate: ValueError: keypoints must be")
    assert "evaluate: ValueError" in run(THEIRS, case, tmp_path)["raises"]


VAL_100 = "cocoapi_val2014_100/instances_val2014"
REAL = {
    "balloons": ("segm", "segm/balloon_val.gt.json", "segm/balloon_val.dt.json"),
    "motorcycle": ("segm", "segm/motorcycle_14cls.gt.json", "segm/motorcycle_14cls.dt.json"),
    "five classes": (
        "segm", "segm/maskrcnn_synthetic5cls.gt.json", "segm/maskrcnn_synthetic5cls.dt.json",
    ),
    "coco 100": ("segm", f"{VAL_100}_100.json", f"{VAL_100}_fakesegm100_results.json"),
    "coco 100 boxes": ("bbox", f"{VAL_100}_100.json", f"{VAL_100}_fakesegm100_results.json"),
    "coco 100 people": (
        "keypoints", "cocoapi_val2014_100/person_keypoints_val2014_100_rebuilt.json",
        "cocoapi_val2014_100/person_keypoints_val2014_fakekeypoints100_results.json",
    ),
    "yolact": (
        "segm", "coco_val2017/instances_val2017_exact_subset_segm.json",
        "coco_val2017/dt_yolact_base_100img.segm.json",
    ),
}  # fmt: skip


def evaluated(library: Any, files: list[str], kind: str, images: list[int], dicts: bool) -> Any:
    gt = quiet(library.COCO, files[0])
    dt = quiet(gt.loadRes, files[1])
    if dicts:
        assert len(dt.anns) and len(gt.anns)
    e = quiet(library.COCOeval, gt, dt, kind)
    e.params.imgIds = images
    for step in (e.evaluate, e.accumulate, e.summarize):
        quiet(step)
    return e


@pytest.mark.parametrize("name", REAL)
def test_real_data(name: str, tmp_path: Any) -> None:
    kind, *files = REAL[name]
    gt_path, dt_path = (str(data_path(*f.split("/"))) for f in files)
    with open(dt_path) as f:
        dets = json.load(f)
    with open(gt_path) as f:
        known = {i["id"] for i in json.load(f)["images"]}
    images = sorted({d["image_id"] for d in dets} & known)
    images = images[: share(len(images))]  # pycocotools takes its time
    dt_path = str(tmp_path / "dt.json")  # some are of images that the ground truth lacks
    with open(dt_path, "w") as f:
        json.dump([d for d in dets if d["image_id"] in known], f)
    want = evaluated(THEIRS, [gt_path, dt_path], kind, images, False)
    for dicts in (False, True):
        got = evaluated(ours, [gt_path, dt_path], kind, images, dicts)
        for key in ("precision", "recall", "scores"):
            np.testing.assert_array_equal(want.eval[key], got.eval[key])
        np.testing.assert_array_equal(want.stats, got.stats)
        for a, b in zip(want.evalImgs, got.evalImgs, strict=True):
            assert (a is None) == (b is None)
            for key in ("dtIds", "gtIds", "dtMatches", "gtMatches", "dtIgnore", "gtIgnore"):
                assert a is None or np.array_equal(a[key], b[key])
