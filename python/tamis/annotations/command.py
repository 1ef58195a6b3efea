"""`tamis check`: what is suspicious about label files."""

from __future__ import annotations

import argparse
import json
from typing import Any

from tamis.annotations.read import FORMATS, read


def add_check(commands: Any) -> None:
    """The command, for :mod:`tamis.cli`."""
    command = commands.add_parser("check", help="what is suspicious about label files and results")
    command.add_argument("path", metavar="PATH", help="label file or folder, of any format")
    command.add_argument("--dt", metavar="RESULTS", help="results to check against it")
    command.add_argument("--format", choices=("auto", *FORMATS), default="auto", metavar="NAME",
                         help="of PATH: " + ", ".join(FORMATS))  # fmt: skip
    command.add_argument("--dt-format", choices=("auto", *FORMATS), default="auto", metavar="NAME",
                         help="of RESULTS")  # fmt: skip
    command.add_argument("--images", metavar="FOLDER", help="image files, whose sizes are compared")
    command.add_argument("--split", help="train, val, test or all of a data set with several")
    command.add_argument(
        "--strict", action="store_true", help="exit with 1 for errors and warnings"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print the report; leave with 1 where ``--strict`` says so."""
    from tamis.annotations.check import check

    gt = read(args.path, args.format, images=args.images, split=args.split)
    dt = None if args.dt is None else read(args.dt, args.dt_format, like=gt)
    report = check(gt, dt, args.images)
    print(json.dumps(report.to_dict(), allow_nan=False) if args.json else report)
    if args.strict and not report.ok:
        raise SystemExit(1)
