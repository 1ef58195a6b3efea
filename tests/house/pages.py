"""The code of the documentation's pages."""

from __future__ import annotations

import functools
import importlib
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>needs|shown|recipe|tour)\b[: ]?(?P<what>[^\n]*?) ?-->\n)?"
    r"^```(?P<kind>python|sh)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass
class Block:
    """A fenced block of a page, and why it is not to be run here, if so."""

    kind: str
    code: str
    line: int
    skip: str


@functools.cache  # a second import of a broken library may pass
def imports(name: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(name)
    except Exception:  # a library may be there and broken
        return False
    return True


def absent(what: str) -> str:
    """What is missing of `what`, libraries by commas."""
    if what == "a CUDA device":
        return what
    what = what.replace("FiftyOne", "fiftyone.brain")
    names = what.split(", ")
    return ", ".join(name for name in names if not imports(name))


def reason(mark: str | None, what: str) -> str:
    """Why a marked block is not run with its page; empty where it is."""
    if mark == "needs":
        missing = absent(what)
        return f"needs {missing}" if missing else ""
    return {None: "", "shown": what.strip()}.get(mark, "it has a test of its own")


def blocks(page: Path) -> list[Block]:
    text, found = page.read_text(), []
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("code")) + 1
        why = reason(match["mark"], match["what"] or "")
        found.append(Block(match["kind"], match["code"], line, why))
    return found
