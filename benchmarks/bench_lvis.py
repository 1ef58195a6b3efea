"""Federated evaluation against lvis-api: files in, the 13 numbers out.

    python benchmarks/bench_lvis.py                       boxes, 500 and 20,000 images, 5 turns
    python benchmarks/bench_lvis.py segm 500 2000 --turns 3

Both sides run the small set in turn, answers compared bit for bit first; a ratio is the median over
turns. lvis-api takes some ten minutes and 20 GB for 20,000 images, so only tamis runs the large
set; lvis-api's time there is that of the small set by the number of images (it visits every class
of every image, so it grows no slower). Both have all threads; lvis-api uses one.
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", nargs="?", default="bbox", choices=["bbox", "segm"])
    parser.add_argument("images", nargs="*", type=int, default=[500, 20_000])
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    small, *large = args.images
    lvis, files = peer(), write_lvis(FOLDER, args.kind, small)
    ours, theirs = [], []
    for _ in range(args.turns):
        t, mine = timed(tamis.lvis, *files, args.kind)
        ours.append(t)
        t, other = timed(lvis, *files, args.kind)
        theirs.append(t)
        assert mine.results == other.results
        for key in ("precision", "recall"):
            assert mine.eval[key].tobytes() == other.eval[key].tobytes()
        del mine, other
    ratio = median(a / b for a, b in zip(ours, theirs, strict=True))
    seconds = f"tamis {median(ours):.3f} s, lvis-api {median(theirs):.2f} s"
    print(f"{small} images: {seconds}: {ratio:.4f}")
    for n in large:
        files = write_lvis(FOLDER, args.kind, n)
        times = [timed(tamis.lvis, *files, args.kind)[0] for _ in range(args.turns)]
        scaled = median(theirs) * n / small
        print(
            f"{n} images: tamis {median(times):.2f} s, lvis-api {scaled:.0f} s (scaled):"
            f" {median(times) / scaled:.4f}"
        )
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB at most")


if __name__ == "__main__":
    main()
