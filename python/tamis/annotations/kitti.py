"""KITTI object text: 15 columns, 16 with a score."""

from __future__ import annotations

import os

from tamis.annotations.annotations import Annotations
from tamis.annotations.build import Builder
from tamis.annotations.dota import numbers, text_files
from tamis.annotations.files import text_lines, without_suffix
from tamis.annotations.options import Options
from tamis.annotations.problems import AnnotationError

_SOLID = ("alpha", "height", "width", "length", "x", "y", "z", "rotation_y")


def read_kitti(path: str, options: Options) -> Annotations:
    """Boxes of the image; what is of the world stays in `attributes`. DontCare is a crowd."""
    folder, files = text_files(path, "KITTI")
    build = Builder("kitti", options)
    for name in files:
        build.file(os.path.join(folder, name))
        key = without_suffix(name)
        image = build.image(key, f"{key}.png", None)
        try:
            for line, words in text_lines(build.paths[-1]):
                try:
                    _row(build, image, line, words)
                except ValueError as error:
                    build.problem(line, str(error))
        except AnnotationError as error:
            build.problems.found.extend(error.problems)
    return build.finish()


def _row(build: Builder, image: int, line: int, words: list[str]) -> None:
    if len(words) not in (15, 16):
        raise ValueError(f"expected 15 columns, or 16 with a score, got {len(words)}")
    truncated, occluded, alpha, x0, y0, x1, y1, *solid = numbers(words[1:15])
    world = dict(zip(_SOLID, (alpha, *solid), strict=True))
    known = occluded == occluded and abs(occluded) < 2**31
    flags = {"truncated": truncated, "occluded": int(occluded) if known else -1}
    build.row(
        image, words[0], line, box=(x0, y0, x1 - x0, y1 - y0), crowd=words[0] == "DontCare",
        score=numbers(words[15:])[0] if len(words) == 16 else None, attributes=flags | world,
    )  # fmt: skip
