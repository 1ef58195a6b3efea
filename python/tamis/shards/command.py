"""`tamis shards`: plan, run, status, estimate, merge."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import numpy as np

from tamis._shared import output
from tamis._shared.results import Result, plain
from tamis.embeddings.files import read_column
from tamis.shards.neighbours import plan_knn, plan_uniqueness
from tamis.shards.open_plan import open_plan
from tamis.shards.pairs import plan_leaks, plan_near_duplicates
from tamis.shards.zcore import plan_zcore

KINDS = ("knn", "uniqueness", "near_duplicates", "leaks", "zcore")


def make(args: argparse.Namespace) -> None:
    how: dict[str, Any] = {"state": args.state, "column": args.column}
    for name in ("parts", "metric"):
        if getattr(args, name) is not None:
            how[name] = getattr(args, name)
    for name in ("cells", "probes"):
        if getattr(args, name) is not None:
            if args.kind in ("leaks", "zcore"):
                raise ValueError(f"--{name} must be absent for {args.kind}")
            how[name] = getattr(args, name)
    pairs = {"threshold": args.threshold}
    if args.kind == "leaks":
        if args.splits is None:
            raise ValueError("--splits FILE is needed for leaks")
        plan: Any = plan_leaks(args.paths, read_column(args.splits), **how, **pairs)
    elif args.kind == "zcore":
        if args.metric is not None:
            raise ValueError(f"--metric must be absent for zcore, got {args.metric!r}")
        plan = plan_zcore(args.paths, n_samples=args.draws, seed=args.seed, **how)
    elif args.kind == "near_duplicates":
        plan = plan_near_duplicates(args.paths, **how, **pairs)
    else:
        plan = (plan_knn if args.kind == "knn" else plan_uniqueness)(args.paths, k=args.k, **how)
    tell(args, {"tasks": len(plan.tasks), "stages": {s: len(plan.stage(s)) for s in plan.stages}})


def run(args: argparse.Namespace) -> None:
    """One task, the tasks of a stage, or all."""
    plan = open_plan(args.state)
    tasks = plan.tasks if args.stage is None else plan.stage(args.stage)
    if args.stage is not None and not tasks:
        raise ValueError(f"--stage must be one of {', '.join(plan.stages)}, got {args.stage!r}")
    if args.task is not None:
        named = args.task if not args.task.isdecimal() else int(args.task)
        if isinstance(named, int) and named >= len(tasks):
            raise ValueError(f"--task must be 0 to {len(tasks) - 1}, or an id, got {named}")
        tasks = (tasks[named] if isinstance(named, int) else plan.task(named),)
    done = [task.id for task in tasks if plan.run(task, progress=sys.stderr.isatty())]
    tell(args, {"done now": done, "were done": len(tasks) - len(done)})


def status(args: argparse.Namespace) -> int:
    """Exit code 1 while tasks are left."""
    found = open_plan(args.state).status()
    tell(args, found.to_dict())
    return int(bool(found.ready or found.waiting or found.damaged))


def estimate(args: argparse.Namespace) -> None:
    tell(args, open_plan(args.state).estimate(args.nodes, args.cores).to_dict())


def merge(args: argparse.Namespace) -> None:
    output.check("--output", args.output)
    plan = open_plan(args.state)
    found = plan.merge()
    if isinstance(found, Result):
        columns = found._public()
    elif isinstance(found, tuple):
        columns = dict(zip(("distances", "indices"), found, strict=True))
    else:
        columns = {plan.kind: found}
    output.write("--output", args.output, lambda file: np.savez(file, **columns))
    tell(args, {name: list(np.shape(value)) for name, value in columns.items()})


def tell(args: argparse.Namespace, said: dict[str, Any]) -> None:
    if args.json:
        print(json.dumps(plain(said), allow_nan=False))
        return
    for name, value in said.items():
        shown = (
            f"{len(value)}: {' '.join(map(str, value[:8]))}" if isinstance(value, list) else value
        )
        print(f"{name}: {shown}")


def add(commands: Any) -> None:
    """The command and those below it."""
    top = commands.add_parser(
        "shards", help="embeddings in many files, by tasks that run anywhere"
    ).add_subparsers(required=True, metavar="what")

    def command(name: str, call: Any, text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = top.add_parser(name, help=text)
        if name == "plan":
            made.add_argument("kind", choices=KINDS)
        made.add_argument("state", metavar="STATE", help="folder of the plan and its answers")
        made.add_argument("--json", action="store_true", help="print one JSON object")
        made.set_defaults(run=call)
        return made

    made = command("plan", make, "write a plan")
    made.add_argument("paths", nargs="+", metavar="PATH", help=".npy or Parquet files, or folders")
    made.add_argument("--column", help="list column of Parquet files")
    made.add_argument("--parts", type=int, help="1 3 7 13 21 31 57 73 91, default 7; zcore: any, 8")
    made.add_argument("--cells", type=int, help="fewer pairs, by so many cells of k-means")
    made.add_argument("--probes", type=int, help="cells that a row enters, not exact")
    made.add_argument("--metric", help="default: that of the function")
    made.add_argument("-k", type=int, default=3, help="neighbours, default 3")
    made.add_argument("--threshold", type=float, default=0.2, help="of pairs, default 0.2")
    made.add_argument("--draws", type=int, default=1_000_000, help="of zcore, default 1,000,000")
    made.add_argument("--seed", type=int, default=0, help="of zcore, default 0")
    made.add_argument("--splits", metavar="FILE", help="for leaks: the split of each row")
    made = command("run", run, "do tasks that are not done; give --task in a job array")
    made.add_argument("--stage", help="only tasks of this stage")
    made.add_argument("--task", help="an id, or a number among the tasks (of the stage)")
    command("status", status, "what is done; exit code 1 while tasks are left")
    made = command("estimate", estimate, "hours, bytes and memory of what is left")
    made.add_argument("--nodes", type=int, default=1)
    made.add_argument("--cores", type=int, default=1)
    made = command("merge", merge, "the answer")
    made.add_argument("-o", "--output", required=True, metavar="OUT.npz")
