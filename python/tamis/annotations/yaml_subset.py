"""The YAML of data.yaml files: mappings, lists and scalars; no anchors, tags or documents."""

from __future__ import annotations

import re
from typing import Any

from tamis.annotations.files import read_text
from tamis.annotations.problems import fail

# what PyYAML 6 takes for something other than text (YAML 1.1): 08, 1e5 and nUll are text
_INTEGER = re.compile(
    r"[-+]?(0b_*[01][01_]*|0x_*[\da-fA-F][\da-fA-F_]*|0[0-7_]*|[1-9][\d_]*(:[0-5]?\d)*)", re.ASCII
)
_FLOAT = re.compile(r"([-+]?\d[\d_]*\.[\d_]*|\.\d[\d_]*)([eE][-+]\d+)?", re.ASCII)
_WORDS: dict[str, bool | None] = {
    spelled: value
    for word, value in (
        ("", None), ("~", None), ("null", None),
        ("true", True), ("yes", True), ("on", True),
        ("false", False), ("no", False), ("off", False),
    )
    for spelled in (word, word.capitalize(), word.upper())
}  # fmt: skip

_KEY = re.compile(r"""((?:"[^"]*"|'[^']*'|[^\s"'#\[\]{},:-][^:#]*?|-?\d+))\s*:(?:\s+|$)(.*)""")


class _Lines:
    def __init__(self, path: str) -> None:
        self.path, self.at = path, 0
        self.lines: list[tuple[int, int, str]] = []  # number, indent, text
        self.raw = read_text(path).splitlines()
        for number, line in enumerate(self.raw, 1):
            text = without_comment(line).rstrip()
            if text.strip() and text.strip() not in ("---", "..."):
                self.lines.append((number, len(text) - len(text.lstrip()), text.strip()))

    def peek(self) -> tuple[int, int, str] | None:
        return self.lines[self.at] if self.at < len(self.lines) else None


def read_yaml(path: str) -> dict[str, Any]:
    """A mapping, or an error with the line."""
    lines = _Lines(path)
    found = _block(lines, 0) if lines.lines else {}
    if (left := lines.peek()) is not None:
        raise fail(path, f"expected 'key: value', got {left[2][:40]!r}", left[0])
    if not isinstance(found, dict):
        raise fail(path, "expected 'key: value' lines, got a list")
    return found


def without_comment(line: str) -> str:
    quote = ""
    for i, c in enumerate(line):
        if quote:
            quote = "" if c == quote else quote
        elif c in "\"'" and (i == 0 or line[i - 1] in " \t[{,:-"):
            quote = c
        elif c == "#" and (i == 0 or line[i - 1] in " \t"):
            return line[:i]
    return line


def _block(lines: _Lines, indent: int) -> Any:
    first = lines.peek()
    assert first is not None
    return _list(lines, first[1]) if _is_item(first[2]) else _mapping(lines, first[1])


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _list(lines: _Lines, indent: int) -> list[Any]:
    out = []
    while (line := lines.peek()) is not None and line[1] == indent and _is_item(line[2]):
        lines.at += 1
        out.append(_value(lines, line[0], line[2][1:].strip(), indent))
    return out


def _mapping(lines: _Lines, indent: int) -> dict[Any, Any]:
    out: dict[Any, Any] = {}
    while (line := lines.peek()) is not None and line[1] == indent and not _is_item(line[2]):
        found = _KEY.fullmatch(line[2])
        if found is None:
            raise fail(lines.path, f"expected 'key: value', got {line[2][:40]!r}", line[0])
        lines.at += 1
        out[scalar(found[1])] = _value(lines, line[0], found[2].strip(), indent)
    return out


def _value(lines: _Lines, number: int, text: str, indent: int) -> Any:
    if text[:1] in ("|", ">"):
        return _literal(lines, indent)
    if text[:1] in ("[", "{"):
        while not _balanced(text):
            line = lines.peek()
            if line is None:
                raise fail(lines.path, f"expected a closing bracket of {text[:40]!r}", number)
            lines.at += 1
            text += " " + line[2]
        return _flow(lines.path, number, text)
    if text:
        return scalar(text)
    line = lines.peek()
    if line is None or line[1] < indent or (line[1] == indent and not _is_item(line[2])):
        return None
    return _block(lines, line[1])


def _literal(lines: _Lines, indent: int) -> str:
    """Text of a block, which nobody here needs: a script that downloads."""
    kept = []
    while (line := lines.peek()) is not None and line[1] > indent:
        lines.at += 1
        kept.append(line[2])
    return "\n".join(kept)


def _balanced(text: str) -> bool:
    bare = re.sub(r""""[^"]*"|'[^']*'""", "", text)
    return sum(bare.count(c) for c in "[{") <= sum(bare.count(c) for c in "]}")


def _flow(path: str, number: int, text: str) -> Any:
    inside = text[1:-1].strip()
    if text[-1] != {"[": "]", "{": "}"}[text[0]]:
        raise fail(path, f"expected a closing bracket of {text[:40]!r}", number)
    parts = [p for p in _split(inside) if p]
    if text[0] == "[":
        return [_flow(path, number, p) if p[0] in "[{" else scalar(p) for p in parts]
    out = {}
    for part in parts:
        key, colon, value = part.partition(":")
        if not colon:
            raise fail(path, f"expected 'key: value', got {part[:40]!r}", number)
        out[scalar(key)] = scalar(value)
    return out


def _split(text: str) -> list[str]:
    """At the commas outside quotes and brackets."""
    parts, depth, quote, begin = [], 0, "", 0
    for i, c in enumerate(text):
        if quote:
            quote = "" if c == quote else quote
        elif c in "\"'" and text[begin:i].strip()[-1:] in ("", ":"):
            quote = c
        elif c in "[{":
            depth += 1
        elif c in "]}":
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(text[begin:i].strip())
            begin = i + 1
    return [*parts, text[begin:].strip()]


def scalar(text: str) -> Any:
    """A number, a truth value, nothing, or text."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        inside = text[1:-1]
        return (
            inside.replace("''", "'")
            if text[0] == "'"
            else inside.replace('\\"', '"').replace("\\\\", "\\")
        )
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and len(text) < 1000:  # int() refuses thousands of digits
        return _integer(text.replace("_", ""))
    return float(text.replace("_", "")) if _FLOAT.fullmatch(text) else text


def _integer(text: str) -> int:
    """Base 60, 2, 16, 8 or 10: 1:30 is 90, 010 is 8."""
    if ":" in text:
        whole = 0
        for part in text.lstrip("+-").split(":"):
            whole = 60 * whole + int(part)
        return -whole if text[0] == "-" else whole
    digits = text.lstrip("+-")
    octal = len(digits) > 1 and digits[0] == "0" and digits.isdigit()
    return int(text, 8 if octal else 0)
