"""Contenders timed in turn, in one process."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from statistics import median
from typing import Any

Run = Callable[[], Any]
Check = Callable[[str, Any, Any], None]  # name, answer, that of the first contender


def in_turn(
    contenders: dict[str, Run],
    turns: int,
    check: Check | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each turn; `check` has one turn before, and raises where an answer is wrong."""
    want: Any = None
    if check is not None:
        for name, run in contenders.items():
            answer = run()
            want = answer if want is None else want
            check(name, answer, want)
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(turns):
        for name, run in contenders.items():
            sweep()
            start = clock()
            answer = run()
            seconds[name].append(clock() - start)
            if check is not None:
                check(name, answer, want)
            del answer  # it may take hundreds of MB, which the next need not find taken
    return seconds


def medians(
    *runs: Run, turns: int = 5, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Of each run, of answers that were compared before."""
    named = {str(i): run for i, run in enumerate(runs)}
    return [median(seconds) for seconds in in_turn(named, turns, clock=clock).values()]


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
