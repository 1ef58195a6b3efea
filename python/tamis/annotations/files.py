"""Files and folders of labels: what is there, their text, and what their images are called."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tamis._shared import json_text
from tamis.annotations.problems import fail

IMAGES = {
    ".avif", ".bmp", ".dng", ".gif", ".heic", ".jfif", ".jp2", ".jpeg", ".jpg", ".mpo", ".pfm",
    ".png", ".ppm", ".tif", ".tiff", ".webp",
}  # fmt: skip
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip


def suffix(path: str) -> str:
    """In lower case, with its dot; thousands of times a folder, so without `os.path`."""
    dot = path.rfind(".")
    return path[dot:].lower() if dot > path.rfind("/") + 1 else ""


def walk(folder: str, suffixes: Iterable[str] | None = None, most: int | None = None) -> list[str]:
    """Relative POSIX paths of the files below, sorted; links are followed, loops are not.

    `most`: some of them, if there are more.
    """
    wanted, found = None if suffixes is None else set(suffixes), []
    pending, seen = [(folder, "")], set()
    while pending:
        here, prefix = pending.pop()
        about = os.stat(here)
        if (about.st_dev, about.st_ino) in seen:
            continue
        seen.add((about.st_dev, about.st_ino))
        with os.scandir(here) as entries:
            for entry in entries:
                name = entry.name
                if name[0] == "." or name == "__MACOSX":
                    continue
                try:
                    folder_too = entry.is_dir()
                except OSError:  # a link to itself
                    folder_too = False
                if folder_too:
                    pending.append((entry.path, f"{prefix}{name}/"))
                elif wanted is None or name[-4:] in wanted or suffix(name) in wanted:
                    found.append(prefix + name)
                if len(found) == most:
                    return sorted(found)
    return sorted(found)


def without_suffix(path: str) -> str:
    """``a/b.c`` of ``a/b.c.jpg``."""
    dot = path.rfind(".")
    return path[:dot] if dot > path.rfind("/") + 1 else path


def image_key(name: str) -> str:
    """A file name without the suffix of an image, as POSIX path."""
    if name[-4:] in IMAGES and "\\" not in name and len(name) > 4 and name[-5] != "/":
        return name[:-4]
    path = name.replace("\\", "/")
    end = suffix(path)
    return path[: -len(end)] if end in IMAGES else path


def stem(path: str) -> str:
    """The last part of a path, without an image's suffix."""
    return image_key(path).rpartition("/")[2]


def unique_index(keys: Sequence[str]) -> dict[str, int]:
    """Place of each key, -1 where it occurs more than once."""
    counts = Counter(keys)
    return {key: i if counts[key] == 1 else -1 for i, key in enumerate(keys)}


def read_text(path: str) -> str:
    """Text of UTF-8 with or without a mark, UTF-16, or what an XML declaration names."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise fail(path, f"cannot be read: {error.strerror}") from None
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _decoded(path, data[len(mark) :], name)
    if len(data) > 1 and data[:2].count(0) == 1:
        return _decoded(path, data, "utf-16-le" if data[1] == 0 else "utf-16-be")
    declared = re.match(rb"""\s*<\?xml[^>]*encoding=["']([\w.-]+)""", data[:200])
    return _decoded(path, data, declared[1].decode() if declared else "utf-8")


def _decoded(path: str, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise fail(
            path, f"expected {encoding} text, got byte {data[error.start]:#x}", line
        ) from None
    except (LookupError, TypeError, AttributeError):
        raise fail(path, f"expected UTF-8, got the encoding {encoding!r}") from None


def load_json(path: str) -> Any:
    text = read_text(path)
    if not text.strip():
        raise fail(path, "expected JSON, got an empty file")
    try:
        return json_text.loads(text)
    except json.JSONDecodeError as error:
        raise fail(path, f"expected JSON: {error.msg}", error.lineno) from None
    except RecursionError:
        raise fail(path, "expected JSON, got lists nested too deep") from None
    except ValueError as error:  # an integer of thousands of digits
        raise fail(path, f"expected JSON: {error}") from None


def encoded(paths: Sequence[str]) -> list[bytes]:
    """For the compiled readers; all at once, as one by one takes as long as reading them."""
    together = os.fsencode("\0".join(paths)).split(b"\0") if paths else []
    return together if len(together) == len(paths) else [os.fsencode(path) for path in paths]


def text_lines(path: str) -> Iterator[tuple[int, list[str]]]:
    """Number and words of each line that has some."""
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if words := line.split():
            yield number, words


def text_of(raw: bytes) -> str:
    """Of the compiled readers; names of another encoding are read as Latin-1."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
