"""What Open Images evaluates: labels verified in the image, ground truths also as their parents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import fiftyone.core.labels as fol
import fiftyone.utils.eval.openimages as fououi
import numpy as np

from tamis._shared.arrays import Array
from tamis._shared.ragged import runs
from tamis.fiftyone import _bson_columns
from tamis.fiftyone._bson_columns import LabelList
from tamis.fiftyone._matching import Part, Sides


def applies(config: Any) -> bool:
    """Whether the evaluation leaves labels out or adds some."""
    return type(config) is fououi.OpenImagesEvaluationConfig and bool(
        config.pos_label_field or config.neg_label_field or config.expand_gt_hierarchy
    )


def supported(samples: Any, config: Any) -> bool:
    """Whether it can be done here, not in FiftyOne's own function.

    With the predictions' hierarchy expanded, FiftyOne looks candidates up in the wrong category.
    """
    fields = [f for f in (config.pos_label_field, config.neg_label_field) if f]
    types = [getattr(samples.get_field(field), "document_type", None) for field in fields]
    return not config.expand_pred_hierarchy and all(kind is fol.Classifications for kind in types)


def apply(samples: Any, ids: Array, sides: Sides, config: Any) -> Sides | None:
    """The sides as they are evaluated; None where a label is not in the hierarchy."""
    verified = _verified(samples, ids, config)
    kept = [
        _is_verified(side, label, sides.texts, verified)
        for side, label in ((sides.dets, sides.det_label), (sides.gts, sides.gt_label))
    ]
    det, gt = (np.flatnonzero(rows) for rows in kept)
    expanded = _expanded(sides, gt, config)
    if expanded is None:
        return None
    again, label, texts = expanded
    own = np.ones(len(again), bool)
    own[1:] = again[1:] != again[:-1]
    row = gt[again]
    return replace(
        sides,
        dets=_taken(sides.dets, det), det_label=sides.det_label[det],
        confidence=sides.confidence[det], has_confidence=sides.has_confidence[det],
        gts=_taken(sides.gts, row), gt_label=label, crowd=sides.crowd[row], texts=texts,
        parts=(Part(sides.dets, det, np.ones(len(det), bool)), Part(sides.gts, row, own)),
    )  # fmt: skip


def _taken(side: LabelList, rows: Array) -> LabelList:
    counts = np.bincount(side.sample[rows], minlength=len(side.counts))
    return LabelList(side.path, counts, {name: part[rows] for name, part in side.columns.items()})


def _verified(samples: Any, ids: Array, config: Any) -> list[set[Any]] | None:
    """The labels to evaluate in each sample; None for all."""
    found: list[set[Any]] | None = None
    for field, is_positive in ((config.pos_label_field, True), (config.neg_label_field, False)):
        if not field:
            continue
        listed = samples.values(["id", f"{field}.classifications.label"])
        of_sample = dict(zip(*listed, strict=True))
        labels = [of_sample[sample] or [] for sample in _bson_columns.hex_ids(ids)]
        if config.expand_gt_hierarchy:  # what is there is there as its parents, what is not is
            labels = [  # not there as its children
                fououi._expand_label_hierarchy(one, config, expand_child=is_positive)
                for one in labels
            ]
        found = [a | set(b) for a, b in zip(found or [set()] * len(ids), labels, strict=True)]
    return found


def _is_verified(
    side: LabelList, label: Array, texts: list[str], verified: list[set[Any]] | None
) -> Array:
    if verified is None:
        return np.ones(len(side), bool)
    code = {text: i for i, text in enumerate(texts)} | {None: -1}
    width = len(texts) + 1
    pairs = [
        sample * width + code[text] + 1
        for sample, labels in enumerate(verified)
        for text in labels
        if text in code
    ]
    return np.isin(side.sample * width + label + 1, np.array(pairs, np.int64))


def _expanded(sides: Sides, rows: Array, config: Any) -> tuple[Array, Array, list[str]] | None:
    """Which of the rows, under which label: each as itself, then as its parents."""
    label, texts = sides.gt_label[rows], list(sides.texts)
    if not (config.expand_gt_hierarchy and config.classwise):
        return np.arange(len(rows)), label, texts
    parents = config._hierarchy_keyed_child
    code = {text: i for i, text in enumerate(texts)}
    names: list[list[int]] = [[] for _ in texts]
    for own in np.unique(label).tolist():
        if own < 0 or (texts[own] not in parents and texts[own] != "all"):
            return None
        names[own].append(own)
        if texts[own] != "all":  # FiftyOne takes it for no class
            names[own] += [code.setdefault(parent, len(code)) for parent in parents[texts[own]]]
    starts = np.cumsum([0, *map(len, names)])
    counts = np.diff(starts)[label]
    flat = np.array([name for one in names for name in one], np.int32)
    return np.repeat(np.arange(len(rows)), counts), flat[runs(starts[label], counts)], list(code)
