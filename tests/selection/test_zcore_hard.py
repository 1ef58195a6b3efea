"""zcore where what it looks at beforehand misleads it, and where it finds far too much."""

import numpy as np
import pytest
import reference_zcore as reference
import tamis
from reference_zcore import close, rows, some_draws
from tamis import _core


def misleading(n=20_000, d=4):
    """Rows of which those that are looked at beforehand (every 9.77th) lie in one place."""
    x = rows(n, d)
    x[(np.arange(2048) * (n / 2048)).astype(int)] = 3 + rows(2048, d) / 1000
    return x


def test_a_sample_unlike_the_rest(isa):
    x = misleading()
    table = _core.ZcoreTable(x, 1000)
    table.find_spans()
    low, median, high = table.spans()
    np.testing.assert_array_equal(low, x.min(axis=0))
    np.testing.assert_array_equal(high, x.max(axis=0))
    np.testing.assert_array_equal(median, np.median(x.astype(np.float64), axis=0))
    dims, points = some_draws(x, 30)
    points[::2] = 3
    close(tamis.zcore_from_draws(x, dims, points), reference.from_draws(x, dims, points), 30)


def sixths(n=20_000, d=4):
    """Rows of which those that are scanned first (every sixth) lie about one place, some at it."""
    x = rows(n, d)
    x[::6] = 3 + x[::6] / 1000
    x[::18] = 3
    return x


@pytest.mark.parametrize("nn", [30, 1000, 4000])
def test_the_first_rows_unlike_the_rest(isa, nn):
    """What the first rows say is wrong: draws are repeated, and ties go to the lower row."""
    x = sixths()
    dims, points = some_draws(x, 40)
    points[::4] = 3
    points[1::4] = 2.9
    got = tamis.zcore_from_draws(x, dims, points, redundancy_nn=nn)
    close(got, reference.from_draws(x, dims, points, redundancy_nn=nn), 40)


@pytest.mark.parametrize("make", [misleading, sixths, lambda: np.maximum(rows(20_000, 4) - 0.5, 0)])
@pytest.mark.parametrize("nn", [1, 30, 1000])
def test_room_for_little(isa, make, nn):
    """Draws that find far too many rows are repeated, with bit-identical results."""
    x = make()
    dims, points = some_draws(x, 60)
    points[::3] = 0
    want = tamis.zcore_from_draws(x, dims, points, redundancy_nn=nn)
    close(want, reference.from_draws(x, dims, points, redundancy_nn=nn), 60)
    _core.cap_zcore_log(1)
    try:
        got = tamis.zcore_from_draws(x, dims, points, redundancy_nn=nn)
    finally:
        _core.cap_zcore_log(1 << 30)
    np.testing.assert_array_equal(got, want)
