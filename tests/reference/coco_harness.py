"""Runs an evaluation on two COCO libraries; compares all they leave behind, bit for bit."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FIELDS = ("dtIds", "gtIds", "dtMatches", "gtMatches", "dtIgnore", "gtIgnore", "dtScores")


def image(id: Any, w: int = 640, h: int = 480) -> dict[str, Any]:
    return {"id": id, "width": w, "height": h, "file_name": f"{id}.jpg"}


def category(id: Any) -> dict[str, Any]:
    return {"id": id, "name": f"c{id}", "supercategory": "s"}


def truth(id: Any, img: Any, cat: Any, box: Any, crowd: Any = 0, **more: Any) -> dict[str, Any]:
    ann = {"id": id, "image_id": img, "category_id": cat, "bbox": list(box), "iscrowd": crowd}
    return {**ann, "area": box[2] * box[3], **more}


def found(img: Any, cat: Any, box: Any, score: Any, **more: Any) -> dict[str, Any]:
    return {"image_id": img, "category_id": cat, "bbox": list(box), "score": score, **more}


def dataset(anns: list[Any], images: Any = 1, cats: Any = (1,), **more: Any) -> dict[str, Any]:
    ids = range(1, images + 1) if isinstance(images, int) else images
    return {
        "info": {},
        "images": [image(i) for i in ids],
        "annotations": anns,
        "categories": [category(c) for c in cats],
        **more,
    }


@dataclass
class Case:
    """`mode`: results as a `list`, as a `dataset` of their own, or both sides as `file`."""

    gt: Any
    dt: Any
    mode: str = "list"
    before: Callable[[Any], Any] = lambda e: None  # evaluate()
    between: Callable[[Any], Any] = lambda e: None  # evaluate() and accumulate()
    accumulate: Callable[[Any], Any] = lambda e: e.accumulate()
    subclass: Callable[[type], type] = lambda base: base
    iou_type: str = "bbox"
    out: dict[str, Any] = field(default_factory=dict)


def _load(library: Any, content: Any, mode: str, path: Any) -> Any:
    if mode == "file":
        path.write_text(json.dumps(content))
        return library.COCO(str(path))
    coco = library.COCO()
    coco.dataset = copy.deepcopy(content)
    coco.createIndex()
    return coco


def run(library: Any, case: Case, folder: Any) -> dict[str, Any]:
    """Everything an evaluation leaves behind, or at which step it raised."""
    printed, step = io.StringIO(), "load"
    try:
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gt = _load(library, case.gt, case.mode, folder / "gt.json")
            if case.mode == "dataset":
                dt = _load(library, {**case.gt, **case.dt}, case.mode, None)
            elif case.mode == "file":
                (folder / "dt.json").write_text(json.dumps(case.dt))
                dt = gt.loadRes(str(folder / "dt.json"))
            else:
                dt = gt.loadRes(copy.deepcopy(case.dt))
            step = "evaluate"
            e = case.subclass(library.COCOeval)(gt, dt, case.iou_type)
            case.before(e)
            e.evaluate()
            case.between(e)
            step = "accumulate"
            case.accumulate(e)
            out = {k: np.array(e.eval[k]) for k in ("precision", "recall", "scores")}
            out["counts"] = e.eval["counts"]
            try:
                e.summarize()
                out["stats"] = np.array(e.stats)
            except Exception as error:
                out["stats"] = type(error).__name__
            out["evalImgs"], out["ious"] = list(e.evalImgs), dict(e.ious)
    except Exception as error:
        return {"raises": f"{step}: {type(error).__name__}: {error}"}
    out["printed"] = re.sub(r"t=[0-9.]+s", "t=?", printed.getvalue())
    return out


def same(a: Any, b: Any) -> bool:
    """Equal values and shapes; NaN equals NaN."""
    a, b = np.asarray(a), np.asarray(b)
    floats = a.dtype.kind == "f" and b.dtype.kind == "f"
    return a.shape == b.shape and np.array_equal(a, b, equal_nan=floats)


def differences(want: dict[str, Any], got: dict[str, Any]) -> list[str]:
    """Names of what differs between two outcomes of `run`."""
    if "raises" in want or "raises" in got:  # our texts may go on after theirs
        theirs, mine = want.get("raises"), got.get("raises")
        return [] if theirs and mine and mine.startswith(theirs) else [f"{theirs} / {mine}"]
    arrays = ("precision", "recall", "scores", "stats", "counts")
    bad = [k for k in arrays if not same(want[k], got[k])]
    if want["printed"] != got["printed"]:
        bad.append("printed text")
    if list(want["ious"]) != list(got["ious"]):
        bad.append("ious keys")
    bad += [f"ious {k}" for k in want["ious"] if not same(want["ious"][k], got["ious"][k])]
    if len(want["evalImgs"]) != len(got["evalImgs"]):
        return [*bad, "evalImgs length"]
    for i, (a, b) in enumerate(zip(want["evalImgs"], got["evalImgs"], strict=True)):
        if a is None or b is None:
            bad += [f"evalImgs[{i}] None"] if a is not b else []
            continue
        bad += [f"evalImgs[{i}] {k}" for k in FIELDS if not same(a[k], b[k])]
        bad += [
            f"evalImgs[{i}] {k}"
            for k in ("image_id", "category_id", "maxDet", "aRng")
            if a[k] != b[k]
        ]
    return bad
