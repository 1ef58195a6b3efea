"""hardness against scipy row by row, which is how Brain computes it; label_mistakes alone.

pytest benchmarks/bench_label_mistakes.py
"""

import numpy as np
import pytest
import tamis
from bench_fiftyone_matching import images
from tamis.labels.classification_mistakes import hardness
from tamis.labels.label_mistakes import label_mistakes


def scipy_rows(logits):
    special, stats = pytest.importorskip("scipy.special"), pytest.importorskip("scipy.stats")
    return np.array([stats.entropy(special.softmax(row)) for row in logits])


@pytest.mark.parametrize("who", ["tamis", "scipy"])
@pytest.mark.parametrize(("rows", "classes"), [(1000, 10), (1000, 1000)])
def test_hardness(benchmark, who, rows, classes):
    logits = np.random.default_rng(0).normal(0, 3, (rows, classes))
    assert np.array_equal(hardness(logits), scipy_rows(logits))
    benchmark.group = f"hardness {rows} x {classes}, {tamis.num_threads()} threads (scipy: 1)"
    benchmark({"tamis": hardness, "scipy": scipy_rows}[who], logits)


def test_hardness_of_a_million(benchmark):
    logits = np.random.default_rng(0).normal(0, 3, (1_000_000, 80)).astype(np.float32)
    benchmark.group = f"hardness 1,000,000 x 80 float32, {tamis.num_threads()} threads"
    benchmark.pedantic(hardness, args=(logits,), rounds=3)


@pytest.mark.parametrize("n", [1000, 100_000])
def test_label_mistakes(benchmark, n):
    data = images(n, 30, 8)
    data["confidence"] = data.pop("scores")
    benchmark.group = f"label_mistakes images x 30 x 8, {tamis.num_threads()} threads"
    benchmark.pedantic(label_mistakes, kwargs=data | {"fmt": "xywh"}, rounds=3)
