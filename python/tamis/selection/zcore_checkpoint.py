"""The file from which a run of `zcore` is resumed."""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from typing import Any, BinaryIO

import numpy as np

from tamis._shared import npz, output
from tamis._shared.arrays import Array

EVERY = 10.0  # seconds between writes
BLOCK = 1 << 24  # bytes digested at once: Ctrl-C is heard in between


class Checkpoint:
    """Draws done and their integer sums, in a file that identifies its run."""

    def __init__(
        self, function: str, path: str | os.PathLike[str], x: Array, rule: tuple[Any, ...]
    ) -> None:
        self.function, self.path, self.n = function, path, len(x)
        self.what = f"{function}: checkpoint"
        output.check(self.what, path)
        self.data, self.rule = _digest(x), repr(rule)
        self.written = time.monotonic()

    def load(self, n_samples: int) -> tuple[int, Array | None]:
        """(draws done, their sums); (0, None) if there is no file yet."""
        if not os.path.exists(self.path):
            return 0, None
        output.check_readable(self.what, self.path)
        where = f"{self.what} {os.fspath(self.path)!r}"
        try:
            with open(self.path, "rb") as file:
                done, sums, data, rule = _read(file)
        except Exception as error:  # a damaged file can raise about anything
            raise ValueError(f"{where} is not a zcore checkpoint: {error}") from None
        if data != self.data or sums.shape != (self.n,):
            raise ValueError(f"{where} was written for different data")
        if rule != self.rule:
            names = "(sample_dim, redundancy_nn, redundancy_exp, seed)"
            raise ValueError(f"{where} belongs to other {names}: {rule}, got {self.rule}")
        if done < 0:
            raise ValueError(f"{where} is not a zcore checkpoint: it has {done} draws")
        if done > n_samples:
            raise ValueError(f"{where} has {done} draws, more than n_samples {n_samples}")
        return done, sums

    def save(self, done: int, sums: Array, *, last: bool) -> None:
        """Write the file if it is due; it is complete at every moment."""
        now = time.monotonic()
        if not last and now - self.written < EVERY:
            return
        self.written = now
        output.write(
            self.what,
            self.path,
            lambda file: np.savez(file, done=done, sums=sums, data=self.data, rule=self.rule),
        )


def _read(file: BinaryIO) -> tuple[int, Array, str, str]:
    """(done, sums, data, rule) of an .npz file, whose arrays are no larger than its members."""
    size = os.fstat(file.fileno()).st_size
    with zipfile.ZipFile(file) as members:
        parts = [npz.member(members, name, size) for name in ("done", "sums", "data", "rule")]
    done, sums, data, rule = parts
    if [part.dtype.kind for part in parts] != list("iiUU") or sums.dtype != np.int64:
        raise ValueError(f"it holds {[str(part.dtype) for part in parts]}")
    if [part.ndim for part in parts] != [0, 1, 0, 0]:
        raise ValueError(f"it holds arrays of shapes {[part.shape for part in parts]}")
    return int(done), sums, str(data), str(rule)


def _digest(x: Array) -> str:
    digest = hashlib.blake2b(repr((x.shape, x.dtype.str)).encode(), digest_size=16)
    flat = x.reshape(-1).view(np.uint8)
    for begin in range(0, len(flat), BLOCK):
        digest.update(flat[begin : begin + BLOCK].data)
    return digest.hexdigest()
