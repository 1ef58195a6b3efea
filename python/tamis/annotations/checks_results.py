"""The checks of results against their ground truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from tamis.annotations.align import compare, rearranged
from tamis.annotations.annotations import Annotations
from tamis.annotations.checks import found, of_boxes, rows_found
from tamis.annotations.findings import Finding

_MOST = 100  # detections an image and class, COCO's largest


def of_results(
    gt: Annotations, dt: Annotations, boxes: Callable[[Annotations], list[Finding]] = of_boxes
) -> list[Finding]:
    """Those of ground truth carry no prefix; these are of "results"."""
    gt = gt if gt.listed.all() else gt.select(gt.listed)
    out = [*dt.remarks, *_scores(dt)]
    try:
        same = compare(gt, dt)
    except ValueError as error:
        text = str(error).removeprefix("align: ")
        return [
            _named(f)
            for f in [
                *out,
                *found(
                    "nothing in common",
                    "error",
                    [text],
                    1,
                    "pairs",
                    "AP is 0: ids or names differ.",
                ),
            ]
        ]
    n = dt.n_images
    out += found(
        "results of unknown images", "error", same.other_images, n, "images",
        "The ground truth does not have them: these results do not count.",
    )  # fmt: skip
    unknown = same.labels < 0
    if unknown.any():
        out += rows_found(
            dt, "unknown category ids", "error", unknown,
            "The ground truth does not have the class: these results do not count.",
        )  # fmt: skip
    for note in same.notes:
        out += found(
            "class numbers",
            "warning",
            [note],
            1,
            "readings",
            "An assumption: check one class's AP.",
        )
    both = rearranged(gt, dt, same) if gt.fmt == dt.fmt else dt
    if gt.fmt == dt.fmt:
        seen = np.diff(both.splits) > 0
        bare = np.flatnonzero(~seen & (np.diff(gt.splits) > 0))
        out += found(
            "images without results", "warning" if len(bare) > 0.01 * gt.n_images else "note",
            [gt.image_name(i) for i in bare.tolist()], gt.n_images, "images",
            "Every object there is a miss: evaluate only the images that were run, or run these.",
        )  # fmt: skip
    out += boxes(dataclasses.replace(both, area=None)) + _capped(both)
    return [_named(finding) for finding in out]


def _named(finding: Finding) -> Finding:
    kind = finding.kind if "results" in finding.kind else f"results: {finding.kind}"
    return dataclasses.replace(finding, kind=kind)


def _scores(dt: Annotations) -> list[Finding]:
    if dt.scores is None:
        return found(
            "results without scores", "error", [dt.format], 1, "files",
            "AP needs an order of detections: there is none.",
        )  # fmt: skip
    out = rows_found(
        dt, "scores outside 0 to 1", "warning", (dt.scores < 0) | (dt.scores > 1),
        "AP only needs their order; thresholds and calibration need probabilities.",
    )  # fmt: skip
    if len(dt) > 1 and (dt.scores == dt.scores[0]).all():
        out += rows_found(
            dt, "equal scores", "warning", np.ones(len(dt), bool),
            "AP needs an order of detections: ties are broken by the order of the file.",
        )  # fmt: skip
    elif len(dt) > 1000 and len(np.unique(dt.scores)) < 20:
        out += rows_found(
            dt, "few distinct scores", "note", np.ones(len(dt), bool),
            "Ties are broken by the order of the file.",
        )  # fmt: skip
    return out


def _capped(dt: Annotations) -> list[Finding]:
    """What COCO's limit of 100 an image and class cuts off."""
    if len(dt) == 0:
        return []
    width = int(dt.labels.max()) + 1
    keys, counts = np.unique(
        dt.image_index.astype(np.int64) * width + dt.labels, return_counts=True
    )
    many = counts > _MOST
    names = [
        f"{dt.image_name(int(key // width))}, {dt.label_name(int(key % width))}: {count}"
        for key, count in zip(keys[many][:5], counts[many], strict=False)
    ]
    if not names:
        return []
    cut = int((counts[many] - _MOST).sum())
    effect = (
        f"COCO counts the 100 of highest score an image and class: {cut:,} results do not count."
    )
    return [
        Finding(
            "more than 100 results",
            "note",
            int(many.sum()),
            len(keys),
            "images and classes",
            effect,
            tuple(names),
        )
    ]
