"""What check() finds, and the command."""
# ruff: noqa: E501

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
from annotation_files import png, put
from conftest import data_path
from tamis.annotations.check import check
from tamis.annotations.findings import Finding
from tamis.cli import main

GOOD = [[10, 10, 20, 30], [50, 20, 30, 30], [100, 50, 40, 40]]


def gt(
    *boxes: Any, ids: Any = None, labels: Any = None, sizes: Any = (100, 200), **more: Any
) -> Any:
    """Images of three boxes each."""
    given = np.array(boxes or GOOD, np.float64).reshape(-1, 4)
    n = len(given)
    splits = np.minimum(np.arange(0, n + 3, 3), n)
    images = len(splits) - 1
    columns: dict[str, Any] = {
        "labels": np.arange(n) % 2 if labels is None else np.array(labels), "classes": {0: "cat", 1: "dog"},
        "splits": splits, "image_ids": np.arange(1, images + 1),
        "image_names": tuple(f"{i}.jpg" for i in range(1, images + 1)),
        "image_sizes": np.array([sizes] * images), "ids": np.arange(1, n + 1) if ids is None else np.array(ids),
    }  # fmt: skip
    return tamis.Annotations(given, **{**columns, **more})


def dt(*boxes: Any, scores: Any = None, **more: Any) -> Any:
    found = gt(*boxes, **more)
    n = len(found)
    given = np.linspace(0.9, 0.1, n) if scores is None else np.array(scores, np.float64)
    return dataclasses.replace(found, scores=given, ids=None)


def kinds(report: Any) -> dict[str, Finding]:
    return {f.kind: f for f in report.findings}


def test_nothing_to_say() -> None:
    report = gt().check(dt())
    assert report.findings == () and report.ok
    assert str(report) == "0 errors, 0 warnings, 0 notes in 1 images, 3 boxes, 3 results"


@pytest.mark.parametrize(
    "kind, severity, count, made",
    [
        ("annotation id 0", "error", 1, lambda: gt(ids=[0, 1, 2])),
        ("annotation ids twice", "error", 2, lambda: gt(ids=[5, 5, 5])),
        ("degenerate boxes", "warning", 2, lambda: gt([10, 10, 0, 5], [10, 10, 5, 0], GOOD[2])),
        ("inverted boxes", "error", 1, lambda: gt([30, 30, -5, 5], *GOOD[1:])),
        ("boxes outside their image", "error", 2, lambda: gt([300, 10, 5, 5], [-9, 10, 5, 5], GOOD[2])),
        ("boxes partly outside their image", "warning", 1, lambda: gt([190, 10, 50, 5], *GOOD[1:])),
        ("duplicate boxes", "warning", 1, lambda: gt(GOOD[0], GOOD[0], GOOD[2], labels=[0, 0, 1])),
        ("unknown category ids", "error", 1, lambda: gt(labels=[0, 7, 1])),
        ("empty classes", "note", 1, lambda: gt(labels=[0, 0, 0])),
        ("images without boxes", "note", 1, lambda: gt(splits=np.array([0, 0, 3]), image_ids=np.array([1, 2]),
                                                       image_names=("a", "b"), image_sizes=np.array([[100, 200]] * 2))),
        ("images without size", "note", 1, lambda: gt(sizes=(0, 0))),
        ("annotations of unknown images", "error", 1, lambda: gt(listed=np.array([False]))),
        ("image sizes that look swapped", "warning", 1, lambda: gt(sizes=(200, 100))),
        ("areas of 0", "warning", 3, lambda: gt(area=np.zeros(3))),
        ("class imbalance", "note", 1, lambda: gt(*[[i % 150, i // 150, 9 + i % 7, 9] for i in range(303)],
                                                  labels=[1] + [0] * 302)),
        ("xywh that look like xyxy", "error", 3, lambda: gt([90, 40, 150, 80], [120, 20, 190, 90], [60, 60, 180, 70])),
    ],
)  # fmt: skip
def test_each_kind_of_ground_truth(kind: str, severity: str, count: int, made: Any) -> None:
    report = made().check()
    found = kinds(report)[kind]
    assert (found.severity, found.count) == (severity, count)
    assert found.examples and found.effect.endswith(".")
    assert set(kinds(gt().check())) == set()
    assert (kind in [f.kind for f in report.serious]) == (severity == "error")


@pytest.mark.parametrize(
    "kind, severity, count, made",
    [
        ("results of unknown images", "error", 1, lambda: dt(*GOOD, *GOOD)),
        ("results: unknown category ids", "error", 1, lambda: dt(labels=[0, 1, 9], classes={})),
        ("results: nothing in common", "error", 1, lambda: dt(image_ids=np.array([77]), image_names=("x",))),
        ("results: scores outside 0 to 1", "warning", 2, lambda: dt(scores=[1.5, -1, 0.5])),
        ("results: equal scores", "warning", 3, lambda: dt(scores=[1, 1, 1])),
        ("results without scores", "error", 1, gt),
        ("results: duplicate boxes", "warning", 1, lambda: dt(GOOD[0], GOOD[0], GOOD[2], labels=[0, 0, 1])),
        ("results: inverted boxes", "error", 1, lambda: dt([30, 30, -5, 5], *GOOD[1:])),
        ("results: xywh that look like xyxy", "error", 3,
         lambda: dt([90, 40, 150, 80], [120, 20, 190, 90], [60, 60, 180, 70])),
    ],
)  # fmt: skip
def test_each_kind_of_results(kind: str, severity: str, count: int, made: Any) -> None:
    report = gt().check(made())
    found = kinds(report)[kind]
    assert (found.severity, found.count) == (severity, count), str(report)
    assert kind not in kinds(gt().check(dt()))


def test_images_without_results_and_too_many() -> None:
    truth = gt(*GOOD, *GOOD)
    assert kinds(truth.check(dt()))["images without results"].severity == "warning"
    many = dt(*[[i, 0, 30 + i, 20] for i in range(150)], labels=[0] * 150, splits=np.array([0, 150]),
              image_ids=np.array([1]), image_names=("1.jpg",), image_sizes=np.array([[100, 200]]))  # fmt: skip
    found = kinds(gt().check(many))["more than 100 results"]
    assert (found.count, found.examples) == (
        1,
        ("1.jpg, cat: 150",),
    ) and "50 results" in found.effect


def test_sizes_against_the_files(tmp_path: Path) -> None:
    put(tmp_path / "1.jpg", png(200, 100))
    assert check(gt(), images=str(tmp_path)).ok
    put(tmp_path / "1.jpg", png(200, 101))
    found = kinds(check(gt(), images=str(tmp_path)))["wrong image sizes"]
    assert found.examples == ("1.jpg: 200 x 100, the file 200 x 101",)
    put(tmp_path / "1.jpg", b"x")
    assert "broken image files" in kinds(check(gt(), images=str(tmp_path)))
    (tmp_path / "1.jpg").unlink()
    assert "missing image files" in kinds(check(gt(), images=str(tmp_path)))


def test_reports_are_json_and_fit_a_terminal() -> None:
    long = "ein sehr langer Name " * 9 + "\n\t.jpg"
    truth = gt([10, 10, 0, 5], [300, 10, 5, 5], GOOD[0], ids=[0, 0, 1], image_names=(long,),
               classes={0: "c" * 200, 1: "d"}, labels=[0, 0, 9])  # fmt: skip
    report = truth.check(dt([30, 30, -5, 5], *GOOD[1:], image_names=(long,)))
    text = str(report)
    assert len(report.findings) >= 6 and max(map(len, text.splitlines())) <= 80
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert data["images"] == 1 and data["ok"] is False
    assert [f["kind"] for f in data["findings"]] == [f.kind for f in report.findings]
    ranks = [("error", "warning", "note").index(f.severity) for f in report.findings]
    assert ranks == sorted(ranks)


def test_oriented_boxes_are_checked() -> None:
    assert gt().as_obb().check().ok
    turned = gt([300, 10, 5, 5], GOOD[0], GOOD[0], labels=[0, 0, 0]).as_obb()
    assert {"boxes outside their image", "duplicate boxes"} <= set(kinds(turned.check()))


def test_an_empty_set_is_checked() -> None:
    nothing = gt().select([])
    assert nothing.check(dt()).images == 0 and len(dt().select([])) == 0
    assert "images without results" in kinds(gt().check(dt().select([])))


def test_a_check_of_real_files_has_no_false_alarm() -> None:
    truth = tamis.read(data_path("voc2007_test", "pascal_test2007_difficult_as_crowd.json"))
    results = tamis.read(data_path("voc2007_test", "dt_ptrick9_darknet.bbox.json"))
    report = truth.check(results)
    assert kinds(report)["results: inverted boxes"].count == 2095
    w, h = results.boxes[:, 2], results.boxes[:, 3]
    assert int(((w < 0) | (h < 0)).sum()) == 2095
    assert {f.kind for f in report.findings} == {"results: inverted boxes", "more than 100 results"}


# --- the command ------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        code = main(["check", *arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out = capsys.readouterr()
    return code, out.out, out.err


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, results = str(tmp_path / "gt.json"), str(tmp_path / "dt.json")
    tamis.write(gt(), truth)
    tamis.write(dt(), results)
    assert run(capsys, truth, "--dt", results, "--strict")[0] == 0
    tamis.write(gt(ids=[0, 1, 2]), truth)
    code, out, err = run(capsys, truth)
    assert (code, err) == (0, "") and "error: annotation id 0: 1 of 3 annotations" in out
    code, out, _ = run(capsys, truth, "--dt", results, "--strict", "--json")
    assert code == 1 and json.loads(out)["results"] == 3
    put(tmp_path / "bad" / "a.txt", "0 1 x 1 1\n")
    code, out, err = run(capsys, str(tmp_path / "bad"))
    assert code == 2 and out == "" and "a.txt:1: expected a finite number, got 'x'" in err


def test_the_command_takes_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "gt/images/a.png", png(200, 100))
    put(tmp_path / "gt/labels/a.txt", "0 .5 .5 .5 .5\n")
    put(tmp_path / "dt/a.txt", "0 .5 .5 .5 .5 .9\n")
    code, out, _ = run(capsys, str(tmp_path / "gt"), "--dt", str(tmp_path / "dt"), "--strict")
    assert code == 0 and out.startswith("0 errors, 0 warnings")
