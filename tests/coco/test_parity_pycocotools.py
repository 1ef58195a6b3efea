"""tamis.coco against pycocotools: every array, record, exception and printed line."""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import json
import pickle
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from coco_cases import BOX, CASES, crowded, random_problem, two
from coco_harness import Case, dataset, differences, found, run, truth
from conftest import data_path
from generated import examples, share
from hypothesis import given
from hypothesis import strategies as st
from tamis import coco as ours

pycocotools_coco = pytest.importorskip("pycocotools.coco")
pycocotools_eval = pytest.importorskip("pycocotools.cocoeval")
THEIRS = SimpleNamespace(COCO=pycocotools_coco.COCO, COCOeval=pycocotools_eval.COCOeval)


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, tmp_path: Any) -> None:
    want, got = run(THEIRS, CASES[name], tmp_path), run(ours, CASES[name], tmp_path)
    assert differences(want, got) == []


def test_the_harness_sees_a_difference(tmp_path: Any) -> None:
    a, b = run(ours, two(), tmp_path), run(ours, two((0.8, 0.9)), tmp_path)
    assert {"scores", "evalImgs[0] dtIds"} <= set(differences(a, b))


@functools.cache  # for every instruction set and number of threads
def many(mode: str) -> tuple[Case, dict[str, Any]]:
    case = random_problem(7, n_images=30, n_cats=3, per_image=60)
    case.mode = mode
    with tempfile.TemporaryDirectory() as folder:
        return case, run(THEIRS, case, Path(folder))


@pytest.mark.parametrize("mode", ["list", "file"])
@pytest.mark.parametrize("threads", [1, 4])
def test_every_isa_and_thread_count(isa: int, mode: str, threads: int, tmp_path: Any) -> None:
    from tamis import set_num_threads

    case, want = many(mode)
    try:
        set_num_threads(threads)
        assert differences(want, run(ours, case, tmp_path)) == []
    finally:
        set_num_threads(0)


SIDES = st.sampled_from([0, 1, 10, 31, 32, 33, 96, 100, 1e5, 2e5])
BOXES = st.tuples(st.sampled_from([0, 1, 5, 50]), st.sampled_from([0, 2, 50]), SIDES, SIDES)
ID = st.sampled_from([0, 1, 2, 3, -1, 2**53 + 1])
TRUTH = st.builds(
    truth, ID, st.integers(1, 3), st.integers(1, 3), BOXES, st.sampled_from([0, 0, 0, 1]),
    area=st.sampled_from([0, 400, 1024, 9216.0, 1e10, 1e11, -1]),
)  # fmt: skip
FOUND = st.builds(
    found, st.integers(1, 3), st.integers(1, 4), BOXES, st.sampled_from([0.0, 0.25, 0.5, 1, -1.0])
)


@examples(150)
@given(
    anns=st.lists(TRUTH, max_size=12),
    dets=st.lists(FOUND, min_size=1, max_size=16),
    use_cats=st.sampled_from([0, 1]),
    caps=st.sampled_from([[1, 10, 100], [1, 2, 3], [2]]),
    thresholds=st.sampled_from([[0.5], [0.5, 0.75, 0.95], [0.1, 0.9, 1.0]]),
    file=st.booleans(),
)
def test_small_problems(
    anns: Any, dets: Any, use_cats: int, caps: Any, thresholds: Any, file: bool,
    tmp_path_factory: Any,
) -> None:  # fmt: skip
    def before(e: Any) -> None:
        e.params.useCats, e.params.maxDets = use_cats, list(caps)
        e.params.iouThrs = np.array(thresholds)

    case = Case(dataset(anns, 3, (1, 2, 3)), dets, mode="file" if file else "list", before=before)
    folder = tmp_path_factory.getbasetemp()
    assert differences(run(THEIRS, case, folder), run(ours, case, folder)) == []


REAL = {
    "coco128": ("coco128/instances_coco128.json", "coco128/dt_yolov5s.bbox.json"),
    "newspapers": ("small/newspapers_test.gt.json", "small/newspapers_test.dt.json"),
    "coco 100": (
        "cocoapi_val2014_100/instances_val2014_100.json",
        "cocoapi_val2014_100/instances_val2014_fakebbox100_results.json",
    ),
    "voc": (
        "voc2007_test/pascal_test2007_difficult_as_crowd.json",
        "voc2007_test/dt_zengyian3_yolov3.bbox.json",
    ),
    "voc darknet": (
        "voc2007_test/pascal_test2007_difficult_as_crowd.json",
        "voc2007_test/dt_ptrick9_darknet.bbox.json",
    ),
    "widerface": ("widerface_val/widerface_val_hard.json", "widerface_val/dt_yolov5face.bbox.json"),
    "val2017": (
        "coco_val2017/instances_val2017_boxes_rebuilt.json",
        "coco_val2017/dt_yolact_150img.bbox.json",
    ),
}


def evaluate_files(library: Any, gt_path: str, dt_path: str, images: Any = None) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        gt = library.COCO(gt_path)
        e = library.COCOeval(gt, gt.loadRes(dt_path), "bbox")
        if images is not None:
            e.params.imgIds = images
        e.evaluate()
        e.accumulate()
        e.summarize()
    return e


def cut(path: str, images: list[int], folder: Path) -> str:
    """A file with nothing of other images, for pycocotools to load sooner."""
    with open(path) as f:
        content, some = json.load(f), set(images)
    if isinstance(content, dict):
        content["images"] = [i for i in content["images"] if i["id"] in some]
        content["annotations"] = [a for a in content["annotations"] if a["image_id"] in some]
    else:
        content = [d for d in content if d["image_id"] in some]
    to = folder / Path(path).name
    to.write_text(json.dumps(content))
    return str(to)


@pytest.mark.parametrize("name", REAL)
def test_real_data(name: str, tmp_path: Path) -> None:
    gt, dt = (str(data_path(part)) for part in REAL[name])
    with open(gt) as f:
        images = sorted(i["id"] for i in json.load(f)["images"])
    if name in ("coco 100", "val2017"):
        with open(dt) as f:
            images = sorted({d["image_id"] for d in json.load(f)})
    some = {"voc": 1500, "voc darknet": 400, "widerface": 150}  # pycocotools takes its time
    images = images[: share(some.get(name, len(images)))]
    got = evaluate_files(ours, gt, dt, images)
    files = [cut(path, images, tmp_path) if name in some else path for path in (gt, dt)]
    want = evaluate_files(THEIRS, *files, images)
    for key in ("precision", "recall", "scores"):
        np.testing.assert_array_equal(want.eval[key], got.eval[key])
    np.testing.assert_array_equal(want.stats, got.stats)
    if name in ("coco128", "newspapers"):
        for a, b in zip(want.evalImgs, got.evalImgs, strict=True):
            assert (a is None) == (b is None)
            for key in ("dtIds", "gtIds", "dtMatches", "gtMatches", "dtIgnore", "gtIgnore"):
                assert a is None or np.array_equal(a[key], b[key])


def quiet(f: Any, *args: Any) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        return f(*args)


@pytest.fixture
def files(tmp_path: Any) -> tuple[str, str]:
    case = random_problem(3)
    for name, content in (("gt.json", case.gt), ("dt.json", case.dt)):
        (tmp_path / name).write_text(json.dumps(content))
    return str(tmp_path / "gt.json"), str(tmp_path / "dt.json")


def test_untouched_files_stay_columns_and_turn_into_the_same_dicts(files: Any) -> None:
    want = quiet(THEIRS.COCO, files[0])
    want_res = quiet(want.loadRes, files[1])
    got = quiet(ours.COCO, files[0])
    got_res = quiet(got.loadRes, files[1])
    assert "dataset" not in vars(got) and "anns" not in vars(got_res)
    assert got.getImgIds() == want.getImgIds() and got.getCatIds() == want.getCatIds()
    assert got_res.getImgIds() == want_res.getImgIds()
    assert "dataset" not in vars(got)
    for a, b in ((want_res, got_res), (want, got)):
        assert a.dataset == b.dataset
        for name in ("anns", "cats", "imgs", "imgToAnns", "catToImgs"):
            assert getattr(a, name) == getattr(b, name), name
    assert got_res.imgs[1] is got.imgs[1], "images are shared with the ground truth"


def test_results_do_not_see_later_edits_of_the_ground_truth(files: Any) -> None:
    gt = quiet(ours.COCO, files[0])
    results = quiet(gt.loadRes, files[1])
    gt.dataset["images"].clear()
    gt.dataset["categories"][0]["name"] = "other"
    assert len(results.dataset["images"]) == 6
    assert results.dataset["categories"][0]["name"] == "c1"


def test_files_may_go_once_they_are_loaded(files: Any, tmp_path: Any) -> None:
    gt = quiet(ours.COCO, files[0])
    results = quiet(gt.loadRes, files[1])
    want = copy.deepcopy(quiet(THEIRS.COCO, files[0]).anns)
    for file in files:
        (tmp_path / file).write_text("overwritten")
    assert gt.anns == want and len(results.anns) > 0


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("touched", [False, True])
def test_copies(clone: Any, touched: bool, files: Any) -> None:
    e = evaluate_files(ours, *files)
    if touched:
        assert len(e.evalImgs) and len(e.cocoGt.anns) and len(e.cocoDt.anns)
    other = clone(e)
    quiet(other.accumulate)
    np.testing.assert_array_equal(other.eval["precision"], e.eval["precision"])
    assert other.cocoGt.anns == e.cocoGt.anns and other.cocoDt.anns == e.cocoDt.anns
    assert len(other.evalImgs) == len(e.evalImgs)


def test_mixed_with_pycocotools_objects(files: Any) -> None:
    want = evaluate_files(THEIRS, *files)
    e = ours.COCOeval(quiet(THEIRS.COCO, files[0]), quiet(ours.COCO, files[0]), "bbox")
    e.cocoDt = want.cocoDt
    quiet(e.evaluate)
    quiet(e.accumulate)
    np.testing.assert_array_equal(want.eval["precision"], e.eval["precision"])


def test_load_res_adds_to_the_callers_dicts() -> None:
    case = two()
    mine, theirs = copy.deepcopy(case.dt), copy.deepcopy(case.dt)
    for library, dets in ((ours, mine), (THEIRS, theirs)):
        gt = quiet(library.COCO)
        gt.dataset = case.gt
        quiet(gt.createIndex)
        quiet(gt.loadRes, dets)
    assert mine == theirs and mine[0]["id"] == 1 and mine[0]["iscrowd"] == 0


def test_lookups(files: Any) -> None:
    a, b = quiet(THEIRS.COCO, files[0]), quiet(ours.COCO, files[0])
    for call in (
        lambda c: c.getAnnIds(),
        lambda c: c.getAnnIds(imgIds=[1, 3], catIds=2, areaRng=[10, 1e4], iscrowd=0),
        lambda c: c.getAnnIds(2),
        lambda c: c.getCatIds(catNms=["c2"]),
        lambda c: c.getCatIds(supNms="s", catIds=[1, 3]),
        lambda c: sorted(c.getImgIds(catIds=[1, 2])),
        lambda c: sorted(c.getImgIds(imgIds=[1, 2, 3], catIds=[1])),
        lambda c: c.loadAnns([1, 2]),
        lambda c: c.loadAnns(1),
        lambda c: c.loadCats(1),
        lambda c: c.loadImgs([1]),
        lambda c: c.loadNumpyAnnotations(np.ones((2, 7))),
    ):
        assert quiet(call, a) == quiet(call, b)


def test_init_as_pycocotools(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("pycocotools", "pycocotools.coco", "pycocotools.cocoeval", "pycocotools.mask")
    package = sys.modules["pycocotools"]
    for name in names:
        monkeypatch.setitem(sys.modules, name, sys.modules[name])
    for part in ("coco", "cocoeval", "mask"):
        monkeypatch.setattr(package, part, getattr(package, part))
    ours.init_as_pycocotools()
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval, Params
    from pycocotools.mask import iou

    assert (COCO, COCOeval, Params) == (ours.COCO, ours.COCOeval, ours.Params)
    assert iou is ours.mask.iou


def test_default_parameters() -> None:
    for kind in ("bbox", "segm", "keypoints"):
        a, b = pycocotools_eval.Params(kind), ours.Params(kind)
        assert list(vars(a)) and set(vars(a)) == set(vars(b))
        for name in vars(a):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), strict=True)
    with pytest.raises(Exception, match="iouType not supported"):
        ours.Params("boxes")


@pytest.mark.parametrize(
    ("content", "error", "text"),
    [
        (None, FileNotFoundError, "No such file"),
        ("", json.JSONDecodeError, "Expecting value"),
        ('{"images": [', json.JSONDecodeError, "Expecting value"),
        ("not json", json.JSONDecodeError, "Expecting value"),
        ("[1, 2]", AssertionError, "annotation file format <class 'list'> not supported"),
        ('{"annotations": [{"id": 1}]}', KeyError, "image_id"),
    ],
)
def test_bad_ground_truth(content: Any, error: Any, text: str, tmp_path: Any) -> None:
    path = tmp_path / "gt.json"
    if content is not None:
        path.write_text(content)
    for library in (THEIRS, ours):
        with pytest.raises(error, match=text):
            quiet(library.COCO, str(path))


def test_a_directory_and_an_unreadable_path(tmp_path: Any) -> None:
    with pytest.raises(IsADirectoryError):
        quiet(ours.COCO, str(tmp_path))
    gt = ours.COCO()
    gt.dataset = dataset([])
    quiet(gt.createIndex)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        quiet(gt.loadRes, str(tmp_path / "nowhere.json"))


def test_every_truncation_raises_as_json_does(tmp_path: Any) -> None:
    gt = json.dumps(dataset([truth(1, 1, 1, BOX)]))
    path = tmp_path / "gt.json"
    for end in range(0, len(gt), 7):
        path.write_text(gt[:end])
        with pytest.raises(json.JSONDecodeError):
            quiet(ours.COCO, str(path))


def test_results_that_are_no_list() -> None:
    gt = ours.COCO()
    gt.dataset = dataset([])
    quiet(gt.createIndex)
    with pytest.raises(AssertionError, match="results in not an array of objects"):
        quiet(gt.loadRes, {"a": 1})
    with pytest.raises(AssertionError):
        quiet(gt.loadRes, np.zeros((3, 6)))


def test_many_detections_of_one_image(tmp_path: Any) -> None:
    case = crowded(1500)
    assert differences(run(THEIRS, case, tmp_path), run(ours, case, tmp_path)) == []
