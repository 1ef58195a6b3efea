"""`tamis eval`: what is read, evaluated, printed and written."""

from __future__ import annotations

import argparse
import contextlib
import sys
import textwrap
from typing import Any

from tamis._commands import eval_report as report
from tamis._commands.eval_sources import Steps, evaluated, lvis
from tamis._shared.progress import reporter, telling
from tamis.evaluation import gates

TOO_LOW = 3  # exit code
KINDS = ("auto", "bbox", "segm", "boundary", "keypoints", "obb")


def add_command(commands: Any) -> None:
    from tamis.annotations.read import FORMATS

    command = commands.add_parser(
        "eval", help="AP and AR of results, of any label format",
        epilog="example: tamis eval data.yaml runs/predict/labels --per-class --sort AP",
    )  # fmt: skip
    add = command.add_argument
    add("gt", metavar="GT", help="ground truth: a file or folder that tamis.read takes")
    add("dt", metavar="DT", help="results")
    add("--iou-type", choices=KINDS, default="auto", help="default: what both files hold")
    add("--format", choices=("auto", *FORMATS), default="auto", metavar="NAME",
        help="of GT: " + ", ".join(FORMATS))  # fmt: skip
    add("--dt-format", choices=("auto", *FORMATS), default="auto", metavar="NAME", help="of DT")
    add("--dt-names", metavar="A,B", help="names of DT's class numbers, or a file with one a line")
    add("--split", help="train, val, test or all of a data set with several")
    add("--image-folder", metavar="FOLDER", help="image files, for formats that need their sizes")
    add("--lvis", action="store_true", help="LVIS' federated evaluation of LVIS files")
    add("--areas", metavar="NAME=LOW:HIGH,...", help="area ranges, square pixels: tiny=0:256")
    add("--max-dets", metavar="A,B,C", help="detections an image and class (keypoints: one number)")
    add("--classes", metavar="A,B", help="only these: names or ids, or a file with one a line")
    add("--images", metavar="A,B", help="only these: file names or ids, or a file with one a line")
    add("--per-class", action="store_true", help="a table by class")
    add("--sort", metavar="COLUMN", help="of that table: name, targets, AP, ...; largest first")
    add("--per-image", action="store_true", help="the worst images, by F1")
    add("--errors", action="store_true", help="TIDE's error types and what each costs")
    add("--confusion", action="store_true", help="which classes are taken for which")
    add("--best-f1", action="store_true", help="the confidence to deploy with, by class")
    add("--calibration", action="store_true", help="how far confidence is from precision")
    add(
        "--confidence", type=float, default=0.25, help="of --per-image and --confusion, %(default)s"
    )
    add("--iou", type=float, default=0.5, help="of all but the summary, default %(default)s")
    add("--top", type=int, default=20, metavar="N", help="rows of tables of images and confusions")
    add("--out", metavar="FOLDER", help="write results.json and a CSV for each table")
    add("--json", action="store_true", help="print one JSON object")
    add("--min", metavar="AP=0.45,AP50=0.6", help="minima: exit code 3 below one of them")
    add("--baseline", metavar="OLD.json", help="results.json of an earlier run: 3 if a number fell")
    add("--tolerance", type=float, default=0.0, help="by how much it may fall; default 0")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.out is not None:
        report.check_folder(args.out)
    least = {} if args.min is None else gates.read_least("--min", args.min)
    before = {} if args.baseline is None else gates.read_baseline("--baseline", args.baseline, None)
    seen = sys.stderr.isatty()
    steps = Steps(reporter(seen, "eval"))
    with telling(steps.part) if seen else contextlib.nullcontext():
        found = lvis(args, steps) if args.lvis else evaluated(args, steps)
        tables = report.tables(found, args)
    steps.end()
    if not args.json:
        for note in found.notes:
            print(textwrap.fill(note, report.WIDTH), file=sys.stderr)
        print(report.text(found, tables, args))
    for line in found.warnings:
        print(line, file=sys.stderr)
    if args.baseline is not None:  # again, now that the kind is known
        before = gates.read_baseline("--baseline", args.baseline, found.kind)
    falls = gates.gate(found.stats, least=least, baseline=before, tolerance=args.tolerance)
    plain = report.to_plain(found, tables)
    if least or before:
        plain["too_low"] = [fall._asdict() for fall in falls]
    if args.json:
        report.print_plain(plain)
    if args.out is not None:
        report.write(args.out, plain, tables)
    if falls:
        print(gates.table(falls), file=sys.stderr)
    return TOO_LOW if falls else 0
