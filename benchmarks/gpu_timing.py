"""Times on a GPU: medians of CUDA events after a warm-up, the L2 cache flushed before each run."""

from __future__ import annotations

import functools
import platform
import statistics
import subprocess
from collections.abc import Callable
from typing import Any

import tamis
import torch
from place import commit

ROUNDS = 11
WARM_UPS = 2
FLUSH_BYTES = 256 << 20  # more than the L2 cache of any current GPU


def milliseconds(
    run: Callable[[], Any], rounds: int = ROUNDS, warm_ups: int = WARM_UPS
) -> list[float]:
    flush = torch.empty(FLUSH_BYTES, dtype=torch.uint8, device="cuda")
    times = []
    for _ in range(rounds + warm_ups):
        flush.zero_()
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return times[warm_ups:]


def row(
    name: str,
    run: Callable[[], Any],
    written: int | None = None,
    *,
    operations: float | None = None,
    floor_ms: float | None = None,
    rounds: int = ROUNDS,
    warm_ups: int = WARM_UPS,
) -> dict[str, Any]:
    """One line of the results: times, the rate of what was written or computed, and the floor."""
    times = milliseconds(run, rounds, warm_ups)
    median = statistics.median(times)
    found = {"name": name, "median_ms": median, "min_ms": min(times), "max_ms": max(times)}
    rate = ""
    if written is not None:
        found["written_gb_per_s"] = written / median / 1e6
        rate = f"{found['written_gb_per_s']:9.0f} GB/s written"
    if operations is not None:
        found["tflop_per_s"] = operations / median / 1e9
        rate = f"{found['tflop_per_s']:9.1f} TFLOP/s"
    if floor_ms is not None:
        found["floor_ms"] = floor_ms
        rate += f"  floor {floor_ms:.3f} ms ({100 * floor_ms / median:.0f} % of the time)"
    print(f"{name:58s} {median:10.3f} ms {rate}", flush=True)
    return found


@functools.cache
def milliseconds_per_byte(read: bool) -> float:
    """Of memory that is written, or read and written (copied), by this GPU."""
    a = torch.empty((2, 1 << 30), device="cuda")
    run = functools.partial(a[0].copy_, a[1]) if read else functools.partial(a.fill_, 1)
    return statistics.median(milliseconds(run)) / a.nbytes


@functools.cache
def milliseconds_per_operation(dtype: torch.dtype) -> float:
    """Of a matrix product: tensor cores and fused sums, more than a kernel without can have."""
    n = 8192
    x, y = (torch.randn((n, n), device="cuda", dtype=dtype) for _ in range(2))
    return statistics.median(milliseconds(lambda: x @ y)) / (2 * n**3)


def ceilings() -> list[dict[str, Any]]:
    """What bounds the rooms: copying memory, and matrix products."""
    a = torch.randn((2, 1 << 30), device="cuda")
    found = [row("ceiling: copy 4 GiB (read + written)", lambda: a[0].copy_(a[1]), a.nbytes)]
    n = 8192
    for dtype in (torch.float16, torch.float32):
        x, y = (torch.randn((n, n), device="cuda", dtype=dtype) for _ in range(2))
        name = f"ceiling: {n} x {n} x {n} product, {str(dtype)[6:]}"
        found.append(row(name, lambda x=x, y=y: x @ y, operations=2 * n**3))
    return found


def environment() -> dict[str, Any]:
    gpu = torch.cuda.get_device_properties(0)
    driver = subprocess.run(
        ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"],
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "gpu": gpu.name,
        "memory_bytes": gpu.total_memory,
        "driver": driver.stdout.strip(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "tamis": tamis.__version__,
        "commit": commit(),
        "rounds": ROUNDS,
    }
