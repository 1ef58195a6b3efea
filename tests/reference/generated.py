"""How many problems hypothesis generates: a third for every change, all and more by night."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings

LEAST = 5


def examples(count: int, *, fixtures_kept: bool = False) -> Any:
    """`count` problems times TAMIS_EXAMPLES, by default a third of them; no deadline.

    `fixtures_kept`: the problems of a test may share what a fixture of that test made.
    """
    factor = float(os.environ.get("TAMIS_EXAMPLES") or 1 / 3)
    return settings(
        max_examples=max(LEAST, round(count * factor)),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture] if fixtures_kept else [],
    )
