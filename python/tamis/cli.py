"""The `tamis` command: parse, call, print."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

import tamis
from tamis import _cli_compare, _cli_eval, _cli_selection
from tamis._shared import output
from tamis.annotations.command import add_check
from tamis.shards import command as shards


def table(rows: list[tuple[str, ...]]) -> str:
    """Left-aligned columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def print_json(value: Any) -> None:
    """One line of JSON, with null for what it has no number for."""

    def known(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: known(item) for key, item in part.items()}
        if isinstance(part, (list, tuple)):
            return [known(item) for item in part]
        return None if isinstance(part, float) and not math.isfinite(part) else part

    print(json.dumps(known(value), allow_nan=False))


def demo(args: argparse.Namespace) -> None:
    from tamis import _demo

    rows = _demo.run()
    if args.json:
        print_json({f"{part}: {question}": answer for part, question, answer in rows})
    else:
        print(table([("part", "question", "answer"), *rows]))


def uniqueness(args: argparse.Namespace) -> None:
    check_options(args)
    x = load(args.embeddings)
    progress = sys.stderr.isatty()
    score = tamis.uniqueness(
        x, k=args.k, metric=args.metric, compat="brain" if args.brain else None, progress=progress
    )
    if args.output:
        save(args.output, score)
    order = np.argsort(score, kind="stable")
    least, most = order[: args.top].tolist(), order[::-1][: args.top].tolist()
    if args.json:
        found = {"rows": len(score), "median": float(np.median(score))} if len(score) else {}
        print_json({**found, "least": least, "most": most})
    else:
        cells = [
            (str(a), f"{score[a]:.4f}", str(b), f"{score[b]:.4f}")
            for a, b in zip(least, most, strict=True)
        ]
        print(table([("least unique", "score", "most unique", "score"), *cells]))


def zcore(args: argparse.Namespace) -> None:
    check_options(args)
    x = load(args.embeddings)
    score = tamis.zcore(
        x, n_samples=args.draws, seed=args.seed, checkpoint=args.checkpoint,
        progress=sys.stderr.isatty(),
    )  # fmt: skip
    if args.output:
        save(args.output, score)
    chosen = tamis.select_coreset(score, count=min(args.top, len(score))).tolist()
    if args.json:
        print_json({"rows": len(score), "first": chosen})
    else:
        print(table([("row", "score"), *((str(i), f"{score[i]:.4f}") for i in chosen)]))


def duplicates(args: argparse.Namespace) -> None:
    from tamis.coco import COCO

    with contextlib.redirect_stdout(io.StringIO()):
        anns = COCO(args.gt).dataset["annotations"]
    boxes = read_boxes(args.gt, anns)
    order = sorted(range(len(anns)), key=lambda i: anns[i]["image_id"])
    anns, boxes = [anns[i] for i in order], boxes[order]
    _, counts = np.unique([ann["image_id"] for ann in anns], return_counts=True)
    found = tamis.find_duplicate_boxes(
        boxes,
        np.concatenate([[0], np.cumsum(counts)]),
        labels=None if args.any_label else np.array([ann["category_id"] for ann in anns], np.int64),
        threshold=args.threshold, method=args.method, fmt="xywh",
    )  # fmt: skip
    rows = [
        (anns[row]["id"], anns[of]["id"], anns[row]["image_id"], float(iou))
        for row, of, iou in zip(found.duplicates, found.of, found.iou, strict=True)
    ]
    names = ("annotation", "repeats", "image", "IoU")
    if args.json:
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    elif not rows:
        print(f"no duplicates among {len(anns)} boxes")
    else:
        print(table([names, *((*map(str, row[:3]), f"{row[3]:.4f}") for row in rows)]))


def read_boxes(path: str, anns: Any) -> Any:
    """(n, 4) float64 boxes of annotations."""
    if not isinstance(anns, list):
        raise ValueError(f"{path}: annotations must be a list, got {type(anns).__name__}")
    for i, ann in enumerate(anns):
        box = ann["bbox"]
        if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
            which = f"annotations[{i}] (id {ann.get('id')!r})"
            raise ValueError(f"{path}: bbox of {which} must be 4 numbers x, y, w, h, got {box!r}")
    return np.array([ann["bbox"] for ann in anns], np.float64).reshape(-1, 4)


def is_number(x: Any) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def check_options(args: argparse.Namespace) -> None:
    """Raise, before any work, for options of embeddings that cannot be met in the end."""
    if args.top < 0:
        raise ValueError(f"--top must be 0 or more, got {args.top}")
    checkpoint = getattr(args, "checkpoint", None)
    if args.output is not None:
        output.check("--output", args.output, (args.embeddings, checkpoint))
    if checkpoint is not None:
        output.check("--checkpoint", checkpoint, (args.embeddings,))


def load(path: str) -> Any:
    """The array of a .npy file, left on disk."""
    output.check_readable("embeddings", path)
    try:
        x = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError):
        x = None
    if not isinstance(x, np.ndarray):  # a .npz file, or none at all
        raise ValueError(f"{path} is not a .npy file of numbers")
    return x


def save(path: str, values: Any) -> None:
    output.write("--output", path, lambda file: np.save(file, values))


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="tamis", description="A fine sieve for vision datasets.")
    top.add_argument("--version", action="version", version=f"tamis {tamis.__version__}")
    commands = top.add_subparsers(required=True, metavar="command")

    command = commands.add_parser("demo", help="run every feature on a small synthetic data set")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=demo)

    _cli_eval.add_command(commands)
    add_check(commands)

    command = commands.add_parser("duplicates", help="find duplicate boxes in a ground-truth file")
    command.add_argument("gt", metavar="GT", help="COCO ground truth, JSON")
    command.add_argument("--threshold", type=float, default=0.99, help="of IoU, default 0.99")
    command.add_argument("--method", choices=("simple", "greedy", "groups"), default="simple")
    command.add_argument("--any-label", action="store_true", help="compare across labels too")
    command.add_argument("--json", action="store_true", help="print one JSON array")
    command.set_defaults(run=duplicates)

    command = commands.add_parser("uniqueness", help="the least and the most unique embeddings")
    command.add_argument("embeddings", metavar="X.npy", help="(N, D) array, read as it is needed")
    command.add_argument("-o", "--output", metavar="SCORES.npy", help="write the (N,) scores")
    command.add_argument("-k", type=int, default=3, help="neighbours, default 3")
    command.add_argument("--metric", choices=("cosine", "euclidean"), default="cosine")
    command.add_argument("--brain", action="store_true", help="FiftyOne Brain's own numbers")
    command.add_argument("--top", type=int, default=10, metavar="N", help="rows shown, default 10")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=uniqueness)

    command = commands.add_parser("zcore", help="the embeddings to label first")
    command.add_argument("embeddings", metavar="X.npy", help="(N, D) array, read as it is needed")
    command.add_argument("-o", "--output", metavar="SCORES.npy", help="write the (N,) scores")
    command.add_argument("--draws", type=int, default=1_000_000, help="default 1,000,000")
    command.add_argument("--seed", type=int, default=0, help="default 0")
    command.add_argument(
        "--checkpoint", metavar="FILE", help="file to save progress to and resume from"
    )
    command.add_argument("--top", type=int, default=10, metavar="N", help="rows shown, default 10")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=zcore)
    _cli_compare.add_commands(commands)
    _cli_selection.add(commands)
    shards.add(commands)
    return top


def reason(error: Exception) -> str:
    """One line for bad input; of label files a line for each problem."""
    if isinstance(error, tamis.AnnotationError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if type(error) is KeyError:
        return f"missing field {error}"
    if isinstance(error, IndexError):
        return "there are no results"
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 1: a check failed, 2: bad input, 3: a gate, 130: Ctrl-C."""
    args = parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code: int | None = args.run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # the reader has gone; nothing is left to say, at exit neither
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("tamis: interrupted", file=sys.stderr)
        return 130
    except Exception as error:  # whatever it is, the reader of a command line gets one line
        print(f"tamis: {reason(error)}", file=sys.stderr)
        return 2
    return code or 0
