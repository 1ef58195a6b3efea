"""Sheets of images: boxes stand where they should, and bad files are tiles too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
from tamis.reports.crops import Folder, View, pictures  # noqa: E402
from tamis.reports.marks import COLORS, Mark  # noqa: E402


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """A white image of 200 by 100, a broken one, and none."""
    paths = [str(tmp_path / name) for name in ("white.png", "broken.png", "none.png")]
    Image.new("RGB", (200, 100), "white").save(paths[0])
    Path(paths[1]).write_bytes(b"no image")
    return paths


def rgb(color: str) -> tuple[int, ...]:
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))


def test_boxes_are_drawn_in_place_and_colour(files: Any) -> None:
    [whole] = pictures([View(files[0], [Mark((40, 20, 120, 80), "fp")], size=100)])
    assert whole.size == (100, 50)
    assert whole.getpixel((20, 25)) == rgb(COLORS["fp"]) == whole.getpixel((60, 25))
    assert whole.getpixel((40, 25)) == (255, 255, 255)
    [crop] = pictures([View(files[0], [Mark((40, 20, 120, 80), "gt")], crop=True, size=100)])
    assert crop.size[0] == 100
    assert rgb(COLORS["gt"]) in {crop.getpixel((x, crop.size[1] // 2)) for x in range(100)}
    assert pictures([View(files[1]), View(files[2]), View(None)]) == [None] * 3


def test_boxes_outside_the_image_and_inside_out(files: Any) -> None:
    odd = [(-50, -50, 400, 400), (150, 90, 10, 5), (300, 300, 310, 310), (0, 0, 0, 0)]
    for box in odd:
        for crop in (True, False):
            [made] = pictures([View(files[0], [Mark(box, "tp")], crop=crop)])
            assert made is not None and max(made.size) == 176


def test_masks_are_filled_and_outlined(files: Any) -> None:
    pixels = np.zeros((2, 100, 200), bool)
    pixels[0, 20:80, 40:120] = True
    pixels[1, 90, 190] = True  # less than a pixel of the tile
    masks = tamis.Masks.encode(pixels)
    box = (40, 20, 120, 80)
    marks = [Mark(box, "fp", masks[:1]), Mark((190, 90, 191, 91), "gt", masks[1:])]
    [made] = pictures([View(files[0], marks, size=100)])
    assert made.getpixel((20, 25)) == made.getpixel((40, 39)) == rgb(COLORS["fp"])
    share = 80 / 255
    inside = [round(255 + share * (c - 255)) for c in rgb(COLORS["fp"])]
    np.testing.assert_allclose(made.getpixel((40, 25)), inside, atol=1)
    assert made.getpixel((10, 25)) == made.getpixel((70, 25)) == (255, 255, 255)
    assert rgb(COLORS["gt"]) in {made.getpixel((x, y)) for x in (94, 95) for y in (44, 45)}
    [crop] = pictures([View(files[0], marks[:1], crop=True, size=136)])  # x from 12, y from 0
    assert crop.size == (136, 100)
    assert crop.getpixel((28, 50)) == rgb(COLORS["fp"]) and crop.getpixel((24, 50)) == (255,) * 3
    sheets = [
        tamis.contact_sheet(files, masks=[given, None, None], kinds=[["fp", "gt"], [], []])
        for given in (masks, masks.to_coco(), pixels)
    ]
    assert len({sheet.tobytes() for sheet in sheets}) == 1
    assert (np.asarray(sheets[0]) == rgb(COLORS["gt"])).all(axis=2).any()


def test_keypoints_and_oriented_boxes_are_drawn(files: Any) -> None:
    points = np.zeros((17, 3))
    points[[5, 6]] = (40, 20, 2), (120, 20, 1)  # the shoulders, which are joined
    points[7] = (80, 80, 0)  # not visible
    [made] = pictures([View(files[0], [Mark((40, 20, 120, 20), "tp", points)], size=200)])
    for x, y in ((40, 20), (80, 20), (120, 20)):
        assert made.getpixel((x, y)) == rgb(COLORS["tp"])
    assert made.getpixel((80, 80)) == (255, 255, 255)
    sheet = tamis.contact_sheet(files, keypoints=[points[None, :, :2], None, None], size=200)
    assert sheet.getpixel((10 + 80, 10 + 50 + 80)) == rgb(COLORS["box"])  # no visibility is given
    corners = np.array([[100, 10], [140, 50], [100, 90], [60, 50]])
    [made] = pictures([View(files[0], [Mark((60, 10, 140, 90), "fn", corners)], size=200)])
    assert made.getpixel((120, 30)) == rgb(COLORS["fn"])
    assert made.getpixel((60, 10)) == made.getpixel((100, 50)) == (255, 255, 255)


def test_a_sheet_as_picture_and_files(files: Any, tmp_path: Path) -> None:
    sheet = tamis.contact_sheet(files, boxes=[[[0, 0, 50, 50]], None, None], columns=2, size=64)
    assert sheet.size == (2 * 74 + 10, 2 * (74 + 14) + 10)
    assert sheet.getpixel((10 + 74 + 32, 10 + 32)) == rgb("#c9ced4")
    for name in ("sheet.png", "sheet.webp"):
        assert tamis.contact_sheet(files, tmp_path / name) is None
        with Image.open(tmp_path / name) as opened:
            assert opened.format == name[-4:].strip(".").upper()
    pytest.importorskip("jinja2")
    tamis.contact_sheet(files, tmp_path / "a.html", captions=["<b>", "2", "3"])
    text = (tmp_path / "a.html").read_text()
    assert "&lt;b&gt;" in text and "<b><b>" not in text and text.count("<img") == 1


def test_odd_arguments(files: Any, tmp_path: Path) -> None:
    for options, text in (
        ({"boxes": [[[0, 0, 1]]] * 3}, r"boxes\[0\] must be finite of shape \(n, 4\)"),
        ({"boxes": [[[0, 0, 1, np.nan]]] * 3}, r"boxes\[0\] must be finite"),
        ({"boxes": [None]}, "boxes must be 3, one entry a path, got 1"),
        ({"boxes": [[[0, 0, 1, 1]]] * 3, "kinds": [["x"]] * 3}, r"kinds\[0\] must be 1 of gt"),
        ({"captions": ["a"]}, "captions must be 3, one entry a path, got 1"),
        ({"output": tmp_path / "a.gif"}, "output must end in .png"),
        ({"size": 3}, "size must be"),
        ({"columns": 4}, "columns must be 1 to 3, got 4"),
        ({"boxes": [[[0, 0, 1e12, 1]]] * 3}, r"boxes\[0\] must be within 1e\+09 pixels"),
        ({"keypoints": [np.zeros((1, 17, 4))] * 3}, r"keypoints\[0\] must be finite of shape"),
        ({"masks": [[[0, 0, 5, 5]]] * 3}, r"masks\[0\]: polygons need the size"),
    ):
        with pytest.raises(ValueError, match=f"^contact_sheet: {text}"):
            tamis.contact_sheet(files, **options)
    with pytest.raises(TypeError, match=r"^contact_sheet: kinds need boxes"):
        tamis.contact_sheet(files, kinds=[[]] * 3)
    with pytest.raises(TypeError, match=r"^contact_sheet: boxes and masks cannot be given"):
        tamis.contact_sheet(files, boxes=[None] * 3, masks=[None] * 3)
    for options in (
        {"captions": 3},
        {"boxes": np.float64(2)},
        {"boxes": [["x"]] * 3},
        {"title": 1},
    ):
        (what,) = options
        with pytest.raises(TypeError, match=f"^contact_sheet: {what}.* must be"):
            tamis.contact_sheet(files, **options)


def test_nothing_outside_the_folder_is_found(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    for path in (tmp_path / "secret.png", inside / "a.png", inside / "b.jpg"):
        Image.new("RGB", (4, 4)).save(path)
    folder = Folder(inside)
    assert folder.find("a.png") == str(inside / "a.png")
    assert folder.find("other/b.png") == str(inside / "b.jpg")
    secret = str(tmp_path / "secret.png")
    for name in ("../secret.png", "a/../../secret.png", secret, "a\0b", "x" * 5000, "", ".", ".."):
        assert folder.find(name) is None, name
