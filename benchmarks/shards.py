"""CPU time of a plan over shards, all its tasks, by that of one process in turn; equal answers.

    python benchmarks/shards.py                                   100,000 x 128, 7 and 31 parts
    python benchmarks/shards.py --rows 1000000 --parts 7          (half an hour)
    python benchmarks/shards.py --work near_duplicates --parts 7
    python benchmarks/shards.py --work zcore --rows 200000 --parts 8
    python benchmarks/shards.py --rows 200000 --parts 13 --wall   2 workers by 2 threads
    python benchmarks/shards.py --json benchmarks/results/shards.json    all of the documentation

Both sides take one thread. The peak is that of a process which runs one task, of the groups or of
the draws' neighbours; bytes of state are those of the groups, a row, or of all stages, a draw.
`evaluation` counts the bytes that an evaluator, and a task, keep.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: its threads would spin

import numpy as np
import tamis
import tamis.shards
from place import place

HOW: dict[str, dict[str, Any]] = {
    "uniqueness": {}, "near_duplicates": {"threshold": 0.05}, "zcore": {"n_samples": 20_000},
}  # fmt: skip
HEAVY = {"uniqueness": "group", "near_duplicates": "group", "zcore": "around"}  # a stage
STORED = [("uniqueness", 100_000, 7), ("uniqueness", 100_000, 31), ("zcore", 200_000, 8)]
WIDTH, SHARDS, TURNS = 128, 8, 5
ONE_TASK = """
import sys, tamis.shards
tamis.set_num_threads(1)
plan = tamis.shards.open_plan(sys.argv[1])
plan.run(plan.stage(sys.argv[2])[0])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def clustered(n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, WIDTH), np.float32)
    return centres[rng.integers(0, 200, n)] + 0.6 * rng.standard_normal((n, WIDTH), np.float32)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    return work(), time.process_time() - start


def planned(work: str, paths: list[str], state: str, parts: int) -> tamis.shards.Plan:
    plan: tamis.shards.Plan = getattr(tamis.shards, f"plan_{work}")(
        paths, state=state, parts=parts, **HOW[work]
    )
    return plan


def peak_of_a_task(plan: tamis.shards.Plan, stage: str) -> float:
    """MB of a process that runs one task, after those it waits for."""
    for before in plan.stages[: plan.stages.index(stage)]:
        for task in plan.stage(before):
            plan.run(task)
    peak = subprocess.check_output([sys.executable, "-c", ONE_TASK, plan.state, stage], text=True)
    return int(peak) / 1024


def state_bytes(plan: tamis.shards.Plan, work: str, rows: int) -> float:
    """Of a row, that groups leave to parts; of a draw of zcore, all."""
    kept = "*.npz" if work == "zcore" else f"{HEAVY[work]}-*.npz"
    size = sum(file.stat().st_size for file in Path(plan.state).glob(kept))
    return size / (HOW[work]["n_samples"] if work == "zcore" else rows)


def one_task(state: str, task: str) -> None:
    with tamis.threads(1):
        tamis.shards.open_plan(state).run(task)


def walls(work: str, rows: int, parts: int) -> None:
    """Two workers of one thread, which have started, by one process of two threads."""
    x, ratios = clustered(rows), []
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool,
    ):
        paths = [f"{folder}/{i}.npy" for i in range(SHARDS)]
        for path, shard in zip(paths, np.array_split(x, SHARDS), strict=True):
            np.save(path, shard)
        for turn in range(TURNS):
            plan = planned(work, paths, f"{folder}/state-{turn}", parts)
            list(pool.map(abs, range(8)))  # both are there
            begin = time.perf_counter()
            for stage in plan.stages:
                for done in [pool.submit(one_task, plan.state, t.id) for t in plan.stage(stage)]:
                    done.result()
            plan.merge()
            cut = time.perf_counter() - begin
            with tamis.threads(2):
                begin = time.perf_counter()
                getattr(tamis, work)(x, **HOW[work])
                ratios.append(cut / (time.perf_counter() - begin))
    print(f"{work}, {rows:,} x {WIDTH}, {parts} parts: wall {statistics.median(ratios):.3f}")


def compared(work: str, rows: int, all_parts: list[int]) -> list[dict[str, Any]]:
    x, found = clustered(rows), []
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{i}.npy" for i in range(SHARDS)]
        for path, shard in zip(paths, np.array_split(x, SHARDS), strict=True):
            np.save(path, shard)
        for parts in all_parts:
            state = str(Path(folder) / f"state-{parts}")
            peak = peak_of_a_task(planned(work, paths, state, parts), HEAVY[work])
            alone, cut = [], []
            for turn in range(TURNS):
                one, seconds = timed(lambda: getattr(tamis, work)(x, **HOW[work]))
                alone.append(seconds)
                plan = planned(work, paths, f"{state}-{turn}", parts)
                merged, seconds = timed(plan.run_all)
                cut.append(seconds)
                same = merged == one if work == "near_duplicates" else np.array_equal(merged, one)
                assert same, "the answers differ"
            seconds, whole = statistics.median(alone), statistics.median(cut)
            ratio = statistics.median(b / a for a, b in zip(alone, cut, strict=True))
            print(
                f"{work}, {rows:,} x {WIDTH}, {parts} parts: {whole:.2f} CPU s, one process"
                f" {seconds:.2f}, ratio {ratio:.3f}; a task takes {peak:.0f} MB,"
                f" state {state_bytes(plan, work, rows):.0f} bytes a row or draw",
                flush=True,
            )
            found.append(
                {
                    "work": work, "rows": rows, "columns": WIDTH, "shard_parts": parts,
                    "one_process_s": seconds, "plan_s": whole, "ratio": ratio, "task_mb": peak,
                    "state_bytes": state_bytes(plan, work, rows),
                }
            )  # fmt: skip
    return found


def kept(images: int = 2_000) -> dict[str, float]:
    """Bytes a detection that an evaluator of boxes keeps, COCO's settings."""
    rng, sizes = np.random.default_rng(0), {}
    for state in ("boxes", "matches"):
        evaluator = tamis.DetectionEvaluator(state=state)
        count = 0
        for _ in range(images):
            preds, targets = (
                {"boxes": np.sort(rng.uniform(0, 640, (n, 2, 2)), axis=1).reshape(n, 4),
                 "labels": rng.integers(0, 80, n)}
                for n in (100, 8)
            )  # fmt: skip
            evaluator.update({**preds, "scores": rng.uniform(size=100)}, targets)
            count += 100
        sizes[state] = len(pickle.dumps(evaluator)) / count
    print(f"an evaluator keeps, a detection: {sizes}")
    return sizes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--parts", type=int, nargs="+", default=[7, 31])
    parser.add_argument("--work", choices=[*HOW, "evaluation"], default="uniqueness")
    parser.add_argument("--wall", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    tamis.set_num_threads(1)
    if args.json:
        plans = [row for work, rows, parts in STORED for row in compared(work, rows, [parts])]
        machine = {**place(), "threads": 1}
        found = {"machine": machine, "plans": plans, "bytes_a_detection": kept()}
        text = json.dumps(found, indent=1)
        Path(args.json).write_text(text + "\n")
    elif args.work == "evaluation":
        kept()
    elif args.wall:
        for parts in args.parts:
            walls(args.work, args.rows, parts)
    else:
        compared(args.work, args.rows, args.parts)


if __name__ == "__main__":
    main()
