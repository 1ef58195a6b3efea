"""Pascal VOC XML, and ImageNet's, which is the same."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared.arrays import Array
from tamis.annotations.annotations import Annotations, Source, object_array
from tamis.annotations.build import number_names
from tamis.annotations.files import encoded, text_of, walk, without_suffix
from tamis.annotations.names import names_of
from tamis.annotations.options import Options
from tamis.annotations.problems import Problems, fail

_FLAGS = ("difficult", "truncated", "occluded")


def read_voc(path: str, options: Options) -> Annotations:
    """One file, or all below a folder; with ``split=`` those of ImageSets/Main."""
    folder, files = _files(path, options)
    full = [f"{folder}/{name}" if folder else name for name in files]
    found = _core.read_voc_files(encoded(full))
    problems = Problems()
    for file, line, text in found["problems"]:
        problems.add(full[file], line, text_of(text))
    splits, image = (
        found["row_splits"],
        np.repeat(np.arange(len(full)), np.diff(found["row_splits"])),
    )
    names = [text_of(t) for t in found["texts"]]
    classes = options.classes or number_names((), names)
    number = {name: label for label, name in classes.items()}
    for row in np.flatnonzero(
        ~np.isin(found["labels"], [i for i, n in enumerate(names) if n in number])
    ):
        problems.add(
            full[image[row]], int(found["lines"][row]),
            f"class {names[found['labels'][row]]!r} is not among classes=",
        )  # fmt: skip
    problems.raise_if_any()
    xyxy, flags = found["boxes"], found["flags"]
    if options.one_based:
        xyxy = xyxy - np.array([1.0, 1.0, 0.0, 0.0])
    ids, image_names, remarks = names_of(files, [text_of(n) for n in found["names"]])
    return Annotations(
        boxes=np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1),
        labels=np.array([number[n] for n in names], np.int64)[found["labels"]],
        splits=splits, image_ids=object_array(ids), classes=classes,
        iscrowd=flags[:, 0] if options.difficult == "crowd" else np.zeros(len(flags), np.uint8),
        image_names=tuple(image_names),
        image_sizes=_sizes(found["sizes"], ids, image_names, options),
        attributes={key: flags[:, i].astype(np.int64) for i, key in enumerate(_FLAGS)},
        source=Source(tuple(full), image, found["lines"]), format="voc", remarks=tuple(remarks),
    )  # fmt: skip


def _files(path: str, options: Options) -> tuple[str, list[str]]:
    if not os.path.isdir(path):
        return os.path.dirname(path), [os.path.basename(path)]
    folder = os.path.join(path, "Annotations")
    folder = folder if os.path.isdir(folder) else path
    files = walk(folder, {".xml"})
    if options.split not in (None, "all"):
        files = _of_split(path, files, str(options.split))
    if not files:
        raise fail(path, "expected Pascal VOC files (.xml), got none")
    return folder, files


def _of_split(path: str, files: list[str], split: str) -> list[str]:
    """The files that ImageSets/Main lists, or those in a folder of that name."""
    listed = os.path.join(path, "ImageSets", "Main", f"{split}.txt")
    if not os.path.isfile(listed):
        return [f for f in files if split in f.split("/")]
    with open(listed, encoding="utf-8-sig") as lines:
        wanted = {line.split()[0] for line in lines if line.strip()}
    return [f for f in files if without_suffix(f) in wanted]


def _sizes(written: Array, ids: list[Any], names: list[str], options: Options) -> Array:
    """Height and width as the files say, where the caller does not; 0 without one."""
    sizes: Array = np.where(written < 2**31, written, 0).astype(np.int64)[:, ::-1].copy()
    if options.image_sizes is not None or options.images is not None:
        for i, (key, name) in enumerate(zip(ids, names, strict=True)):
            sizes[i] = options.size_of(name, key) or sizes[i]
    return sizes
