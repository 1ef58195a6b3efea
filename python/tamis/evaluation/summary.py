"""The summary table of COCO evaluation: which numbers, their means, and their printed lines."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Row(NamedTuple):
    """One line: average precision or recall, at one IoU threshold or over all."""

    is_precision: bool
    iou: float | None
    area: str
    cap: Any  # detections per image and class


def detection_rows(caps: Any, main: Any) -> list[Row]:
    """The 12 lines of boxes and masks; the first is over `main` detections, 100 by pycocotools."""
    return [
        Row(True, None, "all", main),
        Row(True, 0.5, "all", caps[2]),
        Row(True, 0.75, "all", caps[2]),
        *(Row(True, None, area, caps[2]) for area in ("small", "medium", "large")),
        *(Row(False, None, "all", caps[i]) for i in range(3)),
        *(Row(False, None, area, caps[2]) for area in ("small", "medium", "large")),
    ]


def keypoint_rows(cap: Any = 20) -> list[Row]:
    """The 10 lines of keypoints."""
    kinds = ((None, "all"), (0.5, "all"), (0.75, "all"), (None, "medium"), (None, "large"))
    return [Row(p, iou, area, cap) for p in (True, False) for iou, area in kinds]


def with_areas(rows: list[Row], areas: list[str]) -> list[Row]:
    """The lines with those of these area ranges in the place of small, medium and large."""
    usual = {row.area for row in rows}
    if usual == set(areas):
        return rows
    out: list[Row] = []
    for row in rows:
        if row.area == "all":
            out.append(row)
        elif out[-1].area == "all":  # the first of its kind stands for all
            out += [row._replace(area=area) for area in areas if area != "all"]
    return out


def mean(result: dict[str, Any], p: Any, row: Row) -> Any:
    """Mean over the settings that have ground truth, -1 where none has."""
    areas = [i for i, label in enumerate(p.areaRngLbl) if label == row.area]
    caps = [i for i, cap in enumerate(p.maxDets) if cap == row.cap]
    values = result["precision" if row.is_precision else "recall"]
    if row.iou is not None:
        values = values[np.where(row.iou == p.iouThrs)[0]]
    if len(areas) == len(caps) == 1:  # no copy
        return mean_of_present(values[..., areas[0], caps[0]])
    return mean_of_present(values[..., areas, caps])


def mean_of_present(values: Any) -> Any:
    """Mean of the values that are not -1, -1 if all are."""
    values = np.ravel(values)  # which is read twice
    values = values.compress(values > -1)
    if len(values) == 0:
        return -1
    if values.dtype != np.float64:
        return np.mean(values)
    return np.add.reduce(values) / len(values)  # as np.mean, in a third of its time


def of_class(result: dict[str, Any], p: Any, rows: list[Row], k: int) -> list[float]:
    """The numbers of one class."""
    one = slice(k, k + 1)
    part = {"precision": result["precision"][:, :, one], "recall": result["recall"][:, one]}
    return [float(mean(part, p, row)) for row in rows]


def line(p: Any, row: Row, value: Any) -> str:
    title, kind = ("Average Precision", "(AP)") if row.is_precision else ("Average Recall", "(AR)")
    ious = f"{p.iouThrs[0]:0.2f}:{p.iouThrs[-1]:0.2f}" if row.iou is None else f"{row.iou:0.2f}"
    where = f"IoU={ious:<9} | area={row.area:>6s} | maxDets={row.cap:>3d}"
    return f" {title:<18} {kind} @[ {where} ] = {value:0.3f}"


def summarize(result: dict[str, Any], p: Any) -> Any:
    """Print the table line by line; return its numbers.

    IndexError where `maxDets` has fewer than three, after the first line, as in pycocotools.
    """
    if p.iouType == "keypoints":
        rows = keypoint_rows()
    elif len(p.maxDets) >= 3:
        rows = detection_rows(p.maxDets, main=100)
    else:
        first = Row(True, None, "all", 100)
        print(line(p, first, mean(result, p, first)))
        raise IndexError("list index out of range")
    stats = np.zeros(len(rows))
    for i, row in enumerate(rows):
        stats[i] = mean(result, p, row)
        print(line(p, row, stats[i]))
    return stats
