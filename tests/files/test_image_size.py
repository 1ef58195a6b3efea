"""Image sizes from headers, against Pillow."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from conftest import data_path
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from tamis import _core

KINDS = ("png", "jpeg", "bmp", "gif", "webp", "tiff")


def read(*paths: Path) -> tuple[list[list[int]], list[int]]:
    sizes, status = np.empty((len(paths), 2), np.int64), np.empty(len(paths), np.uint8)
    _core.read_image_sizes([os.fsencode(path) for path in paths], sizes, status)
    return sizes.tolist(), status.tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (37, 21), (300, 1025)])
def test_each_kind_has_pillows_size(tmp_path: Path, kind: str, size: tuple[int, int]) -> None:
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "wrong name.txt"  # the first bytes tell
    image.new("RGB", size, (1, 2, 3)).save(path, kind)
    assert read(path) == ([list(size)], [0])


def test_other_spellings(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    picture = image.new("RGB", (30, 20))
    picture.save(tmp_path / "lossless.webp", lossless=True)
    picture.convert("RGBA").save(tmp_path / "extended.webp", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0")
    picture.save(tmp_path / "progressive.jpg", progressive=True)
    (tmp_path / "old.bmp").write_bytes(b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 30, 20, 1, 24))
    (tmp_path / "top.bmp").write_bytes(b"BM" + bytes(12) + struct.pack("<Iii", 40, 30, -20))
    head = struct.pack(">2sHIH", b"MM", 42, 8, 2)
    entries = struct.pack(">HHIHHHHIHH", 256, 3, 1, 30, 0, 257, 3, 1, 20, 0)
    (tmp_path / "big.tif").write_bytes(head + entries)
    paths = sorted(tmp_path.iterdir())
    assert read(*paths) == ([[30, 20]] * len(paths), [0] * len(paths))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_on_its_side_has_the_upright_size(tmp_path: Path, orientation: int) -> None:
    image = pytest.importorskip("PIL.Image")
    ops = pytest.importorskip("PIL.ImageOps")
    exif = image.Exif()
    exif[274] = orientation
    path = tmp_path / "a.jpg"
    image.new("RGB", (40, 10)).save(path, exif=exif)
    with image.open(path) as opened:
        upright = list(ops.exif_transpose(opened).size)
    assert read(path) == ([upright], [0])
    assert upright == ([10, 40] if orientation > 4 else [40, 10])


def test_large_metadata_before_the_size(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "a.jpg"
    image.new("RGB", (40, 10)).save(path, icc_profile=bytes(200_000), comment=bytes(60_000))
    assert read(path) == ([[40, 10]], [0])


def test_what_has_no_size(tmp_path: Path) -> None:
    contents = {
        "empty": b"", "text": b"hello", "cut.jpg": b"\xff\xd8\xff\xe0\0\x10",
        "cut.png": b"\x89PNG\r\n\x1a\n\0",
        "zero.png": b"\x89PNG\r\n\x1a\n" + bytes(16), "endless.jpg": b"\xff\xd8" + b"\xff" * 9000,
        "cut.tif": b"II*\0\xff\xff\xff\x7f", "loop.jpg": b"\xff\xd8\xff\xe0\0\0" * 9,
    }  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    sizes, status = read(*(tmp_path / name for name in contents), tmp_path / "none", tmp_path)
    assert sizes == [[0, 0]] * 10
    assert status == [2, 2, 3, 3, 3, 3, 3, 3, 1, 2]


def test_real_images_have_the_sizes_of_their_labels() -> None:
    paths = sorted(data_path("formats", "images").glob("*.jpg"))
    sizes, status = read(*paths)
    image = pytest.importorskip("PIL.Image")
    assert status == [0] * 100
    for path, size in zip(paths, sizes, strict=True):
        with image.open(path) as opened:
            assert list(opened.size) == size


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="read_image_sizes: sizes and status"):
        _core.read_image_sizes([b"a"], np.empty((2, 2), np.int64), np.empty(1, np.uint8))


HEADS = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF8",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"RIFF1234WEBPVP8 ",
)


@examples(200)
@given(st.sampled_from(HEADS), st.binary(max_size=80))
def test_rubbish_has_a_size_or_none(
    tmp_path_factory: pytest.TempPathFactory, head: bytes, tail: bytes
) -> None:
    path = tmp_path_factory.mktemp("x") / "a"
    path.write_bytes(head + tail)
    sizes, status = read(path)
    assert (status == [0]) == all(0 < side < 2**31 for side in sizes[0])
