"""COCO JSON: a ground truth, or a list of results."""

from __future__ import annotations

import json
from typing import IO, Any

import numpy as np

from tamis.annotations.annotations import Annotations

Json = dict[str, Any]


def write_coco(annotations: Annotations, file: IO[str]) -> None:
    a = annotations if annotations.fmt == "xywh" else annotations.as_xywh()
    whole = a.image_ids.dtype.kind in "iu"
    if a.scores is not None:
        ids = a.image_ids.tolist() if whole else [str(i) for i in a.image_ids]
    else:
        ids = a.image_ids.tolist() if whole else list(range(1, a.n_images + 1))
    rows = [_row(a, row, ids[image]) for row, image in enumerate(a.image_index.tolist())]
    if a.scores is not None:
        json.dump(rows, file, allow_nan=False)
        return
    images = [
        {"id": ids[i], "file_name": a.image_name(i), "height": int(h), "width": int(w)}
        for i, (h, w) in enumerate(a.image_sizes.tolist())
        if a.listed[i]
    ]
    unnamed = set(a.labels.tolist()) - set(a.classes) if not a.classes else set()
    names = {**a.classes, **{label: str(label) for label in sorted(unnamed)}}
    categories = [{"id": int(label), "name": name} for label, name in names.items()]
    json.dump(
        {"images": images, "annotations": rows, "categories": categories}, file, allow_nan=False
    )


def _row(a: Annotations, row: int, image: Any) -> Json:
    box = a.boxes[row].tolist()
    out: Json = {"image_id": image, "category_id": int(a.labels[row]), "bbox": box}
    shape = _shape(a, row)
    if a.keypoints is not None:
        points = np.nan_to_num(a.keypoints[row])
        out["keypoints"] = points.reshape(-1).tolist()
        if a.scores is None:
            out["num_keypoints"] = int((points[:, 2] > 0).sum())
    if a.scores is not None:
        out["score"] = float(a.scores[row])
        if isinstance(shape, dict):
            out["segmentation"] = shape
        return out
    out["id"] = row + 1 if a.ids is None else int(a.ids[row])
    out["area"] = box[2] * box[3] if a.area is None else float(a.area[row])
    out["iscrowd"] = int(a.iscrowd[row])
    if shape is not None:
        out["segmentation"] = shape
    if a.attributes:
        out["attributes"] = {key: _plain(value[row]) for key, value in a.attributes.items()}
    return out


def _shape(a: Annotations, row: int) -> Any:
    if a.shapes is not None:
        if polygons := a.shapes.polygons(row):
            return polygons
        if a.shapes.given[row]:
            return {
                "size": a.shapes.extent[row].tolist(),
                "counts": a.shapes.rle_text(row).decode(),
            }
        return None
    if a.oriented is not None and a.oriented[row, 4]:
        return [a.corners()[row].reshape(-1).tolist()]
    return None


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and value != value else value
