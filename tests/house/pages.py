"""The code of the documentation's pages, and the files that it speaks of."""

from __future__ import annotations

import functools
import importlib
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tamis import _demo

BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>needs|shown|recipe|tour)\b[: ]?(?P<what>[^\n]*?) ?-->\n)?"
    r"^```(?P<kind>python|sh)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
CLASSES = ["car", "person", "sign", "bicycle", "dog"]


@dataclass
class Block:
    """A fenced block of a page, and why it is not to be run here, if so."""

    kind: str
    code: str
    line: int
    skip: str


@functools.cache  # a second import of a broken library may pass
def imports(name: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(name)
    except Exception:  # a library may be there and broken
        return False
    return True


def absent(what: str) -> str:
    """What is missing of `what`, libraries by commas."""
    if what == "a CUDA device":
        return what
    what = what.replace("FiftyOne", "fiftyone.brain")
    names = what.split(", ")
    return ", ".join(name for name in names if not imports(name))


def reason(mark: str | None, what: str) -> str:
    """Why a marked block is not run with its page; empty where it is."""
    if mark == "needs":
        missing = absent(what)
        return f"needs {missing}" if missing else ""
    return {None: "", "shown": what.strip()}.get(mark, "it has a test of its own")


def blocks(page: Path) -> list[Block]:
    text, found = page.read_text(), []
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("code")) + 1
        why = reason(match["mark"], match["what"] or "")
        found.append(Block(match["kind"], match["code"], line, why))
    return found


def _coco_boxes(columns: dict[str, np.ndarray]) -> list[dict[str, object]]:
    image = np.repeat(np.arange(_demo.IMAGES), np.diff(columns["splits"]))
    xyxy = columns["boxes"].round(2)
    xywh = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], 1)
    return [
        {"image_id": int(i) + 1, "category_id": int(c) + 1, "bbox": b, "area": b[2] * b[3]}
        for i, c, b in zip(image, columns["labels"], xywh.tolist(), strict=True)
    ]


def write_files(folder: Path) -> None:
    """What guides call gt.json, dt.json, embeddings.npy and so on."""
    preds, targets = _demo.make()
    truth = [{**row, "id": i + 1, "iscrowd": 0} for i, row in enumerate(_coco_boxes(targets))]
    images = [
        {"id": i + 1, "file_name": f"{i:04}.jpg", "width": 640, "height": 640}
        for i in range(_demo.IMAGES)
    ]
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(CLASSES)]
    data = {"images": images, "annotations": truth, "categories": categories}
    (folder / "gt.json").write_text(json.dumps(data))
    for row in truth[::7]:
        row["category_id"] = 1 + row["category_id"] % len(CLASSES)
    (folder / "old.json").write_text(json.dumps(data))
    rng = np.random.default_rng(1)
    for name, noise in (("dt.json", 0.0), ("dt_b.json", 4.0)):
        moved = {**preds, "boxes": preds["boxes"] + noise * rng.normal(size=preds["boxes"].shape)}
        scores = np.clip(preds["scores"], 0, 1).round(6).tolist()
        rows = [{**r, "score": s} for r, s in zip(_coco_boxes(moved), scores, strict=True)]
        (folder / name).write_text(json.dumps(rows))
    times = [f"{image['file_name']},{('day', 'night')[image['id'] % 2]}" for image in images]
    (folder / "images.csv").write_text("file_name,time\n" + "\n".join(times) + "\n")
    x = _demo.make_embeddings()
    np.save(folder / "embeddings.npy", x)
    np.save(folder / "labels.npy", np.arange(len(x)) % 4)
    (folder / "names.txt").write_text("".join(f"{i:04}.jpg\n" for i in range(len(x))))
    where = ["train" if i % 5 else "test" for i in range(len(x))]
    (folder / "splits.txt").write_text("\n".join(where) + "\n")
