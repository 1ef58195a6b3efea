"""How much tests do for every change, a third, and by night: TAMIS_EXAMPLES times what they say.

For every change the problems are the same: what fails is the change. The night draws new ones.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

LEAST = 5
FACTOR = float(os.environ.get("TAMIS_EXAMPLES") or 1 / 3)
# shapes of many rows or many columns: hypothesis takes longer for a value than a search for a row
TABLES = st.tuples(st.integers(2, 40), st.integers(1, 5)) | st.tuples(
    st.integers(2, 5), st.integers(1, 40)
)


def examples(count: int, *, fixtures_kept: bool = False) -> Any:
    """hypothesis generates `count` problems, or a third of them; no deadline.

    `fixtures_kept`: the problems of a test may share what a fixture of that test made.
    """
    return settings(
        max_examples=max(LEAST, round(count * FACTOR)),
        deadline=None,
        derandomize="TAMIS_EXAMPLES" not in os.environ,
        suppress_health_check=[HealthCheck.function_scoped_fixture] if fixtures_kept else [],
    )


def share(count: int) -> int:
    """`count`, or a third of it: of what there is no more of than `count`."""
    return round(count * min(1.0, FACTOR))
