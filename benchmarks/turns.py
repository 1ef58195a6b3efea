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
            gc.collect()  # one should not sweep up after another
            wait_for_quiet()
            start = time.perf_counter()
            answer = run()
            seconds[name].append(time.perf_counter() - start)
            check(name, answer)
    return seconds


def wait_for_quiet(most: float = 5.0) -> None:
    """Wait for threads that the last turn left: hotcoco frees its masks for 0.4 s afterwards."""
    end = time.monotonic() + most
    while time.monotonic() < end:
        used = time.process_time()
        time.sleep(0.002)
        if time.process_time() - used < 0.0005:
            return
