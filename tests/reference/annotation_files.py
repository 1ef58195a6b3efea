"""Small label files for the tests of `tamis.annotations`."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import tamis


def put(path: Path, content: str | bytes = "") -> Path:
    """A file, with the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def png(width: int, height: int) -> bytes:
    """As much of a picture as has a size."""
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)


def ap(gt: tamis.Annotations, dt: tamis.Annotations) -> dict[str, Any]:
    """The 12 numbers."""
    gt, dt = tamis.align(gt, dt, unmatched="ignore")
    evaluator = tamis.DetectionEvaluator(fmt=gt.fmt)
    evaluator.update(dt.preds(), gt.targets())
    return dict(evaluator.compute().stats)


def rows(a: tamis.Annotations) -> list[Any]:
    """(image name without folder and suffix, class, box) of each row, sorted."""
    names = [Path(a.image_name(i)).stem for i in range(a.n_images)]
    return sorted(
        (names[image], a.label_name(label), [round(x, 6) for x in box])
        for image, label, box in zip(
            a.image_index.tolist(), a.labels.tolist(), a.boxes.tolist(), strict=True
        )
    )


def as_dict(gt: tamis.Annotations) -> dict[tuple[str, str], Any]:
    """Boxes of each image and class, sorted."""
    found: dict[tuple[str, str], Any] = {}
    for name, label, box in rows(gt):
        found.setdefault((name, label), []).append(box)
    return {key: np.array(value) for key, value in found.items()}
