"""Contenders timed in turn, in one process."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any


def in_turn(
    contenders: dict[str, Callable[[], Any]], turns: int, check: Callable[[str, Any], None]
) -> dict[str, list[float]]:
    """Seconds of each turn, after one turn that only checks the answers; it raises where one is
    wrong."""
    for name, run in contenders.items():
        check(name, run())
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(turns):
        for name, run in contenders.items():
            sweep()
            start = time.perf_counter()
            answer = run()
            seconds[name].append(time.perf_counter() - start)
            check(name, answer)
    return seconds


def sweep(most: float = 5.0) -> None:
    """Collect garbage until no other thread works meanwhile: no turn pays for the one before.

    hotcoco frees its masks in a thread of its own for 0.4 s after it has answered.
    """
    end = time.monotonic() + most
    while time.monotonic() < end:
        before = others_seconds()
        gc.collect()
        if others_seconds() - before < 0.0005:
            return
        time.sleep(0.02)


def others_seconds() -> float:
    """CPU time of all threads but this one."""
    return time.process_time() - time.thread_time()
