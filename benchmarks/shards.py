"""CPU time of a plan over shards, all its tasks, by that of one process; equal answers first.

    python benchmarks/shards.py                                   100,000 x 128, 7 and 31 parts
    python benchmarks/shards.py --rows 1000000 --parts 7          (seven minutes)
    python benchmarks/shards.py --work near_duplicates --parts 7

Both sides take one thread. The peak is that of a process which runs one task of the groups.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: its threads would spin

import numpy as np
import tamis
import tamis.shards

HOW: dict[str, dict[str, Any]] = {"uniqueness": {}, "near_duplicates": {"threshold": 0.05}}
WIDTH, SHARDS = 128, 8
ONE_TASK = """
import sys, tamis.shards
tamis.set_num_threads(1)
plan = tamis.shards.open_plan(sys.argv[1])
plan.run(plan.stage("group")[0])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def clustered(n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, WIDTH), np.float32)
    return centres[rng.integers(0, 200, n)] + 0.6 * rng.standard_normal((n, WIDTH), np.float32)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    return work(), time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--parts", type=int, nargs="+", default=[7, 31])
    parser.add_argument("--work", choices=HOW, default="uniqueness")
    args = parser.parse_args()
    tamis.set_num_threads(1)
    x, how = clustered(args.rows), HOW[args.work]
    one, seconds = timed(lambda: getattr(tamis, args.work)(x, **how))
    print(f"one process: {seconds:.2f} CPU s")
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{i}.npy" for i in range(SHARDS)]
        for path, shard in zip(paths, np.array_split(x, SHARDS), strict=True):
            np.save(path, shard)
        for parts in args.parts:
            state = str(Path(folder) / f"state-{parts}")
            plan = getattr(tamis.shards, f"plan_{args.work}")(
                paths, state=state, parts=parts, **how
            )
            for task in plan.stage(plan.stages[0]):
                plan.run(task)
            peak = subprocess.check_output([sys.executable, "-c", ONE_TASK, state], text=True)
            again = getattr(tamis.shards, f"plan_{args.work}")(
                paths, state=f"{state}-again", parts=parts, **how
            )
            merged, whole = timed(again.run_all)
            equal = merged == one if args.work != "uniqueness" else np.array_equal(merged, one)
            assert equal, "the answers differ"
            print(
                f"{parts} parts: {whole:.2f} CPU s, ratio {whole / seconds:.3f};"
                f" a task takes {int(peak) / 1024:.0f} MB"
            )


if __name__ == "__main__":
    main()
