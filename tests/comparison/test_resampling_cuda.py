"""Image weights on a device: bit-identical to the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tamis
from reference_resampling import problem, result_of
from tamis.comparison import resampling_cuda
from tamis.comparison.resampling import Plan, evaluated
from test_compare import two_models

pytestmark = pytest.mark.gpu


def both(result: Any, like: Any, weights: Any) -> tuple[Any, ...]:
    e, numbers = evaluated("test", result)
    return tuple(Plan.of(numbers, e, on).by_class(weights) for on in (None, like))


def test_gpu_curves_have_the_bits_of_the_host(
    gpu_library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    like = gpu_library.array(np.zeros(1))
    rng = np.random.default_rng(0)
    weights = np.concatenate([rng.integers(0, 3, (9, 40)).astype(float), rng.random((4, 40))])
    weights[3] = 0
    result = result_of(problem(1, 40))
    host, there = both(result, like, weights)
    np.testing.assert_array_equal(there, host)
    monkeypatch.setattr(resampling_cuda, "_BYTES", 1)  # one set of weights at a time
    np.testing.assert_array_equal(both(result, like, weights)[1], host)


def test_gpu_many_thresholds_and_coarse_recalls(gpu_library: Any) -> None:
    options = {
        "iou_thresholds": np.linspace(0.3, 0.95, 70),
        "recall_thresholds": np.array([0.0, 0.1, 0.1001, 0.1002, 0.5, 1.0, 1.0]),
        "max_detections": (1, 2, 3),
    }
    weights = np.random.default_rng(1).exponential(size=(5, 20))
    like = gpu_library.array(np.zeros(1))
    host, there = both(result_of(problem(2, 20), **options), like, weights)
    np.testing.assert_array_equal(there, host)


def test_gpu_nothing_at_all(gpu_library: Any) -> None:
    like = gpu_library.array(np.zeros(1))
    empty = tamis.DetectionEvaluator().compute()
    host, there = both(empty, like, np.ones((3, 0)))
    assert there.shape == host.shape == (3, 0, 12)
    images = [{**i, "det": i["det"][:0], "label": [], "scores": []} for i in problem(0, 5)]
    np.testing.assert_array_equal(*both(result_of(images), like, np.ones((2, 5))))


def test_gpu_intervals_and_comparisons_are_the_hosts(gpu_library: Any) -> None:
    first, second = (result_of(images) for images in two_models(3))
    on = gpu_library.array(np.zeros(1))
    host, there = (tamis.intervals(first, 30, method="bca", on=x) for x in (None, on))
    assert host.to_dict() == there.to_dict()
    options: dict[str, Any] = {"samples": 20, "permutations": 20}
    host, there = (tamis.compare(first, second, on=x, **options) for x in (None, on))
    assert host.to_dict() == there.to_dict()


def test_gpu_only() -> None:
    result = result_of(problem(0, 5))
    with pytest.raises(ValueError, match="intervals: on must be an array on a CUDA device"):
        tamis.intervals(result, on=np.zeros(1))
