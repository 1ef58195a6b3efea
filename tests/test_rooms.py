"""The house: every room has its files, and keeps to the limits a reader relies on."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tamis

ROOT = Path(__file__).resolve().parents[1]
ROOMS = sorted(p.name for p in (ROOT / "cpp").iterdir() if p.is_dir() and p.name != "core")
SOURCES = [
    p
    for folder in ("cpp", "python", "tests", "benchmarks")
    for p in (ROOT / folder).rglob("*")
    if p.suffix in (".cpp", ".hpp", ".cu", ".py")
]
PYTHON_HOME = {  # rooms whose Python half is not a module of their own name
    "average_precision": "_evaluation.py",
    "bson_columns": "fiftyone/_documents.py",
    "coco_json": "coco/_sources.py",
    "resampling": "_resampling.py",
    "image_size": "annotations/options.py",
    "voc_xml": "annotations/voc.py",
    "yolo_text": "annotations/yolo.py",
}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_complete(room: str) -> None:
    expected = [
        f"cpp/{room}/{room}.hpp",
        f"cpp/{room}/{room}_bind.cpp",
        f"python/tamis/{PYTHON_HOME.get(room, room + '.py')}",
        f"tests/test_{room}.py",
        f"benchmarks/bench_{room}.py",
    ]
    assert [path for path in expected if not (ROOT / path).exists()] == []
    assert f"tamis_room({room}" in (ROOT / "CMakeLists.txt").read_text()


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_do_not_reach_into_each_other(room: str) -> None:
    for path in (ROOT / "cpp" / room).iterdir():
        for other, file in re.findall(r'#include "(\w+)/(\w+)\.\w+"', path.read_text()):
            if other not in (room, "core"):
                assert file in (other, f"{other}_math"), f"{path.name} includes {other}/{file}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.name)
def test_files_are_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


def test_pybind11_stays_in_the_bindings() -> None:
    for path in (ROOT / "cpp").rglob("*.[ch]pp"):
        allowed = path.stem.endswith("_bind") or path.stem in ("array", "module", "module_cuda")
        assert allowed or "pybind11/" not in path.read_text(), path


def test_public_names_exist_and_are_documented() -> None:
    assert sorted(tamis.__all__) == tamis.__all__
    for name in tamis.__all__:
        assert getattr(tamis, name).__doc__, name


def test_kernels_of_one_instruction_set_leak_nothing() -> None:
    """A weak symbol compiled for AVX-512 may be the copy that the linker keeps for everybody."""
    found = (ROOT / "build").rglob("tamis_cpu_v4.dir/**/*.o")
    objects = sorted(p for p in found if {"asan", "tsan"}.isdisjoint(p.parts))  # theirs have some
    if not objects or shutil.which("nm") is None:
        pytest.skip("no object files of this build, or no nm")
    for path in objects:
        out = subprocess.run(["nm", "-C", path], capture_output=True, text=True, check=True).stdout
        weak = [line for line in out.splitlines() if re.match(r"\S* +[WV] ", line)]
        assert weak == [], path


def test_the_readme_table_is_that_of_the_stored_results() -> None:
    subprocess.run([sys.executable, ROOT / "benchmarks" / "table.py", "--check"], check=True)
