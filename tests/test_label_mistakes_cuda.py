"""hardness and classification_mistakes of CUDA arrays: the host's numbers, up to the last bits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from reference import same_bits
from tamis import _label_mistakes_cuda
from tamis.label_mistakes import classification_mistakes, hardness

pytestmark = pytest.mark.gpu


def some_logits(n: int, classes: int, dtype: str = "float32") -> np.ndarray:
    rng = np.random.default_rng((n, classes))
    logits = rng.normal(0, 5, (n, classes))
    if dtype.startswith("float") and classes > 1:
        logits[rng.random((n, classes)) < 0.1] = -math.inf
        logits[:, 0] = 1
    return logits.astype(dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
@pytest.mark.parametrize("classes", [1, 10, 1000])
def test_hardness(gpu_library, monkeypatch, classes, dtype):
    logits = some_logits(70, classes, dtype)
    wide = logits.astype(np.float32) if dtype == "float16" else logits
    want = hardness(wide)
    for at_once in (1 << 26, 3000):
        monkeypatch.setattr(_label_mistakes_cuda, "ELEMENTS_AT_ONCE", at_once)
        got = gpu_library.numpy(hardness(gpu_library.array(logits)))
        assert got.dtype == want.dtype
        exact = 1e-13 if got.dtype == np.float64 else 2e-5
        np.testing.assert_allclose(got, want, rtol=exact, atol=exact)
    none = hardness(gpu_library.array(logits[:0]))
    assert gpu_library.numpy(none).shape == (0,)


def test_classification_mistakes(gpu_library):
    rng, on = np.random.default_rng(0), gpu_library.array
    correct, predicted, labelled = (rng.random(90) < 0.7 for _ in range(3))
    confidence, logits = rng.random(90), some_logits(90, 5)
    confidence[~predicted] = math.nan
    logits[~predicted] = math.nan
    columns = {"predicted": predicted, "labelled": labelled}
    placed = {name: on(x) for name, x in columns.items()}
    want = classification_mistakes(correct, confidence=confidence, **columns)
    for given in (columns, placed):
        got = classification_mistakes(on(correct), confidence=on(confidence), **given)
        same_bits(gpu_library.numpy(got), want)
    got = classification_mistakes(on(correct.astype(int)), confidence=confidence, **placed)
    same_bits(gpu_library.numpy(got), want)
    whole = np.where(predicted, confidence, 0.5)
    got = classification_mistakes(on(correct), confidence=on(whole))
    same_bits(gpu_library.numpy(got), classification_mistakes(correct, confidence=whole))
    got = classification_mistakes(on(correct), logits=on(logits), **placed)
    want = classification_mistakes(correct, logits=logits, **columns)
    np.testing.assert_allclose(gpu_library.numpy(got), want, atol=1e-6)


def test_errors(gpu_library):
    on, two = gpu_library.array, gpu_library.array(np.ones(2, bool))
    for call, error, text in (
        (
            lambda: hardness(on(np.zeros(3))),
            ValueError,
            r"hardness: logits must have shape \(N, C\)",
        ),
        (lambda: hardness(on(np.zeros((2, 3), bool))), TypeError, "hardness: logits must hold num"),
        (lambda: hardness(on(np.zeros((2, 0)))), ValueError, "hardness: logits must have at least"),
        (
            lambda: hardness(on(np.array([[0, 1], [math.inf, 1]]))),
            ValueError,
            "hardness: logits has a NaN or infinite value in row 1",
        ),
        (
            lambda: hardness(on(np.full((1, 2), -math.inf))),
            ValueError,
            "hardness: logits has a NaN or infinite value in row 0",
        ),
        (
            lambda: classification_mistakes(two, confidence=on(np.array([0, math.nan]))),
            ValueError,
            "classification_mistakes: confidence has a NaN or infinite value in row 1",
        ),
        (
            lambda: classification_mistakes(two, logits=on(np.zeros((3, 2)))),
            ValueError,
            r"classification_mistakes: logits must have shape \(2, C\), got \(3, 2\)",
        ),
        (
            lambda: classification_mistakes(two, logits=np.zeros((2, 2))),
            ValueError,
            r"classification_mistakes: logits must be on the device of correct \(cuda:0\)",
        ),
        (
            lambda: classification_mistakes(two, confidence=on(np.zeros(3))),
            ValueError,
            r"classification_mistakes: confidence must have shape \(2,\), got \(3,\)",
        ),
    ):
        with pytest.raises(error, match=f"^{text}"):
            call()
