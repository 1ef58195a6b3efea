"""tamis eval: any format, tables within 80 columns, files, and what it says on stderr."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
import tamis
import tamis.lvis
from coco_cases import random_problem
from conftest import data_path
from tamis import _core
from tamis._commands import eval as eval_command
from tamis._commands import eval_faults
from tamis._commands.eval_sources import Steps
from tamis.cli import main
from tamis.coco import COCO, COCOeval

CAT = {"id": 7, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "area": 25, "iscrowd": 0}
DOG = {**CAT, "id": 8, "category_id": 2, "bbox": [40, 40, 9, 9], "area": 81}
GT = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 99, "height": 99}],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 5, "name": "x" * 90}],
    "annotations": [CAT, DOG],
}
DT = [
    {"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.9},
    {"image_id": 1, "category_id": 2, "bbox": [41, 41, 9, 9], "score": 0.4},
    {"image_id": 1, "category_id": 1, "bbox": [40, 40, 9, 9], "score": 0.3},
]
ALL = ["--per-class", "--per-image", "--errors", "--confusion", "--best-f1", "--calibration"]


@pytest.fixture
def write(tmp_path: Any) -> Any:
    def written(gt: Any = GT, dt: Any = DT) -> list[str]:
        for name, content in (("gt.json", gt), ("dt.json", dt)):
            (tmp_path / name).write_text(json.dumps(content))
        return [str(tmp_path / "gt.json"), str(tmp_path / "dt.json")]

    return written


def shown(capsys: Any, *arguments: str) -> Any:
    assert main(["eval", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


def reference(gt: str, dt: str, kind: str, **params: Any) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(gt)
        e = COCOeval(truth, truth.loadRes(dt), kind)
        for key, value in params.items():
            setattr(e.params, key, value)
        e.evaluate()
        e.accumulate()
        e.summarize()
    return e


def test_numbers_on_stdout_and_chatter_on_stderr(write: Any, capsys: Any) -> None:
    assert main(["eval", *write()]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 12 and "index created!" in err
    assert "--iou-type auto is bbox" in err


def test_progress_goes_through_all_steps(write: Any, monkeypatch: Any, tmp_path: Any) -> None:
    said: list[Any] = []
    monkeypatch.setattr(eval_command, "reporter", lambda *_: lambda *at: said.append(at))
    gt, dt = write()
    names = tmp_path / "names.csv"
    names.write_text("ImageID,LabelName,XMin,XMax,YMin,YMax,Score\na,cat,0.01,0.06,0.01,0.06,0.9\n")
    for results in (dt, str(names)):  # COCO's own reader, and columns
        assert main(["eval", gt, results]) == 0
        assert said == [(100, 400), (200, 400), (300, 400), (400, 400)]
        said.clear()


def test_progress_within_a_step_moves_on() -> None:
    said: list[Any] = []
    steps = Steps(lambda *at: said.append(at))
    steps.next()
    for done, total in ((0, 8), (4, 8), (8, 8), (1, 4), (3, 4), (0, 4), (2, 4)):
        steps.part(done, total)
    steps.next()
    assert [done for done, _ in said] == [100, 100, 125, 150, 156, 169, 169, 177, 200]
    assert {total for _, total in said} == {400}


def test_progress_is_told_where_someone_looks(write: Any, monkeypatch: Any) -> None:
    listeners: list[Any] = []
    plain = eval_command.report.tables

    def tables(*given: Any) -> Any:
        listeners.append(_core.listen(None))
        return plain(*given)

    monkeypatch.setattr(eval_command.report, "tables", tables)
    for seen in (False, True):
        monkeypatch.setattr("sys.stderr.isatty", lambda seen=seen: seen)
        assert main(["eval", *write()]) == 0
        assert _core.listen(None) is None
    assert listeners[0] is None and listeners[1].__name__ == "part"


def test_nothing_is_wider_than_a_terminal(write: Any, capsys: Any) -> None:
    assert main(["eval", *write(), *ALL, "--areas", "tiny=0:50,rest=50:inf"]) == 0
    out, err = capsys.readouterr()
    assert max(map(len, [*out.splitlines(), *err.splitlines()])) <= 80
    assert "area=  tiny" in out and "area= small" not in out


def test_classes_without_ground_truth_are_shown_as_absent(write: Any, capsys: Any) -> None:
    assert main(["eval", *write(), "--per-class", "--sort", "AP50"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[-4:]]
    assert rows[0] == ["name", "targets", "AP", "AP50", "AP75", "AR100"]
    assert [row[0] for row in rows[1:]] == ["cat", "dog", rows[3][0]]
    assert rows[3][1:] == ["0", "-", "-", "-", "-"] and rows[1][1] == "1"
    assert main(["eval", *write(), "--per-class", "--sort", "colour"]) == 2
    assert "--sort must be one of name, targets, AP" in capsys.readouterr().err


def test_tables_are_those_of_the_analyses(write: Any, capsys: Any) -> None:
    paths = write()
    out = shown(capsys, *paths, *ALL)
    result = tamis.results(reference(*paths, "bbox"))
    assert out["AP"] == result.stats["AP"] and out["provenance"]["comparable"] is True
    assert [row["confidence"] for row in out["best_f1"]] == result.best_f1().to_dict()["confidence"]
    assert out["confusion"] == [{"truth": "(nothing)", "found as": "cat", "count": 1}]
    assert out["images"][0]["image"] == "a.jpg" and out["images"][0]["tp"] == 2
    assert out["errors"]["counts"] == result.errors().counts
    assert out["calibration"][-1]["expected_error"] == result.calibration().expected_error[-1]


def test_out_writes_every_table(write: Any, tmp_path: Any, capsys: Any) -> None:
    folder = tmp_path / "new" / "folder"
    assert main(["eval", *write(), *ALL, "--out", str(folder)]) == 0
    names = {"classes", "images", "errors", "confusion", "best_f1", "calibration"}
    assert {p.name for p in folder.iterdir()} == {"results.json", *(f"{n}.csv" for n in names)}
    with open(folder / "classes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["targets"] for row in rows] == ["1", "1", "0"]
    assert json.loads((folder / "results.json").read_text())["classes"][0]["name"] == "cat"
    capsys.readouterr()
    assert main(["eval", "nowhere", "nowhere", "--out", write()[0]]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "params"),
    [
        (["--areas", "tiny=0:300"], {"areaRng": [[0, 1e10], [0, 300]], "areaRngLbl": ["all", "t"]}),
        (["--max-dets", "1,2,100"], {"maxDets": [1, 2, 100]}),
        (["--classes", "2,1"], {"catIds": [1, 2]}),
        (["--images", "0,1,3"], {"imgIds": [0, 1, 3]}),
    ],
)
def test_options_are_params(options: Any, params: Any, write: Any, capsys: Any) -> None:
    case = random_problem(4)
    paths = write(case.gt, case.dt)
    with contextlib.redirect_stdout(io.StringIO()):
        ids = COCO(paths[0]).getImgIds()
    if "imgIds" in params:
        options, params = ["--images", ",".join(map(str, ids[:3]))], {"imgIds": ids[:3]}
    out = shown(capsys, *paths, *options)
    e = reference(*paths, "bbox", **params)
    for key, value in zip(("AP", "AP50", "AR1", "AR100"), e.stats[[0, 1, 6, 8]], strict=True):
        assert out[key] == value
    assert out["provenance"]["comparable"] is False


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--areas", "tiny"], "--areas must be NAME=LOW:HIGH"),
        (["--max-dets", "3,2,1"], "--max-dets must be three ascending numbers"),
        (["--classes", "bird"], "--classes: 'bird' is not in the ground truth, which has cat, dog"),
        (["--images", ","], "--images names nothing"),
        (["--iou-type", "obb"], "COCO files have no oriented boxes"),
        (["--lvis", "--errors"], "--errors cannot be asked for with --lvis"),
    ],
)
def test_bad_options(options: Any, text: str, write: Any, capsys: Any) -> None:
    assert main(["eval", *write(), *options]) == 2
    err = capsys.readouterr().err
    assert text in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda gt, dt: gt["annotations"][0].update(id=0), "annotation id 0"),
        (lambda gt, dt: gt["annotations"][1].update(id=7), "annotation ids twice"),
        (lambda gt, dt: dt[0].update(category_id=77), "unknown category ids"),
        (lambda gt, dt: dt[0].update(bbox=[6, 6, -5, -5]), "inverted boxes"),
        (lambda gt, dt: dt[0].update(bbox=[100, 6, 5, 5]), "boxes outside their image"),
        (lambda gt, dt: gt["annotations"][0].update(image_id=9), "annotations of unknown images"),
    ],
)
def test_serious_findings_are_printed(change: Any, text: str, write: Any, capsys: Any) -> None:
    gt, dt = json.loads(json.dumps([GT, DT]))
    change(gt, dt)
    paths = write(gt, dt)
    assert main(["eval", *paths]) == 0
    assert text in capsys.readouterr().err
    assert any(text in f["kind"] for f in shown(capsys, *paths)["findings"])


def test_clean_files_are_not_looked_at_again(write: Any, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(eval_faults, "serious", pytest.fail)
    assert "findings" not in shown(capsys, *write())


@pytest.mark.parametrize(
    ("gt", "dt", "kind", "stat", "value"),
    [
        ("instances_val2014_100", "instances_val2014_fakebbox100_results", "bbox", "AP", 0.505),
        ("instances_val2014_100", "instances_val2014_fakesegm100_results", "segm", "AP", 0.320),
        (
            "person_keypoints_val2014_100_rebuilt",
            "person_keypoints_val2014_fakekeypoints100_results", "keypoints", "AP", 0.372,
        ),
    ],
)  # fmt: skip
def test_auto_chooses_what_the_results_are(
    gt: str, dt: str, kind: str, stat: str, value: float, capsys: Any
) -> None:
    paths = [str(data_path("cocoapi_val2014_100", f"{name}.json")) for name in (gt, dt)]
    out = shown(capsys, *paths)
    assert out["iou_type"] == kind and round(out[stat], 3) == value
    assert out["AP"] == reference(*paths, kind).stats[0]
    if kind != "bbox":  # the same masks and keypoints as columns
        from_columns = shown(capsys, *paths, "--dt-format", "coco", "--format", "coco")
        assert from_columns["AP"] == out["AP"]


def test_columns_of_every_kind_are_evaluated_as_coco_files_are(capsys: Any) -> None:
    from argparse import Namespace

    from tamis._commands.eval_sources import Steps, _columns

    folder = data_path("cocoapi_val2014_100")
    for gt, dt, kind in (
        ("instances_val2014_100", "instances_val2014_fakesegm100_results", "segm"),
        ("person_keypoints_val2014_100_rebuilt",
         "person_keypoints_val2014_fakekeypoints100_results", "keypoints"),
    ):  # fmt: skip
        paths = [str(folder / f"{name}.json") for name in (gt, dt)]
        none = dict.fromkeys(
            ["split", "image_folder", "dt_names", "images", "classes", "areas", "max_dets"]
        )
        args = Namespace(
            gt=paths[0], dt=paths[1], format="auto", dt_format="auto", iou_type="auto", **none
        )
        found = _columns(args, Steps(lambda done, total: None))
        assert found.kind == kind
        assert list(found.stats.values()) == reference(*paths, kind).stats.tolist()


@pytest.mark.parametrize("gt", ["cvat_format", "pascalvoc_format", "yolo_format"])
def test_other_formats(gt: str, capsys: Any) -> None:
    folder = data_path("formats")
    dt = folder / "dets" / "coco_format"
    options = ["--image-folder", str(folder / "images"), "--per-class"]
    out = shown(capsys, str(folder / "gts" / gt), str(dt), *options)
    expected = shown(capsys, str(folder / "gts/coco_format_v1"), str(dt), "--per-class")
    assert out["AP"] == pytest.approx(expected["AP"], abs=1e-3)
    targets = [{row["name"]: row["targets"] for row in x["classes"]} for x in (out, expected)]
    assert {k: v for k, v in targets[0].items() if v} == {k: v for k, v in targets[1].items() if v}


def test_lvis(tmp_path: Any, capsys: Any) -> None:
    path = data_path("gt_only", "lvis_val_100.json")
    with open(path) as file:
        anns = json.load(file)["annotations"]
    keys = ("image_id", "category_id", "bbox")
    rng = np.random.default_rng(0)
    dets = [
        {**{k: ann[k] for k in keys}, "score": float(rng.random())} for ann in anns if ann["id"] % 3
    ]
    (tmp_path / "dt.json").write_text(json.dumps(dets))
    paths = [str(path), str(tmp_path / "dt.json")]
    out = shown(capsys, *paths, "--lvis", "--per-class")
    e = tamis.lvis.LVISEval(*paths, "bbox")
    e.run()
    assert {k: out[k] for k in e.results} == e.results
    present = [row["AP"] for row in out["classes"] if row["AP"] > -1]
    assert out["AP"] == pytest.approx(np.mean(present))
    targets = Counter(ann["category_id"] for ann in anns)
    assert {row["id"]: row["targets"] for row in out["classes"]} == dict.fromkeys(
        (row["id"] for row in out["classes"]), 0
    ) | targets
    half = np.where(e.params.iou_thrs == 0.5)[0]
    for k, row in list(enumerate(out["classes"]))[:40]:
        of_class = e.eval["precision"][half][:, :, k, 0]
        of_class = of_class[of_class > -1]
        assert row["AP50"] == (of_class.mean() if len(of_class) else -1)
    assert main(["eval", *paths, "--lvis", "--per-class", "--sort", "targets"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
