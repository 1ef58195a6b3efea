"""COCO evaluation of boxes on a CUDA device: order, matches and curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamis._shared import arrays, device_arrays
from tamis._shared.ragged import Similarity, image_of
from tamis.evaluation.match_table import Detections, Sides, Targets, capped, match

Array = Any  # of the caller's library, on its device


@dataclass
class DeviceRows:
    """Columns of one side, image by image; all rows take part."""

    splits: NDArray[Any]  # (images + 1,) int64, on the host
    category: Array  # int32, place of the class
    boxes: Array  # (n, 4) float64 xywh, or (n, 5) rotated
    area: Array  # float64
    scores: Array | None = None  # float64, of detections
    crowd: Array | None = None  # uint8, of ground truths

    def __len__(self) -> int:
        return int(self.boxes.shape[0])


@dataclass
class Order:
    """Rows by image and class, detections then by descending score."""

    index: Array  # input rows
    groups: Array  # one number for each image and class
    by_score: Array  # input rows by descending score alone
    bad: Array  # (2,) the first row with a NaN or infinity, of the boxes and of the other column


@dataclass
class Tables:
    """Tables of an evaluation, on the host."""

    precision: NDArray[Any]  # (T, R, K, A, M)
    recall: NDArray[Any]  # (T, K, A, M)
    scores: NDArray[Any]  # (T, R, K, A, M)
    n_regular: NDArray[Any]  # (K, A)
    bad: list[int | None]  # the first row that is not finite: of boxes and scores, boxes and areas


def classes_of(labels: Array) -> tuple[NDArray[Any], Array]:
    """The classes, ascending, on the host, and where each label stands among them."""
    ordered, is_first, place = class_places(labels)
    return _host(ordered[is_first]), place


def class_places(labels: Array) -> tuple[Array, Array, Array]:
    """Labels in order, whether each is the first of its class, and the place of each label's class.

    The host does not wait, as it does not learn how many classes there are.
    """
    ordered, order = device_arrays.stable_sort(labels)
    is_first = arrays.empty(labels, tuple(labels.shape), "bool")
    is_first[:1] = True
    is_first[1:] = ordered[1:] != ordered[:-1]
    place = arrays.empty(labels, tuple(labels.shape), "int32")
    place[order] = arrays.cast(is_first.cumsum(0) - 1, "int32")
    return ordered, is_first, place


def evaluate(
    dets: DeviceRows,
    gts: DeviceRows,
    *,
    n_categories: int,
    thresholds: Sequence[float],
    area_ranges: Sequence[Any],
    recall_thresholds: Sequence[float],
    max_dets: Sequence[int],
) -> Tables:
    """Match everything and compute all curves; the host waits for them and copies nothing else."""
    like, n, areas, levels = dets.boxes, len(dets), len(area_ranges), len(thresholds)
    order, gt_order, max_det = _order(dets), _order(gts), int(max_dets[-1])
    ranges = arrays.from_host(like, np.array(area_ranges, np.float64).reshape(-1, 2))
    rank, kept = _ranks(dets, order, n_categories, max_det)
    category, by_category = device_arrays.stable_sort(kept[order.by_score])
    index = order.by_score[by_category]
    place = arrays.empty(like, (n,), "int64")
    verdicts = arrays.empty(like, (areas * -(-levels // 64), n, 2), "int64")
    arrays.call("match_places", like, index, ranges, dets.area, place, verdicts)
    n_regular = arrays.full(like, (n_categories, areas), "int64", 0)
    problem = _problem(dets, gts, order, gt_order, max_det, ranges, capped(thresholds))
    arrays.call(
        "match_verdicts", like, **problem, place=place, gt_category=gts.category,
        verdicts=verdicts, n_regular=n_regular,
    )  # fmt: skip
    tables = _curves(
        (category, rank[index], dets.scores[index], verdicts, n_regular),  # type: ignore[index]
        (levels, len(recall_thresholds), n_categories, areas, len(max_dets)),
        np.array(recall_thresholds, np.float64), np.array(max_dets, np.int64),
    )  # fmt: skip
    bad = [*_host(order.bad).tolist(), *_host(gt_order.bad).tolist()]
    ends = n, n, len(gts), len(gts)
    rows = [row if row < end else None for row, end in zip(bad, ends, strict=True)]
    return Tables(*tables, _host(n_regular), rows)


def match_pairs(
    dets: DeviceRows, gts: DeviceRows, thresholds: Sequence[float], max_det: int
) -> tuple[Array, Array, Array, Array]:
    """The columns of `tamis.Matches`, on the device."""
    like, n, m, levels = dets.boxes, len(dets), len(gts), len(thresholds)
    order, gt_order = _order(dets), _order(gts)
    rank, _ = _ranks(dets, order, 0, max_det)
    ranges = arrays.from_host(like, np.array([[-np.inf, np.inf]]))
    shapes = ((n, "int64", -1), (n, "float64", 0), (n, "uint8", rank >= max_det), (m, "int64", -1))
    out = [arrays.full(like, (levels, rows), dtype, start) for rows, dtype, start in shapes]
    problem = _problem(dets, gts, order, gt_order, max_det, ranges, capped(thresholds))
    gt, iou, ignored, det = out
    arrays.call("match_pairs", like, **problem, gt=gt, iou=iou, ignored=ignored, det=det)
    return gt, iou, ignored != 0, det


def host_sides(
    dets: DeviceRows, gts: DeviceRows, n_categories: int, thresholds: Sequence[float],
    area_ranges: Sequence[Any], max_det: int,
    similarity_of: Callable[[Detections, Targets], Similarity | None],
) -> Sides:  # fmt: skip
    """Both sides copied to the host and matched there, for the analyses of a result."""
    columns = dets.category, dets.boxes, dets.scores, dets.area
    on_host = Detections(image_of(dets.splits), *(_host(x) for x in columns))
    columns = gts.category, gts.boxes, gts.crowd, gts.area
    gts_on_host = Targets(image_of(gts.splits), *(_host(x) for x in columns))
    similarity = similarity_of(on_host, gts_on_host)
    table = match(
        on_host, gts_on_host, n_images=len(dets.splits) - 1, n_categories=n_categories,
        thresholds=thresholds, area_ranges=area_ranges, max_det=max_det,
        similarity=similarity,
    )  # fmt: skip
    return Sides(on_host, gts_on_host, table, similarity)


def _host(x: Array) -> NDArray[Any]:
    return arrays.host("evaluate", "columns", x)


def _order(rows: DeviceRows) -> Order:
    like, n = rows.boxes, len(rows)
    groups = arrays.empty(like, (n,), "int64")
    keys = None if rows.scores is None else arrays.empty(like, (n,), "int64")
    bad = arrays.full(like, (2,), "int64", n)
    values = rows.area if rows.scores is None else rows.scores
    splits = arrays.from_host(like, rows.splits)
    arrays.call(
        "match_keys", like, splits, rows.category, rows.boxes, values, groups, keys, bad
    )  # fmt: skip
    if keys is None:
        groups, index = device_arrays.stable_sort(groups)
        return Order(index, groups, index, bad)
    by_score = device_arrays.stable_sort(keys)[1]
    groups, order = device_arrays.stable_sort(groups[by_score])
    return Order(by_score[order], groups, by_score, bad)


def _ranks(dets: DeviceRows, order: Order, n_categories: int, max_det: int) -> tuple[Array, Array]:
    """By input row: rank by score in image and class; the class, or `n_categories` beyond."""
    rank, kept = (arrays.empty(dets.boxes, (len(dets),), "int32") for _ in range(2))
    how = order.index, order.groups, dets.category, n_categories, max_det
    arrays.call("match_ranks", dets.boxes, *how, rank, kept)
    return rank, kept


def _problem(
    dets: DeviceRows, gts: DeviceRows, order: Order, gt_order: Order, max_det: int, ranges: Array,
    levels: NDArray[Any],
) -> dict[str, Any]:  # fmt: skip
    """Arguments of both kinds of matching."""
    like, m, areas = dets.boxes, len(gts), ranges.shape[0]
    backend = arrays.backend("match_detections", arrays.device(like))
    words = backend.match_scratch_words(
        rotated=like.shape[1] == 5, n_areas=areas, n_thresholds=len(levels)
    )
    scratch = (
        arrays.empty(like, (m, words), "int64"),
        arrays.empty(like, (m,), "int32"),
        arrays.empty(like, (areas + 1, m), "uint8"),
    )
    # below a NaN there is nothing
    lowest = -np.inf if np.isnan(levels).any() else levels.min(initial=np.inf)
    return dict(
        dets=(order.index, order.groups, dets.boxes, dets.area),
        gts=(gt_order.index, gt_order.groups, gts.boxes, gts.area),
        crowd=gts.crowd, max_det=max_det, ranges=ranges, thresholds=arrays.from_host(like, levels),
        lowest=float(lowest), scratch=scratch,
    )  # fmt: skip


def _curves(
    columns: tuple[Array, ...], shape: tuple[int, ...], recalls: NDArray[Any], caps: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Precision, recall and scores; `shape` is (T, R, K, A, M)."""
    like, by_recall = columns[0], np.argsort(recalls, kind="stable")
    # pycocotools stops at the first threshold that is not reached: none may be that comes earlier
    farthest = np.maximum.accumulate(recalls)[by_recall]
    curve, levels = int(np.prod(shape)), (shape[0], *shape[2:])
    flat = arrays.empty(like, (2 * curve + int(np.prod(levels)),), "float64")  # one copy for all
    parts = ((0, curve, shape), (2 * curve, len(flat), levels), (curve, 2 * curve, shape))
    out = [flat[begin:end].reshape(dims) for begin, end, dims in parts]
    names = "category", "rank", "score", "verdicts", "n_regular"
    small = dict(max_dets=caps, recalls=recalls[by_recall], farthest=farthest, places=by_recall)
    arrays.call(
        "average_precision", like, **dict(zip(names, columns, strict=True)),
        **dict(zip(small, device_arrays.all_from_host(like, *small.values()), strict=True)),
        precision=out[0], recall=out[1], scores=out[2],
    )  # fmt: skip
    hosted = _host(flat)
    precision, recall, scores = (hosted[begin:end].reshape(dims) for begin, end, dims in parts)
    return precision, recall, scores
