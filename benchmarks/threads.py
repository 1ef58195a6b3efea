"""Each kind of heavy work by 1, 2, 4, ... threads, up to those of the machine, or by instruction
set; equal answers.

    python benchmarks/threads.py                      all of them (minutes)
    python benchmarks/threads.py evaluation zcore     only those whose name starts so
    python benchmarks/threads.py --threads 1 16       only these numbers of threads
    python benchmarks/threads.py --isa 2 3            on all threads, x86-64-v2 and -v3
    python benchmarks/threads.py --json results/NAME.json

A line gives the median time with the first setting and how much faster each setting is.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tamis
from bars import FOLDER, coco_numbers, installed
from bench_duplicates import boxes
from embeddings import clustered, gaussian
from place import place, processor
from synthetic import write_files

Work = Callable[[], Any]


def evaluation(json_file: bool) -> Work:
    gt, dt, npz = write_files(FOLDER, 500_000)
    with np.load(npz) as file:
        results: Any = str(dt) if json_file else file[file.files[0]]
    classes = installed(["tamis"])["tamis"]
    return lambda: coco_numbers(classes, gt, results)


def box_iou() -> Work:
    x = boxes(10_000)
    out = np.empty((len(x), len(x)))
    return lambda: tamis.box_iou(x, x, out=out)[::97].copy()


def duplicates() -> Work:
    x, splits = boxes(1_000_000), 20 * np.arange(50_001)
    return lambda: tamis.find_duplicate_boxes(x, splits, threshold=0.9).duplicates


def neighbours(x: np.ndarray) -> Work:
    return lambda: tamis.knn(x, 10)


def zcore() -> Work:
    x = clustered(100_000)
    return lambda: tamis.zcore(x, n_samples=20_000, seed=0)


WORK: dict[str, Callable[[], Work]] = {
    "evaluation, 500,000 from JSON": lambda: evaluation(True),
    "evaluation, 500,000 from an array": lambda: evaluation(False),
    "box_iou, 10,000 x 10,000": box_iou,
    "find_duplicate_boxes, 50,000 images of 20": duplicates,
    "knn, 100,000 x 512 clustered": lambda: neighbours(clustered(100_000)),
    "knn, 50,000 x 128 Gaussian": lambda: neighbours(gaussian(50_000, 128)),
    "zcore, 100,000 x 512, 20,000 draws": zcore,
}


def counts() -> list[int]:
    most = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return [*(1 << i for i in range(most.bit_length()) if 1 << i < most), most]


def by_setting(
    work: Work, settings: list[int], use: Callable[[int], None], turns: int
) -> dict[int, float]:
    """Median seconds with each setting, all of them in every turn."""
    seconds: dict[int, list[float]] = {setting: [] for setting in settings}
    want: Any = None
    for turn in range(turns + 1):
        for setting, runs in seconds.items():
            use(setting)
            gc.collect()
            start = time.perf_counter()
            got = work()
            if turn:  # the first turn compares
                runs.append(time.perf_counter() - start)
                continue
            want = got if want is None else want
            np.testing.assert_array_equal(got, want, f"with {setting}")
    return {setting: statistics.median(runs) for setting, runs in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="*", help="names start with one of these")
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--threads", nargs="+", type=int, default=counts())
    one.add_argument("--isa", nargs="+", type=int, help="these instruction sets, 2 to 4")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write a file")
    args = parser.parse_args()
    said = {**place(), "threads": tamis.num_threads(), "turns": args.turns}
    print(f"{processor()}, {said['threads']} threads, instruction set v{said['isa']}")
    settings, use = args.threads, tamis.set_num_threads
    if args.isa:
        settings, use = args.isa, tamis._core.cap_isa
    rows = []
    for name, build in WORK.items():
        if args.only and not name.startswith(tuple(args.only)):
            continue
        found = by_setting(build(), settings, use, args.turns)
        first = next(iter(found.values()))
        speedup = "  ".join(f"{n}: {first / s:.2f}" for n, s in found.items())
        print(f"{name:44s} {first * 1e3:9.1f} ms  {speedup}", flush=True)
        rows.append({"name": name, "seconds": {str(n): s for n, s in found.items()}})
    if args.json:
        kind = "by_isa" if args.isa else "by_threads"
        args.json.write_text(json.dumps({"environment": said, kind: rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
