"""zcore against the reference algorithm in NumPy on two processes, its memory, and what it selects.

    python benchmarks/bench_zcore.py                   # 100,000 x 1,280: about a minute
    python benchmarks/bench_zcore.py million memory    # 1,280,000 rows: 12 GB of memory
    TAMIS_DATA=... python benchmarks/bench_zcore.py quality --json results.json

The peer is written here from the published algorithm, as the reference implementation goes about
it: rows gathered by columns, all distances, a full sort, the draws shared by two forked processes.
Scores of equal draws are compared before anything is timed. It takes hours, so it is timed on some
draws, and scaled; the spans of its columns are timed once and count once.
"""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import tamis
from embeddings import clustered
from place import place

THREADS = 2
tamis.set_num_threads(THREADS)


def spans(x):
    return np.min(x, axis=0), np.median(x, axis=0), np.max(x, axis=0)


def peer_scores(x, dims, points, redundancy_nn=1000):
    scores = np.zeros(len(x))
    for columns, point in zip(dims, points, strict=True):
        e = x[:, columns]
        near = np.argmin(np.sum(np.abs(e - point), axis=1))
        scores[near] += 1
        distances = np.sum(np.abs(e - e[near]), axis=1)
        nn = np.argsort(distances)[1:]
        if distances[nn[0]] == 0:
            scores[nn[0]] -= 1
            continue
        nn = nn[:redundancy_nn]
        weights = 1 / distances[nn] ** 4
        scores[nn] -= weights / sum(weights)
    return scores


SHARED = {}


def peer_part(part):
    x, dims, points = SHARED["work"]
    return peer_scores(x, dims[part::THREADS], points[part::THREADS])


def peer(x, dims, points):
    """All scores, the draws shared by two forked processes as the reference shares them."""
    SHARED["work"] = x, dims, points
    with multiprocessing.get_context("fork").Pool(THREADS) as pool:
        return sum(pool.map(peer_part, range(THREADS)))


def timed(run):
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def against_numpy(n, d, draws, some, bar, rounds=5):
    x = clustered(n, d)
    dims, points = tamis.zcore_draws(x, some)
    apart = np.abs(tamis.zcore_from_draws(x, dims, points) - peer(x, dims, points)).max()
    assert apart < 1e-5, apart
    span = timed(lambda: spans(x))
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(timed(lambda: tamis.zcore(x, n_samples=draws)))
        theirs.append(timed(lambda: peer(x, dims, points)) * draws / some)
    mine, peers = statistics.median(ours), statistics.median(theirs)
    return {
        "name": f"zcore {n:,} x {d:,}, {draws:,} draws (scores {apart:.0e} apart)",
        "peer": f"NumPy, {THREADS} processes ({some} draws, scaled; spans {span:.1f} s)",
        "ours_s": mine,
        "peer_s": peers + span,
        "value": mine / (peers + span),
        "bar": bar,
        "without_spans": mine / peers,
        "spread_s": [min(ours), max(ours)],
    }


def bench_small():
    return against_numpy(100_000, 1280, 20_000, 200, 1 / 150)


def bench_million():
    return against_numpy(1_280_000, 256, 4_000, 10, 1 / 300)


def bench_memory():
    """In a process of its own, for its peak."""
    run = [sys.executable, __file__, "--child"]
    done = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    return {
        "name": f"peak memory, 1,280,000 x 1,280, times the input ({done['seconds']:.0f} s)",
        "value": done["peak"] / done["input"],
        "bar": 1.6,
    }


def child():
    n, d = 1_280_000, 1280
    x = np.empty((n, d), np.float32)
    rng = np.random.default_rng(0)
    for begin in range(0, n, 16384):
        part = x[begin : begin + 16384]
        rng.standard_normal(part.shape, dtype=np.float32, out=part)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert before < 1.05 * x.nbytes
    seconds = timed(lambda: tamis.zcore(x, n_samples=4_000))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak": peak, "input": x.nbytes}))


def real_sets():
    from sklearn.datasets import load_digits

    digits = load_digits()
    yield "digits 1,797 x 64", digits.data.astype(np.float32), digits.target
    folder = Path(os.environ["TAMIS_DATA"])
    x = np.load(folder / "embeddings/pool_512.npy")
    source = (folder / "embeddings/pool_512_source.txt").read_text().split()
    yield f"pool_512 {len(x):,} x 512", x, np.unique(source, return_inverse=True)[1]


def judged(x, labels, chosen):
    """(classes covered, 1-NN accuracy, linear probe accuracy) on the rows not chosen."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rest = np.setdiff1d(np.arange(len(x)), chosen)
    near = tamis.knn(x[chosen], 1, queries=x[rest])[1][:, 0]
    scaler = StandardScaler().fit(x[chosen])
    probe = LogisticRegression(max_iter=500).fit(scaler.transform(x[chosen]), labels[chosen])
    return (
        len(np.unique(labels[chosen])),
        float((labels[chosen][near] == labels[rest]).mean()),
        float(probe.score(scaler.transform(x[rest]), labels[rest])),
    )


def bench_quality(seeds=10, fraction=0.1, draws=100_000):
    rows = []
    for name, x, labels in real_sets():
        found = {"zcore": [], "random": []}
        for seed in range(seeds):
            scores = tamis.zcore(x, n_samples=draws, seed=seed)
            chosen = np.sort(tamis.select_coreset(scores, fraction=fraction))
            found["zcore"].append(judged(x, labels, chosen))
            rng = np.random.default_rng(seed)
            chosen = np.sort(rng.choice(len(x), len(chosen), replace=False))
            found["random"].append(judged(x, labels, chosen))
        medians = {who: np.median(values, axis=0).tolist() for who, values in found.items()}
        for i, what in enumerate(("classes", "1-NN accuracy", "linear probe accuracy")):
            ours, theirs = medians["zcore"][i], medians["random"][i]
            title = f"{name}: {what} of a 10 % coreset, zcore {ours:.4g}, random {theirs:.4g}"
            rows.append({"name": title, "value": theirs / ours, "bar": 1.0, "of": [ours, theirs]})
    return rows


BENCHES = {
    "small": bench_small,
    "million": bench_million,
    "memory": bench_memory,
    "quality": bench_quality,
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--json")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child()
    results = []
    for what in args.what or ["small"]:
        found = BENCHES[what]()
        for row in found if isinstance(found, list) else [found]:
            results.append(row)
            times = (
                f"{row['ours_s']:.3f} s against {row['peer_s']:.1f} s of {row['peer']}; "
                if "peer" in row
                else ""
            )
            verdict = "meets" if row["value"] <= row["bar"] else "MISSES"
            ratio = f"1/{1 / row['value']:.0f}" if row["bar"] < 1 else f"{row['value']:.3f}"
            bar = f"1/{1 / row['bar']:.0f}" if row["bar"] < 1 else f"{row['bar']:.1f}"
            print(f"{row['name']}: {times}{ratio} {verdict} {bar}", flush=True)
    if args.json:
        machine = {**place(), "threads": THREADS, "numpy": np.__version__}
        with open(args.json, "w") as file:
            json.dump({"machine": machine, "results": results}, file, indent=1)


if __name__ == "__main__":
    main()
