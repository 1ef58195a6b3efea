"""Exact neighbours and what is made of them against faiss and scikit-learn, on two threads.

    python benchmarks/bench_knn.py                     # 100,000 rows: minutes
    python benchmarks/bench_knn.py hnsw million        # 200,000 and 1,000,000 rows
    python benchmarks/bench_knn.py clustered --json results.json

Answers are compared before anything is timed. Times are medians of alternating runs; where the peer
would take hours it answers a share of the rows, and its time is scaled up (the line says so).
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import faiss
import numpy as np
import tamis
from bench_near_duplicates import bench_near_duplicates
from bench_uniqueness import check_uniqueness
from embeddings import clustered, gaussian
from knn_peers import brute_force, line
from place import place
from tamis import _core
from turns import medians

THREADS = 2
faiss.omp_set_num_threads(THREADS)
tamis.set_num_threads(THREADS)


def check_neighbours(x, distances, indices, rows):
    """The neighbours of some rows are those of a float64 brute force."""
    for own, near, squares in brute_force(x, distances.shape[1], rows):
        far = np.sqrt(squares)
        np.testing.assert_allclose(distances[own], far, rtol=1e-6, atol=1e-6)
        differ = indices[own] != near
        assert np.allclose(far[differ], distances[own][differ], rtol=1e-6)


def same_neighbours(x, k, rows=1000):
    distances, indices = tamis.knn(x, k)
    check_neighbours(x, distances, indices, rows)
    return indices


def self_knn(name, x, bar, share):
    same_neighbours(x, 10)
    asked = x[: int(len(x) * share)]
    ours, theirs = medians(lambda: tamis.knn(x, 10), lambda: faiss.knn(asked, x, 11))
    return line(
        f"self-kNN k=10, {len(x):,} x {x.shape[1]} {name}",
        ours,
        theirs / share,
        bar,
        f"faiss.knn ({share:.0%} of the rows)",
    )


def bench_clustered():
    return self_knn("clustered", clustered(100_000), 1 / 9, 0.1)


def bench_gaussian():
    return self_knn("Gaussian", gaussian(100_000), 1.0, 0.1)


def bench_queries():
    x = clustered(100_000)
    rng = np.random.default_rng(1)
    rows = []
    for m in (100, 1000):
        asked = x[rng.integers(0, len(x), m)] + np.float32(0.01)
        near, theirs = tamis.knn(x, 10, queries=asked)[1], faiss.knn(asked, x, 10)[1]
        assert (near == theirs).mean() > 0.999
        seconds = medians(
            lambda asked=asked: tamis.knn(x, 10, queries=asked),
            lambda asked=asked: faiss.knn(asked, x, 10),
        )
        name = f"kNN k=10 of {m:,} queries, 100,000 x 512 clustered"
        rows.append(line(name, *seconds, 0.5, "faiss.knn"))
    return rows


def bench_small():
    """Where there is little to leave out, and exact keys cost as much as what filters spare."""
    rows = []
    for n, bar in ((1000, 3.0), (8000, 0.5)):
        x = clustered(n)
        same_neighbours(x, 10, rows=200)
        seconds = medians(lambda x=x: tamis.knn(x, 10), lambda x=x: faiss.knn(x, x, 11), turns=9)
        rows.append(
            line(f"self-kNN k=10, {n:,} x 512 clustered, exact", *seconds, bar, "faiss.knn")
        )
    return rows


def bench_hnsw():
    x = clustered(200_000)
    true = same_neighbours(x, 10, rows=300)
    recall = []

    def approximate():
        index = faiss.IndexHNSWFlat(x.shape[1], 16)
        index.hnsw.efConstruction, index.hnsw.efSearch = 100, 16
        index.add(x)
        found = index.search(x, 11)[1]
        recall.append(
            np.mean([np.isin(t, f).mean() for t, f in zip(true[:5000], found[:5000], strict=True)])
        )

    ours, theirs = medians(lambda: tamis.knn(x, 10), approximate)
    return line(
        "kNN k=10, 200,000 x 512 clustered, exact",
        ours,
        theirs,
        1 / 3,
        f"faiss HNSW16, build and search, recall {recall[0]:.3f}",
    )


def bench_million():
    """Each search in a process of its own, for its peak memory."""

    def run(what):
        command = [sys.executable, __file__, "--child", what]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    done = {"knn": run("knn"), "check": run("check")}
    turns = [[run("uniqueness"), run("faiss")] for _ in range(5)]
    for what, found in zip(("uniqueness", "faiss"), zip(*turns, strict=True), strict=True):
        done[what] = {name: statistics.median(f[name] for f in found) for name in found[0]}
        print(what, [round(f["seconds"], 1) for f in found], flush=True)
    gib = 2**30
    rows = [
        line(
            "uniqueness k=4, 1,000,000 x 512 clustered",
            done["uniqueness"]["seconds"],
            done["faiss"]["seconds"],
            1 / 20,
            "faiss.knn (2% of the rows)",
        ),
        {"name": "its peak memory, GiB", "value": done["uniqueness"]["peak"] / gib, "bar": 5.5},
        {"name": "its seconds", "value": done["uniqueness"]["seconds"], "bar": 240},
        {
            "name": "peak memory of self-kNN k=10, times the input",
            "value": done["knn"]["peak"] / done["knn"]["input"],
            "bar": 1.6,
        },
    ]
    return rows


def child(what):
    x = clustered(1_000_000)
    begin = time.perf_counter()
    if what == "uniqueness":
        tamis.uniqueness(x, k=4)
    elif what == "knn":
        tamis.knn(x, 10)
    elif what == "check":
        check_uniqueness(x, tamis.uniqueness(x, k=4), 4, rows=200)
        check_neighbours(x, *tamis.knn(x, 10), rows=200)
    else:
        faiss.knn(x[:20_000], x, 5)
    seconds = (time.perf_counter() - begin) * (50 if what == "faiss" else 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak": peak, "input": x.nbytes}))


BENCHES = {
    "clustered": bench_clustered,
    "gaussian": bench_gaussian,
    "near_duplicates": bench_near_duplicates,
    "queries": bench_queries,
    "small": bench_small,
    "hnsw": bench_hnsw,
    "million": bench_million,
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--json")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(args.child)
    results = []
    for what in args.what or ["clustered", "gaussian", "near_duplicates", "queries", "small"]:
        found = BENCHES[what]()
        for row in found if isinstance(found, list) else [found]:
            results.append(row)
            seconds = (
                f"{row['ours_s']:8.3f} s against {row['peer_s']:8.3f} s of {row['peer']}; "
                if "peer" in row
                else ""
            )
            verdict = "meets" if row["value"] <= row["bar"] else "MISSES"
            print(
                f"{row['name']}: {seconds}{row['value']:.4f} {verdict} {row['bar']:.4f}", flush=True
            )
    if args.json:
        machine = {
            **place(),
            "codes": _core.knn_codes(),
            "threads": THREADS,
            "faiss": faiss.__version__,
        }
        with open(args.json, "w") as file:
            json.dump({"machine": machine, "results": results}, file, indent=1)


if __name__ == "__main__":
    main()
