"""Ground truth and results of any two formats with the same images and class numbers."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis.annotations.annotations import Annotations
from tamis.annotations.files import image_key, stem, unique_index

_SHOWN = 5


@dataclass(frozen=True)
class Alignment:
    """The index of each image of the results among those of the ground truth, and the class of each
    row; -1 for none."""

    images: Array
    labels: Array
    other_images: list[str]
    other_classes: list[str]
    notes: list[str]


def align(
    gt: Annotations, dt: Annotations, *, unmatched: Literal["warn", "error", "ignore"] = "warn"
) -> tuple[Annotations, Annotations]:
    """Both sides with the images of `gt`, in its order, and with its class numbers.

    Images are matched by file name without suffix, else by its last part, else by id; results
    without names by id, else by the number or text in the file name (``139`` is
    ``000000000139.jpg``). Classes are matched by name, else by name ignoring case, spaces, hyphens
    and underscores; results without names by number. Numbers that do not fit are tried as counted
    from 1, and as positions among the classes, as for COCO's 80 of 91.

    Parameters
    ----------
    gt, dt : Annotations
        Of one `fmt`. Images that only annotations mention are left out, as in COCO's evaluation.
    unmatched : {"warn", "error", "ignore"}
        What to do with results whose image or class is not in `gt`: leave them out, with a warning
        that names them, or raise ValueError.

    Returns
    -------
    gt, dt : Annotations

    Raises
    ------
    ValueError
        No image or no class matches, or only one side has oriented boxes.

    Examples
    --------
    >>> import pathlib, tempfile, tamis
    >>> gt, dt = (pathlib.Path(tempfile.mkdtemp()) for _ in "gd")
    >>> columns = "ImageID,LabelName,XMin,XMax,YMin,YMax"
    >>> _ = (gt / "gt.csv").write_text(f"{columns}\\na,Cat,0,0.5,0,0.6\\nb,Dog,0,0.5,0,0.6\\n")
    >>> _ = (dt / "dt.csv").write_text(f"{columns},Score\\nb,Dog,0,0.4,0,0.5,0.9\\n")
    >>> sizes = {"a": (100, 200), "b": (100, 200)}
    >>> sides = [tamis.read(f, image_sizes=sizes) for f in (gt / "gt.csv", dt / "dt.csv")]
    >>> gt, dt = tamis.align(*sides)
    >>> dt.n_images, dt.labels.tolist(), gt.labels.tolist()
    (2, [1], [0, 1])
    """
    if not arrays.one_of(unmatched, ("warn", "error", "ignore")):
        raise ValueError(f"align: unmatched must be 'warn', 'error' or 'ignore', got {unmatched!r}")
    for name, side in (("gt", gt), ("dt", dt)):
        if not isinstance(side, Annotations):
            raise TypeError(f"align: {name} must be Annotations, got {type(side).__name__}")
    if gt.fmt != dt.fmt:
        raise ValueError(
            f"align: gt and dt must have boxes of one fmt, got {gt.fmt} and {dt.fmt}:"
            " as_obb() and as_xywh() convert"
        )
    if not gt.listed.all():
        gt = gt.select(gt.listed)
    found = compare(gt, dt)
    notes = list(found.notes)
    for what, names in (("image", found.other_images), ("class", found.other_classes)):
        if names:
            kinds = what + ("es" if what == "class" else "s")
            notes.append(
                f"{len(names)} {kinds} of dt are not in gt, their boxes are left out:"
                f" {_some(names)}"
            )
    if notes and unmatched == "error" and len(notes) > len(found.notes):
        raise ValueError("align: " + "; ".join(notes))
    if notes and unmatched != "ignore":
        warnings.warn("align: " + "; ".join(notes), stacklevel=2)
    return gt, rearranged(gt, dt, found)


def rearranged(gt: Annotations, dt: Annotations, found: Alignment) -> Annotations:
    image = found.images[dt.image_index] if len(dt) else np.empty(0, np.int64)
    like: dict[str, Any] = {
        "classes": dict(gt.classes), "image_ids": gt.image_ids, "image_sizes": gt.image_sizes,
        "image_names": gt.image_names, "listed": gt.listed,
    }  # fmt: skip
    good = (image >= 0) & (found.labels >= 0)
    if good.all() and (image[1:] >= image[:-1]).all():  # every row, where it is
        splits = np.searchsorted(image, np.arange(gt.n_images + 1)).astype(np.int64)
        return dataclasses.replace(dt, splits=splits, labels=found.labels, **like)
    kept = np.flatnonzero(good)
    rows = kept[np.argsort(image[kept], kind="stable")]
    splits = np.searchsorted(image[rows], np.arange(gt.n_images + 1)).astype(np.int64)
    return dt.take(rows, splits, labels=found.labels[rows], **like)


def compare(gt: Annotations, dt: Annotations) -> Alignment:
    """Which images and classes are the same."""
    images = match_images(gt, dt)
    filled = np.diff(dt.splits) > 0
    lost = np.flatnonzero((images < 0) & filled)
    if len(dt) and gt.n_images and len(lost) == filled.sum():
        raise nothing_shared(
            "image",
            [dt.image_name(i) for i in lost.tolist()],
            [gt.image_name(i) for i in range(gt.n_images)],
        )
    labels, others, notes = match_classes(gt, dt, images)
    return Alignment(images, labels, [dt.image_name(i) for i in lost.tolist()], others, notes)


# --- images -----------------------------------------------------------------------------------


def match_images(gt: Annotations, dt: Annotations) -> Array:
    """(images of dt,) place in gt, -1 without one: by the first way that finds most."""
    if gt.image_ids.dtype == dt.image_ids.dtype and np.array_equal(gt.image_ids, dt.image_ids):
        names = zip(gt.image_names, dt.image_names, strict=True)
        if all(a == b or not a or not b for a, b in names):
            return np.arange(dt.n_images)
    best = np.full(dt.n_images, -1)
    named = any(dt.image_names) and any(gt.image_names)
    ways = ("name", "stem", "number") if named else ("id", "stem", "number")
    for way in (*ways, "id"):
        if way == "id" and named and (best >= 0).any():
            continue
        found = _by_key(_keys(gt, way), _keys(dt, way))
        if (found >= 0).sum() > (best >= 0).sum():
            best = found
        if (best >= 0).all():
            break
    return best


def _keys(side: Annotations, way: str) -> list[str]:
    if way == "id":
        return [str(i) for i in side.image_ids.tolist()]
    names = [image_key(side.image_name(i)) for i in range(side.n_images)]
    if way == "name":
        return names
    stems = [stem(name) for name in names]
    return stems if way == "stem" else [s.lstrip("0") or "0" if s.isdigit() else s for s in stems]


def _by_key(known: list[str], wanted: list[str]) -> Array:
    """Places of keys that occur once on both sides."""
    at, own = unique_index(known), unique_index(wanted)
    return np.array([at.get(key, -1) if own[key] >= 0 else -1 for key in wanted], np.int64)


# --- classes ----------------------------------------------------------------------------------


def match_classes(
    gt: Annotations, dt: Annotations, images: Array
) -> tuple[Array, list[str], list[str]]:
    """Class of each row, -1 without one; names without one; what was assumed."""
    used = np.unique(dt.labels)
    if dt.classes and gt.classes and gt.classes != dt.classes:
        return _by_name(gt, dt, used)
    known = np.array(sorted(gt.classes), np.int64) if gt.classes else np.unique(gt.labels)
    if np.isin(used, known).all() and not _may_be_shifted(gt, dt):
        return dt.labels.copy(), [], []
    ways = _ways(known, dt.labels)
    fits = [_pairs_shared(gt, dt.image_index, images, labels) for _, labels in ways]
    best = max(range(len(ways)), key=lambda i: (fits[i], -i))
    text, labels = ways[best]
    others = [dt.label_name(x) for x in np.unique(dt.labels[labels < 0]).tolist()]
    if len(dt) and (labels < 0).all():
        raise nothing_shared("class", others, gt.class_names)
    return labels, others, [text] if text else []


def _by_name(gt: Annotations, dt: Annotations, used: Array) -> tuple[Array, list[str], list[str]]:
    exact = {name: label for label, name in gt.classes.items()}
    plain: dict[str, int] = {}
    for name, label in exact.items():
        plain[_plain(name)] = -1 if _plain(name) in plain else label
    table = np.full(len(used), -1)
    others = []
    for i, label in enumerate(used.tolist()):
        name = dt.label_name(label)
        table[i] = exact.get(name, plain.get(_plain(name), -1))
        if table[i] < 0:
            others.append(name)
    if len(others) == len(used) and len(used):
        raise nothing_shared("class", others, gt.class_names)
    return table[np.searchsorted(used, dt.labels)] if len(used) else dt.labels.copy(), others, []


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c not in " _-")


def _may_be_shifted(gt: Annotations, dt: Annotations) -> bool:
    """Whether numbers without names may count from another start than those of `gt`.

    Ultralytics' predictions.json counts from 1 where classes are not COCO's, YOLO rows from 0.
    """
    if dt.classes or not gt.classes:
        return False
    first = min(gt.classes)
    return first == 0 if dt.format == "ultralytics" else first > 0 and dt.format == "yolo"


def _ways(known: Array, labels: Array) -> list[tuple[str, Array]]:
    """Interpretations of numbers without names; -1 for a number that is not a class."""
    last = len(known) - 1
    at_place = np.where((labels >= 0) & (labels <= last), known[np.clip(labels, 0, last)], -1)
    readings = [
        ("", labels),
        ("class numbers of dt count from 1, those of gt from 0", labels - 1),
        ("class numbers of dt are taken as places among the classes of gt", at_place),
    ]
    return [(text, np.where(np.isin(found, known), found, -1)) for text, found in readings]


def _pairs_shared(gt: Annotations, image: Array, images: Array, labels: Array) -> tuple[int, int]:
    """How many rows have a class of gt, and how many one that their image shows."""
    at = images[image] if len(image) else image
    rows = (at >= 0) & (labels >= 0)
    width = int(max(labels.max(initial=0), gt.labels.max(initial=0))) + 1
    there = np.unique(gt.image_index.astype(np.int64) * width + gt.labels)
    shown = np.isin(at[rows].astype(np.int64) * width + labels[rows], there)
    return int(rows.sum()), int(shown.sum())


def nothing_shared(what: str, dt: Sequence[str], gt: Sequence[str]) -> ValueError:
    return ValueError(f"align: no {what} of dt is in gt: dt has {_some(dt)}; gt has {_some(gt)}")


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN]))
    return shown + (f", ... ({len(names)})" if len(names) > _SHOWN else "")
