"""What `tamis eval` evaluates: COCO and LVIS files by their own readers, all others as columns."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import tamis
from tamis.annotations.check import describe, serious
from tamis.annotations.findings import Finding
from tamis.evaluation.settings import AREA_RANGES

_HEAD = 1 << 16
_LONGEST = 1 << 24  # of a first record


@dataclass
class Found:
    """An evaluation, and what its numbers are called."""

    kind: str
    stats: dict[str, float]
    summary: str
    classes: list[dict[str, Any]]  # with ground truths or without
    result: tamis.DetectionResult | None = None  # None: federated
    image_names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        return [line for finding in self.findings for line in describe(finding)]


class Steps:
    """What is done of an evaluation, in percent of each step: files, matches, tables."""

    TOTAL = 4

    def __init__(self, report: Callable[[int, int], Any]) -> None:
        self.report, self.done = report, 0
        self._begun = self._share = 0.0  # of the step at work, before its last loop and now
        self._loop = 0, 0

    def next(self) -> None:
        self.done += 1
        self._begun = self._share = 0.0
        self._report()

    def part(self, done: int, total: int) -> None:
        """Of a loop: the first of a step is taken for half of it, each other for half the rest."""
        if total != self._loop[1] or done < self._loop[0]:
            self._begun = self._share
        self._loop = done, total
        self._share = self._begun + (1 - self._begun) / 2 * done / total
        self._report()

    def _report(self) -> None:
        self.report(round(100 * (self.done + self._share)), 100 * self.TOTAL)

    def end(self) -> None:
        self.done = self.TOTAL - 1
        self.next()


def evaluated(args: argparse.Namespace, steps: Steps) -> Found:
    """The files of the command line, evaluated."""
    sides = ((args.gt, args.format), (args.dt, args.dt_format))
    if all(_is_coco(path, kind) for path, kind in sides):
        return _coco(args, steps)
    return _columns(args, steps)


# --- COCO ----------------------------------------------------------------------------------


def _is_coco(path: str, format: str) -> bool:
    """Whether COCO's own reader takes it, or shall say what is wrong with it."""
    if format != "auto" or os.path.isdir(path) or not path.endswith(".json"):
        return format == "coco"
    from tamis.annotations.detect import detect

    try:
        return detect(path)[0] == "coco"
    except (ValueError, OSError, RecursionError):
        return True


def _coco(args: argparse.Namespace, steps: Steps) -> Found:
    from tamis._commands.eval_faults import faults
    from tamis.coco import COCO, COCOeval

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        gt = COCO(args.gt)
        steps.next()
        dt = gt.loadRes(args.dt)
        steps.next()
        kind, why = _kind_of_records(args)
        e = COCOeval(gt, dt, kind)
        _set_params(args, e, gt)
        e.evaluate()
    result = tamis.results(e)
    steps.next()
    images, wanted = _named(gt, "images", "file_name"), set(e.params.catIds)
    names = {k: name for k, name in _named(gt, "categories", "name").items() if k in wanted}
    return Found(
        kind, result.stats, str(result), class_rows(result, names), result,
        [images.get(i, str(i)) for i in result.image_ids.tolist()],
        [*said.getvalue().splitlines(), *why], faults(args, e),
    )  # fmt: skip


def _named(gt: Any, key: str, name: str) -> dict[Any, str]:
    return {r["id"]: str(r.get(name, r["id"])) for r in gt._records(key)}


def _set_params(args: argparse.Namespace, e: Any, gt: Any) -> None:
    p = e.params
    if args.areas is not None:
        areas = area_ranges(args.areas)
        p.areaRng, p.areaRngLbl = [list(pair) for pair in areas.values()], list(areas)
    if args.max_dets is not None:
        p.maxDets = max_detections(args.max_dets, p.iouType)
    if args.images is not None:
        p.imgIds = chosen("--images", args.images, _named(gt, "images", "file_name"))
    if args.classes is not None:
        p.catIds = chosen("--classes", args.classes, _named(gt, "categories", "name"))


def _kind_of_records(args: argparse.Namespace) -> tuple[str, list[str]]:
    """The kind of evaluation, and how it was chosen."""
    if args.iou_type != "auto":
        if args.iou_type == "obb":
            raise ValueError("--iou-type obb: COCO files have no oriented boxes")
        return args.iou_type, []
    gt, dt = (_first_record(path) for path in (args.gt, args.dt))
    for kind, key in (("keypoints", "keypoints"), ("segm", "segmentation")):
        if dt.get(key) and (gt.get(key) or not gt):
            why = f"--iou-type auto is {kind}: the first result has {key}"
            return kind, [why + ("; it has a bbox too" if dt.get("bbox") else "")]
    return "bbox", ["--iou-type auto is bbox: the first result has neither masks nor keypoints"]


def _first_record(path: str) -> dict[str, Any]:
    """The first result, or annotation of a dataset; nothing where it is not to be seen."""
    size = _HEAD
    while size <= _LONGEST:
        with open(path, "rb") as file:
            head = file.read(size).decode("utf-8-sig", "ignore").lstrip()
        at = 0 if head.startswith("[") else head.find('"annotations"')
        start = head.find("{", max(at, 0))
        if at >= 0 and start > 0:
            with contextlib.suppress(ValueError, RecursionError):
                record = json.JSONDecoder().raw_decode(head[start:])[0]
                return record if isinstance(record, dict) else {}
        if len(head) < size // 2:
            break
        size *= 16
    return {}


# --- any other format ----------------------------------------------------------------------


def _columns(args: argparse.Namespace, steps: Steps) -> Found:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        gt = tamis.read(args.gt, args.format, split=args.split, images=args.image_folder)
        steps.next()
        numbered = None if args.dt_names is None else list(_parts(args.dt_names))
        dt = tamis.read(args.dt, args.dt_format, like=gt, classes=numbered)
        steps.next()
        findings = serious(gt, dt)
        kind, why = _kind_of_columns(args, gt, dt)
        turned = kind == "obb"
        gt, dt = (side.as_obb() if turned else side.as_xywh() for side in (gt, dt))
        gt, dt = tamis.align(gt, dt)
    if args.images is not None:
        names = {i: gt.image_name(i) for i in range(gt.n_images)}
        places = np.array(chosen("--images", args.images, names), np.int64)
        gt, dt = gt.select(places), dt.select(places)
    classes = dict(gt.classes) or {int(k): str(k) for k in np.unique(gt.labels)}
    if args.classes is not None:
        labels = chosen("--classes", args.classes, classes)
        classes = {k: classes[k] for k in labels}
        gt, dt = gt.of_classes(labels), dt.of_classes(labels)
    evaluator = tamis.DetectionEvaluator(
        kind, fmt="xywh", classes=classes,
        area_ranges=None if args.areas is None else area_ranges(args.areas),
        max_detections=None if args.max_dets is None else max_detections(args.max_dets, kind),
    )  # fmt: skip
    evaluator.update(dt.preds(kind), gt.targets(kind))
    result = evaluator.compute()
    steps.next()
    notes = [*(str(w.message) for w in warned), *why]
    images = [gt.image_name(i) for i in range(gt.n_images)]
    return Found(
        kind, result.stats, str(result), class_rows(result, classes), result, images, notes,
        list(findings),
    )  # fmt: skip


def _kind_of_columns(args: argparse.Namespace, gt: Any, dt: Any) -> tuple[str, list[str]]:
    if args.iou_type != "auto":
        return args.iou_type, []
    for kind, found in (
        ("obb", [side.fmt == "obb" or side.oriented is not None for side in (gt, dt)]),
        ("keypoints", [side.keypoints is not None for side in (gt, dt)]),
        ("segm", [side.shapes is not None for side in (gt, dt)]),
    ):
        if all(found):
            return kind, [f"--iou-type auto is {kind}: both sides have it"]
    return "bbox", ["--iou-type auto is bbox: one side has boxes only"]


# --- LVIS ----------------------------------------------------------------------------------


def lvis(args: argparse.Namespace, steps: Steps) -> Found:
    """LVIS' own numbers."""
    from tamis.lvis import LVIS, LVISEval, LVISResults

    for option in (
        "areas", "max_dets", "per_image", "errors", "confusion", "best_f1", "calibration"
    ):  # fmt: skip
        if getattr(args, option) not in (None, False):
            raise ValueError(f"--{option.replace('_', '-')} cannot be asked for with --lvis")
    kind, why = _kind_of_records(args)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        gt = LVIS(args.gt)
        steps.next()
        e = LVISEval(gt, LVISResults(gt, args.dt), kind)
        steps.next()
        if args.images is not None:
            e.params.img_ids = chosen("--images", args.images, _named(gt, "images", "file_name"))
        if args.classes is not None:
            e.params.cat_ids = chosen("--classes", args.classes, _named(gt, "categories", "name"))
        e.run()
    steps.next()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        e.print_results()
    summary = "\n".join(  # two spaces fewer: it is wider than a terminal
        line.replace("Average ", "").replace("  ", " ") for line in printed.getvalue().splitlines()
    )
    stats = {key: float(value) for key, value in e.results.items()}
    rows = _federated_rows(e, gt)
    return Found(kind, stats, summary, rows, notes=[*said.getvalue().splitlines(), *why])


def _federated_rows(e: Any, gt: Any) -> list[dict[str, Any]]:
    from tamis.evaluation.summary import mean_of_present

    p, rows = e.params, []
    precision, recall = e.eval["precision"], e.eval["recall"]
    counted = gt.get_ann_ids(img_ids=p.img_ids, cat_ids=p.cat_ids)
    targets = Counter(gt.anns[i]["category_id"] for i in counted)
    for k, category in enumerate(p.cat_ids):
        record = gt.cats.get(category, {})
        row = {"id": category, "name": str(record.get("name", category))}
        row["targets"] = targets[category]
        row["frequency"] = record.get("frequency")
        of_class = precision[:, :, k, 0]
        for key, iou in (("AP", None), ("AP50", 0.5), ("AP75", 0.75)):
            level = slice(None) if iou is None else np.where(p.iou_thrs == iou)[0]
            row[key] = float(mean_of_present(of_class[level]))
        row[f"AR@{p.max_dets}"] = float(mean_of_present(recall[:, k, 0]))
        rows.append(row)
    return rows


# --- options -------------------------------------------------------------------------------


def class_rows(result: tamis.DetectionResult, names: dict[Any, str]) -> list[dict[str, Any]]:
    """A row for each class of the ground truth, absent ones too, with the numbers of `result`."""
    found = {row["label"]: row for row in result.per_class()}
    absent = dict.fromkeys(result.stats, -1.0)
    rows = []
    for label in dict.fromkeys([*names, *found]):
        row = found.get(label, {"targets": 0, **absent})
        plain = np.asarray(label).item()
        numbers = {key: row[key] for key in ("targets", *result.stats)}
        rows.append({"id": plain, "name": names.get(label, str(plain)), **numbers})
    return rows


def area_ranges(text: str) -> dict[str, tuple[float, float]]:
    """``tiny=0:256,rest=256:inf``; `all` is COCO's where it is not given."""
    ranges: dict[str, tuple[float, float]] = {"all": AREA_RANGES["all"]}
    for part in text.split(","):
        name, _, bounds = part.partition("=")
        low, _, high = bounds.partition(":")
        try:
            ranges[name.strip()] = (float(low), min(float(high), 1e10))
        except ValueError:
            raise ValueError(f"--areas must be NAME=LOW:HIGH,..., got {part!r}") from None
    return ranges


def max_detections(text: str, kind: str) -> list[int]:
    wanted = 1 if kind == "keypoints" else 3
    try:
        caps = [int(part) for part in text.split(",")]
    except ValueError:
        caps = []
    if len(caps) != wanted or caps != sorted(caps) or min(caps) < 0:
        count = "one number" if wanted == 1 else "three ascending numbers"
        raise ValueError(f"--max-dets must be {count} for {kind}, got {text!r}")
    return caps


def chosen(option: str, text: str, known: dict[Any, str]) -> list[Any]:
    """The ids that names, or ids, stand for; of a file, one a line."""
    names = [part.strip() for part in _parts(text)]
    by_id = {str(key): key for key in known}
    by_name = {name: key for key, name in known.items()}
    by_leaf = {name.rpartition("/")[2].rpartition(".")[0]: key for key, name in known.items()}
    found = []
    for name in filter(None, names):
        key = next((table[name] for table in (by_name, by_id, by_leaf) if name in table), None)
        if key is None:
            some = ", ".join(list(by_name)[:5])
            raise ValueError(f"{option}: {name!r} is not in the ground truth, which has {some} ...")
        found.append(key)
    if not found:
        raise ValueError(f"{option} names nothing")
    return list(dict.fromkeys(found))


def _parts(text: str) -> Iterator[str]:
    if os.path.isfile(text):
        with open(text, encoding="utf-8") as file:
            yield from file.read().splitlines()
    else:
        yield from text.split(",")
