"""Evaluations over shards of images have the bits of one evaluator, at 24 bytes a detection."""

from __future__ import annotations

import itertools
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
import tamis.shards
from shard_files import run_in_any_order

CUTS = [0, 0, 13, 14, 50, 80]  # of images: an empty shard, and one of a single image


def images(kind: str, count: int, first: int) -> tuple[Any, Any]:
    """Detections beside jittered ground truths, with scores that tie."""
    preds, targets = [], []
    for image in range(first, first + count):
        rng = np.random.default_rng(image)
        n, m = rng.integers(0, 14), rng.integers(0, 8)
        corner, side = rng.integers(0, 80, (m, 2)), rng.integers(4, 60, (m, 2))
        boxes = np.hstack([corner, corner + side]).astype(np.float64)
        which = rng.integers(0, max(m, 1), n if m else 0)
        found = boxes[which] + rng.integers(-3, 4, (len(which), 4))
        pred: Any = {
            "scores": rng.integers(0, 20, len(which)) / 20, "labels": rng.integers(0, 3, len(which))
        }  # fmt: skip
        target: Any = {"labels": rng.integers(0, 3, m), "iscrowd": rng.integers(0, 8, m) == 0}
        for side_of, given in ((pred, found), (target, boxes)):
            if kind == "bbox":
                side_of["boxes"] = given
            elif kind == "segm":
                grid = np.arange(140)
                inside = (grid >= given[:, :1]) & (grid < given[:, 2:3])
                down = (grid >= given[:, 1:2]) & (grid < given[:, 3:4])
                side_of["masks"] = down[:, :, None] & inside[:, None, :]
            else:
                points = given[:, None, :2] + np.arange(34).reshape(17, 2)
                seen = np.full((len(given), 17, 1), 2.0)
                side_of["keypoints"] = np.concatenate([points, seen], axis=2)
        if kind == "keypoints":
            target["area"] = (side[:, 0] * side[:, 1]).astype(np.float64)
        preds.append(pred)
        targets.append(target)
    return preds, targets


def read(path: str) -> tuple[Any, ...]:
    """What a shard, named as KIND FIRST END, holds."""
    kind, first, end = Path(path).read_text().split()
    return images(kind, int(end) - int(first), int(first))


def read_named(path: str) -> tuple[Any, ...]:
    """The same, and the ids of images, in descending order."""
    kind, first, end = Path(path).read_text().split()
    preds, targets = images(kind, int(end) - int(first), int(first))
    return preds[::-1], targets[::-1], list(range(int(end) - 1, int(first) - 1, -1))


def shards(folder: Path, kind: str) -> list[str]:
    paths = []
    for i, (a, b) in enumerate(itertools.pairwise(CUTS)):
        paths.append(str(folder / f"s{i}.txt"))
        Path(paths[-1]).write_text(f"{kind} {a} {b}")
    return paths


def same(a: Any, b: Any) -> None:
    assert a.stats == b.stats and np.array_equal(a.classes, b.classes)
    for name in ("precision", "recall", "scores"):
        x, y = getattr(a, name), getattr(b, name)
        assert x.dtype == y.dtype and np.array_equal(x, y)


@pytest.mark.parametrize("reader", [read, read_named])
@pytest.mark.parametrize("kind", ["bbox", "segm", "keypoints"])
def test_the_same_as_one_evaluator(tmp_path: Path, kind: str, reader: Any) -> None:
    plan = tamis.shards.plan_evaluation(
        shards(tmp_path, kind), read=reader, state=str(tmp_path / "state"), iou_type=kind
    )
    whole = tamis.DetectionEvaluator(iou_type=kind)
    whole.update(*images(kind, CUTS[-1], 0))
    wanted = whole.compute()
    assert 0.02 < wanted.stats["AP"] < 0.98
    same(run_in_any_order(plan), wanted)
    same(tamis.shards.open_plan(plan.state).merge(), wanted)
    same(pickle.loads(pickle.dumps(plan)).merge(), wanted)


def test_settings_are_kept(tmp_path: Path) -> None:
    settings: Any = {
        "iou_thresholds": np.array([0.3, 0.6]), "max_detections": (1, 2, 5), "fmt": "xyxy",
        "area_ranges": {"all": (0, 1e10), "small": (0, 900.0)}, "classes": {0: "a", 1: "b", 2: "c"},
    }  # fmt: skip
    plan = tamis.shards.plan_evaluation(
        shards(tmp_path, "bbox"), read=read, state=str(tmp_path / "state"), **settings
    )
    whole = tamis.DetectionEvaluator(**settings)
    whole.update(*images("bbox", CUTS[-1], 0))
    again = tamis.shards.open_plan(plan.state)
    again.run_all()
    same(again.merge(), whole.compute())
    with pytest.raises(ValueError, match="is of other parameters"):
        tamis.shards.plan_evaluation(
            shards(tmp_path, "bbox"), read=read, state=str(tmp_path / "state")
        )


def test_bytes_of_a_detection(tmp_path: Path) -> None:
    path = tmp_path / "s.txt"
    path.write_text("bbox 0 2000")
    plan = tamis.shards.plan_evaluation(str(path), read=read, state=str(tmp_path / "state"))
    plan.run(0)
    with zipfile.ZipFile(Path(plan.state) / "shard-0.npz") as held:
        size = sum(one.file_size for one in held.infolist() if one.filename.startswith("dt"))
    detections = sum(len(pred["scores"]) for pred in read(str(path))[0])
    assert size <= 24 * detections


def test_what_cannot_be_planned(tmp_path: Path) -> None:
    paths = shards(tmp_path, "bbox")
    for reader in (lambda path: read(path), 7, "read"):
        with pytest.raises(ValueError, match="read must be a function at the top of a module"):
            tamis.shards.plan_evaluation(paths, read=reader, state=str(tmp_path / "s"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="iou_type must be one of"):
        tamis.shards.plan_evaluation(paths, read=read, state=str(tmp_path / "s"), iou_type="no")
    Path(paths[2]).write_text("bbox 3")
    plan = tamis.shards.plan_evaluation(paths, read=read, state=str(tmp_path / "s"))
    with pytest.raises(ValueError, match=r"plan.run: .*s2.txt: not enough values to unpack"):
        plan.run(2)
