"""Exact sums of columns against NumPy's sums in float64 and Python's math.fsum.

pytest benchmarks/bench_column_sums.py
"""

import math
import os

import numpy as np
import pytest
from tamis.embeddings.column_sums import column_sums

ROWS = int(os.environ.get("TAMIS_BENCH_ROWS", 20_000))
WAYS = {
    "tamis": lambda x: column_sums(x)[:, 0],
    "NumPy, not exact": lambda x: x.sum(0, dtype=np.float64),
    "math.fsum": lambda x: np.array([math.fsum(column) for column in x.T.tolist()]),
}


@pytest.mark.parametrize("who", WAYS)
def test_sums(benchmark, who):
    x = np.random.default_rng(0).normal(size=(ROWS, 128)).astype(np.float32)
    benchmark.group = f"column sums of {ROWS:,} x 128"
    found = benchmark.pedantic(WAYS[who], args=(x,), rounds=5, warmup_rounds=1)
    exact = WAYS["math.fsum"](x)
    assert np.allclose(found, exact, rtol=1e-12) if "not" in who else np.array_equal(found, exact)
