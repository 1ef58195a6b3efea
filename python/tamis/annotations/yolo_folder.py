"""Folders of YOLO label files, and the images that belong to them."""

from __future__ import annotations

import os
import re

from tamis.annotations.files import IMAGES, image_key, stem, unique_index, walk, without_suffix
from tamis.annotations.options import Options
from tamis.annotations.problems import fail
from tamis.annotations.yolo_listing import Listing
from tamis.annotations.yolo_names import classes_near

_NO_LABELS = {"classes", "labels", "obj", "predefined_classes", "notes", "requirements", "_darknet"}
_LISTS = re.compile(
    r"(?i)(train|val|valid|test|trainval|autosplit_\w+|files|images?|readme.*|license.*)$"
)
SPELLED = {
    "val": ("val", "valid", "validation"),
    "train": ("train", "training"),
    "test": ("test", "testing"),
}


def list_folder(path: str, listing: Listing, options: Options) -> None:
    labels = [p for p in walk(path, {".txt"}) if may_be_labels(p)]
    if options.split not in (None, "all"):
        words = SPELLED.get(options.split or "", (options.split,))
        labels = [p for p in labels if set(p.split("/")) & set(words)]
    listing.classes = classes_near(path, 0 if options.like is not None else 2)
    join(path, labels, listing, options)
    if not listing.ids:
        raise fail(path, "expected YOLO label files (.txt), got none")


def may_be_labels(path: str) -> bool:
    if path[:-4].isdigit():  # as many are
        return True
    name = without_suffix(path.rpartition("/")[2])
    return name not in _NO_LABELS and not ("/" not in path and _LISTS.match(name))


def _key(path: str) -> str:
    """``a/b`` of ``labels/a/b.txt`` and ``a/labels/b.txt``."""
    key = without_suffix(path)
    if "/" not in key:
        return key
    *folders, name = key.split("/")
    return "/".join([*(p for p in folders if p not in ("labels", "images")), name])


def image_files(path: str) -> dict[str, str]:
    """Paths of images by key: below the folder, and in the folder images next to labels."""
    folder = path if os.path.isdir(path) else os.path.dirname(path) or "."
    found = {_key(image_key(p) + ".x"): f"{folder}/{p}" for p in walk(folder, IMAGES)}
    parts = os.path.abspath(folder).split(os.sep)
    if not found and "labels" in parts:
        at = len(parts) - 1 - parts[::-1].index("labels")
        beside = os.sep.join([*parts[:at], "images", *parts[at + 1 :]])
        if os.path.isdir(beside):
            found = {_key(image_key(p) + ".x"): f"{beside}/{p}" for p in walk(beside, IMAGES)}
    return found


def join(
    folder: str, labels: list[str], listing: Listing, options: Options, *, of: str = "both"
) -> None:
    """Label files and images by key, or by stem; `of` is "both", "labels" or a "file"."""
    by_key: dict[str, str] = {}
    for path in labels:
        first = by_key.setdefault(_key(path), f"{folder}/{path}")
        if first != f"{folder}/{path}":
            raise fail(f"{folder}/{path}", f"expected one label file an image, got {first} too")
    names: dict[str, str] = {}
    found: dict[str, str | None]
    if options.like is not None:
        names = dict(zip(options.like_keys, options.like.image_names, strict=True))
        found = dict.fromkeys(options.like_keys)
    elif options.images is not None:
        found = dict(options.image_files)
    else:
        found = {} if of == "labels" else dict(image_files(folder))
    keys_in_order, of_image = list(found), {}
    whole_set = by_key.keys() <= found.keys()  # no need of stems
    if options.like is not None and whole_set:  # in its order already
        listing.ids += keys_in_order
        listing.labels += [by_key.get(key) or f"{folder}/{key}.txt" for key in keys_in_order]
        listing.paths += [None] * len(keys_in_order)
        listing.names += [names[key] or key for key in keys_in_order]
        return
    stems = {} if whole_set else unique_index([stem(key) for key in found])
    for key in by_key:
        place = key if key in found else None
        if place is None and stems.get(stem(key), -1) >= 0:
            place = keys_in_order[stems[stem(key)]]
        if place is None or place in of_image:
            listing.add(key, by_key[key], None)
        else:
            of_image[place] = key
    for place in keys_in_order:
        label = by_key[of_image[place]] if place in of_image else f"{folder}/{place}.txt"
        whole = of != "file" and options.split in (None, "all")
        if place in of_image or whole or options.like is not None:
            listing.add(place, label, found[place], names.get(place, ""))
    order = sorted(range(len(listing.ids)), key=listing.ids.__getitem__)
    if options.like is not None:
        rank = {key: i for i, key in enumerate(keys_in_order)}
        order.sort(key=lambda i: rank.get(listing.ids[i], len(rank)))
    for name in ("labels", "ids", "names", "paths"):
        values = getattr(listing, name)
        setattr(listing, name, [values[i] for i in order])
