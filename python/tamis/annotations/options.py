"""The options of `read`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamis import _core
from tamis.annotations.annotations import Annotations
from tamis.annotations.files import IMAGES, encoded, image_key, stem, unique_index, walk

_WRONG = {
    1: "cannot be read",
    2: "is no PNG, JPEG, BMP, GIF, WebP or TIFF",
    3: "has a broken header",
}


@dataclass(frozen=True)
class Options:
    """See :func:`tamis.read`."""

    images: str | None = None
    image_sizes: Any = None
    classes: dict[int, str] | None = None
    like: Annotations | None = None
    split: str | None = None
    task: str = "auto"
    layout: str = "auto"
    difficult: str = "object"
    one_based: bool = False

    @cached_property
    def image_files(self) -> dict[str, str]:
        """Paths of the images of `images`, by their keys."""
        if self.images is None:
            return {}
        found = walk(self.images, IMAGES)
        return {image_key(path): os.path.join(self.images, path) for path in found}

    @cached_property
    def like_keys(self) -> list[str]:
        """Keys of the images of `like`."""
        like = self.like
        return [] if like is None else [image_key(like.image_name(i)) for i in range(like.n_images)]

    @cached_property
    def _known_sizes(self) -> dict[str, tuple[int, int]]:
        known: dict[str, tuple[int, int]] = {}
        if self.like is not None:
            known.update(
                zip(self.like_keys, map(tuple, self.like.image_sizes.tolist()), strict=True)
            )
        if isinstance(self.image_sizes, Mapping):
            for name, size in self.image_sizes.items():
                known[image_key(str(name))] = one_size(size)
        return known

    @cached_property
    def _sizes_by_stem(self) -> dict[str, tuple[int, int]]:
        sizes = list(self._known_sizes.values())
        places = unique_index([stem(key) for key in self._known_sizes])
        return {key: sizes[place] for key, place in places.items() if place >= 0}

    def given_size(self, name: str, key: Any = "") -> tuple[int, int] | None:
        """Height and width that the caller gave."""
        if self.image_sizes is not None and not isinstance(self.image_sizes, Mapping):
            return one_size(self.image_sizes)
        known = self._known_sizes
        if not known:
            return None
        size = known.get(key)  # as it is, nearly always
        for spelled in () if size else (image_key(name), image_key(str(key))):
            size = size or known.get(spelled)
        size = size or self._sizes_by_stem.get(stem(name))
        return size if size and all(size) else None

    def size_of(self, name: str, key: Any = "") -> tuple[int, int] | None:
        """The same, or what the header of a file of `images` says."""
        size, path = self.given_size(name, key), self.find_image(name)
        if size is not None or path is None:
            return size
        sizes, _ = header_sizes([path])
        height, width = sizes[0].tolist()
        return (height, width) if height else None

    def find_image(self, name: str) -> str | None:
        """The file of `images` with this name."""
        files, key = self.image_files, image_key(name)
        if key in files or not files:
            return files.get(key)
        return self._files_by_stem.get(stem(name))

    @cached_property
    def _files_by_stem(self) -> dict[str, str]:
        places = unique_index([stem(key) for key in self.image_files])
        paths = list(self.image_files.values())
        return {key: paths[place] for key, place in places.items() if place >= 0}


def one_size(size: Any) -> tuple[int, int]:
    pair = np.asarray(size)
    if pair.shape != (2,) or pair.dtype.kind not in "iu" or (pair < 1).any():
        raise ValueError(f"read: image_sizes must hold (height, width) in pixels, got {size!r}")
    return int(pair[0]), int(pair[1])


def header_sizes(paths: list[str]) -> tuple[NDArray[np.int64], list[str]]:
    """(n, 2) heights and widths from headers, 0 where there are none, and what is wrong with each.

    A JPEG that lies on its side by its EXIF orientation has the size of the upright picture.
    """
    sizes, status = np.empty((len(paths), 2), np.int64), np.empty(len(paths), np.uint8)
    _core.read_image_sizes(encoded(paths), sizes, status)
    return sizes[:, ::-1].copy(), [_WRONG.get(s, "") for s in status.tolist()]
