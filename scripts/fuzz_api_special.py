"""Good arguments that one function alone has, or calls by a name that others use differently."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import tamis

Value = Callable[[Any], Any]  # of the `Problem`
H, W = 12, 15


def annotated(problem: Any) -> tamis.Annotations:
    with open("good.json", "w") as f:
        json.dump(problem.dataset(), f)
    return tamis.read("good.json", "coco")


def results(problem: Any) -> tamis.Annotations:
    with open("good_results.json", "w") as f:
        json.dump(problem.results(), f)
    return tamis.read("good_results.json", "coco", like=annotated(problem))


def match_parts(problem: Any) -> list[Any]:
    part = problem.a_self().matches()
    return list(problem.pick([part], [part, part], []))


def yolo_folder(problem: Any) -> str:
    os.makedirs("yolo/labels", exist_ok=True)
    with open("yolo/labels/a.txt", "w") as f:
        f.write("0 .5 .5 .2 .2\n1 .3 .3 .1 .1\n" + problem.pick("", "0 .5 .5 x\n", "0 2 2 2 2\n"))
    return "yolo"


def keys(problem: Any) -> Any:
    return problem.a_paths()


def made_split(problem: Any) -> tamis.Split:
    return tamis.split(keys=keys(problem))


def manifest(problem: Any) -> Any:
    tamis.save_split(made_split(problem), "m.json", keys=keys(problem), root=".", labels=[1, 2, 3])
    with open("m.json") as f:
        return problem.pick("m.json", json.load(f))


def knn_index(problem: Any) -> tamis.KnnIndex:
    return tamis.KnnIndex(problem.a_x())


def knn_file(problem: Any) -> str:
    knn_index(problem).save("good.knn")
    return "good.knn"


def curve(problem: Any) -> tamis.LearningCurve:
    return tamis.learning_curve(sizes(problem), grown(problem))


def tightness(problem: Any) -> tamis.Tightness:
    good = problem.records(problem.counts, False)
    return tamis.agreement(good, good).tightness


def sizes(problem: Any) -> Any:
    return problem.pick([10, 20, 40, 80, 80], np.array([10.0, 20, 40, 80, 80]))


def grown(problem: Any) -> Any:
    return problem.pick([0.1, 0.2, 0.3, 0.35, 0.36], np.array([10, 20, 30, 35, 36.0]))


def objects_side(counts: str) -> Value:
    return lambda p: p.records(getattr(p, counts), False)


def image_numbers(p: Any) -> Any:
    return p.rng.integers(0, 3, len(p.counts))


def image_mask(p: Any) -> Any:
    return p.rng.random(len(p.counts)) < 0.5


def parts(p: Any) -> Any:
    return {"day": image_mask(p), "place": image_numbers(p)}


def constant(*choices: Any) -> Value:
    return lambda p: p.pick(*choices)


def evaluated(p: Any) -> Any:
    return p.evaluator().compute()


def rows_of(p: Any) -> Any:
    return p.rng.integers(0, 3, p.rows)


def annotation_rows(p: Any) -> Any:
    return np.arange(p.n)


RESAMPLED: dict[str, Value] = {
    "result": evaluated,
    "samples": constant(0, 20),
    "confidence": constant(0.9),
    "groups": lambda p: p.pick(None, image_numbers(p)),
    "on": constant(None),
}
MANIFEST: dict[str, Value] = {
    "split": made_split,
    "manifest": manifest,
    "path": constant("made.json"),
    "keys": keys,
    "root": constant(None, "."),
    "labels": constant(None, [1, 2, 3], [[1], {"a": 2}, "x"]),
    "splits": constant(None, ["train", "val", "test"]),
    "x": lambda p: p.pick(None, p.embeddings(3)),
}
SPECIAL: dict[str, dict[str, Value]] = {
    "DetectionEvaluator": {
        "angle": constant("degrees", "radians"),
        "classes": constant(None, ["a", "b"], {0: "a", 2: "b"}),
        "image_names": constant(None, ["x", "y"], {0: "x", "b": "y"}),
        "state": constant("boxes", "matches"),
    },
    "DetectionEvaluator.update": {
        "image_ids": lambda p: p.pick(None, np.arange(len(p.counts)), list(range(len(p.counts))))
    },
    "DetectionResult.slice": {"images": lambda p: p.pick(image_mask(p), np.arange(len(p.counts)))},
    "DetectionEvaluator.all_reduce": {"group": constant(None)},
    "DetectionResult.flat": {"prefix": constant("", "val/"), "per_class": constant(False, True)},
    "coco.COCOeval.merged": {"parts": match_parts},
    "lvis.LVISEval.merged": {"parts": match_parts},
    "KnnIndex": {"copy": constant(True, False)},
    "KnnIndex.within": {"radius": constant(0, 0.5, 3.0)},
    "KnnIndex.save": {"path": constant("made.knn")},
    "KnnIndex.load": {"path": knn_file, "verify": constant(True, False)},
    "results": {"evaluation": evaluated},
    "best_f1": {"beta": constant(0.5, 1.0, 2), "confidence": constant(None, 0.3, 2)},
    "calibration": {"bins": constant(1, 10)},
    "agreement": {
        "a": objects_side("counts"),
        "b": objects_side("gt_counts"),
        "same": constant(0.99),
        "thresholds": constant(None, [0.5, 0.75]),
    },
    "compare": {
        **RESAMPLED,
        "a": evaluated,
        "b": evaluated,
        "permutations": constant(0, 20),
        "slices": lambda p: p.pick(None, parts(p)),
        "images": constant(0, 2),
        "names": constant(None, ["x", "y"]),
    },
    "intervals": {**RESAMPLED, "method": constant("percentile", "bca")},
    "slices": {
        **RESAMPLED,
        "by": lambda p: p.pick(parts(p), {"day": image_mask(p)}),
        "of": constant("images"),
    },
    "coverage": {
        "pool": lambda p: p.embeddings(p.rows),
        "labelled": lambda p: p.pick(None, p.rng.integers(0, p.rows, 3), p.embeddings(3)),
        "eps": constant(None, 0.5),
        "percent": constant(0.01),
    },
    "drift": {
        "reference": lambda p: p.embeddings(p.rows),
        "batch": lambda p: p.embeddings(20),
        "tests": constant(None, ["energy"], ["knn", "mmd"], ["clusters"]),
        "alpha": constant(0.05),
        "permutations": constant(20),
        "clusters": constant(2),
        "max_rows": constant(100),
        "bandwidth": constant(None, 1.0),
        "tightness": constant(None),  # of annotations alone
    },
    "failures": {
        "quota": constant(None, {"Cls": 2, "Miss": 1}),
        "count": constant(None, 3),
        "per_class": constant(None, 2),
        "least_score": constant(0.2),
        "max_detections": constant(100),
    },
    "contact_sheet": {
        "paths": constant(["a.jpg", "none.png"]),
        "output": constant(None, "sheet.png"),
        "boxes": constant(None, [[[0, 0, 5, 5]], None]),
        "masks": constant(None, [np.ones((1, 4, 4), bool), None]),
        "keypoints": constant(None, [np.ones((1, 17, 3)), None]),
        "kinds": constant(None, [["gt"], []]),
        "captions": constant(None, ["a", "b"]),
        "crop": constant(True, False),
        "size": constant(64),
        "columns": constant(None, 2),
        "title": constant("a title"),
    },
    "learning_curve": {"sizes": sizes, "scores": grown, "level": constant(0.9)},
    "LearningCurve.predict": {"size": constant(100, np.array([100.0, 200]), [100, 200])},
    "LearningCurve.labels_for": {"gain": constant(0.01, 1.0)},
    "Tightness.shift": {
        "other": tightness,
        "samples": constant(20),
        "confidence": constant(0.9),
    },
    "map2d": {"method": constant("pca")},
    "read": {
        "path": lambda p: p.pick(p.a_annotation_file, lambda: yolo_folder(p))(),
        "format": constant("auto", "coco", "yolo"),
        "images": constant(None, "."),
        "image_sizes": constant(None, (H, W), {"a.jpg": (H, W)}),
        "classes": constant(None, ["a", "b"], {1: "a", 2: "b"}),
        "like": lambda p: p.pick(None, annotated(p)),
        "split": constant(None, "all", "train"),
        "task": constant("auto", "detect"),
        "layout": constant("auto", "label cx cy w h score"),
        "difficult": constant("object", "crowd"),
        "one_based": constant(True, False),
    },
    "write": {
        "annotations": annotated,
        "path": lambda p: p.pick("out.json", "out.xml", f"out{p.rng.integers(1 << 40)}"),
        "format": constant("auto", "auto", "coco", "cvat", "yolo"),
    },
    "align": {
        "gt": annotated,
        "dt": lambda p: p.pick(results(p), annotated(p)),
        "unmatched": constant("warn", "error", "ignore"),
    },
    "save_split": MANIFEST,
    "verify_split": MANIFEST,
    "Split.rows_of": {"name": constant("train", "test")},
    "Split.save": MANIFEST,
    "split": {
        "x": lambda p: p.pick(None, p.embeddings(p.rows)),
        "groups": lambda p: p.pick(None, rows_of(p), {"scene": rows_of(p)}),
        "labels": lambda p: p.pick(None, rows_of(p)),
        "fractions": constant(None, {"train": 0.8, "test": 0.2}),
        "pairs": lambda p: p.pick(None, p.rng.integers(0, p.rows, (3, 2))),
        "keys": lambda p: p.pick(None, [str(i) for i in range(p.rows)]),
        "previous": lambda p: p.pick(None, ["train"] + [""] * (p.rows - 1)),
    },
    "select_batch": {"quota": constant(None, 2)},
    "zcore_stability": {
        "level": constant(0.5),
        "n_samples": constant(None, 50),
        "most_samples": constant(10_000),
    },
    "Annotations.label_name": {"label": constant(1)},
    "Annotations.image_name": {"image": constant(0)},
    "Annotations.where": {"row": constant(0)},
    "Annotations.take": {
        "rows": annotation_rows,
        "splits": lambda p: annotated(p).splits,
    },
    "Annotations.keep": {"mask": lambda p: p.rng.random(p.n) < 0.5},
    "Annotations.select": {"images": constant([0, 1], np.array([0, 1]))},
    "Annotations.check": {"results": lambda p: p.pick(None, results(p))},
}
ALWAYS = {  # whose defaults are too slow, or need what is not installed
    "samples",
    "permutations",
    "most_samples",
    "max_rows",
    "map2d.method",
}
SELVES: dict[str, Value] = {
    "Annotations": annotated,
    "DetectionResult": evaluated,
    "KnnIndex": knn_index,
    "LearningCurve": curve,
    "Split": made_split,
    "Tightness": tightness,
}
