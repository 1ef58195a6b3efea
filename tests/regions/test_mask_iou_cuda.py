"""Masks on a CUDA device: IoUs bit-identical to the host's."""

from __future__ import annotations

import numpy as np
import pytest
import tamis
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from reference import same_bits, some_splits
from tamis import Masks
from test_mask_iou import blobs

pytestmark = pytest.mark.gpu


def same_as_host(library, a, b, crowd=None):
    like = library.array(np.zeros(1))
    want = tamis.mask_iou(a, b, iscrowd=crowd)
    flags = [crowd] if crowd is None else [crowd, library.array(crowd)]
    for flag in flags:
        got = tamis.mask_iou(a.to_device(like), b.to_device(like), iscrowd=flag)
        same_bits(library.numpy(got), want)
    return want


@pytest.mark.parametrize("noise", [0, 0.01, 0.3])
def test_pixels(gpu_library, noise):
    """With noise on one side only, too: many runs against few."""
    a, b = Masks.encode(blobs(40, 30, 40, 1, noise)), Masks.encode(blobs(30, 30, 40, 2, noise))
    smooth = Masks.encode(blobs(20, 30, 40, 3))
    crowd = np.random.default_rng(0).integers(0, 2, 30)
    found = same_as_host(gpu_library, a, b)
    assert 0.1 < (found > 0).mean() < 0.9
    same_as_host(gpu_library, a, b, crowd)
    same_as_host(gpu_library, a, b, crowd > 0)
    same_as_host(gpu_library, smooth, a)
    same_as_host(gpu_library, a, smooth)


def test_many_runs(gpu_library):
    """More of them than lanes of a warp, in the common part and out of it."""
    rng = np.random.default_rng(1)
    pixels = rng.random((6, 300, 200)) < 0.5
    pixels[1, :, 60:] = pixels[2, :, :150] = pixels[3, 5:] = False
    masks = Masks.encode(pixels)
    same_as_host(gpu_library, masks, masks)


def test_batched(gpu_library):
    on = gpu_library.array
    a_splits, b_splits = some_splits(40, 9, seed=2), some_splits(40, 5, seed=3)
    a, b = (Masks.encode(blobs(s[-1], 20, 25, i)) for i, s in enumerate((a_splits, b_splits)))
    crowd = np.random.default_rng(5).integers(0, 2, len(b))
    want = tamis.mask_iou_batched(a, a_splits, b, b_splits, iscrowd=crowd)
    like = on(np.zeros(1, np.float32))
    for splits in ((a_splits, b_splits), (on(a_splits), on(b_splits))):
        got = tamis.mask_iou_batched(
            a.to_device(like), splits[0], b.to_device(like), splits[1], iscrowd=crowd
        )
        for mine, theirs in zip(got, want, strict=True):
            same_bits(gpu_library.numpy(mine), theirs)


def test_by_hand(gpu_library):
    """Runs of length zero, which end a walk early; all of an image; none; nearly 2**32 pixels."""
    counts = [[3, 0, 2, 1, 6], [0, 12], [12], [1, 0, 0, 4, 7], [0, 4, 8], [11, 1], [6, 5, 0, 1]]
    odd = Masks.from_coco([{"size": [3, 4], "counts": c} for c in counts])
    same_as_host(gpu_library, odd, odd, np.arange(len(odd)) % 2)
    size = [65535, 65536]
    most = size[0] * size[1]
    rows = [[1, most - 1], [0, most], [most - 1, 1], [2**31, 2**30, most - 2**31 - 2**30]]
    huge = Masks.from_coco([{"size": size, "counts": c} for c in rows])
    same_as_host(gpu_library, huge, huge)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1)])
def test_tiny_images(gpu_library, shape):
    masks = Masks.encode(np.ones((2, *shape), bool))
    same_as_host(gpu_library, masks, masks)
    same_as_host(gpu_library, masks, masks[:0])
    same_as_host(gpu_library, masks[:0], masks[:0])


def test_runs_on_the_current_stream(gpu_library):
    masks = Masks.encode(blobs(200, 60, 80, 1, 0.1))
    stream, current = gpu_library.new_stream()
    with current:
        placed = masks.to_device(gpu_library.array(np.zeros(1)))
        got = tamis.mask_iou(placed, placed)
        stream.synchronize()
    same_bits(gpu_library.numpy(got), tamis.mask_iou(masks, masks))


def test_errors(gpu_library):
    like, masks = gpu_library.array(np.zeros(1)), Masks.encode(blobs(3, 4, 5))
    placed = masks.to_device(like)
    assert len(placed) == 3 and repr(placed).startswith("DeviceMasks(3 masks on cuda")
    with pytest.raises(ValueError, match=r"^mask_iou: b must be on the device of a \(cuda:0\)"):
        tamis.mask_iou(placed, masks)
    with pytest.raises(ValueError, match=r"^mask_iou: b must be on the device of a"):
        tamis.mask_iou(masks.to_coco(), placed)
    with pytest.raises(ValueError, match=r"^Masks.to_device: like must be an array on a CUDA"):
        masks.to_device(np.zeros(1))
    with pytest.raises(ValueError, match=r"^Masks.to_device: the counts of mask 1 must be"):
        Masks._of(masks.text, masks.splits, [[4, 5], [4, 6], [4, 5]]).to_device(like)
    other = Masks.encode(blobs(3, 5, 4)).to_device(like)
    with pytest.raises(ValueError, match=r"^mask_iou: masks of an image must be of one size"):
        tamis.mask_iou(placed, other)
    with pytest.raises(ValueError, match=r"^mask_iou: iscrowd must have shape \(3,\), got \(2,\)"):
        tamis.mask_iou(placed, placed, iscrowd=gpu_library.array(np.zeros(2)))


@examples(60, fixtures_kept=True)
@given(data=st.data())
def test_any_masks(gpu_library, data):
    """Of any run lengths, zero too."""
    h, w = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))

    def masks():
        cuts = st.lists(st.integers(0, h * w), max_size=30).map(sorted)
        ends = data.draw(st.lists(cuts, min_size=1, max_size=3))
        counts = [np.diff([0, *e, h * w]).tolist() for e in ends]
        return Masks.from_coco([{"size": [h, w], "counts": c} for c in counts])

    same_as_host(gpu_library, masks(), masks())


@pytest.mark.parametrize("dtype", [bool, np.uint8])
@pytest.mark.parametrize("shape", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (1, 1, 1), (9, 31, 40)])
def test_pixels_are_encoded_on_the_device(gpu_library, monkeypatch, shape, dtype):
    rng = np.random.default_rng(0)
    pixels = (rng.random(shape) < rng.random((shape[0], 1, 1))).astype(dtype)
    pixels[1::4], pixels[2::4] = 0, 1
    if dtype is np.uint8:
        pixels[::2] *= 7
    want = Masks.encode(pixels)
    for at_once in (1 << 26, 3000):
        monkeypatch.setattr("tamis.regions.masks_cuda.PIXELS_AT_ONCE", at_once)
        got = Masks.encode(gpu_library.array(pixels))
        for key in ("text", "splits", "size"):
            same_bits(getattr(got, key), getattr(want, key))
    columns = gpu_library.array(np.ascontiguousarray(pixels.swapaxes(1, 2))).swapaxes(1, 2)
    same_bits(Masks.encode(columns).text, want.text)
    if shape[0]:
        same_bits(Masks.encode(gpu_library.array(pixels[0])).text, want[:1].text)


def test_pixels_that_are_none(gpu_library):
    with pytest.raises(TypeError, match=r"^Masks.encode: masks must be bool or uint8, got float32"):
        Masks.encode(gpu_library.array(np.zeros((1, 2, 3), np.float32)))
    with pytest.raises(ValueError, match=r"^Masks.encode: masks must have shape \(n, h, w\)"):
        Masks.encode(gpu_library.array(np.zeros((1, 1, 2, 3), bool)))


def test_areas_boxes_and_some_of_the_masks(gpu_library):
    on = gpu_library.array
    size = [65535, 65536]
    huge = Masks.from_coco([{"size": size, "counts": [2**31 - 9, 2**31 - 65536 + 9]}])
    for masks in (Masks.encode(blobs(40, 30, 40, 1, 0.1)), Masks.encode(blobs(0, 3, 4)), huge):
        placed = masks.to_device(on(np.zeros(1)))
        assert gpu_library.numpy(placed.area()).tolist() == masks.area().tolist()
        same_bits(gpu_library.numpy(placed.to_bbox()), masks.to_bbox())
    masks = Masks.encode(blobs(40, 30, 40, 1, 0.1))
    placed = masks.to_device(on(np.zeros(1)))
    rows = np.random.default_rng(0).integers(0, 40, 30)
    for index in (
        slice(3, 30, 2),
        slice(5, 5),
        rows,
        masks.area() > 300,
        on(rows),
        on(masks.area() > 300),
    ):
        some = np.arange(40)[index if isinstance(index, slice) else np.asarray(_hosted(index))]
        part = placed[index]
        assert len(part) == len(some)
        same_bits(
            gpu_library.numpy(tamis.mask_iou(part, placed)), tamis.mask_iou(masks[some], masks)
        )
        same_bits(gpu_library.numpy(part.to_bbox()), masks[some].to_bbox())
        assert masks[index].counts() == masks[some].counts()
    with pytest.raises(IndexError, match="DeviceMasks: an index must have one dimension"):
        placed[3]


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4), (2, 4, 0), (3, 1, 1), (20, 30, 41)])
def test_pixels_are_drawn_on_the_device(gpu_library, shape):
    pixels = np.random.default_rng(0).random(shape) < 0.3
    pixels[::3] = pixels[::3] if 0 in shape else blobs(*shape, 1)[::3]
    pixels[1::5], pixels[2::5] = False, True
    masks = Masks.encode(pixels)
    placed = masks.to_device(gpu_library.array(np.zeros(1)))
    got = gpu_library.numpy(placed.decode())
    assert got.dtype == bool and got.shape == masks.decode().shape
    np.testing.assert_array_equal(got, masks.decode())
    np.testing.assert_array_equal(gpu_library.numpy(placed[::-2].decode()), masks[::-2].decode())
    odd = Masks.from_coco([{"size": [3, 4], "counts": c} for c in ([3, 0, 2, 1, 6], [0, 0, 0, 12])])
    got = gpu_library.numpy(odd.to_device(gpu_library.array(np.zeros(1))).decode())
    np.testing.assert_array_equal(got, odd.decode())
    two = Masks.from_boxes(np.ones((2, 4)), [[4, 5], [5, 4]])
    with pytest.raises(ValueError, match=r"^DeviceMasks.decode: masks must be of one size"):
        two.to_device(gpu_library.array(np.zeros(1))).decode()


def _hosted(x):
    return x if isinstance(x, np.ndarray) else x.get() if hasattr(x, "get") else x.cpu().numpy()


def test_nobody_changes_where_device_masks_lie(gpu_library):
    """The caller may change arrays on a device: any answer will do, within bounds."""
    masks = Masks.encode(blobs(6, 12, 9, 0, 0.3))
    placed = masks.to_device(gpu_library.array(np.zeros(1)))
    with pytest.raises(ValueError, match="read-only"):
        placed.size[0] = 7
    with pytest.raises(ValueError, match=r"^DeviceMasks: splits must have shape \(7,\), got \(6,"):
        type(placed)(placed.ends, placed.splits[1:], placed.masks, placed.size)
    with pytest.raises(TypeError, match=r"^DeviceMasks: ends must be int32, got int64"):
        type(placed)(placed.splits, placed.splits, placed.masks, placed.size)
    for far in (2**40, -5, 10**6):
        placed.splits[2:4] = far
        whole = np.array([0, 1, 4, 5])
        values = gpu_library.numpy(tamis.mask_iou(placed, placed))
        same_bits(values[np.ix_(whole, whole)], tamis.mask_iou(masks[whole], masks[whole]))
        assert values[2, 0] == 0 and values[3, 5] == 0
        pixels = gpu_library.numpy(placed.decode())
        np.testing.assert_array_equal(pixels[whole], masks[whole].decode())
        assert not pixels[2:4].any()
        tamis.find_duplicate_boxes(placed, np.array([0, 6]), threshold=0.5)
