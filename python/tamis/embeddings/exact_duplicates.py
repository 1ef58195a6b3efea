"""Files with the same content."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
import warnings
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from tamis._core import num_threads
from tamis._shared.arrays import as_list, check_integer

CHUNK = 1 << 20


def exact_duplicates(
    paths: Iterable[str | os.PathLike[str]], *, num_workers: int | None = None
) -> dict[int, list[int]]:
    """Groups of files with identical bytes, by their positions.

    Parameters
    ----------
    paths : iterable of paths
        Files that cannot be read or are not regular files are left out, with a warning.
    num_workers : int, optional
        Threads; default `tamis.num_threads()`.

    Returns
    -------
    dict of int to list of int
        Positions in `paths`: the first of equal files, and the others, ascending.

    Raises
    ------
    TypeError
        For anything else, also for a single path.

    Notes
    -----
    Only files of equal size are read, once, in pieces of 1 MB; 128-bit BLAKE2 digests, the same in
    every process. Source: `compute_exact_duplicates` of fiftyone-brain 0.25.0.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name, text in (("a", "1"), ("b", "2"), ("c", "1")):
    ...     _ = (folder / name).write_text(text)
    >>> [len(group) for group in tamis.exact_duplicates(sorted(folder.iterdir())).values()]
    [1]
    """
    if isinstance(paths, (str, bytes, os.PathLike)) or not isinstance(paths, Iterable):
        raise TypeError(
            f"exact_duplicates: paths must be an iterable of paths, got {type(paths).__name__}"
        )
    named = as_list("exact_duplicates", "paths", paths)
    for i, path in enumerate(named):
        if not isinstance(path, (str, bytes, os.PathLike)):
            raise TypeError(
                f"exact_duplicates: paths[{i}] must be a path, got {type(path).__name__}"
            )
    if num_workers is not None:
        num_workers = check_integer("exact_duplicates", "num_workers", num_workers, 1)
    with ThreadPoolExecutor(num_workers or num_threads()) as pool:
        sizes = list(pool.map(_size, named))
        by_size: dict[int, list[int]] = defaultdict(list)
        for i, size in enumerate(sizes):
            if size is not None:
                by_size[size].append(i)
        asked = sorted(i for group in by_size.values() if len(group) > 1 for i in group)
        stopped = threading.Event()
        try:
            digests = list(pool.map(lambda i: _digest(named[i], stopped), asked))
        except BaseException:  # the pool waits for the files it has begun
            stopped.set()
            raise
    unread = [named[i] for i, size in enumerate(sizes) if size is None]
    unread += [named[i] for i, digest in zip(asked, digests, strict=True) if digest is None]
    if unread:
        warnings.warn(
            f"exact_duplicates: {len(unread)} files could not be read,"
            f" the first is {os.fspath(unread[0])}",
            stacklevel=2,
        )
    same: dict[tuple[int | None, bytes], list[int]] = defaultdict(list)
    for i, digest in zip(asked, digests, strict=True):
        if digest is not None:
            same[sizes[i], digest].append(i)
    return {group[0]: group[1:] for group in same.values() if len(group) > 1}


def _size(path: str | os.PathLike[str]) -> int | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # of a name with a zero byte
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _digest(path: str | os.PathLike[str], stopped: threading.Event) -> bytes | None:
    digest = hashlib.blake2b(digest_size=16)
    try:
        # without a wait for a writer, should it be a FIFO by now
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            while not stopped.is_set() and (piece := file.read(CHUNK)):
                digest.update(piece)
    except OSError:
        return None
    return digest.digest()


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
