"""The tour of docs/curation.md runs, and comes out as it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tamis
from conftest import ROOT, data_path


def test_the_tour():
    text = (ROOT / "docs" / "curation.md").read_text()
    names: dict[str, Any] = {}
    exec(text.split("<!-- tour -->\n```python\n")[1].split("```")[0], names)
    assert 535 <= len(names["unique"]) <= 545
    assert names["found"].counts[names["found"].threshold] >= 118
    assert len(names["batch"]) == 20
    assert not np.isin(names["batch"], [*names["labelled"], *names["failed"]]).any()
    assert 4 < names["spread"] < 32 and names["least"] <= names["more"] <= names["most"]
    assert len(names["strange"]) == 10 and 0 < names["covered"].share <= 1


def test_what_thresholds_drop():
    x = np.load(data_path("embeddings", "pool_512.npy"))
    dropped = [len(tamis.near_duplicates(x, threshold=t).duplicates) for t in (0.2, 0.05, "auto")]
    assert dropped == [4278, 856, 25]


@pytest.mark.parametrize("name", [n for n in tamis.__all__ if n[0].islower()])
def test_examples_in_docstrings(name):
    import doctest

    function = getattr(tamis, name)
    found = doctest.DocTestFinder(recurse=False).find(function, name, module=False)
    for test in found:
        assert doctest.DocTestRunner().run(test).failed == 0, test.name
