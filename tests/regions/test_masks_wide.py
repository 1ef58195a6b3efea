"""Masks of huge images: work and memory by the runs, not by columns or pixels."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import reference_masks as reference
import tamis
from reference import same_bits
from tamis import Masks

WIDE = [{"size": [1, 10**8], "counts": [0, 10**8]}, {"size": [1, 10**8], "counts": [5, 10**8 - 5]}]
TALL = [{"size": [10**8, 1], "counts": one["counts"]} for one in WIDE]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("objects", [WIDE, TALL], ids=["wide", "tall"])
def test_huge_images_take_little_memory(objects):
    code = (
        "import numpy as np, tamis\n"
        "from tamis.coco import mask as M\n"
        f"objects = {objects}\n"
        "h, w = objects[0]['size']\n"
        "a = tamis.Masks.from_coco(objects * 500)\n"
        "iou = tamis.mask_iou(a, a)\n"
        "assert iou[0, 0] == 1 and iou[0, 1] == (10**8 - 5) / 10**8\n"
        "assert a.area().tolist() == [10**8, 10**8 - 5] * 500\n"
        "assert a[:2].to_bbox().max() == 10**8\n"
        "assert a.merge().counts() == [[0, 10**8]]\n"
        "assert a.merge(intersect=True).counts() == [[5, 10**8 - 5]]\n"
        "assert tamis.mask_boundary(a).to_coco() == a.to_coco()\n"
        "assert tamis.mask_boundary(a, dilation_ratio=0).to_coco() == a.to_coco()\n"
        "tamis.find_duplicate_boxes(a, np.array([0, 1000]))\n"
        "r = M.frPyObjects(objects, h, w)\n"
        "assert (M.iou(r, r, [0, 0]) == iou[:2, :2]).all()\n"
        "h, w = (h + 9) // 10, (w + 9) // 10\n"
        "p = [[0, 0, w, 0, w, h, 0, h]]\n"
        "assert tamis.Masks.from_polygons([p], (h, w)).counts() == [[0, 10**7]]\n"
        "b = tamis.Masks.from_boxes(np.array([[0.0, 0, w, h]]), (h, w))\n"
        "assert b.counts() == [[0, 10**7]]\n"
        "lines = dict(line.split(':') for line in open('/proc/self/status'))\n"
        "print(int(lines['VmHWM'].split()[0]) // 1024)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stderr
    assert int(out.stdout) < 150  # MB, of which Python and NumPy are about 40


@pytest.mark.parametrize("width", [4000, 5000, 40000])
def test_pairs_of_wide_masks_by_columns_and_by_runs(width):
    rng = np.random.default_rng(width)
    pixels = np.zeros((6, 4, width), bool)
    for mask in pixels[:5]:
        mask[:, rng.integers(0, width // 2) : rng.integers(width // 2, width)] = True
    pixels[5] = rng.random((4, width)) < 0.5
    masks = Masks.encode(pixels)
    same_bits(tamis.mask_iou(masks, masks), reference.iou(list(pixels), list(pixels)))


def test_pixels_of_any_layout_and_height():
    rng = np.random.default_rng(0)
    for h, w in ((1, 70000), (70000, 1), (70003, 3), (8, 8), (9, 65), (64, 128), (131, 7)):
        pixels = rng.random((2, h, w)) < 0.3
        want = [reference.runs_of(mask) for mask in pixels]
        columns = np.ascontiguousarray(pixels.swapaxes(1, 2)).swapaxes(1, 2)
        padded = np.zeros((2, h, 2 * w), bool)
        padded[:, :, ::2] = pixels
        bytes_of = [pixels * np.uint8(200), columns * np.uint8(3)]
        for layout in (pixels, columns, padded[:, :, ::2], *bytes_of):
            assert Masks.encode(layout).counts() == want


def eroded(mask, reach):
    """Pixels whose square of this reach lies in the mask."""
    padded = np.pad(mask, reach)
    for axis in (0, 1):
        window = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis)
        padded = window.all(axis=-1)
    return padded


@pytest.mark.parametrize("reach", [1, 2, 3])
def test_boundaries_section_by_section(reach):
    """Columns by the ten thousands, with gaps and spots far apart."""
    rng = np.random.default_rng(reach)
    pixels = np.zeros((4, 9, 50000), bool)
    pixels[0] = True
    pixels[1] = rng.random((9, 50000)) < 0.999
    pixels[2, :, 5:40000] = pixels[2, 1:8, 45000:] = True
    pixels[3, :, ::2000] = pixels[3, 2:8, 30000:30009] = pixels[3, 1:, -4:] = True
    masks = Masks.encode(pixels)
    ratio = reach / np.hypot(9, 50000)
    got = tamis.mask_boundary(masks, dilation_ratio=ratio).decode()
    for mask, edge in zip(pixels, got, strict=True):
        np.testing.assert_array_equal(edge, mask & ~eroded(mask, reach))


@pytest.mark.parametrize("kind", ["segm", "boundary"])
def test_evaluations_of_wide_masks(kind, capsys):
    from tamis.coco import COCO, COCOeval

    size, half = [1, 10**8], 5 * 10**7
    gt = COCO()
    gt.dataset = {
        "images": [{"id": 1, "height": size[0], "width": size[1]}],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [
            {
                "id": i + 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": 5e7,
                "bbox": [0, 0, 1, 1],
                "segmentation": {"size": size, "counts": [i * half, half, (1 - i) * half]},
            }
            for i in range(2)
        ],
    }  # fmt: skip
    gt.createIndex()
    masks = Masks.from_coco([ann["segmentation"] for ann in gt.dataset["annotations"]])
    found = gt.loadRes(
        [
            {"image_id": 1, "category_id": 1, "score": 0.5, "segmentation": mask}
            for mask in masks.to_coco()
        ]
    )
    evaluation = COCOeval(gt, found, kind)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    capsys.readouterr()
    assert evaluation.stats[0] == pytest.approx(1)
