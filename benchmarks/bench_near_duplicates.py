"""near_duplicates against scikit-learn's radius_neighbors; bench_knn.py runs it among its own.

    python benchmarks/bench_knn.py near_duplicates     # 100,000 rows

Answers are compared before anything is timed.
"""

import numpy as np
import tamis
from embeddings import clustered
from knn_peers import line
from turns import medians


def bench_near_duplicates():
    from sklearn.neighbors import NearestNeighbors

    x = clustered(100_000)
    centred = x - x.mean(0, dtype=np.float64).astype(np.float32)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    peer = NearestNeighbors(metric="euclidean").fit(centred)
    part, radius = centred[:4000], float(np.sqrt(2 * 0.2))
    near = peer.radius_neighbors(part, radius, return_distance=False)
    theirs = {(i, int(j)) for i, row in enumerate(near) for j in row if j > i}
    found = tamis.near_duplicates(x, threshold=0.2 + 1e-5)  # their float32 is good to about 1e-6
    mine = found.pairs[:, 0] < len(part)
    sure = mine & (found.distances <= 0.2 - 1e-5)
    assert set(map(tuple, found.pairs[sure].tolist())) <= theirs
    assert theirs <= set(map(tuple, found.pairs[mine].tolist()))
    share = len(part) / len(x)
    times = medians(
        lambda: tamis.near_duplicates(x, threshold=0.2), lambda: peer.radius_neighbors(part, radius)
    )
    name = f"near-duplicates at 0.2, 100,000 x 512 ({len(found.pairs):,} pairs)"
    return line(
        name,
        times[0],
        times[1] / share,
        1 / 40,
        f"scikit-learn radius_neighbors ({share:.0%} of the rows)",
    )
