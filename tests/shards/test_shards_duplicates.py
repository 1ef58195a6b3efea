"""Duplicate boxes over shards of images are those of all images at once."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
import tamis.shards
from shard_files import run_in_any_order

RNG = np.random.default_rng(0)
COUNTS = RNG.integers(0, 12, 60)
SPLITS = np.concatenate([[0], np.cumsum(COUNTS)])
BOXES = RNG.integers(0, 6, (SPLITS[-1], 2)).repeat(2, 1).astype(np.float64)
BOXES[:, 2:] += RNG.integers(4, 7, (SPLITS[-1], 2))
LABELS, SCORES = RNG.integers(0, 2, len(BOXES)), RNG.random(len(BOXES))
CUTS = [0, 0, 17, 18, 60]  # of images: an empty shard, and one of a single image


def lists(values: Any, a: int, b: int) -> list[Any]:
    return [values[SPLITS[i] : SPLITS[i + 1]].tolist() for i in range(a, b)]


def write(folder: Path, suffix: str) -> list[str]:
    paths = []
    for s, (a, b) in enumerate(itertools.pairwise(CUTS)):
        path = folder / f"s{s}{suffix}"
        rows = slice(SPLITS[a], SPLITS[b])
        if suffix == ".npz":
            np.savez(
                path, boxes=BOXES[rows], splits=SPLITS[a : b + 1] - SPLITS[a], labels=LABELS[rows],
                scores=SCORES[rows],
            )  # fmt: skip
        else:
            pa = pytest.importorskip("pyarrow")
            import pyarrow.parquet as pq

            kinds = {"boxes": pa.list_(pa.list_(pa.float64())), "labels": pa.list_(pa.int64())}
            kinds["scores"] = pa.list_(pa.float64())
            columns = {"boxes": BOXES, "labels": LABELS, "scores": SCORES}
            table = {k: pa.array(lists(v, a, b), kinds[k]) for k, v in columns.items()}
            pq.write_table(pa.table(table), path, row_group_size=7)
        paths.append(str(path))
    return paths


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
@pytest.mark.parametrize("method", ["simple", "greedy", "groups"])
def test_the_same_as_all_images_at_once(tmp_path: Path, method: Any, suffix: str) -> None:
    paths = write(tmp_path, suffix)
    scores = "scores" if method == "groups" else None
    plan = tamis.shards.plan_duplicate_boxes(
        paths, state=str(tmp_path / "state"), labels="labels", scores=scores, threshold=0.4,
        method=method,
    )  # fmt: skip
    wanted = tamis.find_duplicate_boxes(
        BOXES, SPLITS, labels=LABELS, scores=SCORES if scores else None, threshold=0.4,
        method=method,
    )  # fmt: skip
    assert len(wanted.duplicates) > 20 and run_in_any_order(plan) == wanted
    assert tamis.shards.open_plan(plan.state).merge() == wanted


def test_errors_name_shard_and_image(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    box = [0.0, 0.0, 1.0, 1.0]
    path = tmp_path / "a.parquet"
    for i, (boxes, labels, said) in enumerate(
        (
            ([[box], [box, box]], [[1], [1]], "row 1 must have as many labels as boxes"),
            ([[box], [box, box[:3]]], [[1], [1, 2]], "row 1 must have boxes of 4 numbers"),
            ([[box], None], [[1], []], "boxes must have no nulls"),
            ([[box], [[0.0, 0.0, np.nan, 1.0]]], [[1], [2]], r"a.parquet: .*boxes"),
        )
    ):
        kinds = pa.list_(pa.list_(pa.float64())), pa.list_(pa.int64())
        table = {"boxes": pa.array(boxes, kinds[0]), "labels": pa.array(labels, kinds[1])}
        pq.write_table(pa.table(table), path)
        plan = tamis.shards.plan_duplicate_boxes(
            str(path), state=str(tmp_path / f"s{i}"), labels="labels"
        )
        with pytest.raises(ValueError, match=said):
            plan.run(0)
    with pytest.raises(ValueError, match=r"a.parquet must have 'classes', it has boxes, labels"):
        tamis.shards.plan_duplicate_boxes(str(path), state=str(tmp_path / "s"), labels="classes")
    with pytest.raises(ValueError, match="scores may only be given with method='groups'"):
        tamis.shards.plan_duplicate_boxes(str(path), state=str(tmp_path / "s"), scores="scores")
    np.savez(tmp_path / "b.npz", boxes=BOXES)
    with pytest.raises(ValueError, match=r"b.npz is no .npz file with splits"):
        tamis.shards.plan_duplicate_boxes(str(tmp_path / "b.npz"), state=str(tmp_path / "s"))
