"""`tamis report` and `tamis map`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from tamis._commands.output import check_output
from tamis.embeddings.drift_annotations import is_annotations
from tamis.embeddings.files import (
    read_column,
    read_embeddings,
    read_names,
    read_rows,
    write_table,
)
from tamis.reports.report import KINDS


def add(commands: Any) -> None:
    """The commands, to the subparsers of `tamis`."""
    command = commands.add_parser(
        "report", help="one HTML file: an evaluation, embeddings, or drift",
        epilog="example: tamis report gt.json a.json b.json --images val -o report.html",
    )  # fmt: skip
    command.set_defaults(run=report)
    command.add_argument("gt", metavar="GT", nargs="?", help="label file or folder, of any format")
    command.add_argument("dt", metavar="DT", nargs="*", help="results of one model each")
    command.add_argument(
        "-o", "--output", metavar="FILE.html", default="report.html", help="default report.html"
    )
    command.add_argument("--json", metavar="FILE.json", help="write all numbers beside it")
    command.add_argument("--images", metavar="FOLDER", help="image files, for galleries")
    command.add_argument(
        "--iou-type", choices=("auto", *KINDS), default="auto",
        help="what is compared; auto: keypoints, else masks, where all have them",
    )  # fmt: skip
    command.add_argument("--slices", metavar="FILE.csv", help="attributes of images")
    command.add_argument(
        "--embeddings", metavar="X", help="(N, D) floats: .npy .npz .parquet .arrow .safetensors"
    )
    command.add_argument("--names", metavar="FILE", help="what to call the rows, file names")
    command.add_argument("--splits", metavar="FILE", help="the split of each row: leaks")
    command.add_argument("--labelled", metavar="FILE", help="names of labelled rows: coverage")
    command.add_argument("--failures", metavar="FILE", help="names of rows a model got wrong")
    command.add_argument("--scores", metavar="SCORES.npy", help="instead of zcore's")
    command.add_argument("--map", metavar="XY.npy", help="(N, 2) coordinates; default PCA's")
    command.add_argument("--threshold", type=float, help="of near-duplicates; default automatic")
    command.add_argument("--count", type=int, default=100, help="of coreset and batch, default 100")
    command.add_argument(
        "--drift", nargs=2, metavar=("REFERENCE", "BATCH"), help="embeddings or label files"
    )
    command.add_argument(
        "--interactive", action="store_true", help="a map to draw on (tamis[interactive])"
    )
    command.add_argument("--title")
    command.add_argument("--date", help="to show; without one equal input gives equal bytes")
    command.add_argument("--tiles", type=int, default=48, help="pictures a gallery, default 48")
    command.add_argument("--samples", type=int, default=1000, help="default 1000; 0: no intervals")
    command.add_argument("--seed", type=int, default=0, help="default 0")

    command = commands.add_parser(
        "map", help="a table of x, y, zcore, uniqueness and neighbours, for browsers of embeddings",
        epilog="example: tamis map x.npy -o map.parquet; embedding-atlas map.parquet --x x --y y"
        " --neighbors neighbors",
    )  # fmt: skip
    command.set_defaults(run=make_map)
    command.add_argument("embeddings", metavar="X", help="as for tamis near-duplicates")
    command.add_argument("--names", metavar="FILE", help="what to call the rows")
    command.add_argument("-o", "--output", metavar="FILE", required=True, help=".parquet or .json")
    command.add_argument("--method", choices=("umap", "pacmap", "pca"), default="umap")
    command.add_argument("-k", type=int, default=15, help="neighbours of a row, default 15")
    command.add_argument("--draws", type=int, default=1_000_000, help="of zcore, default 1,000,000")
    command.add_argument("--seed", type=int, default=0, help="default 0")


def report(args: argparse.Namespace) -> None:
    import tamis
    from tamis._commands.compare import read_attributes
    from tamis.annotations.read import read

    gt, by = args.gt, None
    if gt is not None and args.slices:
        gt = read(gt)
        gt = gt.select(gt.listed)
        ids = gt.image_ids.tolist()
        files = {i: {"file_name": name} for i, name in zip(ids, gt.image_names, strict=True)}
        by = read_attributes(args.slices, SimpleNamespace(imgs=files), ids)
    tamis.report(
        args.output, gt, *args.dt, **_rows(args), **_batches(args.drift), images=args.images,
        iou_type=args.iou_type, slices=by, title=args.title, date=args.date,
        json=args.json, tiles=args.tiles, samples=args.samples, seed=args.seed,
        interactive=args.interactive, progress=sys.stderr.isatty(),
    )  # fmt: skip
    size = Path(args.output).stat().st_size
    print(f"{args.output} ({size / 1e6:.2f} MB)")


def _rows(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of embeddings, read from their files."""
    if args.embeddings is None:
        given = ("names", "splits", "labelled", "failures", "scores", "map", "threshold")
        alone = [f"--{name}" for name in given if getattr(args, name) is not None]
        if alone:
            raise ValueError(f"{alone[0]} needs --embeddings")
        return {}
    x = read_embeddings(args.embeddings)
    names = read_names(args.names, len(x))
    rows = {
        key: None if path is None else read_rows(path, names, len(x))
        for key, path in (("labelled", args.labelled), ("failures", args.failures))
    }
    return {
        **rows, "embeddings": x, "names": names, "threshold": args.threshold, "count": args.count,
        "splits": None if args.splits is None else read_column(args.splits),
        "scores": None if args.scores is None else np.load(args.scores, allow_pickle=False),
        "xy": None if args.map is None else np.load(args.map, allow_pickle=False),
    }  # fmt: skip


def _batches(paths: list[str] | None) -> dict[str, Any]:
    if paths is None:
        return {}
    labels = all(path.endswith(".json") and is_annotations(path) for path in paths)
    reference, batch = paths if labels else [read_embeddings(path) for path in paths]
    return {"reference": reference, "batch": batch}


def make_map(args: argparse.Namespace) -> None:
    """`tamis map`: a table of x, y and what is known of each row."""
    import tamis

    check_output(args, [args.embeddings, args.names])
    x = read_embeddings(args.embeddings)
    names = read_names(args.names, len(x))
    progress = sys.stderr.isatty()
    xy = tamis.map2d(x, args.method, k=min(15, len(x) - 1), seed=args.seed, progress=progress)
    k = min(args.k, len(x) - 1)
    found: Any = tamis.knn(x, k, metric="cosine", progress=progress)
    far, near = found
    scores = tamis.zcore(
        x, n_samples=args.draws, redundancy_nn=min(1000, len(x) - 1), seed=args.seed,
        progress=progress,
    )  # fmt: skip
    columns = {
        "name": names if names is not None else [str(i) for i in range(len(x))],
        "x": xy[:, 0].tolist(), "y": xy[:, 1].tolist(), "zcore": scores.tolist(),
        "uniqueness": tamis.uniqueness(x, progress=progress).tolist(),
        "neighbors": [
            {"ids": ids, "distances": distances}
            for ids, distances in zip(near.tolist(), far.tolist(), strict=True)
        ],
    }  # fmt: skip
    write_table(args.output, columns)
    print(f"{args.output} ({len(x)} rows)")
