"""Federated evaluation against lvis-api: files in, the 13 numbers out.

    python benchmarks/bench_lvis.py                           boxes: 200, 1,000 and 20,000 images
    python benchmarks/bench_lvis.py segm 100 400 2000 --turns 5

On the two small sets both run alternately, answers compared bit for bit first; ratios are medians
over turns. For 20,000 images lvis-api takes minutes and over 20 GB, so only tamis runs the large
set: lvis-api's time there is drawn as the line through its two small ones (it visits every class of
every image once). Both have all threads; lvis-api uses one.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import tamis.lvis

sys.path.insert(0, str(Path(__file__).parent))
from synthetic_lvis import write_lvis

FOLDER = os.environ.get("TAMIS_BENCH_DATA", os.path.join(tempfile.gettempdir(), "tamis-bench"))


def evaluation(library: Any, gt: Path, dt: Path, kind: str) -> Any:
    e = library.LVISEval(str(gt), str(dt), kind)
    e.run()
    return e


def timed(library: Any, gt: Path, dt: Path, kind: str) -> tuple[float, Any]:
    start = time.perf_counter()
    e = evaluation(library, gt, dt, kind)
    return time.perf_counter() - start, e


def peer() -> Any:
    """lvis-api, which needs a name that NumPy has no more."""
    vars(np).setdefault("float", float)
    warnings.simplefilter("ignore", DeprecationWarning)
    logging.getLogger("lvis.results").setLevel(logging.ERROR)
    import lvis

    return lvis


def in_turn(lvis: Any, kind: str, n: int, turns: int) -> float:
    """Median seconds of lvis-api."""
    files, ours, theirs = write_lvis(FOLDER, kind, n), [], []
    for _ in range(turns):
        t, mine = timed(tamis.lvis, *files, kind)
        ours.append(t)
        t, other = timed(lvis, *files, kind)
        theirs.append(t)
        assert mine.results == other.results
        for key in ("precision", "recall"):
            assert mine.eval[key].tobytes() == other.eval[key].tobytes()
        del mine, other
    ratio = median(a / b for a, b in zip(ours, theirs, strict=True))
    seconds = f"tamis {median(ours):.3f} s, lvis-api {median(theirs):.2f} s"
    print(f"{n} images: {seconds}: {ratio:.4f}", flush=True)
    return median(theirs)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", nargs="?", default="bbox", choices=["bbox", "segm"])
    parser.add_argument("images", nargs="*", type=int, default=[200, 1000, 20_000])
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    few, more, many = args.images
    lvis = peer()
    seconds = [in_turn(lvis, args.kind, n, args.turns) for n in (few, more)]
    files = write_lvis(FOLDER, args.kind, many)
    ours = median(timed(tamis.lvis, *files, args.kind)[0] for _ in range(args.turns))
    theirs = seconds[1] + (seconds[1] - seconds[0]) * (many - more) / (more - few)
    print(
        f"{many} images: tamis {ours:.2f} s, lvis-api {theirs:.0f} s (drawn): {ours / theirs:.4f}"
    )
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB at most, both")


if __name__ == "__main__":
    main()
