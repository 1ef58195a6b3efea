"""`out=`: results in arrays of the caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tamis
from reference import same_bits
from test_oks import people
from test_rotated_iou import boxes as rotated

N, M = 6, 4
SPLITS = np.array([0, 1, 4, 6]), np.array([0, 0, 3, 4])
PAIRS = 11  # 1 * 0 + 3 * 3 + 2 * 1
Call = Callable[..., Any]


def sides(turned: bool) -> tuple[np.ndarray, np.ndarray]:
    if turned:
        return rotated(N).astype(np.float32), rotated(M, seed=1).astype(np.float32)
    rng = np.random.default_rng(0)
    low, size = rng.uniform(0, 5, (N + M, 2)), rng.uniform(1, 9, (N + M, 2))
    both = np.concatenate([low, low + size], axis=1).astype(np.float32)
    return both[:N].copy(), both[N:].copy()


def calls(name: str) -> tuple[Call, tuple[int, ...], np.ndarray, np.ndarray]:
    """The function with `out=` alone free, the shape of its result, and its boxes."""
    function, (a, b) = getattr(tamis, name), sides(name.startswith("rotated"))
    if name.endswith("paired"):
        b = a[::-1].copy()
        return (lambda x, y, **how: function(x, y, **how)), (N,), a, b
    first, second = SPLITS
    if name == "max_iou":
        how = {"other_splits": second}
        return (lambda x, y, **out: function(x, first, other=y, **how, **out)), (N,), a, b
    if name.endswith("batched"):
        return (lambda x, y, **how: function(x, first, y, second, **how)[0]), (PAIRS,), a, b
    return (lambda x, y, **how: function(x, y, **how)), (N, M), a, b


NAMES = [
    f"{kind}{shape}"
    for kind in ("box_iou", "rotated_box_iou")
    for shape in ("", "_paired", "_batched")
]
NAMES.append("max_iou")
named = pytest.mark.parametrize("name", NAMES)


@named
def test_the_result_is_out(name: str) -> None:
    call, shape, a, b = calls(name)
    for dtype in (np.float32, np.float64):
        out = np.full(shape, 7, dtype)
        x, y = a.astype(dtype), b.astype(dtype)
        assert call(x, y, out=out) is out
        same_bits(out, call(x, y))
        assert (out != 7).all()


@named
def test_tensors(name: str) -> None:
    torch = pytest.importorskip("torch")
    call, shape, a, b = calls(name)
    out = torch.full(shape, 7.0)
    assert call(torch.from_numpy(a), torch.from_numpy(b), out=out) is out
    same_bits(out.numpy(), call(a, b))
    for bad, match in (
        (np.empty(shape, np.float32), "out must be an array of torch, got numpy.ndarray"),
        (torch.empty(shape, requires_grad=True), "got one that requires a gradient"),
        (torch.empty((*shape, 2))[..., 0], "got one that lies otherwise"),
    ):
        with pytest.raises((TypeError, ValueError), match=f"^{name}: .*{match}"):
            call(torch.from_numpy(a), torch.from_numpy(b), out=bad)


@named
def test_arrays_that_cannot_be_out(name: str) -> None:
    call, shape, a, b = calls(name)
    locked = np.empty(shape, np.float32)
    locked.flags.writeable = False
    odd = np.empty(4 * int(np.prod(shape)) + 1, np.uint8)[1:].view(np.float32).reshape(shape)
    for bad, match in (
        ([0.0], "out must be an array of numpy, got builtins.list"),
        (np.ma.zeros(shape), "out must be an array of numpy, got numpy.ma.*MaskedArray"),
        (np.empty(shape), "out must be float32, got float64"),
        (np.empty(shape, ">f4"), "out must be float32, got >f4"),
        (np.empty((*shape, 1), np.float32), "out must have shape"),
        (np.empty(tuple(n + 1 for n in shape), np.float32), "out must have shape"),
        (np.empty((*shape, 2), np.float32)[..., 0], "got one that lies otherwise"),
        (locked, "got one that is read-only"),
        (odd, "got one that is not aligned"),
    ):
        with pytest.raises((TypeError, ValueError), match=f"^{name}: .*{match}"):
            call(a, b, out=bad)


@named
def test_out_shares_no_memory_with_an_input(name: str) -> None:
    call, shape, a, b = calls(name)
    for side in "ab":
        given = {"a": a, "b": b}
        size = int(np.prod(shape))
        memory = np.zeros(size + given[side].size, np.float32)
        inside = memory[size - 1 : size - 1 + given[side].size].reshape(given[side].shape)
        inside[:] = given[side]
        out, given[side] = memory[:size].reshape(shape), inside
        named = {"a": "boxes", "b": "other"}[side] if name == "max_iou" else side
        with pytest.raises(ValueError, match=f"^{name}: out .* shares memory with {named}"):
            call(given["a"], given["b"], out=out)
        same_bits(inside, {"a": a, "b": b}[side])  # nothing has been written


@pytest.mark.gpu
@named
def test_on_a_device(name: str, gpu_library: Any) -> None:
    call, shape, a, b = calls(name)
    out = gpu_library.array(np.full(shape, 7, np.float32))
    assert call(gpu_library.array(a), gpu_library.array(b), out=out) is out
    same_bits(gpu_library.numpy(out), call(a, b))


def of_regions(name: str, on: Callable[[Any], Any] | None = None) -> tuple[Call, tuple[int, ...]]:
    """A function of masks or keypoints with `out=` alone free, on a device or not."""
    function, splits = getattr(tamis, name), SPLITS
    if name.startswith("mask"):
        pixels = np.random.default_rng(0).random((N + M, 5, 6)) < 0.5
        both = [tamis.Masks.encode(part) for part in np.split(pixels, [N])]
        a, b = [x.to_device(on(np.empty(0))) for x in both] if on else both
        rest: list[Any] = []
    else:
        (found, _, _), (truth, areas, _) = people(N, 17, 1), people(M, 17, 2)
        truth[:, 0, 2] = 2  # at least one point can be seen
        a, b, areas = (on(x) if on else x for x in (found, truth, areas))
        rest = [areas]
    if name.endswith("batched"):
        return (lambda **out: function(a, splits[0], b, splits[1], *rest, **out)[0]), (PAIRS,)
    return (lambda **out: function(a, b, *rest, **out)), (N, M)


of_shapes = pytest.mark.parametrize("name", ["mask_iou", "mask_iou_batched", "oks", "oks_batched"])


@of_shapes
def test_masks_and_keypoints(name: str) -> None:
    call, shape = of_regions(name)
    out = np.full(shape, 7.0)
    assert call(out=out) is out
    same_bits(out, call())
    assert (out != 7).all()
    locked = np.empty(shape)
    locked.flags.writeable = False
    for bad, match in (
        ([0.0], "out must be an array of numpy, got builtins.list"),
        (np.empty(shape, np.float32), "out must be float64, got float32"),
        (np.empty((*shape, 1)), "out must have shape"),
        (np.empty(tuple(n + 1 for n in shape)), "out must have shape"),
        (np.empty((*shape, 2))[..., 0], "got one that lies otherwise"),
        (locked, "got one that is read-only"),
    ):
        with pytest.raises((TypeError, ValueError), match=f"^{name}: .*{match}"):
            call(out=bad)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_keypoints_share_no_memory_with_out(place: int) -> None:
    (found, _, _), (truth, areas, _) = people(N, 17, 1), people(M, 17, 2)
    truth[:, 0, 2] = 2
    given = [found, truth, areas]
    before = given[place].copy()
    memory = np.zeros(N * M + before.size)
    inside = memory[N * M - 1 : N * M - 1 + before.size].reshape(before.shape)
    inside[:], given[place] = before, inside
    name = ("keypoints", "gt_keypoints", "gt_areas")[place]
    with pytest.raises(ValueError, match=f"^oks: out .* shares memory with {name}"):
        tamis.oks(*given, out=memory[: N * M].reshape(N, M))
    same_bits(inside, before)


@pytest.mark.gpu
@of_shapes
def test_masks_and_keypoints_on_a_device(name: str, gpu_library: Any) -> None:
    call, shape = of_regions(name, gpu_library.array)
    out = gpu_library.array(np.full(shape, 7.0))
    assert call(out=out) is out
    same_bits(gpu_library.numpy(out), gpu_library.numpy(call()))
    with pytest.raises(TypeError, match=f"^{name}: out must be an array of"):
        call(out=np.empty(shape))
