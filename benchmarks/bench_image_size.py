"""Sizes of image files from their headers, against Pillow.

pytest benchmarks/bench_image_size.py
"""

import os

import numpy as np
import pytest
from label_files import folder
from tamis.annotations.options import header_sizes

IMAGES = int(os.environ.get("TAMIS_BENCH_IMAGES", 5000))


def ours(paths):
    return header_sizes(paths)[0]


def pillow(paths):
    image = pytest.importorskip("PIL.Image")
    sizes = []
    for path in paths:
        with image.open(path) as opened:
            sizes.append(opened.size[::-1])
    return np.array(sizes)


@pytest.mark.parametrize("who", ["tamis", "Pillow"])
def test_headers(benchmark, who):
    images = folder(IMAGES, 40 * IMAGES) / "images/val"
    paths = [str(p) for p in sorted(images.iterdir())]
    benchmark.group = f"sizes of {IMAGES:,} JPEG files"
    run = {"tamis": ours, "Pillow": pillow}[who]
    found = benchmark.pedantic(run, args=(paths,), rounds=5, warmup_rounds=1)
    assert np.array_equal(found, ours(paths))
