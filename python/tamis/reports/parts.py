"""The sections of a report for what was given, in their order."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import tamis._core as _core
from tamis.annotations.annotations import Annotations
from tamis.annotations.read import read
from tamis.reports import (
    analyses,
    comparison,
    drift,
    embeddings,
    evaluation,
    galleries,
    interactive,
)
from tamis.reports.crops import Folder, library
from tamis.reports.page import Cell, Section, Table, render

BLOCK = 1 << 20
COMPARED = {
    "bbox": "IoU of boxes", "obb": "IoU of oriented boxes", "segm": "IoU of masks",
    "boundary": "IoU of boundaries of masks", "keypoints": "OKS of keypoints",
}  # fmt: skip


def collect(gt: Any, results: list[Any], **options: Any) -> tuple[dict[str, Any], str]:
    """(all numbers, the page)."""
    import_libraries(options["images"] is not None, options["interactive"])
    folder = None if options["images"] is None else Folder(options["images"])
    out: list[Section] = []
    found: dict[str, Any] = {}
    given: list[tuple[str, Any]] = []
    title = ""
    if gt is not None:
        truth, models, names = _read_all(gt, results, options)
        e = evaluation.evaluate(
            truth, models, names, by=options["slices"], samples=options["samples"],
            seed=options["seed"], iou_type=evaluation.kind_of(options["iou_type"], truth, models),
            folder=None if folder is None else str(folder.root),
            progress=options["progress"],
        )  # fmt: skip
        made = analyses.sections(e)
        at = next(i for i, section in enumerate(made) if section.name == "errors")
        made[at].blocks += galleries.errors(e, folder, options["tiles"])
        out += [made[0], *comparison.sections(e), *made[1:]]
        out.append(galleries.worst_images(e, folder, options["tiles"]))
        found["evaluation"] = evaluation.numbers(e)
        given += [("ground truth", gt), *zip(names, results, strict=True)]
        title = " and ".join(names) if len(names) < 4 else f"{len(names)} models"
        out.append(_provenance(e, given))
        title = f"Evaluation of {title}"
    if options["embeddings"] is not None:
        c = embeddings.curate(options["embeddings"], **options)
        out += embeddings.sections(c, folder, options["tiles"], interactive=options["interactive"])
        found["embeddings"] = embeddings.numbers(c)
        title = title or "Embeddings"
    if options["reference"] is not None:
        drifted = drift.find(
            options["reference"], options["batch"], options["seed"], options["progress"]
        )
        out.append(drift.section(drifted))
        found["drift"] = drifted.to_dict()
        title = title or "Drift between two batches"
    subtitle = _subtitle(found)
    return found, render(options["title"] or title, subtitle, out, options["date"])


def import_libraries(pillow: bool, bokeh: bool) -> None:
    """Raise before any work where a library is missing."""
    for module, title in (("matplotlib", "matplotlib"), ("jinja2", "Jinja2")):
        try:
            __import__(module)
        except ImportError:
            raise ImportError(f"report: {title} is missing: pip install tamis[report]") from None
    if pillow:
        library()
    if bokeh:
        interactive.library()


def _read_all(
    gt: Any, results: list[Any], options: dict[str, Any]
) -> tuple[Annotations, list[Annotations], list[str]]:
    truth = _annotations("gt", gt)
    models = [_annotations("results", one, truth) for one in results]
    names = options["names"] if options["embeddings"] is None else None
    if names is None:
        names = [
            Path(os.fspath(one)).stem if isinstance(one, (str, os.PathLike)) else f"model {i + 1}"
            for i, one in enumerate(results)
        ]
    if not isinstance(names, (list, tuple)):
        raise TypeError(f"report: names must be a list, got {type(names).__name__}")
    if len(names) != len(models):
        raise ValueError(f"report: names must be {len(models)}, one a model, got {len(names)}")
    return truth, models, _distinct([str(name) for name in names])


def _distinct(names: Sequence[str]) -> list[str]:
    """Equal names get a number."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return out


def _annotations(what: str, given: Any, like: Annotations | None = None) -> Annotations:
    if isinstance(given, Annotations):
        return given
    if isinstance(given, (str, os.PathLike)):
        return read(given, like=like)
    raise TypeError(f"report: {what} must be Annotations or a path, got {type(given).__name__}")


def _subtitle(found: dict[str, Any]) -> str:
    parts = []
    if "evaluation" in found:
        parts.append(f"{len(found['evaluation']['images']):,} images")
    if "embeddings" in found:
        parts.append(f"{found['embeddings']['rows']:,} embeddings")
    parts.append(f"tamis {_core.__version__}")
    return " · ".join(parts)


def _provenance(e: evaluation.Evaluation, given: list[tuple[str, Any]]) -> Section:
    """What the numbers are of: files with their digests, and the settings."""
    rows = []
    for what, one in given:
        path = os.fspath(one) if isinstance(one, (str, os.PathLike)) else None
        name = "in memory" if path is None else Path(path).name
        rows.append([Cell(what), Cell(name), Cell(_digest(path))])
    settings = e.models[0].evaluated
    ious = settings.iou_thresholds
    plain = [
        ("compared by", COMPARED[settings.iou_type]),
        (f"{e.measure} thresholds", f"{ious[0]:.2f} to {ious[-1]:.2f}, {len(ious)}"),
        ("detections that count", ", ".join(map(str, settings.max_detections))
         + " an image and class"),
        ("area ranges", "; ".join(f"{k} {low:,.0f} to {high:,.0f}"
                                  for k, (low, high) in settings.area_ranges.items())),
        ("versions", f"tamis {_core.__version__}, NumPy {np.__version__}"),
    ]  # fmt: skip
    return Section(
        "provenance", "What was evaluated",
        [Table("Files", ["what", "file", "SHA-256"], rows),
         Table("Settings", ["setting", "value"], [[Cell(a), Cell(b)] for a, b in plain])],
    )  # fmt: skip


def _digest(path: str | None) -> str:
    if path is None or not os.path.isfile(path):
        return "-"
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()[:16]
