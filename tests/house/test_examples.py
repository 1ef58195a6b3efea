"""The scripts of examples/ run; scripts/docs.sh runs those with pictures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

NEEDS = {"train_loop": "torch", "train_ddp": "torch", "train_lightning": "lightning"}
SCRIPTS = sorted([*(ROOT / "examples").glob("train_*.py"), ROOT / "examples" / "with_fiftyone.py"])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_an_example_runs(script: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if script.stem == "with_fiftyone":
        request.getfixturevalue("fo")
    paths = [p for p in sys.path if p and Path(p).name == "python"]  # a build in the tree
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    if done.returncode and script.stem in NEEDS:  # a process of its own: other tests mend libraries
        needed = f"import {NEEDS[script.stem]}"
        if subprocess.run([sys.executable, "-c", needed], capture_output=True).returncode:
            pytest.skip(f"no {NEEDS[script.stem]}")
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-2000:]
