"""detection_errors: TIDE's types by hand, against a slow reference, and against tidecv."""

from __future__ import annotations

import json
import math
import signal
import warnings
from typing import Any

import numpy as np
import pytest
import tamis
from coco_cases import random_problem
from coco_harness import Case
from conftest import data_path
from generated import examples
from hypothesis import example, given
from hypothesis import strategies as st
from reference_errors import (
    TYPES,
    costs,
    evaluated,
    evaluated_files,
    evaluator_of,
    images_of,
    sort_errors,
)
from tamis import coco

BOX, FAR = [0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 10.0, 10.0]


def errors(dets: Any, gts: Any, **options: Any) -> tamis.DetectionErrors:
    """Of one image: detections (box, label, score), ground truths (box, label) or with a crowd."""
    evaluator = tamis.DetectionEvaluator(fmt="xywh")
    evaluator.update(
        {
            "boxes": np.array([d[0] for d in dets], float).reshape(-1, 4),
            "labels": np.array([d[1] for d in dets], int),
            "scores": np.array([d[2] for d in dets], float),
        },
        {
            "boxes": np.array([g[0] for g in gts], float).reshape(-1, 4),
            "labels": np.array([g[1] for g in gts], int),
            "iscrowd": np.array([len(g) > 2 for g in gts], bool),
        },
    )
    return evaluator.compute().errors(**options)


def shifted(by: float) -> list[float]:
    """Of IoU (10 - by) / (10 + by) with BOX."""
    return [by, 0.0, 10.0, 10.0]


# Hand cases and edges


@pytest.mark.parametrize(
    ("detection", "kind"),
    [
        ((BOX, 1, 0.5), None),
        ((shifted(10 / 3), 1, 0.5), "Loc"),  # IoU just below 0.5
        ((shifted(5), 1, 0.5), "Loc"),
        ((shifted(9), 1, 0.5), "Bkg"),
        ((shifted(20), 1, 0.5), "Bkg"),
        ((BOX, 2, 0.5), "Cls"),
        ((shifted(5), 2, 0.5), "Both"),
        ((shifted(9), 2, 0.5), "Bkg"),
    ],
)
def test_one_detection(detection: Any, kind: str | None) -> None:
    found = errors([detection], [(BOX, 1)])
    assert found.counts == {t: int(t == kind or (t == "Miss" and kind in ("Bkg", "Both")))
                            for t in TYPES}  # fmt: skip
    assert found.kind.tolist() == [-1 if kind is None else TYPES.index(kind)]
    assert found.target.tolist() == [-1 if kind in ("Bkg", "Both") else 0]
    assert found.missed.tolist() == [kind in ("Bkg", "Both")]


def test_a_second_detection_is_a_duplicate_and_costs_only_above_the_first() -> None:
    found = errors([(BOX, 1, 0.5), (BOX, 1, 0.9), (shifted(1), 1, 0.8)], [(BOX, 1), (FAR, 1)])
    assert found.kind.tolist() == [3, -1, 3] and found.missed.tolist() == [False, True]
    assert found.main["Dupe"] == 0 and found.main["Miss"] == pytest.approx(100 * 50 / 101)


def test_only_the_best_of_several_is_mended() -> None:
    gts, dets = [(BOX, 1)], [(shifted(5), 1, 0.3), (shifted(4), 1, 0.6), (BOX, 2, 0.5)]
    found = errors(dets, gts)
    assert found.counts == {"Cls": 1, "Loc": 2, "Both": 0, "Dupe": 0, "Bkg": 0, "Miss": 0}
    assert found.ap == 0 and found.main["Cls"] == 0
    assert found.main["Loc"] == pytest.approx(50)  # class 2 has detections and no ground truth


def test_in_a_crowd_of_its_class_a_detection_costs_nothing_but_has_a_kind() -> None:
    crowd = ([100.0, 0.0, 50.0, 50.0], 1, True)
    inside = [110.0, 10.0, 10.0, 10.0]
    found = errors([(BOX, 1, 0.5), (inside, 1, 0.9), (inside, 2, 0.9)], [(BOX, 1), crowd])
    assert found.ignored.tolist() == [False, True, False] and found.counts["Bkg"] == 2
    assert found.missed.tolist() == [False, False]
    assert found.ap == pytest.approx(50)


def test_beyond_the_cap_nothing_is_looked_at() -> None:
    found = errors([(BOX, 1, 0.5), (FAR, 2, 0.9)], [(BOX, 1)], max_detections=1)
    assert found.kind.tolist() == [-2, 4] and found.counts["Miss"] == 1


@pytest.mark.parametrize(
    ("dets", "gts"), [([], []), ([], [(BOX, 1)]), ([(BOX, 1, 0.5)], []), ([], [(BOX, 1, True)])]
)
def test_nothing(dets: Any, gts: Any) -> None:
    found = errors(dets, gts)
    assert found.counts["Bkg"] == len(dets) and found.counts["Miss"] == sum(len(g) < 3 for g in gts)
    assert found.ap == 0 and found.special["FalsePos"] == 0
    assert tamis.DetectionEvaluator().compute().errors().kind.shape == (0,)


def test_the_table() -> None:
    lines = str(errors([(BOX, 2, 0.5)], [(BOX, 1)])).splitlines()
    assert lines[0].split() == ["IoU", "0.5", "points", "errors"]
    assert [line.split()[0] for line in lines[1:]] == ["AP", *TYPES, "FalsePos", "FalseNeg"]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"iou": 0}, ValueError, r"iou must be in \(0, 1\], got 0"),
        ({"iou": 1.5}, ValueError, r"iou must be in \(0, 1\], got 1.5"),
        ({"iou": math.nan}, ValueError, r"iou must be in \(0, 1\], got nan"),
        ({"iou": "0.5"}, TypeError, "iou must be a number, got '0.5'"),
        ({"background": 0.6}, ValueError, r"background must be in \(0, 0.5\], got 0.6"),
        ({"max_detections": 0}, ValueError, "max_detections must be 1 to 2147483647, got 0"),
        ({"max_detections": 0.5}, TypeError, "max_detections must be an integer, got 0.5"),
    ],
)
def test_bad_numbers(options: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=f"^detection_errors: {text}$"):
        errors([], [], **options)


def test_bad_objects(tmp_path: Any) -> None:
    with pytest.raises(TypeError, match="must be a DetectionResult or a tamis"):
        tamis.detection_errors({})
    with pytest.raises(ValueError, match=r"call evaluate\(\) first"):
        tamis.detection_errors(coco.COCOeval())
    e = evaluated(random_problem(1), tmp_path)
    vars(e._plain)["_kind"] = "keypoints"
    with pytest.raises(ValueError, match="must be of boxes or masks, got keypoints"):
        tamis.detection_errors(e)


def test_a_signal_stops_a_crowded_image() -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    n = 60_000  # several seconds on one thread
    evaluator = tamis.DetectionEvaluator()
    boxes = {"boxes": np.tile([0.0, 0.0, 9.0, 9.0], (n, 1))}
    evaluator.update(
        {**boxes, "labels": np.ones(n, int), "scores": np.ones(n)},
        {**boxes, "labels": np.zeros(n, int)},
    )
    result = evaluator.compute()
    before = signal.signal(signal.SIGALRM, stop)
    tamis.set_num_threads(1)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            result.errors(max_detections=n)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        tamis.set_num_threads(0)


# Every path equals the reference


def check_reference(case: Case, found: tamis.DetectionErrors, cap: int) -> None:
    """Rows are image by image, as the evaluator gets them."""
    images = images_of(case)
    want = [sort_errors(d, g, found.iou, found.background, cap) for d, g in images]
    names = {-2: "not seen", -1: "right", **dict(enumerate(TYPES))}
    flat = [row for kinds, _ in want for row in kinds]
    assert [names[k] for k in found.kind.tolist()] == [row[0] for row in flat]
    assert found.ignored.tolist() == [row[2] for row in flat]
    starts = np.cumsum([0, *(len(g) for _, g in images)])
    targets = [
        row[1] if row[1] < 0 else row[1] + start
        for (kinds, _), start in zip(want, starts, strict=False)
        for row in kinds
    ]
    assert found.target.tolist() == targets
    assert found.missed.tolist() == [s == "missed" for _, state in want for s in state]
    points = {"AP": found.ap, **found.main, **found.special}
    assert points == pytest.approx(costs(images, want), abs=1e-10)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("iou", "background", "cap"), [(0.5, 0.1, 100), (0.75, 0.3, 7)])
def test_reference(isa: int, threads: int, iou: float, background: float, cap: int) -> None:
    case = random_problem(3, n_images=70, n_cats=3, per_image=12)
    tamis.set_num_threads(threads)
    try:
        result = evaluator_of(case).compute()
        found = result.errors(iou=iou, background=background, max_detections=cap)
    finally:
        tamis.set_num_threads(0)
    check_reference(case, found, cap)


@examples(60)
@given(st.integers(0, 10_000), st.sampled_from([0.3, 0.5, 0.9, 1.0]), st.sampled_from([2, 100]))
@example(seed=2, iou=0.5, cap=2)
@example(seed=34, iou=0.3, cap=2)  # no ground truth: mending leaves nothing
def test_any_problem(seed: int, iou: float, cap: int) -> None:
    case = random_problem(seed, n_images=3, n_cats=3, per_image=10)
    found = evaluator_of(case).compute().errors(iou=iou, max_detections=cap)
    check_reference(case, found, cap)


def test_cocoeval_and_evaluator_agree(tmp_path: Any) -> None:
    case = random_problem(11, n_images=12, n_cats=3, per_image=30)
    mine, theirs = evaluator_of(case).compute().errors(), tamis.detection_errors(
        evaluated(case, tmp_path)
    )  # fmt: skip
    assert (theirs.ap, theirs.main, theirs.special) == (mine.ap, mine.main, mine.special)
    assert theirs.counts == mine.counts
    assert theirs.detection_id.tolist() == list(range(1, len(case.dt) + 1))
    assert sorted(theirs.target_id) == sorted(a["id"] for a in case.gt["annotations"])
    kinds = {theirs.detection_id[i]: k for i, k in enumerate(theirs.kind)}
    order = np.argsort([d["image_id"] for d in case.dt], kind="stable")
    np.testing.assert_array_equal(mine.kind, [kinds[i + 1] for i in order])


# Parity with tidecv


def tide(gt: Any, dt: Any, kind: str, iou: float, background: float, cap: int) -> dict[str, float]:
    """tidecv's numbers and, as n_Cls and so on, its counts."""
    mask = pytest.importorskip("pycocotools.mask")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tidecv = pytest.importorskip("tidecv", reason="no tidecv, the oracle of these numbers")
    truth, results = tidecv.Data("gt", max_dets=cap), tidecv.Data("dt", max_dets=cap)
    for image in sorted(gt["images"], key=lambda i: i["id"]):
        truth.add_image(image["id"], "")
        size = image["height"], image["width"]
        for a in (a for a in gt["annotations"] if a["image_id"] == image["id"]):
            add = truth.add_ignore_region if a["iscrowd"] else truth.add_ground_truth
            shape = a.get("segmentation") if kind == "segm" else None
            if isinstance(shape, list):
                shape = mask.merge(mask.frPyObjects(shape, *size))
            elif shape and isinstance(shape["counts"], list):
                shape = mask.frPyObjects(shape, *size)
            add(image["id"], a["category_id"], a["bbox"], shape)
    for d in dt:
        shapes = d.get("bbox"), d.get("segmentation")
        results.add_detection(d["image_id"], d["category_id"], d["score"], *shapes)
    run = tidecv.TIDE(iou, background, "bbox" if kind == "bbox" else "mask")
    found = run.evaluate(truth, results)
    points = {**run.get_main_errors()["dt"], **run.get_special_errors()["dt"]}
    counts = {f"n_{t.short_name}": n for t, n in found.count_errors().items()}
    return {"AP": found.ap, **points, **counts}


def numbers(found: tamis.DetectionErrors) -> dict[str, float]:
    counts = {f"n_{t}": n for t, n in found.counts.items()}
    return {"AP": found.ap, **found.main, **found.special, **counts}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("iou", "background", "cap"), [(0.5, 0.1, 100), (0.7, 0.35, 5)])
def test_tidecv(tmp_path: Any, seed: int, iou: float, background: float, cap: int) -> None:
    case = random_problem(seed, n_images=12, n_cats=3, per_image=20)
    want = tide(case.gt, case.dt, "bbox", iou, background, cap)
    found = tamis.detection_errors(
        evaluated(case, tmp_path), iou=iou, background=background, max_detections=cap
    )
    assert numbers(found) == pytest.approx(want, abs=1e-10)


REAL = {
    "coco128": ("coco128/instances_coco128.json", "coco128/dt_yolov5s.bbox.json", "bbox"),
    "balloon": ("segm/balloon_val.gt.json", "segm/balloon_val.dt.json", "segm"),
    "motorcycle": ("segm/motorcycle_14cls.gt.json", "segm/motorcycle_14cls.dt.json", "segm"),
    "val2014": (
        "cocoapi_val2014_100/instances_val2014_100.json",
        "cocoapi_val2014_100/instances_val2014_fakesegm100_results.json",
        "segm",
    ),
}
NAMES = ("AP", *TYPES, "FalsePos", "FalseNeg", *(f"n_{t}" for t in TYPES))
TIDECV = {  # what tidecv 1.0.1 says of them
    "coco128": (
        63.423807836210656, 3.014651819740564, 5.578763121595273, 0.5224992413616363,
        0.5922451926632277, 1.9316317078360896, 2.971526443684496, 14.212330777650735,
        7.041881448252525, 1485, 2290, 1054, 736, 4001, 63,
    ),
    "balloon": (
        90.25080903451766, 0.0, 2.64448324196276, 0.0, 0.22982304683375787, 1.740105245763658,
        2.9702970297029623, 3.8085969060763887, 5.192382592296497, 0, 26, 0, 18, 113, 2,
    ),
    "motorcycle": (
        91.82585902918925, 3.7329113028261958, 0, 0, 0, 4.417265283242003, 0, 4.461269683682033,
        3.708593081530367, 2, 1, 0, 2, 118, 0,
    ),
    "val2014": (  # with crowds
        51.80083046313932, 16.185981944964922, 11.60070388144917, 1.0128320441411205, 0,
        0.26809184082152626, 7.778620430008559, 8.660347233577724, 23.745819200827114, 76, 82, 7,
        0, 4, 109,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_real_data(name: str) -> None:
    gt, dt, kind = REAL[name]
    paths = data_path(gt), data_path(dt)
    found = numbers(tamis.detection_errors(evaluated_files(*paths, kind)))
    assert found == pytest.approx(dict(zip(NAMES, TIDECV[name], strict=True)), abs=1e-10)


@pytest.mark.parametrize("name", REAL)
def test_real_data_by_tidecv(name: str) -> None:
    gt, dt, kind = REAL[name]
    want = tide(*(json.loads(data_path(f).read_text()) for f in (gt, dt)), kind, 0.5, 0.1, 100)
    assert want == pytest.approx(dict(zip(NAMES, TIDECV[name], strict=True)), abs=1e-10)


def test_the_names_of_the_types_are_public() -> None:
    assert tamis.DetectionErrors.TYPES == ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")
