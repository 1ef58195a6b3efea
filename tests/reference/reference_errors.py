"""TIDE's error types and confusion matrices the slow, obvious way: one decision a line."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import numpy as np
import tamis
from coco_harness import Case
from reference_matching import iou as pair_iou
from reference_matching import match_image
from tamis import coco

TYPES = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")


def by_score(dets: list[Any]) -> list[int]:
    return sorted(range(len(dets)), key=lambda i: -dets[i]["score"])


def sort_errors(
    dets: Any, gts: Any, foreground: float, background: float, cap: int, ious: Any = None
) -> tuple[list[Any], list[str]]:
    """One image: kind, target, ignored and fixes of each detection, and each ground truth's state.

    Boxes are dicts of `box` (xywh), `label`, and `score` or `crowd`.
    """
    if ious is None:
        ious = [[pair_iou(d["box"], g["box"], g["crowd"]) for g in gts] for d in dets]
    state = ["crowd" if g["crowd"] else "missed" for g in gts]
    out: list[Any] = [("not seen", -1, False) for _ in dets]
    for d in by_score(dets)[:cap]:

        def largest(wanted: Any, row: Any = ious[d]) -> tuple[float, int]:
            here = [(row[g], -g) for g in range(len(gts)) if state[g] != "crowd" and wanted(g)]
            value, g = max(here, default=(0.0, 1))
            return (value, -g) if value > 0 else (0.0, -1)

        label = dets[d]["label"]
        free, target = largest(lambda g: gts[g]["label"] == label and state[g] == "missed")  # noqa: B023
        if free >= foreground:
            out[d], state[target] = ("right", target, False), "found"
            continue
        own, own_gt = largest(lambda g: gts[g]["label"] == label)  # noqa: B023
        other, other_gt = largest(lambda g: gts[g]["label"] != label)  # noqa: B023
        if background <= own <= foreground:
            kind, target = "Loc", own_gt
        elif other >= foreground:
            kind, target = "Cls", other_gt
        elif own >= foreground:
            kind, target = "Dupe", own_gt
        else:
            kind, target = "Bkg" if max(own, other) <= background else "Both", -1
        crowds = [
            ious[d][g] for g in range(len(gts)) if gts[g]["crowd"] and gts[g]["label"] == label
        ]
        out[d] = (kind, target, max(crowds, default=0.0) > foreground)
    fixes = [False] * len(dets)
    for d in by_score(dets)[:cap]:
        kind, target, _ = out[d]
        if kind in ("Loc", "Cls") and state[target] == "missed":
            fixes[d], state[target] = True, "fixable"
    return [(*o, f) for o, f in zip(out, fixes, strict=True)], state


def average_precision(points: list[tuple[float, bool]], targets: int) -> float:
    """Points are (score, right); equal scores stay in order."""
    if targets == 0:
        return 0.0
    hits = [right for _, right in sorted(points, key=lambda point: -point[0])]
    tp = np.cumsum(hits)
    precision = tp / np.arange(1, len(hits) + 1)
    recall = tp / targets
    total = 0.0
    for i in range(101):
        reached = np.flatnonzero(recall >= i / 100)
        total += max(precision[reached[0] :]) if len(reached) else 0.0
    return 100 * total / 101


def costs(images: list[tuple[Any, Any]], found: list[Any]) -> dict[str, float]:
    """AP, and what each type and each special error adds; `found` is `sort_errors` by image."""
    rows = []  # of all detections: class, score, kind, target's class, ignored, fixes
    targets: dict[int, int] = {}
    missed: dict[int, int] = {}
    for (dets, gts), (kinds, state) in zip(images, found, strict=True):
        for g, s in zip(gts, state, strict=True):
            if s != "crowd":
                targets[g["label"]] = targets.get(g["label"], 0) + 1
            if s == "missed":
                missed[g["label"]] = missed.get(g["label"], 0) + 1
        for d in by_score(dets):
            kind, target, ignored, fixes = kinds[d]
            aim = gts[target]["label"] if target >= 0 else None
            if kind != "not seen":
                rows.append((dets[d]["label"], dets[d]["score"], kind, aim, ignored, fixes))

    def mean_ap(points: list[tuple[int, float, bool]], of: dict[int, int]) -> float:
        classes = {p[0] for p in points} | {label for label, n in of.items() if n}
        each = [
            average_precision([p[1:] for p in points if p[0] == label], of.get(label, 0))
            for label in classes
        ]
        return sum(each) / len(each) if each else 0.0

    def mended(name: str | None) -> list[tuple[int, float, bool]]:
        points = []
        for label, score, kind, aim, ignored, fixes in rows:
            if kind == name and kind != "right":
                if fixes:
                    points.append((aim if kind == "Cls" else label, score, True))
            elif kind != "right" and not ignored:
                points.append((label, score, False))
        return points + [(row[0], row[1], True) for row in rows if row[2] == "right"]

    as_it_is = [(row[0], row[1], row[2] == "right") for row in rows if not row[4]]
    ap = mean_ap(as_it_is, targets)
    out = {"AP": ap}
    for name in TYPES:
        of = {k: n - missed.get(k, 0) if name == "Miss" else n for k, n in targets.items()}
        out[name] = max(mean_ap(mended(name), of) - ap, 0.0)
    sure = [(label, float(right), right) for label, _, right in mended(None)]
    out["FalsePos"] = mean_ap(sure, targets) - ap
    right = {k: sum(p[0] == k and p[2] for p in as_it_is) for k in targets}
    out["FalseNeg"] = mean_ap(mended(None), right) - ap
    return out


def confusion(images: list[tuple[Any, Any]], k: int, threshold: float, confidence: float) -> Any:
    """(k + 1, k + 1) counts, rows ground truth; labels are 0 to k - 1."""
    matrix = np.zeros((k + 1, k + 1), int)
    for dets, gts in images:
        taken: set[int] = set()
        for d in by_score(dets):
            if dets[d]["score"] < confidence:
                continue
            for crowd in (False, True):
                best, choice = min(threshold, 1 - 1e-10), -1
                for g, gt in enumerate(gts):
                    if bool(gt["crowd"]) == crowd and (crowd or g not in taken):
                        value = pair_iou(dets[d]["box"], gt["box"], crowd)
                        if value >= best:
                            best, choice = value, g
                if choice >= 0:
                    break
            if choice < 0:
                matrix[k, dets[d]["label"]] += 1
            elif not gts[choice]["crowd"]:
                taken.add(choice)
                matrix[gts[choice]["label"], dets[d]["label"]] += 1
        for g, gt in enumerate(gts):
            if g not in taken and not gt["crowd"]:
                matrix[gt["label"], k] += 1
    return matrix


def counts(
    images: list[tuple[Any, Any]], k: int, threshold: float, confidence: float, cap: int = 100
) -> Any:
    """(images, k, 3) true positives, false positives and misses of the sure detections."""
    out = np.zeros((len(images), k, 3), int)
    for i, (dets, gts) in enumerate(images):
        for label in range(k):
            d = [x for x in dets if x["label"] == label and x["score"] >= confidence]
            g = [x for x in gts if x["label"] == label]
            crowd = [bool(x["crowd"]) for x in g]
            ignore = [bool(x["crowd"]) or x["area"] > 1e10 for x in g]  # COCO's range called all
            found = match_image(
                [x["box"] for x in d], [x["score"] for x in d], [x["box"] for x in g], crowd,
                ignore, threshold, cap,
            )  # fmt: skip
            tp = sum(not ignore[j] for j in found.values())
            out[i, label] = tp, min(len(d), cap) - len(found), len(g) - sum(ignore) - tp
    return out


def images_of(case: Any) -> list[tuple[Any, Any]]:
    """The boxes of a COCO problem by image, in the order of their ids; labels from 0."""
    place = {c["id"]: i for i, c in enumerate(sorted(case.gt["categories"], key=lambda c: c["id"]))}

    def one(ann: Any) -> dict[str, Any]:
        more = {key: ann[key] for key in ("score", "area") if key in ann}
        label = place[ann["category_id"]]
        return {"box": ann["bbox"], "label": label, "crowd": ann.get("iscrowd", 0), **more}

    return [
        tuple(
            [one(a) for a in side if a["image_id"] == i]
            for side in (case.dt, case.gt["annotations"])
        )
        for i in sorted(image["id"] for image in case.gt["images"])
    ]  # type: ignore[return-value]


def evaluator_of(case: Any, **options: Any) -> Any:
    """A `DetectionEvaluator` fed with a COCO problem; labels from 0."""
    evaluator = tamis.DetectionEvaluator(fmt="xywh", **options)
    for dets, gts in images_of(case):
        evaluator.update(columns(dets, score="scores"), columns(gts, crowd="iscrowd", area="area"))
    return evaluator


def columns(boxes: Any, **names: str) -> dict[str, Any]:
    return {
        "boxes": np.array([b["box"] for b in boxes], float).reshape(-1, 4),
        "labels": np.array([b["label"] for b in boxes], int),
        **{
            name: np.array([b[key] for b in boxes], int if key == "crowd" else float)
            for key, name in names.items()
        },
    }


def evaluated(case: Case, folder: Any, kind: str = "bbox") -> coco.COCOeval:
    """A COCOeval of a problem that went through files."""
    for name, content in (("gt.json", case.gt), ("dt.json", case.dt)):
        (folder / name).write_text(json.dumps(content))
    return evaluated_files(folder / "gt.json", folder / "dt.json", kind)


def evaluated_files(gt: Any, dt: Any, kind: str) -> coco.COCOeval:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO(str(gt))
        e = coco.COCOeval(truth, truth.loadRes(str(dt)), kind)
        e.evaluate()
    return e
