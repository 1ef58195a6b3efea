"""box_iou against the formula of torchvision.ops.box_iou in PyTorch, both on two threads.

    pytest benchmarks/bench_box_iou.py

A result of 10,000 x 10,000 is 400 MB of fresh memory: what is left of our time is the kernel
zeroing its pages, so the figure without a fresh result is given too.
"""

import numpy as np
import pytest
import tamis
from tamis import _core

torch = pytest.importorskip("torch")
THREADS = 2


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    tamis.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)
    tamis.set_num_threads(0)


def boxes(n, seed):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 600, (n, 2))
    xyxy = np.concatenate([corner, corner + rng.uniform(1, 200, (n, 2))], axis=1)
    return torch.from_numpy(xyxy.astype(np.float32))


def torch_box_iou(a, b):
    area_a, area_b = ((x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1]) for x in (a, b))
    low = torch.max(a[:, None, :2], b[:, :2])
    high = torch.min(a[:, None, 2:], b[:, 2:])
    sides = (high - low).clamp(min=0)
    inter = sides[..., 0] * sides[..., 1]
    return inter / (area_a[:, None] + area_b - inter)


def torch_loop(a, a_splits, b, b_splits):
    ends = zip(a_splits, a_splits[1:], b_splits, b_splits[1:], strict=False)
    return [torch_box_iou(a[i:j], b[k:m]) for i, j, k, m in ends]


def into_old_memory(a, b):
    out = np.empty((len(a), len(b)), np.float32)
    return lambda: _core.box_iou(0, 0, a, b, out)


@pytest.mark.parametrize("n", [100, 1_000, 10_000])
@pytest.mark.parametrize("who", ["tamis torch", "tamis numpy", "tamis into old memory", "torch"])
def test_all_pairs(benchmark, n, who):
    a, b = boxes(n, 0), boxes(n, 1)
    assert torch.equal(tamis.box_iou(a, b), torch_box_iou(a, b))
    x, y = a.numpy(), b.numpy()
    benchmark.group = f"box_iou {n} x {n} float32, {THREADS} threads"
    run = {
        "tamis torch": lambda: tamis.box_iou(a, b),
        "tamis numpy": lambda: tamis.box_iou(x, y),
        "tamis into old memory": into_old_memory(a, b),
        "torch": lambda: torch_box_iou(a, b),
    }[who]
    benchmark.pedantic(run, rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("kind", ["giou", "diou", "ciou", "iof"])
def test_kinds(benchmark, kind):
    a, b = boxes(5_000, 0), boxes(5_000, 1)
    benchmark.group = f"box_iou kinds 5000 x 5000 float32, {THREADS} threads"
    benchmark.pedantic(lambda: tamis.box_iou(a, b, kind=kind), rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("who", ["tamis", "torch loop"])
def test_batched(benchmark, who):
    images, n, m = 5_000, 100, 8
    a, b = boxes(images * n, 0), boxes(images * m, 1)
    a_splits, b_splits = np.arange(images + 1) * n, np.arange(images + 1) * m
    inputs = a, a_splits.tolist(), b, b_splits.tolist()
    values, _ = tamis.box_iou_batched(a, a_splits, b, b_splits)
    assert torch.equal(values, torch.cat([x.ravel() for x in torch_loop(*inputs)]))
    benchmark.group = f"box_iou_batched {images} images of {n} x {m}, {THREADS} threads"
    run = {
        "tamis": lambda: tamis.box_iou_batched(a, a_splits, b, b_splits),
        "torch loop": lambda: torch_loop(*inputs),
    }[who]
    benchmark.pedantic(run, rounds=5 if who == "torch loop" else 50, warmup_rounds=1)


@pytest.mark.parametrize("who", ["tamis", "torch"])
def test_paired(benchmark, who):
    a, b = boxes(1_000_000, 0), boxes(1_000_000, 1)

    def torch_paired():
        low, high = torch.max(a[:, :2], b[:, :2]), torch.min(a[:, 2:], b[:, 2:])
        sides = (high - low).clamp(min=0)
        inter = sides[:, 0] * sides[:, 1]
        area_a, area_b = ((x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1]) for x in (a, b))
        return inter / (area_a + area_b - inter)

    assert torch.equal(tamis.box_iou_paired(a, b), torch_paired())
    benchmark.group = f"box_iou_paired 1,000,000 float32, {THREADS} threads"
    run = {"tamis": lambda: tamis.box_iou_paired(a, b), "torch": torch_paired}[who]
    benchmark.pedantic(run, rounds=11, warmup_rounds=1)
