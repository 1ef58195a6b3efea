"""What the images of label files are called, one file an image."""

from __future__ import annotations

from tamis.annotations.files import IMAGES, suffix, without_suffix
from tamis.annotations.findings import Finding


def names_of(files: list[str], written: list[str]) -> tuple[list[str], list[str], list[Finding]]:
    """Ids and names of images: the name inside a label file if its own name agrees."""
    ids, names, other = [], [], []
    for file, name in zip(files, written, strict=True):
        key = without_suffix(file)
        leaf = name.replace("\\", "/").rpartition("/")[2]
        folder, _, own = key.rpartition("/")
        end = suffix(leaf)
        end = end if end in IMAGES else ""
        bare = leaf[: len(leaf) - len(end)]
        if bare != own and leaf:
            other.append(f"{file} says {leaf[:60]!r}")
        ids.append(key)
        if bare == own and end:
            names.append(f"{folder}/{leaf}" if folder else leaf)
        else:
            names.append(key + (end or ".jpg"))
    if not other:
        return ids, names, []
    return ids, names, [
        Finding(
            "filename of another image", "note", len(other), len(files), "files",
            "The name of the label file counts.", tuple(other[:5]),
        )
    ]  # fmt: skip
