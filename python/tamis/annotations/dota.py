"""DOTA text: four corners, a class and a difficulty; results of its tasks 1 and 2."""

from __future__ import annotations

import os
import re

import numpy as np

from tamis.annotations.annotations import Annotations
from tamis.annotations.build import Builder
from tamis.annotations.files import text_lines, walk, without_suffix
from tamis.annotations.options import Options
from tamis.annotations.problems import AnnotationError, fail
from tamis.annotations.shapes import smallest_rectangles

_HEADER = ("imagesource:", "gsd:")
_RESULTS = re.compile(r"Task[12]_(.+)\.txt$")


def numbers(words: list[str]) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError:
        bad = next(w for w in words if not _is_number(w))
        raise ValueError(f"expected a number, got {bad[:40]!r}") from None


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def text_files(path: str, what: str) -> tuple[str, list[str]]:
    """A folder and its .txt files, or one file."""
    if not os.path.isdir(path):
        return os.path.dirname(path), [os.path.basename(path)]
    files = walk(path, {".txt"})
    if not files:
        raise fail(path, f"expected {what} files (.txt), got none")
    return path, files


def read_dota(path: str, options: Options) -> Annotations:
    """Oriented boxes: the smallest rectangles around the corners, which stay as polygons."""
    folder, files = text_files(path, "DOTA")
    build = Builder("dota", options)
    for name in files:
        build.file(os.path.join(folder, name))
        results = _RESULTS.search(name)
        try:
            lines = list(text_lines(build.paths[-1]))
        except AnnotationError as error:
            build.problems.found.extend(error.problems)
            continue
        image = None
        if not results:
            key = without_suffix(name).removeprefix("labelTxt/")
            image = build.image(key, f"{key}.png", None)
        for line, words in lines:
            if not words[0].lower().startswith(_HEADER):
                try:
                    _row(build, image, line, words, results[1] if results else None)
                except ValueError as error:
                    build.problem(line, str(error))
    return build.finish(obb=True)


def _row(build: Builder, image: int | None, line: int, words: list[str], label: str | None) -> None:
    if label is not None:
        if len(words) not in (6, 10):
            raise ValueError(
                f"expected an image, a score and 8 or 4 coordinates, got {len(words)} words"
            )
        image = build.image(words[0], f"{words[0]}.png", None)
        score, *xy = numbers(words[1:])
        if len(xy) == 4:
            xy = [xy[0], xy[1], xy[2], xy[1], xy[2], xy[3], xy[0], xy[3]]
        return build.row(image, label, line, oriented=rectangle(xy), polygons=[xy], score=score)
    if len(words) not in (9, 10):
        raise ValueError(
            f"expected 8 coordinates, a class and a difficulty, got {len(words)} words"
        )
    assert image is not None
    xy, difficult = numbers(words[:8]), words[9] if len(words) == 10 else "0"
    if not difficult.isdigit():
        raise ValueError(f"expected a difficulty of 0 or 1, got {difficult[:40]!r}")
    crowd = build.options.difficult == "crowd" and difficult != "0"
    return build.row(
        image, words[8], line, oriented=rectangle(xy), polygons=[xy], crowd=crowd,
        attributes={"difficult": int(difficult)},
    )  # fmt: skip


def rectangle(xy: list[float]) -> list[float]:
    with np.errstate(all="ignore"):  # values that are not finite are reported later
        found: list[float] = smallest_rectangles(np.reshape(xy, (1, 4, 2)))[0].tolist()
    return found
