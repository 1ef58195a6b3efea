"""The `tamis` command: parse, call, print."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

import tamis
from tamis._commands import compare, selection
from tamis._commands import eval as evaluate
from tamis._commands.output import check_output, print_json, table, tell
from tamis.annotations.command import add_check
from tamis.embeddings.files import write_table
from tamis.reports import command as report_command
from tamis.shards import command as shards


def demo(args: argparse.Namespace) -> None:
    from tamis import _demo, _demo_files

    if args.files is not None:
        paths = _demo_files.write(args.files)
        print_json({"files": paths}) if args.json else print(*paths, sep="\n")
        return
    rows, path = _demo.run(), _demo.report()
    if args.json:
        answers = {f"{part}: {question}": answer for part, question, answer in rows}
        print_json({**answers, "report": path})
        return
    print(table([("part", "question", "answer"), *rows]))
    missing = "no report: pip install tamis[report]"
    print(f"\n{missing if path is None else f'report with pictures: {path}'}")


def duplicates(args: argparse.Namespace) -> None:
    check_output(args, [args.gt])
    boxes, splits, labels, names, images = labelled_boxes(args.gt)
    found = tamis.find_duplicate_boxes(
        boxes, splits, labels=None if args.any_label else np.array(labels, np.int64),
        threshold=args.threshold,
        method=args.method, fmt="xywh",
    )  # fmt: skip
    rows = [
        (names[row], names[of], images[row], float(iou))
        for row, of, iou in zip(found.duplicates, found.of, found.iou, strict=True)
    ]
    columns = ("annotation", "repeats", "image", "IoU")
    if args.output:
        write_table(args.output, {c: [row[i] for row in rows] for i, c in enumerate(columns)})
    text = f"no duplicates among {len(boxes)} boxes"
    if rows:
        text = table([columns, *((*map(str, row[:3]), f"{row[3]:.4f}") for row in rows)])
    tell(args, text, [dict(zip(columns, row, strict=True)) for row in rows])


def labelled_boxes(path: str) -> tuple[Any, Any, Any, list[Any], list[Any]]:
    """(boxes xywh, splits, labels, what to call each box, its image) of label files."""
    from tamis.coco import COCO

    if not path.endswith(".json"):
        a = tamis.read(path).as_xywh()
        images = [a.image_name(i) for i in a.image_index.tolist()]
        return a.boxes, a.splits, a.labels, [a.where(i) for i in range(len(a))], images
    with contextlib.redirect_stdout(io.StringIO()):
        anns = COCO(path).dataset["annotations"]
    boxes = read_boxes(path, anns)
    order = sorted(range(len(anns)), key=lambda i: anns[i]["image_id"])
    anns, boxes = [anns[i] for i in order], boxes[order]
    _, counts = np.unique([ann["image_id"] for ann in anns], return_counts=True)
    labels = [ann["category_id"] for ann in anns]
    splits = np.concatenate([[0], np.cumsum(counts)])
    return boxes, splits, labels, [a["id"] for a in anns], [a["image_id"] for a in anns]


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


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="tamis", description="A fine sieve for vision datasets.")
    top.add_argument("--version", action="version", version=f"tamis {tamis.__version__}")
    commands = top.add_subparsers(required=True, metavar="command")

    command = commands.add_parser("demo", help="run every feature on a small synthetic data set")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument(
        "--files", metavar="FOLDER", help="write its data as the files of the guides instead"
    )
    command.set_defaults(run=demo)

    evaluate.add_command(commands)
    add_check(commands)

    command = commands.add_parser(
        "duplicates",
        help="find duplicate boxes in a ground-truth file",
        epilog="example: tamis duplicates gt.json -o repeats.csv",
    )
    command.add_argument("gt", metavar="GT", help="COCO ground truth, or labels of any format")
    command.add_argument("-o", "--output", metavar="FILE", help="write them: .csv .json .parquet")
    command.add_argument("--threshold", type=float, default=0.99, help="of IoU, default 0.99")
    command.add_argument("--method", choices=("simple", "greedy", "groups"), default="simple")
    command.add_argument("--any-label", action="store_true", help="compare across labels too")
    command.add_argument("--json", action="store_true", help="print one JSON array")
    command.set_defaults(run=duplicates)

    compare.add_commands(commands)
    selection.add(commands)
    report_command.add(commands)
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
