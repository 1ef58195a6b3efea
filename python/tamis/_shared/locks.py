"""A lock that a forked child can take, whoever held it in the parent."""

from __future__ import annotations

import copy
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from functools import wraps
from typing import Any

from tamis._shared.background import in_background

_LOCKS: weakref.WeakSet[Lock] = weakref.WeakSet()


class Lock:
    """Reentrant; a pickle of it is a new one."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _LOCKS.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[Any, ...]:
        return Lock, ()

    def _renew(self) -> None:
        if not self._lock._is_owned():  # type: ignore[attr-defined]
            self._lock = threading.RLock()  # its holder, if any, is not in this process


def _renew_all() -> None:
    for lock in list(_LOCKS):
        lock._renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)


class LockedMetric:
    """Mixin for a torchmetrics class: methods that change or read its states run one at a time."""

    _lock: Lock
    _defaults: dict[str, Any]

    def _wrap_update(self, update: Any) -> Any:  # torchmetrics wraps when made and when unpickled
        self.__dict__.setdefault("_lock", Lock())
        return self._locked(super()._wrap_update(update))  # type: ignore[misc]

    def _wrap_compute(self, compute: Any) -> Any:
        return self._locked(super()._wrap_compute(compute))  # type: ignore[misc]

    def _locked(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def one_at_a_time(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                return function(*args, **kwargs)

        return one_at_a_time

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As torchmetrics': the numbers of this batch, which is added."""
        with self._lock:
            return super().forward(*args, **kwargs)  # type: ignore[misc]

    def submit(self) -> Future[Any]:
        """Begin `compute` of the states as they are, in a thread of its own.

        States of several processes are exchanged before it returns, on all of them, as `compute`
        does. ``submit().result()`` waits, and is what `compute` gives or raises; meanwhile the
        metric can be updated or reset. Memory: a copy of the states.
        """
        with self._lock:
            own: Any = copy.deepcopy(self)
        own.sync(
            dist_sync_fn=own.dist_sync_fn, process_group=own.process_group,
            should_sync=own._to_sync, distributed_available=own.distributed_available_fn,
        )  # fmt: skip
        own._to_sync = own._should_unsync = False
        return in_background(own.compute)

    def reset(self) -> None:
        """Forget all images."""
        with self._lock:
            super().reset()  # type: ignore[misc]

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            return super()._apply(*args, **kwargs)  # type: ignore[misc]

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            state: dict[str, Any] = super().__getstate__()  # type: ignore[misc]
            return state | {name: list(state[name]) for name in self._defaults} | {"_lock": Lock()}
