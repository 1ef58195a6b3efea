"""The command line: tables, JSON, and exit code 2 with one line for bad input."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
from coco_cases import random_problem
from tamis.cli import main


@pytest.fixture
def files(tmp_path: Any) -> tuple[str, str]:
    case = random_problem(4)
    for name, content in (("gt.json", case.gt), ("dt.json", case.dt)):
        (tmp_path / name).write_text(json.dumps(content))
    return str(tmp_path / "gt.json"), str(tmp_path / "dt.json")


def test_demo_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tamis", "demo"], capture_output=True, text=True, check=True
    )
    assert "AP, AP50" in done.stdout and done.stderr == ""
    last = done.stdout.splitlines()[-1]
    wanted = [find_spec(name) for name in ("matplotlib", "jinja2", "PIL")]
    if None in wanted:
        assert last == "no report: pip install tamis[report]"
    else:
        path = Path(last.removeprefix("report with pictures: "))
        assert "A detector of shapes" in path.read_text("utf-8")
        shutil.rmtree(path.parent)


def test_demo_writes_its_files_once(tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "trial"
    assert main(["demo", "--files", str(folder)]) == 0
    written = capsys.readouterr().out.split()
    assert sorted(written) == sorted(map(str, folder.iterdir())) and len(written) == 9
    assert main(["eval", str(folder / "gt.json"), str(folder / "dt.json")]) == 0
    (folder / "old.json").unlink()
    assert main(["demo", "--files", str(folder)]) == 2
    assert "must not be there yet, got" in capsys.readouterr().err
    assert not (folder / "old.json").exists()


def test_demo_as_json(capsys: Any) -> None:
    assert main(["demo", "--json"]) == 0
    assert "evaluation: AP, AP50" in json.loads(capsys.readouterr().out)


def test_eval_prints_pycocotools_table(files: Any, capsys: Any) -> None:
    assert main(["eval", *files]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(" @[ IoU=" in line for line in lines) == 12


def test_eval_per_class_and_json(files: Any, capsys: Any) -> None:
    assert main(["eval", *files, "--per-class"]) == 0
    assert "AR100" in capsys.readouterr().out
    assert main(["eval", *files, "--per-class", "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    classes = [c["AP"] for c in out["classes"] if c["AP"] > -1]
    assert out["AP"] == pytest.approx(sum(classes) / len(classes))


def test_eval_errors(files: Any, capsys: Any) -> None:
    assert main(["eval", *files, "--errors"]) == 0
    assert "FalseNeg" in capsys.readouterr().out
    assert main(["eval", *files, "--errors", "--json"]) == 0
    errors = json.loads(capsys.readouterr().out)["errors"]
    assert errors["points"]["FalseNeg"] > 0 and sum(errors["counts"].values()) > 0


@pytest.mark.parametrize("as_", [str, float])
def test_eval_of_ids_of_other_types(as_: Any, files: Any, tmp_path: Any, capsys: Any) -> None:
    def shown(paths: Any) -> Any:
        assert main(["eval", *paths, "--errors", "--per-class", "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    plain, other = shown(files), [str(tmp_path / name) for name in ("g.json", "d.json")]
    ids = ("image_id", "category_id")
    for path, copy in zip(files, other, strict=True):
        with open(path) as f:
            data = json.load(f)
        anns = data if isinstance(data, list) else data["annotations"]
        for ann in anns:
            ann.update({key: as_(ann[key]) for key in ids})
        for record in [] if anns is data else [*data["images"], *data["categories"]]:
            record["id"] = as_(record["id"])
        with open(copy, "w") as f:
            json.dump(data, f)
    got = shown(other)
    assert got["errors"]["counts"] == plain["errors"]["counts"]
    assert {row["id"]: row["AP"] for row in got["classes"]} == {
        as_(row["id"]): row["AP"] for row in plain["classes"]
    }


@pytest.mark.parametrize(
    ("gt", "dt", "text"),
    [
        ("nowhere.json", None, "nowhere.json: No such file or directory"),
        ("empty", None, "expected label files"),
        ("[1]", "[]", "AssertionError: annotation file format"),
        ("{", "[]", "JSONDecodeError"),
        ("[" * 200_000, "[]", "RecursionError"),
        ("{}", "[]", "missing field"),
        (None, "[]", "there are no results"),
        (None, '[{"image_id": 99, "category_id": 1, "bbox": [0,0,1,1], "score": 1}]', "correspond"),
    ],
)
def test_bad_input(gt: Any, dt: Any, text: str, files: Any, tmp_path: Any, capsys: Any) -> None:
    paths = list(files)
    (tmp_path / "empty").mkdir()
    for i, content in enumerate((gt, dt)):
        if content is not None and content[0] in "[{":
            (tmp_path / f"{i}.json").write_text(content)
            paths[i] = str(tmp_path / f"{i}.json")
        elif content is not None:
            paths[i] = str(tmp_path / content)
    assert main(["eval", *paths]) == 2
    err = capsys.readouterr().err
    assert text in err and err.count("\n") == 1


def test_uniqueness(tmp_path: Any, capsys: Any) -> None:
    x = np.random.default_rng(0).standard_normal((60, 8)).astype("f4")
    x[41] = x[7]
    np.save(tmp_path / "x.npy", x)
    source, target = str(tmp_path / "x.npy"), tmp_path / "scores.npy"
    assert main(["uniqueness", source, "-o", str(target), "--json", "--top", "2"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert sorted(out["least"]) == [7, 41] and out["rows"] == 60
    np.testing.assert_array_equal(np.load(target), tamis.uniqueness(x))
    assert main(["uniqueness", source, "--brain"]) == 0
    assert capsys.readouterr().out.count("\n") == 11
    assert sorted(p.name for p in tmp_path.iterdir()) == ["scores.npy", "x.npy"]


def test_zcore(tmp_path: Any, capsys: Any) -> None:
    x = np.random.default_rng(0).standard_normal((60, 8)).astype("f4")
    np.save(tmp_path / "x.npy", x)
    source, target = str(tmp_path / "x.npy"), tmp_path / "scores.npy"
    options = ["--draws", "500", "--seed", "3", "--top", "4"]
    assert main(["zcore", source, "-o", str(target), "--json", *options]) == 0
    scores = tamis.zcore(x, n_samples=500, seed=3)
    np.testing.assert_array_equal(np.load(target), scores)
    said = json.loads(capsys.readouterr().out)
    assert said["first"] == tamis.select_coreset(scores, count=4).tolist()
    with pytest.warns(RuntimeWarning, match="draw more"):
        found = tamis.zcore_stability(x, n_samples=500, seed=3)
    assert (said["draws"], said["overlap"]) == (500, found.overlap) and not found.stable
    assert main(["zcore", source, *options]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 5 and f"share {found.overlap:.1%}" in err and "more --draws" in err
    assert main(["zcore", source, "--draws", "auto", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["draws"] > 500


def test_duplicates(tmp_path: Any, capsys: Any) -> None:
    boxes = [[0, 0, 10, 10], [50, 50, 9, 9], [0, 0, 10, 10], [0, 0, 10, 10]]
    anns = [
        {"id": 7 + i, "image_id": 1 + i % 2, "category_id": c, "bbox": box}
        for i, (box, c) in enumerate(zip(boxes, [1, 1, 1, 2], strict=True))
    ]
    path = tmp_path / "gt.json"
    path.write_text(json.dumps({"images": [{"id": 1}, {"id": 2}], "annotations": anns}))
    assert main(["duplicates", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == [{"annotation": 9, "repeats": 7, "image": 1, "IoU": 1.0}]
    path.write_text(json.dumps({"images": [], "annotations": []}))
    assert main(["duplicates", str(path)]) == 0
    assert capsys.readouterr().out == "no duplicates among 0 boxes\n"


def test_uniqueness_of_bad_input(tmp_path: Any, capsys: Any) -> None:
    np.save(tmp_path / "x.npy", np.full((9, 2), np.nan))
    (tmp_path / "text.npy").write_text("text")
    for name, text in (
        ("x.npy", "uniqueness: x must be finite"),
        ("text.npy", "text.npy is not a .npy or .npz file"),
        ("none.npy", "No such file"),
    ):
        assert main(["uniqueness", str(tmp_path / name)]) == 2
        err = capsys.readouterr().err
        assert text in err and err.count("\n") == 1


def test_usage_errors_exit_2() -> None:
    with pytest.raises(SystemExit) as stop:
        main(["eval"])
    assert stop.value.code == 2


def one_line(capsys: Any, *arguments: str) -> str:
    """What a command that fails says: one line, with exit code 2."""
    assert main(list(arguments)) == 2
    err: str = capsys.readouterr().err
    assert err.count("\n") == 1 and err.startswith("tamis: ")
    return err


GT = {
    "images": [{"id": 1}],
    "categories": [{"id": 1, "name": "a"}],
    "annotations": [{"id": 7, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "area": 25}],
}


class TestDetectionFiles:
    @pytest.fixture
    def write(self, tmp_path: Any) -> Any:
        def written(name: str, content: Any) -> str:
            (tmp_path / name).write_text(json.dumps(content))
            return str(tmp_path / name)

        return written

    def test_boxes_of_five_numbers(self, write: Any, capsys: Any) -> None:
        gt = write("gt.json", GT)
        box = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5, 0.3], "score": 0.5}
        one_line(capsys, "eval", gt, write("dt.json", [box]))
        one_line(capsys, "eval", gt, write("dt.json", [box]), "--json")

    @pytest.mark.parametrize("content", [None, 3, "text", [], [None], {"annotations": None}])
    def test_files_of_something_else(self, content: Any, write: Any, capsys: Any) -> None:
        path = write("bad.json", content)
        one_line(capsys, "eval", path, write("dt.json", []))
        one_line(capsys, "duplicates", path)

    @pytest.mark.parametrize(
        "box", [[1, 1, 5, 5, 0.3], [1, 1, 5], [], None, "text", [1, 1, "5", 5], [1, 1, None, 5]]
    )
    def test_duplicates_names_the_box(self, box: Any, write: Any, capsys: Any) -> None:
        ann = {"image_id": 1, "category_id": 1}
        anns = [{**ann, "id": 6, "bbox": [0, 0, 1, 1]}, {**ann, "id": 9, "bbox": box}]
        said = one_line(capsys, "duplicates", write("gt.json", {**GT, "annotations": anns}))
        assert "bbox of annotations[1] (id 9) must be 4 numbers x, y, w, h, got" in said

    def test_duplicates_that_finds_none_says_so(self, write: Any, capsys: Any) -> None:
        path = write("gt.json", GT)
        assert main(["duplicates", path]) == 0
        assert capsys.readouterr().out == "no duplicates among 1 boxes\n"
        assert main(["duplicates", path, "--json"]) == 0
        assert capsys.readouterr().out == "[]\n"


class TestEmbeddings:
    @pytest.fixture
    def source(self, tmp_path: Any) -> str:
        np.save(tmp_path / "x.npy", np.eye(4, dtype=np.float32))
        return str(tmp_path / "x.npy")

    @pytest.mark.parametrize("command", ["uniqueness", "zcore"])
    def test_files_that_hold_no_array(self, command: str, tmp_path: Any, capsys: Any) -> None:
        (tmp_path / "empty.npy").write_bytes(b"")
        np.savez(tmp_path / "several.npz", a=np.eye(3), b=np.eye(3))
        np.save(tmp_path / "cut.npy", np.eye(99))
        whole = (tmp_path / "cut.npy").read_bytes()
        (tmp_path / "cut.npy").write_bytes(whole[:700])
        os.mkfifo(tmp_path / "fifo")
        for name, text in (
            ("empty.npy", "is not a .npy or .npz file of numbers"),
            ("several.npz", "::NAME must name one of a, b"),
            ("cut.npy", "is not a .npy or .npz file of numbers"),
        ):
            assert f"{name}{' ' * (text[0] != ':')}{text}" in one_line(
                capsys, command, str(tmp_path / name)
            )
        assert "got a FIFO" in one_line(capsys, command, str(tmp_path / "fifo"))
        (tmp_path / "none").mkdir()
        assert "holds no shards" in one_line(capsys, command, str(tmp_path / "none"))

    def test_json_has_null_for_nan(self, source: str, capsys: Any) -> None:
        assert main(["uniqueness", source, "--brain", "--json"]) == 0
        out = capsys.readouterr().out
        assert json.loads(out, parse_constant=pytest.fail)["median"] is None

    @pytest.mark.parametrize("command", ["uniqueness", "zcore"])
    def test_options_are_checked_before_any_work(
        self, command: str, source: str, tmp_path: Any, capsys: Any
    ) -> None:
        before = Path(source).read_bytes()
        (tmp_path / "link.npy").symlink_to(source)
        for options, text in (
            (["--top", "-1"], "--top must be 0 or more, got -1"),
            (["-o", source], "--output must not be the file"),
            (["-o", str(tmp_path / "link.npy")], "--output must not be the file"),
            (["-o", str(tmp_path / "none" / "s.npy")], "a folder that does not exist"),
            (["-o", str(tmp_path)], "got a folder"),
            (["-o", "/dev/null"], "must be a regular file, got a device"),
        ):
            assert text in one_line(capsys, command, source, *options)
        assert Path(source).read_bytes() == before

    def test_a_checkpoint_is_neither_input_nor_output(
        self, source: str, tmp_path: Any, capsys: Any
    ) -> None:
        both = str(tmp_path / "both")
        said = one_line(capsys, "zcore", source, "-o", both, "--checkpoint", both)
        assert "--output must not be the file" in said
        said = one_line(capsys, "zcore", source, "--checkpoint", source)
        assert "--checkpoint must not be the file" in said


@pytest.mark.parametrize(
    "error", [Exception("two\nlines"), AttributeError("x"), MemoryError(), RuntimeError("y")]
)
def test_any_error_is_one_line(error: Exception, monkeypatch: Any, capsys: Any) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(tamis._commands.selection, "opened", fail)
    assert type(error).__name__ in one_line(capsys, "uniqueness", "x.npy")


def test_ctrl_c_is_one_line_and_130(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((3000, 8)))
    code = (
        "import signal, sys, threading, tamis.cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job ignores it
        "real = tamis.zcore_stability\n"
        "def zcore(*a, **k):\n"
        "    threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()\n"
        "    return real(*a, **k)\n"
        "tamis.zcore_stability = zcore\n"
        "sys.exit(tamis.cli.main(sys.argv[1:]))\n"
    )
    arguments = ["zcore", str(tmp_path / "x.npy"), "--draws", str(1 << 36)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 130 and done.stderr == "tamis: interrupted\n"
