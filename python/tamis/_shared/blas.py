"""Matrix products by NumPy's BLAS that do not hang after a fork.

OpenBLAS ends its threads before a fork: a product that is under way then waits forever, and the
child inherits its lock. So a fork waits until the products of other threads are done, and a forked
child, whose parent may have been in a product that is not ours, computes on one thread, which takes
no such lock.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

resource: ModuleType | None
try:
    import resource
except ImportError:  # not on Windows
    resource = None

_BUFFER = 1 << 26  # of a thread


class _Gate:
    """Sections of many threads, or a fork."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.Lock())
        self.inside: Counter[int] = Counter()  # sections of each thread
        self.forks = 0  # that wait or go on

    def enter(self, me: int) -> None:
        with self.changed:
            while self.forks and me not in self.inside:
                self.changed.wait()
            self.inside[me] += 1

    def leave(self, me: int) -> None:
        with self.changed:
            self.inside[me] -= 1
            if not self.inside[me]:
                del self.inside[me]
            self.changed.notify_all()

    def before_fork(self) -> None:
        with self.changed:
            self.forks += 1
            while set(self.inside) - {threading.get_ident()}:
                self.changed.wait()

    def after_fork(self) -> None:
        with self.changed:
            self.forks -= 1
            self.changed.notify_all()


_gate = _Gate()
_forked = False


def _in_child() -> None:
    global _gate, _forked
    _gate, _forked = _Gate(), True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _gate.before_fork(),
        after_in_parent=lambda: _gate.after_fork(),
        after_in_child=_in_child,
    )


@contextmanager
def products() -> Iterator[None]:
    """Context for NumPy's matrix products and factorisations; nothing inside may call back."""
    _check_memory()
    gate, me = _gate, threading.get_ident()
    gate.enter(me)
    try:
        if _forked:
            with _one_thread():
                yield
        else:
            yield
    finally:
        gate.leave(me)


def _check_memory() -> None:
    """Raise MemoryError if OpenBLAS could not allocate its buffers: it would end the process."""
    if resource is None or resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        return
    np.empty(_BUFFER * _openblas()[0](), np.uint8)


@contextmanager
def _one_thread() -> Iterator[None]:
    count, cap = _openblas()
    before = count()
    cap(1)
    try:
        yield
    finally:
        cap(before)


def _openblas() -> tuple[Callable[[], int], Callable[[int], Any]]:
    """Getter and setter of the threads of NumPy's OpenBLAS; None for another BLAS."""
    global _found
    if _found is None:
        _found = (lambda: 1), (lambda n: None)
        for path in _libraries():
            library = ctypes.CDLL(path)
            for name in (
                "scipy_openblas_{}64_",
                "scipy_openblas_{}",
                "openblas_{}64_",
                "openblas_{}",
            ):
                names = [name.format(f"{verb}_num_threads") for verb in ("get", "set")]
                if all(hasattr(library, name) for name in names):
                    _found = getattr(library, names[0]), getattr(library, names[1])
                    return _found
    return _found


_found: tuple[Callable[[], int], Callable[[int], Any]] | None = None


def _libraries() -> list[str]:
    """The OpenBLAS libraries of this process."""
    try:
        with open("/proc/self/maps") as maps:
            paths = {line.split(None, 5)[-1].strip() for line in maps if "openblas" in line}
    except OSError:
        return []
    return sorted(paths, key=lambda path: ("numpy" not in path, path))
