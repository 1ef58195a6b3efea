"""Folders of label files for the benchmarks of readers, made once a size."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

import numpy as np

FOLDER = Path(
    os.environ.get("TAMIS_BENCH_DATA", os.path.join(tempfile.gettempdir(), "tamis-bench"))
)
CLASSES = [f"class_{i}" for i in range(20)]
SIZES = ((480, 640), (333, 500), (720, 1280))


def pictures() -> list[bytes]:
    from PIL import Image

    rng, out = np.random.default_rng(0), []
    for size in SIZES:
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (*size, 3), np.uint8)).save(file, "jpeg", quality=5)
        out.append(file.getvalue())
    return out


def boxes(rng: np.random.Generator, n: int) -> np.ndarray:
    """(n, 4) relative cx cy w h inside their image, in six digits."""
    side = rng.uniform(0.02, 0.5, (n, 2))
    return np.round(np.concatenate([rng.uniform(side / 2, 1 - side / 2), side], axis=1), 6)


def lines(labels: np.ndarray, *columns: np.ndarray) -> str:
    table = np.concatenate([c.reshape(len(labels), -1) for c in columns], axis=1)
    rows = zip(labels.tolist(), table.tolist(), strict=True)
    return "".join(f"{label} {' '.join(f'{x:.6f}' for x in row)}\n" for label, row in rows)


def voc(name: str, labels: np.ndarray, xywh: np.ndarray, size: tuple[int, int]) -> str:
    h, w = size
    low = np.round((xywh[:, :2] - xywh[:, 2:] / 2) * (w, h))
    high = np.round((xywh[:, :2] + xywh[:, 2:] / 2) * (w, h))
    objects = "".join(
        f"\t<object>\n\t\t<name>{CLASSES[label]}</name>\n\t\t<pose>Unspecified</pose>\n"
        "\t\t<truncated>0</truncated>\n\t\t<difficult>0</difficult>\n\t\t<bndbox>\n"
        f"\t\t\t<xmin>{x0:.0f}</xmin>\n\t\t\t<ymin>{y0:.0f}</ymin>\n\t\t\t<xmax>{x1:.0f}</xmax>\n"
        f"\t\t\t<ymax>{y1:.0f}</ymax>\n\t\t</bndbox>\n\t</object>\n"
        for label, (x0, y0), (x1, y1) in zip(labels.tolist(), low, high, strict=True)
    )
    return (
        f"<annotation>\n\t<folder>x</folder>\n\t<filename>{name}.jpg</filename>\n\t<size>\n\t\t<width>{w}"
        f"</width>\n\t\t<height>{h}</height>\n\t\t<depth>3</depth>\n\t</size>\n{objects}</annotation>\n"
    )


def folder(images: int, detections: int) -> Path:
    """data.yaml, images/val, labels/val, dt (with confidences) and voc; 20 classes."""
    root = FOLDER / f"labels-{images}-{detections}"
    if root.exists():
        return root
    made = Path(tempfile.mkdtemp(dir=FOLDER.parent, prefix="tamis-labels-"))
    for part in ("images/val", "labels/val", "dt", "voc"):
        (made / part).mkdir(parents=True)
    rng, files, each = np.random.default_rng(1), pictures(), detections // images
    for i in range(images):
        name, kind, n = f"{i:06}", i % len(files), int(rng.integers(1, 15))
        xywh, labels = boxes(rng, n), rng.integers(0, len(CLASSES), n)
        near = rng.integers(0, n, each)
        shaken = np.clip(xywh[near] + rng.normal(0, 0.02, (each, 4)), 0.001, 0.999)
        guess = np.where(rng.random(each) < 0.8, labels[near], rng.integers(0, len(CLASSES), each))
        (made / f"images/val/{name}.jpg").write_bytes(files[kind])
        (made / f"labels/val/{name}.txt").write_text(lines(labels, xywh))
        (made / f"dt/{name}.txt").write_text(lines(guess, shaken, rng.random(each)))
        (made / f"voc/{name}.xml").write_text(voc(name, labels, xywh, SIZES[kind]))
    names = "".join(f"  {i}: {name}\n" for i, name in enumerate(CLASSES))
    yaml = f"path: .\nval: images/val\nnames:\n{names}"
    (made / "data.yaml").write_text(yaml)
    (made / "labels/val/data.yaml").write_text(f"nc: {len(CLASSES)}\nnames: {CLASSES}\n")  # hotcoco
    FOLDER.mkdir(parents=True, exist_ok=True)
    os.rename(made, root)
    return root
