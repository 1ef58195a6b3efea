"""States of several processes, gathered as torchmetrics gathers them."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from torchmetrics_cases import assert_same, images, import_torchmetrics
from two_processes import both_run

detection = import_torchmetrics()
import torch  # noqa: E402
from tamis.torchmetrics import MeanAveragePrecision  # noqa: E402

OPTIONS = {"class_metrics": True, "extended_summary": True}


def fed(cls: Any, pairs: Any, **options: Any) -> Any:
    metric = cls(**OPTIONS, **options)
    metric.update([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    return metric


def work(rank: int) -> None:
    alone = {"sync_on_compute": False}
    pairs = list(zip(*images(1, 12, masks=True), strict=True))
    for _, gt in pairs:  # torchmetrics exchanges tensors of one type only
        gt.setdefault("area", torch.zeros(len(gt["labels"])))
    for iou_type in ("bbox", ("bbox", "segm")):
        want = fed(MeanAveragePrecision, pairs, iou_type=iou_type, **alone).compute()
        ours, theirs = (
            fed(cls, pairs[rank::2], iou_type=iou_type)
            for cls in (MeanAveragePrecision, detection.MeanAveragePrecision)
        )
        assert_same(ours.compute(), want)
        assert_same(theirs.compute(), want)
        assert_same(ours.submit().result(), want)
        assert len(ours.groundtruth_labels) == 6  # its own again
        ours.sync()
        theirs.sync()
        assert_same(ours.metric_state, theirs.metric_state)
        ours.unsync()
        for split in (9, 12):  # other numbers of images; none in the second process
            parts = pairs[:split], pairs[split:]
            rows = itertools.chain(*itertools.zip_longest(*parts))
            in_turn = [pair for pair in rows if pair is not None]
            want = fed(MeanAveragePrecision, in_turn, iou_type=iou_type, **alone).compute()
            assert_same(fed(MeanAveragePrecision, parts[rank], iou_type=iou_type).compute(), want)


def test_two_processes(tmp_path: Path) -> None:
    both_run("import test_torchmetrics_sync", "test_torchmetrics_sync.work(rank)", tmp_path)


def test_a_gathering_function_of_the_callers() -> None:
    pairs = list(zip(*images(2, 5), strict=True))
    options = {
        "dist_sync_fn": lambda tensor, group: [tensor, tensor],
        "distributed_available_fn": lambda: True,
    }
    ours, theirs = (
        fed(cls, pairs, **options) for cls in (MeanAveragePrecision, detection.MeanAveragePrecision)
    )
    assert_same(ours.compute(), theirs.compute())
    twice = [pair for pair in pairs for _ in range(2)]
    assert_same(ours.compute(), fed(MeanAveragePrecision, twice).compute())


def test_submit_is_compute_of_what_was_there() -> None:
    pairs = list(zip(*images(3, 8), strict=True))
    metric = fed(MeanAveragePrecision, pairs[:5])
    want = metric.compute()
    future = metric.submit()
    metric.reset()
    metric.update([pairs[6][0]], [pairs[6][1]])
    assert_same(future.result(), want)
    assert_same(metric.submit().result(), fed(MeanAveragePrecision, pairs[6:7]).compute())
