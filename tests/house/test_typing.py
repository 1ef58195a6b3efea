"""A user's script passes `mypy --strict` and pyright, and a wrong one does not."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tamis

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "tests" / "typing"
HOME = Path(tamis.__file__).resolve().parents[1]
FAULTS = [  # the lines of wrong.py
    i
    for i, line in enumerate((SCRIPTS / "wrong.py").read_text().splitlines(), 1)
    if line.startswith(("tamis.", "distances"))
]


def run(folder: Path, path: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Type checkers find an installed tamis by themselves, one in a source tree by its path."""
    where = {} if HOME.name == "site-packages" else {path: str(HOME)}
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | where
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)


def copied(folder: Path) -> list[str]:
    """The scripts, but for those whose library is missing."""
    names = ["user_numpy.py", "wrong.py"]
    if importlib.util.find_spec("torch"):
        names.append("user_torch.py")
    for name in names:
        shutil.copy(SCRIPTS / name, folder)
    return names


def check(output: str) -> None:
    assert "user_" not in output, output
    lines = re.findall(r"wrong\.py:(\d+)(?::\d+)?:? ?-? error", output)
    assert sorted({int(n) for n in lines}) == FAULTS, output


def test_mypy(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    names = copied(tmp_path)
    # what the project's own run knows of PyTorch, which takes mypy longest
    project = [
        "--config-file",
        str(ROOT / "pyproject.toml"),
        "--cache-dir",
        str(ROOT / ".mypy_cache"),
    ]
    mypy = [sys.executable, "-m", "mypy", "--strict", *project]
    check(run(tmp_path, "MYPYPATH", *mypy, *names).stdout)


def test_pyright(tmp_path: Path) -> None:
    pyright = shutil.which("pyright")
    if pyright is None:
        pytest.skip("no pyright (npm i pyright)")
    copied(tmp_path)
    extra = {} if HOME.name == "site-packages" else {"extraPaths": [str(HOME)]}
    config = {"typeCheckingMode": "strict"} | extra
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    command = (pyright, "-p", str(tmp_path), "--pythonpath", sys.executable)
    check(run(tmp_path, "PYTHONPATH", *command).stdout)
