"""Which format a file or folder is in, by what is in it."""

from __future__ import annotations

import os
import re

from tamis.annotations.dota import numbers
from tamis.annotations.files import load_json, read_text, suffix, text_lines, walk
from tamis.annotations.problems import AnnotationError, fail
from tamis.annotations.yolo_dataset import described_by
from tamis.annotations.yolo_folder import may_be_labels

_HEAD = 65536
_ENOUGH = 1000  # files that tell what a folder holds


def detect(path: str) -> tuple[str, str]:
    """The format, and the file or folder to read: a folder of one JSON file is that file."""
    return _folder(path) if os.path.isdir(path) else (_file(path), path)


def _file(path: str) -> str:
    end = suffix(path)
    if end == ".json":
        return _json(path)
    if end == ".xml":
        return _xml(path)
    if end == ".csv":
        return "open_images"
    if end in (".yaml", ".yml", ".data"):
        return "yolo"
    if end == ".txt":
        return _text(path)
    raise fail(
        path,
        f"expected a folder or a file .json .xml .csv .txt .yaml, got {end or 'no suffix'!r}",
    )


def _json(path: str) -> str:
    try:
        with open(path, "rb") as file:
            raw = file.read(_HEAD)
    except OSError as error:
        raise fail(path, f"cannot be read: {error.strerror}") from None
    head = raw.decode(
        "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace"
    ).lstrip()
    if head.startswith("["):
        if ('"file_name"' in head and '"bbox"' in head) or '"rbox"' in head:
            return "ultralytics"
        if '"image_id"' in head[:4096] or head[1:].lstrip().startswith("]"):
            return "coco"
        label_studio = (
            '"result"',
            '"data"',
            '"rectanglelabels"',
            '"polygonlabels"',
            '"annotations"',
        )
        return "label_studio" if any(key in head for key in label_studio) else "coco"
    if '"shapes"' in head or '"imageData"' in head:
        return "labelme"
    if '"images"' in head or '"categories"' in head or '"info"' in head:
        return "coco"
    data = load_json(path)  # the keys that tell stand behind a long list
    if not isinstance(data, dict):
        return "coco"
    if "shapes" in data:
        return "labelme"
    return (
        "label_studio"
        if "data" in data and ("annotations" in data or "predictions" in data)
        else "coco"
    )


def _xml(path: str) -> str:
    root = re.search(r"<([A-Za-z_][\w.-]*)", re.sub(r"(?s)<!--.*?-->", "", read_text(path)[:_HEAD]))
    return "cvat" if root and root[1] == "annotations" else "voc"


def _text(path: str) -> str:
    """YOLO, DOTA or KITTI, by the first lines."""
    try:
        for _, words in zip(range(50), text_lines(path), strict=False):
            line = words[1]
            if line[0].lower().startswith(("imagesource:", "gsd:")):
                return "dota"
            if len(line) in (9, 10) and _all_numbers(line[:8]) and not _all_numbers(line[8:9]):
                return "dota"
            if len(line) in (15, 16) and not _all_numbers(line[:1]) and _all_numbers(line[1:]):
                return "kitti"
    except AnnotationError:
        return "yolo"
    return "dota" if re.match(r"Task[12]_", os.path.basename(path)) else "yolo"


def _all_numbers(words: list[str]) -> bool:
    try:
        numbers(words)
    except ValueError:
        return False
    return True


def _folder(path: str) -> tuple[str, str]:
    if described_by(path) is not None:
        return "yolo", path
    if os.path.isdir(os.path.join(path, "Annotations")):
        return _most_common(os.path.join(path, "Annotations"), path)
    return _most_common(path, path)


def _most_common(folder: str, path: str) -> tuple[str, str]:
    by_kind: dict[str, list[str]] = {".xml": [], ".txt": [], ".json": [], ".csv": []}
    for file in walk(folder, by_kind, _ENOUGH):
        by_kind[suffix(file)].append(file)
    by_kind[".txt"] = [f for f in by_kind[".txt"] if may_be_labels(f)]
    by_kind[".csv"] = [f for f in by_kind[".csv"] if "class-descriptions" not in f]
    end = max(by_kind, key=lambda key: len(by_kind[key]))
    found = by_kind[end]
    if not found:
        raise fail(path, "expected label files (.json .xml .csv .txt), got none")
    if end == ".txt":
        kinds = (_text(os.path.join(folder, f)) for f in found[:50])
        return next((kind for kind in kinds if kind != "yolo"), "yolo"), path
    if end == ".xml" and len(found) > 1:
        return "voc", path
    kind = _file(os.path.join(folder, found[0]))
    if kind in ("labelme", "voc"):
        return kind, path
    if len(found) > 1:
        raise fail(
            path, f"expected one {end} file of format {kind}, got {len(found)}: name one of them"
        )
    return kind, os.path.join(folder, found[0])
