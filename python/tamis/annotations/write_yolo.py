"""A YOLO folder: data.yaml, labels/ and no images."""

from __future__ import annotations

import json
import os

import numpy as np

from tamis._shared.arrays import Array
from tamis.annotations.annotations import Annotations
from tamis.annotations.files import image_key


def write_yolo(annotations: Annotations, folder: str) -> None:
    a = annotations
    keys = _keys(a)
    if (a.image_sizes == 0).any():
        bad = int(np.flatnonzero((a.image_sizes == 0).any(axis=1))[0])
        raise ValueError(f"write: YOLO needs image sizes, and {a.image_name(bad)!r} has none")
    known = sorted(a.classes) if a.classes else sorted(set(a.labels.tolist()))
    place = {label: i for i, label in enumerate(known)}
    if missing := sorted(set(a.labels.tolist()) - set(known)):
        raise ValueError(f"write: every label must be among the classes, got {missing[0]}")
    lines = [
        f"{place[label]} {rest}" for label, rest in zip(a.labels.tolist(), _rows(a), strict=True)
    ]
    for image, key in enumerate(keys):
        path = os.path.join(folder, "labels", f"{key}.txt")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in lines[a.splits[image] : a.splits[image + 1]])
    names = "".join(
        f"  {i}: {json.dumps(a.label_name(c), ensure_ascii=False)}\n" for c, i in place.items()
    )
    shape = f"kpt_shape: [{a.keypoints.shape[1]}, 3]\n" if a.keypoints is not None else ""
    with open(os.path.join(folder, "data.yaml"), "w", encoding="utf-8", newline="\n") as file:
        file.write(
            f"path: .\ntrain: images\nval: images\n{shape}names:{' {}' * (not names)}\n{names}"
        )


def _keys(a: Annotations) -> list[str]:
    """Names of label files: those of the images, which must stay within the folder."""
    keys = [image_key(a.image_name(i)) for i in range(a.n_images)]
    for key in keys:
        if not key or key.startswith("/") or {"", ".", ".."} & set(key.split("/")) or "\0" in key:
            raise ValueError(f"write: image names must be relative paths, got {key!r}")
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"write: image names must be distinct, got {twice!r} twice")
    return keys


def _rows(a: Annotations) -> list[str]:
    """What follows the class: relative numbers, and the confidence."""
    sizes = a.image_sizes[a.image_index].astype(np.float64).reshape(-1, 2)
    w, h = sizes[:, 1], sizes[:, 0]
    if a.fmt == "obb":
        points = _corner_points(a)
        numbers = [row.tolist() for row in (points / np.stack([w, h], 1)[:, None]).reshape(-1, 8)]
    else:
        x, y, bw, bh = a.boxes.T
        table = np.stack([(x + bw / 2) / w, (y + bh / 2) / h, bw / w, bh / h], axis=1)
        numbers = table.tolist()
        if a.keypoints is not None:
            points = np.nan_to_num(a.keypoints) / np.stack([w, h, np.ones(len(w))], axis=1)[:, None]
            numbers = [
                [*box, *p]
                for box, p in zip(numbers, points.reshape(len(a), -1).tolist(), strict=True)
            ]
        elif a.shapes is not None:
            numbers = [_polygon(a, row, w[row], h[row]) or box for row, box in enumerate(numbers)]
    if a.scores is not None:
        numbers = [[*row, score] for row, score in zip(numbers, a.scores.tolist(), strict=True)]
    return [" ".join(map(repr, row)) for row in numbers]


def _corner_points(a: Annotations) -> Array:
    """(n, 4, 2) corners: those of the file where it had four."""
    points = a.corners()
    if a.shapes is not None:
        for row in range(len(a)):
            polygons = a.shapes.polygons(row)
            if len(polygons) == 1 and len(polygons[0]) == 8:
                points[row] = np.reshape(polygons[0], (4, 2))
    return points


def _polygon(a: Annotations, row: int, w: float, h: float) -> list[float]:
    """All polygons of a row in one, as the format has one each; none for a run-length mask."""
    assert a.shapes is not None
    numbers = np.concatenate([np.empty(0), *a.shapes.polygons(row)])
    return [float(v) for v in (numbers.reshape(-1, 2) / [w, h]).reshape(-1)]
