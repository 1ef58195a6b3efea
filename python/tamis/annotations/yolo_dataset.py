"""Which label files and images a YOLO data set has, and its class names."""

from __future__ import annotations

import os
import re

from tamis.annotations.files import IMAGES, image_key, read_text, suffix, walk, without_suffix
from tamis.annotations.options import Options
from tamis.annotations.problems import Problems, fail
from tamis.annotations.yaml_subset import read_yaml
from tamis.annotations.yolo_folder import SPELLED, join, list_folder
from tamis.annotations.yolo_listing import Listing, find_sizes
from tamis.annotations.yolo_names import (
    SPLITS,
    classes_near,
    is_data_yaml,
    keypoints_of,
    names_file,
    yaml_names,
)


def list_dataset(path: str, options: Options, problems: Problems) -> Listing:
    listing = Listing()
    if os.path.isdir(path):
        path = described_by(path) or path
    if os.path.isdir(path):
        list_folder(path, listing, options)
    elif suffix(path) in (".yaml", ".yml"):
        data_yaml(path, listing, options)
    elif suffix(path) == ".data":
        darknet(path, listing, options)
    elif _is_image_list(path):
        _images(_listed(path, os.path.dirname(path)), listing)
    else:
        folder, name = os.path.split(path)
        listing.classes = classes_near(folder or ".", 0 if options.like is not None else 2)
        join(folder or ".", [name], listing, options, of="file")
    find_sizes(listing, options, problems)
    return listing


def described_by(folder: str) -> str | None:
    """The data.yaml or Darknet's .data of a folder."""
    names = [n for n in os.listdir(folder) if n.lower().endswith((".yaml", ".yml", ".data"))]
    full = [os.path.join(folder, name) for name in sorted(names)]
    yamls = (p for p in full if suffix(p) != ".data" and is_data_yaml(p))
    return next(yamls, None) or next((p for p in full if suffix(p) == ".data"), None)


# --- data.yaml, Darknet, lists of images ------------------------------------------------------


def data_yaml(path: str, listing: Listing, options: Options) -> None:
    data = read_yaml(path)
    listing.classes = yaml_names(path, data)
    listing.keypoints = keypoints_of(path, data)
    root = os.path.join(os.path.dirname(path), str(data.get("path") or ""))
    if not os.path.isdir(root):  # as where it was made, not here
        root = os.path.dirname(path) or "."
    present = [name for name in SPLITS if data.get(name)]
    wanted = options.split or (present[0] if present else None)
    if wanted == "all":
        chosen = present
    elif wanted in present:
        chosen = [wanted]
    else:
        raise fail(
            path, f"expected a split {wanted or 'val'!r}, got {', '.join(present) or 'none'}"
        )
    for name in chosen:
        entries = data[name] if isinstance(data[name], list) else [data[name]]
        for entry in entries:
            _split_entry(path, root, str(entry), listing, options)


def _split_entry(path: str, root: str, entry: str, listing: Listing, options: Options) -> None:
    """Images of one entry: a folder, or a text file that lists them."""
    base = os.path.dirname(path) or "."
    short = entry
    while short.startswith("../"):  # Roboflow's, whose files are next to the yaml
        short = short[3:]
    places = [os.path.join(folder, e) for e in (entry, short) for folder in (root, base)]
    for place in places:
        if os.path.isdir(place) and (found := walk(place, IMAGES)):
            return _images([(f"{place}/{f}", f) for f in found], listing, place)
        if os.path.isfile(place):
            return _images(_listed(place, root), listing)
    for place in places:  # labels alone
        labels = re.sub(r"(^|/)images(/|$)", r"\1labels\2", place.replace(os.sep, "/"))
        if labels != place and os.path.isdir(labels):
            join(labels, walk(labels, {".txt"}), listing, options, of="labels")
            return
    raise fail(path, f"expected the folder or list of images {entry!r}, which is not there")


def darknet(path: str, listing: Listing, options: Options) -> None:
    folder = os.path.dirname(path) or "."
    pairs = (line.partition("=") for line in read_text(path).splitlines() if "=" in line)
    data = {key.strip(): value.strip() for key, _, value in pairs}
    names = _resolve(folder, data.get("names", "obj.names"))
    if names is not None:
        listing.classes = names_file(names)
    present = [key for key in ("valid", "val", "test", "train") if data.get(key)]
    wanted = SPELLED.get(options.split or "", (options.split,))
    chosen = [k for k in present if options.split in (None, "all") or k in wanted]
    if options.split is None:
        found = [key for key in chosen if _resolve(folder, data[key])]
        chosen = found[:1] or chosen[:1]
    if not chosen:
        raise fail(
            path, f"expected a list of images {options.split or 'valid or train'!r}, got none"
        )
    for key in chosen:
        place = _resolve(folder, data[key])
        if place is None:
            raise fail(path, f"expected the list of images {data[key]!r}, which is not there")
        _images(_listed(place, folder), listing)


def _resolve(folder: str, entry: str) -> str | None:
    """A path as written, or below `folder` with its first parts left out, as it was moved."""
    entry = entry.replace("\\", "/")
    parts = entry.split("/")
    for place in (
        os.path.join(folder, entry),
        *(os.path.join(folder, *parts[i:]) for i in range(1, len(parts))),
    ):
        if os.path.exists(place):
            return place
    return None


def _listed(path: str, folder: str) -> list[tuple[str, str]]:
    """Path and name of each image in a list."""
    base = os.path.dirname(path)
    found = []
    for line in read_text(path).splitlines():
        if not (entry := line.strip().replace("\\", "/")):
            continue
        place = next(
            (
                p
                for p in (os.path.join(base, entry), os.path.join(folder, entry))
                if os.path.exists(p)
            ),
            None,
        ) or _moved(base, entry)
        found.append((place, entry.removeprefix("./")))
    return found


def _moved(base: str, entry: str) -> str:
    """Where the image, or its label file, is below `base`, if the list names another place."""
    parts = entry.split("/")
    for i in range(1, len(parts)):
        place = os.path.join(base, *parts[i:])
        if os.path.exists(place) or os.path.exists(label_path(place)):
            return place
    return os.path.join(base, entry)


def _images(images: list[tuple[str, str]], listing: Listing, root: str = "") -> None:
    """Images whose labels are in the folder labels next to images, or next to the image."""
    whole = keys = [image_key(name) for _, name in images]
    known, listed = set(listing.ids), set(listing.paths)
    if not root:  # of a list: what folders they share says nothing
        short = [re.split(r"(?:^|/)(?:images|obj_train_data|data)/", key)[-1] for key in keys]
        keys = short if len(set(short)) == len(short) else keys
    head, found, tail = f"{root}/".rpartition("/images/")
    there = f"{head}/labels/{tail}" if found and os.path.isdir(f"{head}/labels/{tail}") else ""
    for (path, name), key, own in zip(images, keys, whole, strict=True):
        if path in listed:  # of another split
            continue
        plain = there and "images/" not in name  # without a look at each
        label = f"{there}{own}.txt" if plain else label_path(path)
        listing.add(image_key(path) if key in known else key, label, path, name)


def label_path(image: str) -> str:
    """Ultralytics' rule: the last folder images becomes labels; else next to the image."""
    head, found, tail = image.rpartition("/images/")
    if found:
        there = f"{head}/labels/{without_suffix(tail)}.txt"
        beside = without_suffix(image) + ".txt"
        return there if os.path.exists(there) or not os.path.exists(beside) else beside
    return without_suffix(image) + ".txt"


def _is_image_list(path: str) -> bool:
    lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    return bool(lines) and all(suffix(line) in IMAGES for line in lines[:50])
