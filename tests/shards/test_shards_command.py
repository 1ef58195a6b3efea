"""`tamis shards`, as a job array calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
from shard_files import rows_with_copies, write_shards
from tamis.cli import main

X = rows_with_copies(200, 6)


def told(capsys: Any, *arguments: str, code: int = 0) -> Any:
    assert main([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_a_job_array(tmp_path: Path, capsys: Any) -> None:
    write_shards(tmp_path / "x", X, [50])
    state, out = str(tmp_path / "run"), str(tmp_path / "out.npz")
    planned = told(capsys, "shards", "plan", "uniqueness", state, str(tmp_path / "x"))
    assert planned == {"tasks": 21, "stages": {"scan": 7, "group": 7, "part": 7}}
    assert len(told(capsys, "shards", "status", state, code=1)["ready"]) == 7
    array = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tamis",
                *f"shards run {state} --stage scan --task {task}".split(),
            ]
        )
        for task in range(2)
    ]
    assert [job.wait() for job in array] == [0, 0]
    assert told(capsys, "shards", "run", state, "--task", "0")["done now"] == []
    for task in range(2, 7):
        told(capsys, "shards", "run", state, "--task", f"scan-{task}")
    assert told(capsys, "shards", "estimate", state, "--nodes", "2")["task_memory"] > 0
    assert len(told(capsys, "shards", "run", state)["done now"]) == 14
    assert told(capsys, "shards", "status", state)["waiting"] == []
    told(capsys, "shards", "merge", state, "-o", out)
    assert np.array_equal(np.load(out)["uniqueness"], tamis.uniqueness(X))


@pytest.mark.parametrize("kind", ["knn", "near_duplicates", "leaks", "zcore"])
def test_other_kinds(tmp_path: Path, capsys: Any, kind: str) -> None:
    write_shards(tmp_path / "x", X, [50])
    splits = tmp_path / "splits.txt"
    splits.write_text("\n".join("ab"[i % 2] for i in range(len(X))))
    state, out = str(tmp_path / "run"), str(tmp_path / "out.npz")
    plan = ["shards", "plan", kind, state, str(tmp_path / "x"), "--splits", str(splits)]
    told(capsys, *plan, "--parts", "3", "--threshold", "0.1", "--draws", "50", "--seed", "4")
    told(capsys, "shards", "run", state)
    told(capsys, "shards", "merge", state, "-o", out)
    found = np.load(out)
    if kind == "knn":
        wanted = dict(zip(("distances", "indices"), tamis.knn(X, 3), strict=True))
    elif kind == "zcore":
        wanted = {"zcore": tamis.zcore(X, n_samples=50, seed=4)}
    elif kind == "leaks":
        wanted = tamis.leaks(X, splits.read_text().split(), threshold=0.1)._public()
    else:
        wanted = tamis.near_duplicates(X, threshold=0.1)._public()
    assert set(found) == set(wanted)
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


def test_bad_input_is_one_line(tmp_path: Path, capsys: Any) -> None:
    write_shards(tmp_path / "x", X, [50])
    state = str(tmp_path / "run")
    for arguments, said in (
        (["plan", "leaks", state, str(tmp_path / "x")], "--splits FILE is needed for leaks"),
        (["plan", "knn", state, str(tmp_path / "x"), "--parts", "5"], "parts must be one of 1, 3"),
        (["plan", "zcore", state, str(tmp_path / "x"), "--metric", "cosine"], "must be absent"),
        (["run", state], "No plan in this folder"),
    ):
        assert main(["shards", *arguments]) == 2
        assert said in capsys.readouterr().err
    assert main(["shards", "plan", "knn", state, str(tmp_path / "x")]) == 0
    assert main(["shards", "run", state, "--task", "99"]) == 2
    assert main(["shards", "run", state, "--stage", "no"]) == 2
    assert main(["shards", "merge", state, "-o", str(tmp_path / "out.npz")]) == 2
    assert "plan.merge needs part-0 and 6 more" in capsys.readouterr().err
