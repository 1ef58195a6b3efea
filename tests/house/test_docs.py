"""Pages of the documentation: their code runs, and what they name is there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pages
import pytest
import tamis
from conftest import ROOT
from tamis import _demo_files, cli

PAGES = sorted(
    path
    for path in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    if not {"_build", "_ext", "api", "gallery"} & set(path.relative_to(ROOT).parts)
)
WITH_CODE = [path for path in PAGES if pages.BLOCK.search(path.read_text())]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    _demo_files.write(folder)
    return folder


def run_commands(code: str, where: str) -> None:
    """Commands of tamis itself; 1 is an answer (a leak, a split that has changed), 2 is not."""
    for line in code.splitlines():
        if line.startswith("tamis "):
            try:
                status = cli.main(shlex.split(line, comments=True)[1:])
            except SystemExit as end:
                status = end.code
            assert status in (0, 1, None), f"{where}: {line}: exit code {status}"


@pytest.mark.filterwarnings("ignore")  # other libraries' own
@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_code_of_a_page_runs(page: Path, files: Path, monkeypatch: Any, request: Any) -> None:
    if "<!-- needs FiftyOne -->" in page.read_text():
        request.getfixturevalue("fo")  # with its database, or skip
    monkeypatch.chdir(files)
    names: dict[str, Any] = {"__name__": "page"}
    left_out = []
    for block in pages.blocks(page):
        where = f"{name_of(page)}:{block.line}"
        if block.skip:
            left_out.append(f"line {block.line}: {block.skip}")
        elif block.kind == "sh":
            run_commands(block.code, where)
        else:
            lines = "\n" * (block.line - 1) + block.code
            exec(compile(lines, page, "exec"), names)
    tamis.set_num_threads(0)
    if left_out:
        pytest.skip("all but " + "; ".join(left_out))


def test_every_page_stands_in_a_table_of_contents() -> None:
    written = [
        page for page in PAGES if page.parent.name != ROOT.name and page.name != "benchmarks.md"
    ]
    listed = set()
    for page in written:
        for tree in re.findall(r"```{toctree}\n(.*?)```", page.read_text(), flags=re.DOTALL):
            listed |= {(page.parent / line).with_suffix(".md") for line in tree.splitlines()}
    left = {page for page in written if page not in listed and page != ROOT / "docs" / "index.md"}
    assert left == set()


def test_links_of_pages_lead_somewhere() -> None:
    made = {"api/index.rst", "gallery/index.rst", "benchmarks.md"}  # by the build
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if "://" in link:
                continue
            target = (page.parent / link).resolve()
            inside = target.relative_to(ROOT / "docs") if (ROOT / "docs") in target.parents else ""
            assert target.exists() or str(inside) in made, f"{name_of(page)}: {link}"


def test_public_names_that_pages_call_exist() -> None:
    for page in PAGES:
        for name in re.findall(r"\btamis\.([A-Za-z_]\w*)\(", page.read_text()):
            assert hasattr(tamis, name), f"{name_of(page)}: tamis.{name}"


def test_measured_numbers_stand_only_where_a_script_writes_them() -> None:
    """Between marks that benchmarks/table.py fills from stored results."""
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        text = re.sub(r"<!-- ([\w ]+) -->.*?<!-- /\1 -->", "", text, flags=re.DOTALL)
        if page.name != "benchmarks.md":  # made whole
            found = re.search(
                r"\d\s?(ns|ms|µs|s|seconds|minutes|hours|kB|[GM]B|[GM]B/s|bytes an? \w+)\b"
                r"|\d\s?(x|times) (faster|as fast|slower)",
                text,
            )
            assert found is None, f"{name_of(page)}: {found}"


def test_links_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a href="b.html#here">b</a><a href="https://x.y/z">z</a>')
    (tmp_path / "b.html").write_text('<p id="here"><a href="a.html">a</a></p>')
    check = [sys.executable, ROOT / "scripts" / "check_links.py", tmp_path]
    good = subprocess.run(check, capture_output=True, text=True)
    assert (good.returncode, good.stdout) == (0, "2 links within the pages, 0 broken\n")
    (tmp_path / "b.html").write_text('<p id="there"><a href="c.html">c</a></p>')
    bad = subprocess.run(check, capture_output=True, text=True)
    assert bad.returncode == 1
    assert "a.html: b.html#here" in bad.stdout and "b.html: c.html" in bad.stdout


def test_what_pages_load_from_other_hosts_is_found(tmp_path: Path) -> None:
    page = '<link rel="stylesheet" href="{0}"><a href="a.html">a</a><script src="{1}"></script>'
    (tmp_path / "a.html").write_text(page.format("https://x.y/a.css", "//x.y/a.js"))
    (tmp_path / "a.css").write_text("@import 'https://x.y/b.css'; a {background: url(//x.y/c)}")
    check = [sys.executable, ROOT / "scripts" / "check_links.py", tmp_path]
    found = subprocess.run(check, capture_output=True, text=True)
    assert found.returncode == 1 and "1 links within the pages, 4 broken" in found.stdout
    assert "a.html: loads //x.y/a.js" in found.stdout
    (tmp_path / "a.html").write_text(page.format("a.css", "data:,"))
    (tmp_path / "a.css").write_text("a {background: url(c.png)}")
    assert subprocess.run(check, capture_output=True).returncode == 0
