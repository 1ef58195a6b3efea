"""LVIS problems, and a run of either library that returns all it leaves behind."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import warnings
from typing import Any

import numpy as np
import tamis

SIDE = 64


def _polygon(box: list[float]) -> list[list[float]]:
    x, y, w, h = box
    return [[x, y, x + w, y, x + w / 2, y + h]]


def _mask(rng: Any, box: list[float]) -> dict[str, Any]:
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    x, y, w, h = (int(v) for v in box)
    pixels[y : y + h + 1, x : x + w + 1] = 1
    pixels &= rng.random((SIDE, SIDE)) < 0.9
    mask = tamis.Masks.encode(pixels)[0]
    return {"size": mask["size"], "counts": mask["counts"].decode()}


def problem(seed: int, *, masks: bool = False) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Ties, empty areas, images with nothing, categories marked absent or not exhaustive."""
    rng = np.random.default_rng(seed)
    categories = sorted(rng.choice(50, 8, replace=False).tolist())
    ids = rng.permutation(30)[:8].tolist()
    gts, dts, images = [], [], []

    def box() -> list[float]:
        xy, wh = rng.uniform(0, SIDE / 2, 2), 10 ** rng.uniform(0, 1.5, 2)
        return [float(v) for v in np.round([*xy, *wh], 1)]

    for i in ids:
        there = rng.choice(categories, int(rng.integers(0, 4)), replace=False).tolist()
        absent = [c for c in rng.permutation(categories).tolist() if c not in there]
        images.append({
            "id": i, "height": SIDE, "width": SIDE, "coco_url": f"http://example.org/{i}.jpg",
            "neg_category_ids": absent[: int(rng.integers(0, 4))],
            "not_exhaustive_category_ids": [c for c in there if rng.random() < 0.3],
        })  # fmt: skip
        for _ in range(int(rng.integers(0, 25))):
            b, c = box(), int(rng.choice(there if there and rng.random() < 0.7 else categories))
            if c in there and rng.random() < 0.7:
                area = float(rng.choice([0, b[2] * b[3], 10 ** rng.uniform(0, 11)]))
                gts.append({
                    "id": len(gts), "image_id": i, "category_id": c, "bbox": b, "area": area,
                    "segmentation": _mask(rng, b) if rng.random() < 0.3 else _polygon(b),
                })  # fmt: skip
            for _ in range(int(rng.integers(0, 4))):
                near = [float(np.round(b[0] + rng.normal(), 1).clip(0)), *b[1:]]
                score = float(rng.integers(0, 11)) / 10
                dt = {"image_id": i, "category_id": c, "score": score}
                shape = {"segmentation": _mask(rng, near)} if masks else {"bbox": near}
                dts.append(dt | shape)
    frequency = dict(zip(categories, "rcfrcfcf", strict=True))
    rng.shuffle(dts)  # type: ignore[arg-type]
    gt = {
        "info": {"year": 2020}, "images": images, "annotations": gts,
        "categories": [{"id": c, "frequency": frequency[c]} for c in rng.permutation(categories)],
    }  # fmt: skip
    return json.loads(json.dumps(gt, default=int)), dts


def evaluate(library: Any, gt: Any, dt: Any, kind: str, folder: Any, **how: Any) -> Any:
    """The evaluator after its run, and what it printed."""
    path = folder / "gt.json"
    path.write_text(json.dumps(gt))
    results: Any = copy.deepcopy(dt)
    if how.get("files", True):
        results = str(folder / "dt.json")
        (folder / "dt.json").write_text(json.dumps(dt))
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()) as printed:
        warnings.simplefilter("ignore")
        truth = library.LVIS(str(path))
        found = library.LVISResults(truth, results, how.get("max_dets", 300))
        if how.get("touch"):
            assert len(truth.anns) + len(found.anns) > 0
        e = how.get("subclass", lambda base: base)(library.LVISEval)(truth, found, kind)
        how.get("before", lambda e: None)(e)
        e.evaluate()
        how.get("between", lambda e: None)(e)
        e.accumulate()
        if e.params.use_cats:
            e.summarize()
            e.print_results()
    return e, printed.getvalue()


def outcome(e: Any, printed: str) -> dict[str, Any]:
    """All that an evaluation leaves behind, in a form that compares bit for bit."""

    def bits(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return str(value.dtype), value.shape, value.tobytes()
        if isinstance(value, dict):
            return {key: bits(part) for key, part in value.items()}
        return [bits(part) for part in value] if isinstance(value, (list, tuple)) else value

    pointers = {
        (k, a): {key: value.tolist() for key, value in verdicts.items()}
        for k, areas in e.eval["dt_pointers"].items()
        for a, verdicts in areas.items()
    }
    return {
        "printed": printed,
        "results": {key: float(value) for key, value in e.results.items()},
        "eval": bits({key: e.eval[key] for key in ("counts", "precision", "recall")}),
        "pointers": pointers,
        "eval_imgs": bits(list(e.eval_imgs)),
        "ious": {key: np.asarray(value).tolist() for key, value in e.ious.items()},
        "groups": [list(map(int, group)) for group in e.freq_groups],
        "img_nel": dict(e.img_nel),
        "sides": [
            {key: [ann["id"] for ann in anns] for key, anns in side.items() if anns}
            for side in (e._gts, e._dts)
        ],
        "anns": [
            bits([{k: ann[k] for k in ann.keys() - {"_ignore", "segmentation"}} for ann in anns])
            for anns in (e.lvis_gt.dataset["annotations"], e.lvis_dt.dataset["annotations"])
        ],
    }
