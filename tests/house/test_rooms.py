"""The house: every room has its files, domains keep their places, and files can be read."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tamis

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import house  # noqa: E402

NO_ROOMS = {"core", "third_party"}
ROOMS = sorted({p.name for p in (ROOT / "cpp").iterdir() if p.is_dir()} - NO_ROOMS)
SOURCES = [
    p
    for folder in ("cpp", "python", "tests", "benchmarks")
    for p in (ROOT / folder).rglob("*")
    if p.suffix in (".cpp", ".hpp", ".cu", ".py") and "third_party" not in p.parts
]
PYTHON_HOME = {  # rooms whose Python half is a module of another name
    "image_size": "options.py",
    "voc_xml": "voc.py",
    "yolo_text": "yolo.py",
}
BELOW = {  # the domains that each may import
    "_shared": set(),
    "regions": {"_shared"},
    "embeddings": {"_shared"},
    "evaluation": {"_shared", "regions"},
    "selection": {"_shared", "embeddings"},
    "comparison": {"_shared", "regions", "evaluation"},
    "labels": {"_shared", "evaluation"},
    "annotations": {"_shared", "regions", "coco"},
    "plots": {"_shared", "evaluation"},
    "reports": {
        "_shared",
        "regions",
        "embeddings",
        "evaluation",
        "selection",
        "comparison",
        "annotations",
        "plots",
        "_commands",
        "",
    },
    "shards": {"_shared", "regions", "embeddings", "evaluation", "selection"},
}
LATE = {("_shared", "plots")}  # in a function: results are drawn when asked


def found(folder: str, name: str) -> list[Path]:
    return list((ROOT / folder).rglob(name))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_complete(room: str) -> None:
    homes = PYTHON_HOME.get(room, f"{room}.py"), f"_{room}.py"
    assert any(found("python/tamis", home) for home in homes)
    assert found("tests", f"test_{room}.py") and found("benchmarks", f"bench_{room}.py")
    for file in (f"{room}.hpp", f"{room}_bind.cpp"):
        assert (ROOT / "cpp" / room / file).exists(), file
    assert f"tamis_room({room}" in (ROOT / "CMakeLists.txt").read_text()


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_do_not_reach_into_each_other(room: str) -> None:
    for path in (ROOT / "cpp" / room).iterdir():
        for other, file in re.findall(r'#include "(\w+)/(\w+)\.\w+"', path.read_text()):
            if other not in (room, "core"):
                assert file in (other, f"{other}_math"), f"{path.name} includes {other}/{file}"


def test_domains_import_only_what_is_below_them() -> None:
    for domain, other in house.arrows():
        if domain in BELOW and (domain, other) not in LATE:
            assert other in BELOW[domain], f"{domain} imports {other}"


def test_results_are_drawn_late() -> None:
    for module in house.MODULES:
        late = {(house.domain(module), house.domain(n)) for n in house.imports(module, late=False)}
        assert not late & LATE, module


def test_no_module_imports_itself_through_others() -> None:
    assert house.circles() == []


def test_functions_are_short_enough_to_read() -> None:
    assert house.long_functions() == []


def test_files_are_short_enough_to_read() -> None:
    assert [path for path in SOURCES if len(path.read_text().splitlines()) > 400] == []


def test_pybind11_stays_in_the_bindings() -> None:
    for path in (ROOT / "cpp").rglob("*.[ch]pp"):
        allowed = path.stem.endswith("_bind") or path.stem in ("array", "module", "module_cuda")
        assert allowed or "pybind11/" not in path.read_text(), path


def test_public_names_exist_and_are_documented() -> None:
    assert sorted(tamis.__all__) == tamis.__all__
    pages = "\n".join(p.read_text() for p in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    for name in tamis.__all__:
        value = getattr(tamis, name)
        assert value.__doc__, name
        if callable(value) and not isinstance(value, type):
            assert name in pages, f"{name} stands on no page"


def test_kernels_of_one_instruction_set_leak_nothing() -> None:
    """A weak symbol compiled for AVX-512 may be the copy that the linker keeps for everybody."""
    not_shipped = ("asan", "tsan", "fuzz", "coverage")  # they have some
    builds = (p for p in (ROOT / "build").glob("*") if not p.name.startswith(not_shipped))
    objects = sorted(p for build in builds for p in build.rglob("tamis_cpu_v4.dir/**/*.o"))
    if not objects or shutil.which("nm") is None:
        pytest.skip("no object files of this build, or no nm")
    for path in objects:
        out = subprocess.run(["nm", "-C", path], capture_output=True, text=True, check=True).stdout
        weak = [line for line in out.splitlines() if re.match(r"\S* +[WV] ", line)]
        assert weak == [], path


def test_the_numbers_of_pages_are_those_of_the_stored_results() -> None:
    subprocess.run([sys.executable, ROOT / "benchmarks" / "table.py", "--check"], check=True)
