"""What is installed: one version, extras, the CUDA part and wheels."""

from __future__ import annotations

import re
import subprocess
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import pytest
import tamis
from tamis import _core
from tamis._shared import arrays

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text()
CHECK = ROOT / "scripts" / "check_wheels.py"


def test_there_is_one_version() -> None:
    (version,) = re.findall(r'(?m)^version = "([^"]+)"', PYPROJECT)
    assert tamis.__version__ == _core.__version__ == version
    cuda = (ROOT / "packaging" / "cuda" / "pyproject.toml").read_text()
    (pattern,) = re.findall(r"(?m)^regex = '(.*)'", cuda)
    found = re.search(pattern, PYPROJECT)
    assert found is not None
    assert found["value"] == version
    assert version not in cuda
    assert version not in (ROOT / "CITATION.cff").read_text()


def test_extras_do_not_name_torch() -> None:
    section = PYPROJECT.split("[project.optional-dependencies]")[1].split("\n[")[0]
    extras = dict(re.findall(r"(?ms)^([\w-]+) = (\[.*?\])", section))
    assert {"cuda", "faiss", "faiss-gpu", "fiftyone", "torchmetrics", "test"} <= set(extras)
    assert all(
        re.search(r"\btorch\b(?![-a-z])", re.sub("#.*", "", e)) is None for e in extras.values()
    )
    assert "[]" not in extras.values()


def test_the_cuda_part_that_is_missing_or_another(monkeypatch: pytest.MonkeyPatch) -> None:
    command = f"pip install tamis-cuda=={tamis.__version__}"
    monkeypatch.setitem(sys.modules, "tamis._cuda", None)
    monkeypatch.delattr(tamis, "_cuda", raising=False)
    with pytest.raises(tamis.CudaUnavailable, match=f"^box_iou: got an array on cuda:1.*{command}"):
        arrays.backend("box_iou", "cuda:1")
    other: Any = types.ModuleType("tamis._cuda")
    other.__version__ = "0.0.9"
    monkeypatch.setitem(sys.modules, "tamis._cuda", other)
    text = f"is that of tamis 0.0.9, and tamis is {tamis.__version__}: {command}"
    with pytest.raises(tamis.CudaUnavailable, match=text):
        arrays.backend("box_iou", "cuda:0")
    other.__version__ = tamis.__version__
    assert arrays.backend("box_iou", "cuda:0") is other


def wheel(folder: Path, name: str, entries: list[str], size: int = 0) -> str:
    with zipfile.ZipFile(folder / name, "w") as file:
        for entry in entries:
            file.writestr(entry, "")
        file.writestr("padding", "0" * size)
    run = subprocess.run([sys.executable, CHECK, folder], capture_output=True, text=True)
    (folder / name).unlink()
    assert (run.returncode == 0) == (run.stdout.count("\n") == 1), run.stdout + run.stderr
    return run.stdout


def test_wheels_are_checked(tmp_path: Path) -> None:
    licences = [
        "a/licenses/LICENSE",
        "a/licenses/cpp/third_party/simdjson/LICENSE",
        "tamis/py.typed",
    ]
    good = "tamis-0.1.0-cp311-cp311-manylinux_2_28_x86_64.whl"
    assert wheel(tmp_path, good, licences).count("\n") == 1
    assert "lacks licenses/cpp/third_party" in wheel(tmp_path, good, licences[::2])
    assert "shared libraries" in wheel(tmp_path, good, [*licences, "tamis.libs/libsimdjson.so"])
    assert "more than 6000000" in wheel(tmp_path, good, licences, 6_000_000)
    raw = "tamis-0.1.0-cp311-cp311-linux_x86_64.whl"
    assert "not repaired" in wheel(tmp_path, raw, licences)
    cuda = "tamis_cuda-0.1.0-cp311-cp311-manylinux_2_28_x86_64.whl"
    assert wheel(tmp_path, cuda, licences[:1]).count("\n") == 1


def test_the_commands_of_the_readme_ask_for_no_more_rights() -> None:
    text = (ROOT / "README.md").read_text()
    commands = re.findall(r"<!-- command (?:one|two) -->\n```sh\n(.*?)```", text, re.DOTALL)
    assert len(commands) == 2
    assert not any(re.search(r"sudo|apt|setup\.sh", command) for command in commands)
