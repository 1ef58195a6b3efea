"""Pages that are made, not written: the API from `__all__`, the benchmarks from stored results."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import tamis
from sphinx.ext.autodoc.mock import mock

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
import table  # noqa: E402

DOMAINS = {
    "regions": "Boxes, masks and keypoints",
    "evaluation": "Evaluation",
    "comparison": "Comparison",
    "labels": "Label mistakes",
    "annotations": "Label files",
    "embeddings": "Embeddings",
    "selection": "What to label, and splits",
    "reports": "Reports",
    "_shared": "Threads and devices",
}
STAND_INS = {
    "tamis.plots": "pictures",
    "tamis.shards": "beyond one machine",
    "tamis.coco": "pycocotools' names",
    "tamis.coco.mask": "pycocotools.mask's names",
    "tamis.lvis": "lvis-api's names",
    "tamis.torchmetrics": "torchmetrics' class",
    "tamis.fiftyone": "FiftyOne's and Brain's functions",
    "tamis.ultralytics": "Ultralytics' evaluation",
}


def put(path: Path, text: str) -> None:
    """Write where something changed, so that Sphinx reads only what is new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def heading(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}\n\n"


def entry(module: str, name: str, value: Any) -> str:
    if inspect.ismodule(value):
        return ""
    kind = "autoclass" if inspect.isclass(value) else "autofunction"
    members = "   :members:\n" if kind == "autoclass" else ""
    text = f".. {kind}:: {module}.{name}\n{members}{given_by(module, name, value)}\n"
    return text + (f".. minigallery:: tamis.{name}\n\n" if module == "tamis" else "")


def given_by(module: str, name: str, value: Any) -> str:
    """For a result without an example of its own: whose example shows it."""
    if module != "tamis" or not inspect.isclass(value) or ">>>" in (value.__doc__ or ""):
        return ""
    word = re.compile(rf"\b{name}\b")
    public = {other: getattr(tamis, other) for other in tamis.__all__ if other != name}
    makers = [
        f":func:`tamis.{other}`"
        for other, f in public.items()
        if inspect.isfunction(f) and word.search(str(f.__annotations__.get("return", "")))
    ] or [
        f":class:`tamis.{other}`"
        for other, kind in public.items()
        if inspect.isclass(kind)
        and any(word.search(str(t)) for t in getattr(kind, "__annotations__", {}).values())
    ]
    return f"\n   An example: {' or '.join(makers)}.\n" if makers else ""


def domain_of(value: Any) -> str:
    return value.__module__.split(".")[1]


def domain_page(domain: str) -> str:
    values = {name: getattr(tamis, name) for name in tamis.__all__}
    mine = [name for name, value in values.items() if domain_of(value) == domain]
    functions = [name for name in mine if not inspect.isclass(values[name])]
    classes = [name for name in mine if inspect.isclass(values[name])]
    title = DOMAINS.get(domain, domain)
    page = heading(title)
    for part, names in (("Functions", functions), ("Classes and results", classes)):
        if names:
            page += heading(part, "-") + "".join(entry("tamis", n, values[n]) for n in names)
    return page


def stand_in_page(module: str) -> str:
    found = importlib.import_module(module)
    page = heading(module) + f"{inspect.getdoc(found)}\n\n"
    return page + "".join(entry(module, name, getattr(found, name)) for name in found.__all__)


def write_api() -> None:
    domains = {domain_of(getattr(tamis, name)): None for name in tamis.__all__}
    ordered = [d for d in DOMAINS if d in domains] + [d for d in domains if d not in DOMAINS]
    index = heading("API reference") + (
        "Every public name, by what it is about. Options are keyword-only; arrays come back\n"
        "in the library and on the device they came in.\n\n.. toctree::\n   :maxdepth: 2\n\n"
    )
    for domain in ordered:
        put(DOCS / "api" / f"{domain.strip('_')}.rst", domain_page(domain))
        index += f"   {domain.strip('_')}\n"
    index += "\n" + heading("Modules", "-") + ".. toctree::\n   :maxdepth: 1\n\n"
    for module, what in STAND_INS.items():
        put(DOCS / "api" / f"{module}.rst", stand_in_page(module))
        index += f"   {module}: {what} <{module}>\n"
    put(DOCS / "api" / "index.rst", index)


def git(*args: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *args], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def history(paths: list[Path]) -> str:
    """Ratios of every stored state of the results of bars.py; nothing outside a checkout."""
    found: list[tuple[str, str, dict[str, float]]] = []
    for path in paths:
        inside = path.relative_to(ROOT).as_posix()
        for line in git("log", "--format=%ct %cs %h", "--", inside).splitlines():
            time, day, commit = line.split()
            text = git("show", f"{commit}:{inside}")
            if not text:
                continue
            result = json.loads(text)
            rows = {f"{r['work']}, {r['peer']}": r["ratio"] for r in result["bars"]}
            processor = result.get("processor") or result["machine"]
            found.append((time, f"{day} `{commit}` {processor}", rows))
    if len(found) < 2:
        return ""
    states = [(title, rows) for _, title, rows in sorted(found, key=lambda state: state[0])[-6:]]
    lines = ["| work, peer | " + " | ".join(title for title, _ in states) + " |"]
    lines.append("|---|" + "---|" * len(states))
    for work in states[-1][1]:
        cells = (f"{rows[work]:.3f}" if work in rows else "" for _, rows in states)
        lines.append(f"| {work} | " + " | ".join(cells) + " |")
    return "\n".join(
        [
            "## History",
            "",
            "tamis' time over the peer's, at each commit that stored it.",
            "",
            *lines,
            "",
        ]
    )


def device_rows(result: dict[str, Any]) -> str:
    lines = ["| work | median | least | most |", "|---|---|---|---|"]
    for row in result["rows"]:
        spread = (row.get(key) for key in ("median_ms", "min_ms", "max_ms"))
        cells = ("" if ms is None else table.times(ms / 1e3) for ms in spread)
        lines.append(f"| {row['name']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_benchmarks() -> None:
    found = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
    bars = [path for path in found if "bars" in json.loads(path.read_text())]
    parts = ["# Benchmarks", "", (DOCS / "_ext" / "benchmarks.md").read_text(), "## On a CPU", ""]
    parts += [table.table(table.load()), ""]
    for result in table.stored():
        if "by_isa" in result:
            parts += ["## By instruction set", "", table.by_isa(result), ""]
        if "gpu" in result.get("environment", ()):
            said = result["environment"]
            parts += [f"## On an {said['gpu']}", "", device_rows(result), ""]
            place = f"Driver {said['driver']}, CUDA {said['cuda']}, PyTorch {said['torch']}"
            parts += [f"{place}, {said['rounds']} rounds, commit `{said['commit']}`.", ""]
    text = "\n".join([*parts, history(bars)])
    put(DOCS / "benchmarks.md", re.sub(r"(?<=\d) (m?s)\b", "\u00a0\\1", text))


def made(app: Any) -> None:
    with mock(app.config.autodoc_mock_imports):
        write_api()
    write_benchmarks()


def setup(app: Any) -> dict[str, Any]:
    app.connect("builder-inited", made, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
