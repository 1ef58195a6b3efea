"""What the images of label files are called, one file an image."""

from __future__ import annotations

from tamis.annotations.files import image_key, stem, suffix, without_suffix
from tamis.annotations.findings import Finding


def names_of(files: list[str], written: list[str]) -> tuple[list[str], list[str], list[Finding]]:
    """Ids, and names of images: what a label file says where it agrees with its own name."""
    ids, names, other = [], [], []
    for file, name in zip(files, written, strict=True):
        key = without_suffix(file)
        folder = key.rpartition("/")[0]
        leaf = name.replace("\\", "/").rpartition("/")[2]
        if stem(leaf) != stem(key) and leaf:
            other.append(f"{file} says {leaf[:60]!r}")
        same = leaf and stem(leaf) == stem(key)
        end = suffix(leaf) if image_key(leaf) != leaf else ".jpg"
        ids.append(key)
        names.append(
            f"{folder}/{leaf}".lstrip("/") if same and image_key(leaf) != leaf else key + end
        )
    if not other:
        return ids, names, []
    return ids, names, [
        Finding(
            "filename of another image", "note", len(other), len(files), "files",
            "The name of the label file counts.", tuple(other[:5]),
        )
    ]  # fmt: skip
