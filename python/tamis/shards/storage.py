"""Files by path or URL: the local file system, and what fsspec knows where it is installed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from tamis._shared import output
from tamis.shards import lance_dataset


def is_url(path: str) -> bool:
    return "://" in path


def plain(path: Any) -> str:
    """The path as text, without ``file://``."""
    return str(os.fspath(path)).removeprefix("file://")


def file_system(path: str) -> tuple[Any, str]:
    """(fsspec's file system, the path in it) of a URL."""
    try:
        import fsspec
    except ImportError:
        raise ImportError(f"{path} needs fsspec: pip install fsspec") from None
    # a kept listing would not say that a file has changed
    found: tuple[Any, str] = fsspec.core.url_to_fs(path, use_listings_cache=False)
    return found


def opened(path: str) -> BinaryIO:
    """The file, to be read."""
    if not is_url(path):
        output.check_readable("shards", path)
        return open(path, "rb")
    files, name = file_system(path)
    found: BinaryIO = files.open(name, "rb")
    return found


def npy_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """(shape, whether in Fortran order, dtype) of a .npy file, which then stands at its values."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    found: tuple[tuple[int, ...], bool, np.dtype[Any]] = read(file)
    return found


def stamp(path: str) -> str:
    """What changes when the file does: its size, and when it was written."""
    if path.endswith(lance_dataset.SUFFIX):
        return lance_dataset.stamp(path)
    if not is_url(path):
        found = os.stat(path)
        return f"{found.st_size} {found.st_mtime_ns}"
    files, name = file_system(path)
    info = files.info(name)
    if info["type"] != "file":
        raise FileNotFoundError(2, "No such file", path)
    return f"{info['size']} {info.get('ETag') or info.get('mtime') or info.get('created') or ''}"


def check_same(function: str, path: str, before: str) -> None:
    """Raise for a file that is not what it was when the plan was made."""
    if stamp(path) != before:
        raise ValueError(f"{function}: {path} has changed since the plan was made")


def listed(path: str, suffixes: tuple[str, ...]) -> list[str]:
    """The file, or those of a folder in the order of their names."""
    if path.endswith(lance_dataset.SUFFIX):
        return [path]
    if is_url(path):
        files, name = file_system(path)
        if not files.isdir(name):
            return [path]
        head = path.partition("://")[0]
        names = sorted(files.ls(name, detail=False))
        return [f"{head}://{one}" for one in names if one.endswith(suffixes)]
    if not os.path.isdir(path):
        return [path]
    return [os.path.join(path, one) for one in sorted(os.listdir(path)) if one.endswith(suffixes)]


class Folder:
    """A folder of small files, each whole at every moment."""

    def __init__(self, path: str) -> None:
        self.path = path.rstrip("/")

    def file(self, name: str) -> str:
        return f"{self.path}/{name}"

    def make(self) -> None:
        if is_url(self.path):
            files, name = file_system(self.path)
            files.makedirs(name, exist_ok=True)
        else:
            os.makedirs(self.path, exist_ok=True)

    def has(self, name: str) -> bool:
        if is_url(self.path):
            files, there = file_system(self.file(name))
            return bool(files.isfile(there))
        return os.path.isfile(self.file(name))

    def size(self, name: str) -> int:
        if is_url(self.path):
            files, there = file_system(self.file(name))
            return int(files.info(there)["size"])
        return os.path.getsize(self.file(name))

    def open(self, name: str) -> BinaryIO:
        return opened(self.file(name))

    def remove(self, name: str) -> None:
        if is_url(self.path):
            files, there = file_system(self.file(name))
            files.rm_file(there)
        else:
            os.unlink(self.file(name))

    def write(self, name: str, fill: Callable[[Any], Any]) -> None:
        """An object store takes an object whole; elsewhere `output.write` sees to it."""
        if not is_url(self.path):
            output.write("shards: state", self.file(name), fill)
            return
        import io

        held = io.BytesIO()
        fill(held)
        files, there = file_system(self.file(name))
        files.pipe_file(there, held.getvalue())
