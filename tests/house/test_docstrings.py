"""The examples of public names run, and every public function has one."""

from __future__ import annotations

import doctest
import inspect
import re
from typing import Any

import numpy as np
import pytest
import tamis
import tamis.shards

FUNCTIONS = [name for name in tamis.__all__ if inspect.isfunction(getattr(tamis, name))]
# what no function's example shows
OTHERS = ["AnnotationError", "CudaUnavailable", "DetectionResult", "DeviceMasks"]


@pytest.mark.parametrize("name", tamis.__all__)
def test_examples_run(name: str) -> None:
    if name == "representativeness":
        pytest.importorskip("sklearn")
    value: Any = getattr(tamis, name)
    found = doctest.DocTestFinder(recurse=False).find(value, name, globs={})
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    out: list[str] = []
    with np.printoptions(legacy=False):
        for test in found:
            runner.run(test, out=out.append)
    tamis.set_num_threads(0)
    assert runner.failures == 0, "".join(out)


@pytest.mark.parametrize("name", [*FUNCTIONS, *OTHERS])
def test_every_function_has_an_example(name: str) -> None:
    assert ">>>" in (getattr(tamis, name).__doc__ or "")


def test_docstrings_hold_no_measured_times() -> None:
    """These are on the benchmarks page and between the marks of pages, from stored results."""
    measured = re.compile(r"\d\s+(CPU )?(ns|µs|ms|s|(micro|milli)?seconds|minutes|hours)\b")
    values = [getattr(module, n) for module in (tamis, tamis.shards) for n in module.__all__]
    members = [m for v in values if inspect.isclass(v) for m in vars(v).values()]
    for value in [*values, *members]:
        text = re.sub(r"(?m)^ *(>>>|\.\.\.).*$", "", getattr(value, "__doc__", None) or "")
        assert measured.search(text) is None, f"{value}: {text}"
