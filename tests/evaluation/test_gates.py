"""Gates: minima, baselines, the pytest fixture and the GitHub action."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tamis
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from tamis.cli import main
from tamis.evaluation.gates import gate, read_baseline, read_least, table
from test_cli_eval import DT, GT

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {**os.environ, "PYTHONPATH": str(Path(tamis.__file__).parents[1])}  # as installed


def test_minima_and_baselines() -> None:
    now = {"AP": 0.5, "AP50": 0.7, "APs": -1.0}
    assert gate(now, least={"AP": 0.5}) == []
    assert gate(now, baseline={"AP": 0.505, "AP50": 0.7, "APs": -1}, tolerance=0.005) == []
    (fall,) = gate(now, baseline={"AP": 0.51}, tolerance=0.005)
    assert (fall.name, fall.baseline, fall.now) == ("AP", 0.51, 0.5)
    assert fall.required == pytest.approx(0.505)
    assert [f.name for f in gate(now, least={"AP": 0.6, "AP50": 0.9})] == ["AP50", "AP"]
    assert [f.name for f in gate(now, baseline={"APs": 0.2})] == ["APs"]
    assert [f.name for f in gate({"AP": float("nan")}, least={"AP": 0.1})] == ["AP"]
    with pytest.raises(ValueError, match="'AP90' is none of the numbers AP, AP50, APs"):
        gate(now, least={"AP90": 0.1})
    with pytest.raises(ValueError, match="tolerance must be 0 or more, got -1"):
        gate(now, tolerance=-1)


@examples(100)
@given(st.dictionaries(st.sampled_from("abcd"), st.tuples(st.floats(-1, 1), st.floats(-1, 1))))
def test_a_number_falls_where_it_is_lower(pairs: Any) -> None:
    now, before = ({k: v[i] for k, v in pairs.items()} for i in (0, 1))
    falls = {f.name for f in gate(now, baseline=before, tolerance=0.25)}
    assert falls == {k for k in pairs if before[k] > -1 and now[k] < before[k] - 0.25 - 1e-9}


@pytest.mark.parametrize("text", ["AP", "AP=x", "AP=nan", ""])
def test_bad_minima(text: str) -> None:
    with pytest.raises(ValueError, match="--min must be NAME=NUMBER"):
        read_least("--min", text)


@pytest.mark.parametrize(
    ("content", "text"),
    [("{", "is no JSON"), ("[]", "holds no numbers"), ('{"iou_type": "segm", "AP": 1}', "of segm")],
)
def test_bad_baselines(content: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(content)
    with pytest.raises(ValueError, match=text):
        read_baseline("--baseline", tmp_path / "b.json", "bbox")


def test_the_table_is_narrow() -> None:
    lines = table(gate({"AR100": 0.1}, baseline={"AR100": 0.9})).splitlines()
    assert len(lines) == 2 and max(map(len, lines)) <= 80 and "0.8000" in lines[1]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for name, content in (("gt.json", GT), ("dt.json", DT)):
        (tmp_path / name).write_text(json.dumps(content))
    return [str(tmp_path / "gt.json"), str(tmp_path / "dt.json")]


def test_the_command(files: list[str], tmp_path: Path, capsys: Any) -> None:
    out = str(tmp_path / "out")
    assert main(["eval", *files, "--out", out, "--min", "AP50=1"]) == 0
    baseline = ["--baseline", f"{out}/results.json"]
    assert main(["eval", *files, *baseline]) == 0  # the numbers are written whole
    worse = [DT[0], {**DT[1], "bbox": [44, 44, 9, 9]}]
    Path(files[1]).write_text(json.dumps(worse))
    capsys.readouterr()
    assert main(["eval", *files, *baseline, "--tolerance", "0.005", "--json"]) == 3
    said = capsys.readouterr()
    assert {"AP", "AP50"} <= {row["name"] for row in json.loads(said.out)["too_low"]}
    assert said.err.splitlines()[0].startswith("too low")
    assert main(["eval", *files, *baseline, "--tolerance", "1"]) == 0
    assert main(["eval", *files, "--min", "AP90=1"]) == 2
    assert main(["eval", *files, "--baseline", "nowhere.json"]) == 2


TEST = """
def test_it(tamis_baseline):
    tamis_baseline({"AP": %s}, "b.json", tolerance=0.01, least={"AP": 0.2})
"""
RUNS = """
import pathlib, sys, pytest
for i, run in enumerate(sys.argv[1:]):
    _, *options = run.split()
    how = ["-q", "-p", "no:cacheprovider", "-p", "tamis_pytest", *options]
    code = pytest.main([*how, f"test_{i}.py"])
    kept = pathlib.Path("b.json")
    print("code", int(code), kept.read_text() if kept.exists() else "", "end of run")
"""


def run_pytest(folder: Path, *runs: str) -> list[str]:
    """What runs say one after the other, each an AP and options."""
    for i, run in enumerate(runs):
        (folder / f"test_{i}.py").write_text(TEST % run.split()[0])
    env = {**SOURCES, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # the others take a second to load
    command = [sys.executable, "-c", RUNS, *runs]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    return done.stdout.split("end of run\n")[:-1]


def test_the_fixture(tmp_path: Path) -> None:
    missing, first, near, fell, least = run_pytest(
        tmp_path, "0.5", "0.5 --tamis-update", "0.495", "0.4", "0.1 --tamis-update"
    )
    assert missing.rstrip().endswith("code 1") and "--tamis-update" in missing
    for said, code in ((first, 0), (near, 0), (fell, 1), (least, 1)):
        assert json.loads(said.rpartition(f"code {code} ")[2]) == {"AP": 0.5}
    assert "too low" in fell and "too low" in least  # what is below its minimum is not written


def test_the_plugin_imports_nothing_of_tamis() -> None:
    code = "import tamis_pytest, sys; print([m for m in sys.modules if m in ('tamis', 'numpy')])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=SOURCES, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert 'tamis = "tamis_pytest"' in (ROOT / "pyproject.toml").read_text()


def test_the_action_runs_the_command(files: list[str], tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    step = action["runs"]["steps"][-1]
    values = {name: one.get("default", "") for name, one in action["inputs"].items()}
    values |= {"gt": files[0], "dt": files[1], "min": "AP50=1", "out": str(tmp_path / "o")}
    env = {k: values[v.split("inputs.")[1].split()[0]] for k, v in step["env"].items()}
    env |= {f"GITHUB_{name}": str(tmp_path / name) for name in ("OUTPUT", "STEP_SUMMARY")}
    python = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}

    def run(**more: str) -> int:
        command = ["bash", "-e", "-c", step["run"]]
        whole = {**SOURCES, **python, **env, **more}
        return subprocess.run(command, env=whole, capture_output=True).returncode

    assert run(OPTIONS="--per-class --sort AP") == 0
    assert "Average Precision" in (tmp_path / "STEP_SUMMARY").read_text()
    assert f"results={tmp_path}/o/results.json" in (tmp_path / "OUTPUT").read_text()
    assert run(MIN="AP=1,AR1=1", BASELINE=str(tmp_path / "o/results.json")) == 3
