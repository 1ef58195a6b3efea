"""The file from which a run of `zcore` is taken up again."""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
EVERY = 10.0  # seconds between writes
BLOCK = 1 << 24  # bytes digested at once: Ctrl-C is heard in between


class Checkpoint:
    """Draws done and their integer sums, in a file that says which run it is of."""

    def __init__(
        self, function: str, path: str | os.PathLike[str], x: Array, rule: tuple[Any, ...]
    ) -> None:
        self.function, self.path, self.n = function, Path(path), len(x)
        self.data, self.rule = _digest(x), repr(rule)
        self.written = time.monotonic()

    def load(self, n_samples: int) -> tuple[int, Array | None]:
        """(draws done, their sums); (0, None) where there is no file yet."""
        if not self.path.exists():
            return 0, None
        where = f"{self.function}: checkpoint {os.fspath(self.path)!r}"
        try:
            with np.load(self.path, allow_pickle=False) as file:
                done, sums = int(file["done"]), np.array(file["sums"])
                data, rule = str(file["data"]), str(file["rule"])
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{where} is no checkpoint of zcore: {error}") from None
        if data != self.data or sums.shape != (self.n,):
            raise ValueError(f"{where} belongs to other data")
        if rule != self.rule:
            names = "(sample_dim, redundancy_nn, redundancy_exp, seed)"
            raise ValueError(f"{where} belongs to other {names}: {rule}, got {self.rule}")
        if done > n_samples:
            raise ValueError(f"{where} has {done} draws, more than n_samples {n_samples}")
        return done, sums

    def save(self, done: int, sums: Array, *, last: bool) -> None:
        """Write the file if it is time to; it is whole at every moment."""
        now = time.monotonic()
        if not last and now - self.written < EVERY:
            return
        self.written = now
        unfinished = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        try:
            with unfinished.open("wb") as file:
                np.savez(file, done=done, sums=sums, data=self.data, rule=self.rule)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self.path)
        finally:
            unfinished.unlink(missing_ok=True)


def _digest(x: Array) -> str:
    digest = hashlib.blake2b(repr((x.shape, x.dtype.str)).encode(), digest_size=16)
    flat = x.reshape(-1).view(np.uint8)
    for begin in range(0, len(flat), BLOCK):
        digest.update(flat[begin : begin + BLOCK].data)
    return digest.hexdigest()
