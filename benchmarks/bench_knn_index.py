"""`tamis.KnnIndex` and `tamis.knn(queries=)` against a filled faiss.IndexFlatL2 and faiss.knn.

    python benchmarks/bench_knn_index.py                  # 100,000 x 512, clustered and Gaussian
    python benchmarks/bench_knn_index.py clustered --threads 1 --json results.json

Answers are compared before anything is timed. Times are medians of alternating runs; `--cpu` takes
the CPU time of the process instead, for machines that others use too (with one thread, as idle
threads of OpenMP spin).
"""

import argparse
import json
import time

import faiss
import numpy as np
import tamis
from embeddings import clustered, gaussian
from knn_peers import line
from place import place
from tamis import _core
from turns import medians

DATA = {"clustered": clustered, "gaussian": gaussian}
K = 10
BARS = {  # queries: (the index, knn)
    1: (1.0, None),
    100: (0.5, None),
    1_000: (0.5, 0.5),
    10_000: (0.25, 0.25),
}


def queries_of(x, m):
    """Rows a little off some rows of `x`."""
    rng = np.random.default_rng(5)
    noise = rng.standard_normal((m, x.shape[1]), dtype=np.float32)
    return x[rng.integers(0, len(x), m)] + noise * np.float32(0.1 * x.std())


def check(x, queries, found):
    """The neighbours of some queries are those of a float64 brute force."""
    for query, far, near in list(zip(queries, *found, strict=True))[:50]:
        squares = ((x.astype(np.float64) - query) ** 2).sum(1)
        wanted = np.lexsort((np.arange(len(x)), squares))[:K]
        np.testing.assert_array_equal(near, wanted)
        np.testing.assert_allclose(far, np.sqrt(squares[wanted]), rtol=1e-6)


def bench(name, clock, rounds):
    x = DATA[name](100_000)
    queries = queries_of(x, max(BARS))
    theirs = faiss.IndexFlatL2(x.shape[1])
    theirs.add(x)
    begin = clock()
    ours = tamis.KnnIndex(x)
    built = clock() - begin
    check(x, queries, ours.search(queries, K))
    rows = [
        {"name": f"memory, times the rows, {name}", "value": ours.nbytes / x.nbytes, "bar": 1.5},
        {"name": f"seconds to build it, {name}", "value": built, "bar": 5.0},
    ]  # fmt: skip
    for m, (bar, bar_once) in BARS.items():
        asked = queries[:m]
        calls = (
            lambda asked=asked: ours.search(asked, K),
            lambda asked=asked: theirs.search(asked, K),
            lambda asked=asked: tamis.knn(x, K, queries=asked),
            lambda asked=asked: faiss.knn(asked, x, K),
        )
        times = medians(*calls, turns=rounds if m < 10_000 else min(rounds, 3), clock=clock)
        what = f"{m:,} queries, 100,000 x 512 {name}"
        rows.append(line(f"KnnIndex, {what}", times[0], times[1], bar, "faiss.IndexFlatL2"))
        rows.append(line(f"knn, {what}", times[2], times[3], bar_once, "faiss.knn"))
        for row in rows[-2:]:
            print(f"{row['name']}: {row['ours_s']:.4f} s, {row['peer_s']:.4f} s of {row['peer']};"
                  f" {row['value']:.3f} (bar {row['bar']})", flush=True)  # fmt: skip
    for row in rows[:2]:
        print(f"{row['name']}: {row['value']:.3f} (bar {row['bar']})", flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="*", help=f"of {', '.join(DATA)}")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--json")
    args = parser.parse_args()
    faiss.omp_set_num_threads(args.threads)
    tamis.set_num_threads(args.threads)
    clock = time.process_time if args.cpu else time.perf_counter
    results = [r for name in args.data or DATA for r in bench(name, clock, args.rounds)]
    if args.json:
        machine = {
            **place(),
            "codes": _core.knn_codes(),
            "threads": args.threads,
            "clock": "CPU" if args.cpu else "wall",
            "faiss": faiss.__version__,
        }
        with open(args.json, "w") as file:
            json.dump({"machine": machine, "results": results}, file, indent=1)


if __name__ == "__main__":
    main()
