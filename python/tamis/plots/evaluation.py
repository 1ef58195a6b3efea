"""Pictures of an evaluation and its analyses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis.evaluation.analysis import ratio, view
from tamis.plots import style

GRID_POINTS = 200  # of a curve against confidence
MOST_ROWS = 40


def detection_result(result: Any, ax: Any = None, *, kind: str = "pr", **options: Any) -> Any:
    """One of the pictures of an evaluation: pr, confidence, scores, sizes or classes."""
    pictures: dict[str, Any] = {
        "pr": precision_recall, "confidence": confidence_curves, "scores": score_histogram,
        "sizes": size_bars, "classes": class_bars,
    }  # fmt: skip
    if kind not in pictures:
        raise ValueError(f"plot: kind must be one of {', '.join(pictures)}, got {kind!r}")
    return pictures[kind](result, ax, **options)


def precision_recall(
    result: Any,
    ax: Any = None,
    *,
    classes: Sequence[Any] | None = None,
    iou: float | None = None,
    others: Mapping[str, Any] | None = None,
    name: str = "first",
) -> Any:
    """Precision against recall.

    Parameters
    ----------
    result : DetectionResult
    ax : matplotlib Axes, optional
    classes : sequence of labels, optional
        One line each. Default: the mean over all classes.
    iou : float, optional
        A threshold of the evaluation. Default: of one result 0.5, 0.75 and the mean of all
        thresholds; else 0.5.
    others : dict of str to DetectionResult, optional
        More models, one line each.
    name : str
        Of `result` beside others.
    """
    ax = style.axes(ax)
    if classes is not None:
        lines = [
            (class_name(result, label), _curve(result, iou or 0.5, _place(result, label)))
            for label in classes
        ]
    elif others:
        models = {name: result, **others}
        lines = [(key, _curve(model, iou or 0.5, None)) for key, model in models.items()]
    else:
        levels = [0.5, 0.75, None] if iou is None else [iou]
        known = [t for t in levels if t is None or _level(result, t) is not None]
        measure = "OKS" if getattr(result, "iou_type", "") == "keypoints" else "IoU"
        words = [f"{measure} {t:g}" if t is not None else f"mean of all {measure}" for t in known]
        lines = [(w, _curve(result, t, None)) for w, t in zip(words, known, strict=True)]
    for i, (what, values) in enumerate(lines):
        area = float(np.mean(values)) if len(values) else float("nan")
        color, dashes = style.SERIES[i % 6], ("-", "--", "-.", ":")[i // 6 % 4]
        ax.plot(
            result.recall_thresholds, values, dashes, color=color, linewidth=1.8,
            label=f"{style.short(what)}  {area:.3f}",
        )  # fmt: skip
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.02)
    style.label(ax, "recall", "precision")
    style.legend(ax)
    return ax


def class_name(result: Any, label: Any) -> str:
    """As given to the evaluator, else the label."""
    names = getattr(result, "class_names", None)
    found = names[_place(result, label)] if names is not None else None
    return str(label) if found is None else str(found)


def _names(result: Any, names: Mapping[Any, str] | None) -> list[str]:
    """What to call the classes of a result: as given, else by their names, else by their labels."""
    labels = np.asarray(result.classes).tolist()
    own = zip(labels, getattr(result, "class_names", None) or labels, strict=True)
    return [str((names or {}).get(k, k if name is None else name)) for k, name in own]


def _place(result: Any, label: Any) -> int:
    at = np.flatnonzero(np.asarray(result.classes) == label)
    if not len(at):
        raise ValueError(f"plot: classes must be labels of the evaluation, got {label!r}")
    return int(at[0])


def _level(result: Any, iou: float) -> int | None:
    at = np.flatnonzero(np.abs(result.iou_thresholds - iou) < 1e-9)
    return int(at[0]) if len(at) else None


def _curve(result: Any, iou: float | None, k: int | None) -> Array:
    """(R,) precision of one class, or the mean over those with ground truth; NaN without any."""
    part = result.precision[:, :, :, list(result.area_ranges).index("all"), -1]  # (T, R, K)
    if iou is not None:
        level = _level(result, iou)
        if level is None:
            raise ValueError(f"plot: iou must be a threshold of the evaluation, got {iou:g}")
        part = part[level : level + 1]
    part = part[:, :, k : k + 1] if k is not None else part
    there = (part > -1).all(axis=(0, 1))
    if not there.any():
        return np.full(part.shape[1], np.nan)
    mean: Array = part[:, :, there].mean(axis=(0, 2))
    return mean


def confidence_curves(evaluated: Any, ax: Any = None, *, iou: float = 0.5) -> Any:
    """Precision, recall and F1 of all classes together against the confidence threshold."""
    ax = style.axes(ax)
    e = view("confidence_curves", evaluated)
    table = e.at(iou)
    right, wrong = e.counted(table)
    used = np.flatnonzero(right | wrong)
    order = used[np.argsort(e.dets.scores[used], kind="stable")]
    scores = e.dets.scores[order]
    high = max(1.0, float(scores.max(initial=0)))
    at = np.linspace(min(0.0, float(scores.min(initial=0))), high, GRID_POINTS + 1)
    begin = np.searchsorted(scores, at, side="left")
    tp, fp = (_from(begin, side[order]) for side in (right, wrong))
    targets = int(table.n_regular[:, 0].sum())
    precision, recall = ratio(tp, tp + fp), ratio(tp, np.full(len(tp), targets))
    f1 = ratio(2.0 * tp, tp + fp + targets)
    for values, color, what in (
        (precision, style.BLUE, "precision"), (recall, style.RED, "recall"),
        (f1, style.GREEN, "F1"),
    ):  # fmt: skip
        ax.plot(at, values, color=color, linewidth=1.8, label=what)
    if np.isfinite(f1).any() and tp.any():
        best = int(np.nanargmax(f1))
        ax.axvline(at[best], color=style.MUTED, linewidth=0.8, linestyle=":")
        ax.plot(
            at[best], f1[best], "o", color=style.GREEN, markersize=5,
            label=f"best F1 {f1[best]:.3f} at {at[best]:.3g}",
        )  # fmt: skip
    ax.set_xlim(at[0], at[-1])
    ax.set_ylim(0, 1.02)
    style.label(ax, "confidence threshold", "")
    style.legend(ax)
    return ax


def _from(begin: Array, hits: Array) -> Array:
    """How many from each place on."""
    total: Array = np.concatenate([np.cumsum(hits[::-1])[::-1], [0]])[begin]
    return total


def score_histogram(evaluated: Any, ax: Any = None, *, iou: float = 0.5, bins: int = 40) -> Any:
    """How many true and false positives there are at each confidence, on a log scale."""
    ax = style.axes(ax)
    e = view("score_histogram", evaluated)
    right, wrong = e.counted(e.at(iou))
    scores = e.dets.scores
    low, high = min(0.0, float(scores.min(initial=0))), max(1.0, float(scores.max(initial=0)))
    edges = np.linspace(low, high, bins + 1)
    for side, color, what in ((wrong, style.RED, "false positives"),
                              (right, style.BLUE, "true positives")):  # fmt: skip
        counts = np.histogram(scores[side], edges)[0]
        ax.stairs(counts, edges, color=color, linewidth=1.5, label=f"{what}: {side.sum():,}")
        ax.stairs(counts, edges, color=color, alpha=0.18, fill=True)
    if (right | wrong).any():
        style.log(ax.yaxis)
    ax.set_xlim(low, high)
    style.label(ax, "confidence", "detections")
    style.legend(ax)
    return ax


def size_bars(result: Any, ax: Any = None, *, others: Mapping[str, Any] | None = None,
              name: str = "first") -> Any:  # fmt: skip
    """AP and AR of small, medium and large objects."""
    ax = style.axes(ax)
    models = {name: result, **(others or {})}
    keys = [key for key in ("AP", "APs", "APm", "APl", "ARs", "ARm", "ARl") if key in result.stats]
    words = {"s": "small", "m": "medium", "l": "large"}
    names = [f"{key[:2]} {words[key[2]]}" if key[2:] else f"{key} all" for key in keys]
    width = 0.8 / len(models)
    for i, (model, found) in enumerate(models.items()):
        values = np.array([found.stats[key] for key in keys])
        at = np.arange(len(keys)) + (i - (len(models) - 1) / 2) * width
        there = values > -1
        ax.bar(at[there], values[there], width * 0.92, color=style.SERIES[i % 6], label=model)
        if len(models) == 1:
            for x, y in zip(at[there], values[there], strict=True):
                ax.text(x, y + 0.012, f"{y:.3f}", ha="center", fontsize="small")
    ax.set_xticks(range(len(keys)), [n.replace(" ", "\n") for n in names])
    ax.set_ylim(0, 1)
    style.label(ax, grid="y")
    if len(models) > 1:
        style.legend(ax)
    return ax


def class_bars(result: Any, ax: Any = None, *, number: str = "AP", intervals: Any = None,
               most: int = MOST_ROWS) -> Any:  # fmt: skip
    """A number of each class, the worst on top; with the intervals of `tamis.intervals`."""
    table = [row for row in result.per_class() if row[number] > -1]
    table.sort(key=lambda row: row[number])
    left_out = max(0, len(table) - most)
    table = table[:most]
    ax = style.axes(ax, height=style.row_height(len(table)))
    known = [] if intervals is None else intervals.per_class()
    spans = {row["label"]: row[number] for row in known}
    for y, row in enumerate(table):
        ax.plot([0, row[number]], [y, y], color=style.GRID, linewidth=1)
        span = spans.get(row["label"])
        if span is not None and np.isfinite(span.low):
            ax.plot([span.low, span.high], [y, y], color=style.BLUE, linewidth=2.2, alpha=0.45)
        ax.plot(row[number], y, "o", color=style.BLUE, markersize=4.5)
    style.rows(ax, [row.get("name") or row["label"] for row in table])
    ax.set_xlim(0, 1)
    title = f"the {most} worst; {left_out} more" if left_out else ""
    return style.label(ax, number, "", title, grid="x")


def confusion(matrix: Any, ax: Any = None, *, names: Mapping[Any, str] | None = None,
              most: int = 20) -> Any:  # fmt: skip
    """Rows: classes of the ground truth; columns: of the detections; shares of the row.

    Beyond `most` classes those with the most confusion are drawn and the others are summed.
    """
    counts, titles = _largest(matrix, _names(matrix, names), most)
    n = len(titles)
    ax = style.axes(ax, 2.2 + 0.24 * n, 1.6 + 0.24 * n)
    total = counts.sum(1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    ax.imshow(
        np.sqrt(share), cmap=style.shades(), vmin=0, vmax=1, aspect="auto", interpolation="none"
    )
    size = 7.5 if n <= 12 else 5.5
    for i, j in zip(*np.nonzero(counts), strict=True):
        text = f"{counts[i, j]:,}" if counts[i, j] < 10_000 else f"{counts[i, j] / 1000:.0f}k"
        if n <= 24:
            color = style.ON_BLUE if share[i, j] > 0.36 else style.INK
            ax.text(j, i, text, ha="center", va="center", fontsize=size, color=color)
    small = "small" if n <= 12 else "x-small"
    ax.set_xticks(range(n), [*titles[:-1], "(missed)"], rotation=90, fontsize=small)
    ax.set_yticks(range(n), [*titles[:-1], "(nothing)"], fontsize=small)
    style.plain([*ax.get_xticklabels(), *ax.get_yticklabels()])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return style.label(ax, "detected as", "ground truth", grid="")


def _largest(matrix: Any, names: Sequence[str], most: int) -> tuple[Array, list[str]]:
    """Counts with the last row and column the background, and what to call them."""
    counts, titles = np.asarray(matrix.matrix), [style.short(name, 16) for name in names]
    k = len(titles)
    if k > most:
        between = counts[:k, :k] * ~np.eye(k, dtype=bool)
        confused = between.sum(0) + between.sum(1)
        kept = np.sort(np.argsort(-confused, kind="stable")[:most])
        place = np.full(k + 1, most)
        place[kept], place[k] = np.arange(most), most + 1
        summed = np.zeros((most + 2, most + 2), np.int64)
        np.add.at(summed, (place[:, None], place[None, :]), counts)
        return summed, [*(titles[i] for i in kept), f"({k - most} others)", ""]
    return counts, [*titles, ""]


ERROR_WORDS = {
    "Cls": "wrong class", "Loc": "loose box", "Both": "class and box", "Dupe": "duplicate",
    "Bkg": "background", "Miss": "missed", "FalsePos": "all false positives",
    "FalseNeg": "all false negatives",
}  # fmt: skip


def error_bars(errors: Any, ax: Any = None, *, others: Mapping[str, Any] | None = None,
               name: str = "first") -> Any:  # fmt: skip
    """Points of AP that mending each type of error would gain."""
    ax = style.axes(ax)
    models = {name: errors, **(others or {})}
    keys = [*errors.main, *errors.special]
    width = 0.8 / len(models)
    for i, (model, found) in enumerate(models.items()):
        values = np.array([{**found.main, **found.special}[key] for key in keys])
        at = np.arange(len(keys)) + (i - (len(models) - 1) / 2) * width
        ax.barh(at, values, width * 0.92, color=style.SERIES[i % 6], label=model)
        for y, key, value in zip(at, keys, values, strict=True):
            count = f"  ({found.counts[key]:,})" if key in found.counts and len(models) == 1 else ""
            ax.text(value, y, f" {value:.2f}{count}", va="center", fontsize="small")
    style.rows(ax, [ERROR_WORDS[key] for key in keys], size="medium")
    ax.margins(x=0.22)
    ax.set_xlim(left=0)
    style.label(ax, f"points of AP at IoU {errors.iou:g}", grid="x")
    if len(models) > 1:
        style.legend(ax)
    return ax


def reliability(calibration: Any, ax: Any = None, *, label: Any = None,
                others: Mapping[str, Any] | None = None, name: str = "first") -> Any:  # fmt: skip
    """Precision against confidence, bin by bin; on the diagonal confidence is honest."""
    ax = style.axes(ax)
    k = -1 if label is None else _place(calibration, label)
    ax.plot([0, 1], [0, 1], color=style.MUTED, linewidth=0.9, linestyle="--", label="honest")
    for i, (model, found) in enumerate({name: calibration, **(others or {})}.items()):
        x, y, count = found.confidence[k], found.precision[k], found.count[k]
        sizes = 16 + 80 * np.sqrt(count / max(1, count.max(initial=0)))
        color = style.SERIES[i % 6]
        error = f"{found.expected_error[k]:.3f}" if np.isfinite(found.expected_error[k]) else "-"
        what = "expected error" if not others else f"{style.short(model)}, expected error"
        ax.plot(x, y, color=color, linewidth=1.5, label=f"{what} {error}")
        ax.scatter(x, y, s=sizes, color=color, alpha=0.6, linewidths=0)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.02)
    style.label(ax, "mean confidence of the bin", f"precision at IoU {calibration.iou:g}")
    style.legend(ax)
    return ax


def best_confidence(best: Any, ax: Any = None, *, names: Mapping[Any, str] | None = None,
                    most: int = MOST_ROWS) -> Any:  # fmt: skip
    """The confidence of largest F1 of each class, and that F1."""
    titles = _names(best, names)
    there = np.flatnonzero(np.isfinite(best.f1[:-1]))
    order = there[np.argsort(best.f1[there], kind="stable")][:most]
    ax = style.axes(ax, height=style.row_height(len(order)))
    y = np.arange(len(order))
    ax.plot(best.f1[order], y, "o", color=style.GREEN, markersize=4.5, label="F1")
    ax.plot(best.confidence[order], y, "|", color=style.INK, markersize=8, label="confidence")
    style.rows(ax, [titles[i] for i in order])
    ax.set_xlim(0, 1.02)
    style.label(ax, grid="x")
    style.legend(ax)
    return ax


def failures(found: Any, ax: Any = None) -> Any:
    """How many failures of each type."""
    ax = style.axes(ax)
    counts = found.counts()
    ax.barh(range(len(counts)), list(counts.values()), color=style.BLUE)
    style.rows(ax, [ERROR_WORDS[key] for key in counts], size="medium")
    return style.label(ax, "failures", grid="x")


def image_scores(scores: Any, ax: Any = None, *, number: str = "ap") -> Any:
    """How many images have which score."""
    ax = style.axes(ax)
    values = scores[number]
    ax.hist(values[np.isfinite(values)], 40, color=style.BLUE, alpha=0.85)
    return style.label(ax, f"{number} of an image", "images", grid="y")
