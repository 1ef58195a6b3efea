"""Files that tamis writes: checked before any work, and complete at every moment."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # not POSIX
    fcntl = None  # type: ignore[assignment]

NONBLOCK = getattr(os, "O_NONBLOCK", 0)
Path = str | os.PathLike[str]
KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


def check(what: str, path: Path, others: Iterable[Path | None] = ()) -> str:
    """The file that `path` names, links followed, or an error if it could not be written.

    Parameters
    ----------
    what : str
        The function and argument, for errors.
    path : path
    others : iterable of paths
        Files of the same run that must not be written over.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{what} must be the name of a file, got {path!r}")
    named = os.fspath(path)
    if not isinstance(named, str) or not named or "\0" in named:
        raise ValueError(f"{what} must be the name of a file, got {path!r}")
    target = os.path.realpath(named)
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        mode = None
    if named.endswith(os.sep) or (mode is not None and not stat.S_ISREG(mode)):
        raise _refusal(errno.EISDIR if mode is None else 0, what, named, _kind(mode))
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise _refusal(errno.ENOENT, what, named, "a file in a folder that does not exist")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _refusal(errno.EACCES, what, named, "a file in a folder that cannot be written to")
    if mode is not None and not os.access(target, os.W_OK):
        raise _refusal(errno.EACCES, what, named, "a file that cannot be written to")
    for other in others:
        if other is not None and _same(target, os.path.realpath(os.fspath(other))):
            raise ValueError(f"{what} must not be the file {os.fspath(other)}, which it is")
    return target


def check_readable(what: str, path: Path) -> None:
    """Raise unless `path` is a regular file, before anything waits for a FIFO or a device."""
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        raise _refusal(0, what, os.fspath(path), _kind(mode))


def write(what: str, path: Path, fill: Callable[[BinaryIO], Any]) -> None:
    """Write a file by `fill`: it holds the old content or the new, never a part.

    A temporary file in the same folder replaces it at the end, with the mode of the old file or
    that of the umask. Leftovers of a killed run are overwritten by the next one.
    """
    target = check(what, path)
    try:
        with _beside(target) as (file, unfinished):
            fill(file)
            file.flush()
            if os.path.exists(target):
                os.chmod(unfinished, stat.S_IMODE(os.stat(target).st_mode))
            os.fsync(file.fileno())
            os.replace(unfinished, target)
    except OSError as error:
        if error.filename is None:  # a full disk does not say which file it has no room for
            error.filename = target
        raise


@contextlib.contextmanager
def _beside(target: str) -> Iterator[tuple[BinaryIO, str]]:
    """A temporary file next to `target`, with one name per target; removed if it does not replace
    it.

    Its writer holds a lock on it, so that two do not meet; a file without one is a leftover.
    """
    folder, name = os.path.split(target)
    unfinished = os.path.join(folder, f".{name[:60]}.unfinished")
    while True:
        try:
            number = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
            _lock(number)
        except FileExistsError:
            _remove_leftover(unfinished)
            continue
        with os.fdopen(number, "wb") as file:
            if not _is(number, unfinished):  # taken for a leftover before it was locked
                continue
            try:
                yield file, unfinished
            finally:
                if _is(number, unfinished):
                    os.unlink(unfinished)
            return


def _remove_leftover(path: str) -> None:
    """Wait for whoever writes the file; unlink it if nobody does any more."""
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | NONBLOCK)
    except FileNotFoundError:
        return
    try:
        _lock(number)
        if _is(number, path):
            os.unlink(path)
    finally:
        os.close(number)


def _lock(number: int) -> None:
    if fcntl is not None:
        with contextlib.suppress(OSError):  # of a file system without locks
            fcntl.flock(number, fcntl.LOCK_EX)


def _is(number: int, path: str) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(number), os.lstat(path))
    except FileNotFoundError:
        return False


def _same(a: str, b: str) -> bool:
    return a == b or (os.path.exists(a) and os.path.exists(b) and os.path.samefile(a, b))


def _kind(mode: int | None) -> str:
    return next((name for test, name in KINDS if mode and test(mode)), "the name of a folder")


def _refusal(number: int, what: str, path: str, kind: str) -> Exception:
    if kind == "a folder":
        number = errno.EISDIR
    if number == 0:
        return ValueError(f"{what} must be a regular file, got {kind}: {path}")
    return OSError(number, f"{what} must be a file that can be written, got {kind}", path)
