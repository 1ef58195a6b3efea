"""pytest's part of tamis: the fixture `tamis_baseline`. Nothing is imported before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tamis_pytest.baseline import Baseline


def pytest_addoption(parser: Any) -> None:
    parser.getgroup("tamis").addoption(
        "--tamis-update", action="store_true", help="write the baselines of tamis_baseline anew"
    )


@pytest.fixture
def tamis_baseline(request: pytest.FixtureRequest) -> Baseline:
    """Fail where the numbers of an evaluation are lower than those of a file beside the test.

    ``tamis_baseline(result, "yolo.json", tolerance=0.005, least={"AP": 0.45})``: see
    :class:`tamis_pytest.baseline.Baseline`.
    """
    from tamis_pytest.baseline import Baseline

    return Baseline(request.path.parent, update=request.config.getoption("--tamis-update"))
