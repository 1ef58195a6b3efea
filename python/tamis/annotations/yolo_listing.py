"""One entry an image: its label file, its name and its size."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import numpy as np

from tamis._shared.arrays import Array
from tamis.annotations.findings import Finding
from tamis.annotations.options import Options, header_sizes
from tamis.annotations.problems import Problems


@dataclass
class Listing:
    """One entry an image; `labels` may name files that are not there."""

    labels: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    sizes: Array = field(default_factory=lambda: np.empty((0, 2), np.int64))
    classes: dict[int, str] = field(default_factory=dict)
    keypoints: tuple[int, int] | None = None
    remarks: list[Finding] = field(default_factory=list)
    paths: list[str | None] = field(default_factory=list)  # of the images

    def add(self, key: str, label: str, image: str | None, name: str = "") -> None:
        self.ids.append(key)
        self.labels.append(label)
        self.paths.append(image)
        self.names.append(name or (key + os.path.splitext(image or "")[1]))


def find_sizes(listing: Listing, options: Options, problems: Problems) -> None:
    """(images, 2) heights and widths: those given, else those of the image files."""
    like = options.like
    if like is not None and options.image_sizes is None and listing.ids == options.like_keys:
        listing.sizes = like.image_sizes.astype(np.int64)
        if listing.sizes.all():
            return
    given = like is not None or options.image_sizes is not None
    sizes: list[tuple[int, int]] = []
    headers: list[tuple[int, str]] = []
    for key, name, path in zip(listing.ids, listing.names, listing.paths, strict=True):
        if options.images:
            path = options.find_image(name) or path
        size = options.given_size(name, key) if given else None
        if size is None and path is not None:
            headers.append((len(sizes), path))
        sizes.append(size or (0, 0))
    listing.sizes = np.array(sizes, np.int64).reshape(-1, 2)
    found, wrong = header_sizes([path for _, path in headers])
    listing.sizes[[i for i, _ in headers]] = found
    why = {i: f"its image {path} {text}" for (i, path), text in zip(headers, wrong, strict=True)}
    for i in np.flatnonzero((listing.sizes == 0).any(axis=1)).tolist():
        label = listing.labels[i]
        if os.path.exists(label) and os.path.getsize(label):
            text = why.get(i, "its image was not found")
            problems.add(
                label, 0, f"{text}, so its size is not known: give images=, image_sizes= or like="
            )
