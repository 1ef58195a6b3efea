"""`tamis compare` and `tamis agreement`."""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tamis


def add_commands(commands: Any) -> None:
    command = commands.add_parser("compare", help="which of two results files is better, and where")
    command.add_argument("gt", metavar="GT", help="COCO ground truth, JSON")
    command.add_argument("a", metavar="A", help="COCO results of the first model, JSON")
    command.add_argument("b", metavar="B", nargs="+", help="COCO results of others, JSON")
    command.add_argument(
        "--slices", metavar="FILE.csv", help="attributes of images: image_id or file_name, others"
    )
    command.add_argument("--type", choices=("bbox", "segm", "keypoints"), default="bbox")
    command.add_argument("--samples", type=int, default=1000, help="default 1000")
    command.add_argument("--seed", type=int, default=0, help="default 0")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=compare)

    command = commands.add_parser("agreement", help="what changed between two label versions")
    command.add_argument("old", metavar="OLD", help="COCO ground truth, JSON")
    command.add_argument("new", metavar="NEW", help="COCO ground truth, JSON")
    command.add_argument("--iou", type=float, default=0.5, help="of one object, default 0.5")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=agreement)


def compare(args: argparse.Namespace) -> None:
    from tamis.coco import COCO, COCOeval

    paths = [args.a, *args.b]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(args.gt)
        models = []
        for path in paths:
            e = COCOeval(truth, truth.loadRes(path), args.type)
            e.evaluate()
            models.append(e)
    table = read_attributes(args.slices, truth, models[0].params.imgIds) if args.slices else None
    found = tamis.compare(
        *models, samples=args.samples, permutations=args.samples, seed=args.seed, slices=table,
        names=[Path(path).stem for path in paths], progress=sys.stderr.isatty(),
    )  # fmt: skip
    print(json.dumps(found.to_dict()) if args.json else report(found, truth))


def report(found: Any, truth: Any) -> str:
    """The comparison, with its slices, classes and images."""
    lines = [str(found)]
    for other in found.against:
        main = next(iter(other.stats))
        lines += [f"  {name}: {main} {d[main]}" for name, d in other.slices.items()]
        sure = [(k, d[main]) for k, d in other.per_class.items() if d[main].q < 0.05]
        if sure:
            lines.append(f"classes of {other.name} that differ ({main}, false discovery rate 5 %)")
        for label, d in sorted(sure, key=lambda x: x[1].difference):
            lines.append(f"  {truth.cats.get(label, {}).get('name', label)}: {d}")
        for title, images in (("won", other.won), ("lost", other.lost)):
            lines += [f"{title} most: {image}" for image in images]
    return "\n".join(lines)


def read_attributes(path: str, truth: Any, image_ids: Any) -> dict[str, NDArray[Any]]:
    """One array of strings per attribute, in the order of the images; "" for a missing value."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = list(rows[0]) if rows else []
    key = next((c for c in ("image_id", "file_name") if c in columns), None)
    if key is None:
        raise ValueError(f"{path}: must have a column image_id or file_name, got {columns}")
    keys = [str(i) for i in image_ids]
    if key == "file_name":
        keys = [str(truth.imgs[i].get("file_name", "")) for i in image_ids]
    place = {value: at for at, value in enumerate(keys)}
    table = {
        c: np.full(len(keys), "", object) for c in columns if c not in ("image_id", "file_name")
    }
    for row in rows:
        if row[key] not in place:
            raise ValueError(f"{path}: {key} {row[key]!r} is not in the ground truth")
        for column, values in table.items():
            values[place[row[key]]] = row[column] or ""
    return table


def agreement(args: argparse.Namespace) -> None:
    from tamis.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        old, new = COCO(args.old), COCO(args.new)
    found = tamis.agreement(old, new, iou=args.iou)
    print(json.dumps(found.to_dict()) if args.json else found)
