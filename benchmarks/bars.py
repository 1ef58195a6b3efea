"""The bars of the evaluation and box rooms: tamis and each peer alternately, answers compared
first.

    python benchmarks/bars.py                    all of them, 7 turns each (some minutes)
    python benchmarks/bars.py --quick            small sizes, bars of their own; exit code 1 where a
                                                 ratio is over its bar by a quarter, twice
    python benchmarks/bars.py --write            also into benchmarks/results/<machine>.json
    python benchmarks/bars.py coco box_iou       only those whose name starts so

Each turn runs every contender once, when what others left running has ended; a ratio is the
median over turns of tamis' time by the peer's in the same turn. Peers that are not installed are
left out and named.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import tamis

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from place import place, processor
from synthetic import write_files, write_float32
from synthetic_kinds import write_kind
from turns import in_turn

FOLDER = os.environ.get("TAMIS_BENCH_DATA", os.path.join(tempfile.gettempdir(), "tamis-bench"))
PEERS = {
    "tamis": ("tamis.coco", "tamis.coco"),
    "ultrafast-pycocotools": ("ultrafast_pycocotools", "ultrafast_pycocotools"),
    "hotcoco": ("hotcoco", "hotcoco"),
    "pycocotools": ("pycocotools.coco", "pycocotools.cocoeval"),
}
Contenders = dict[str, Callable[[], Any]]


def installed(names: list[str]) -> dict[str, tuple[Any, Any]]:
    """COCO and COCOeval of each library that is there."""
    found = {}
    for name in names:
        try:
            modules = [importlib.import_module(m) for m in PEERS[name]]
        except ImportError:
            print(f"  ({name} is not installed)")
            continue
        found[name] = (modules[0].COCO, modules[1].COCOeval)
    return found


def coco_numbers(classes: tuple[Any, Any], gt: Path, results: Any, kind: str = "bbox") -> Any:
    """Ground-truth file and results to the 12 numbers, 10 of keypoints."""
    with contextlib.redirect_stdout(io.StringIO()):
        ground_truth = classes[0](str(gt))
        e = classes[1](ground_truth, ground_truth.loadRes(results), kind)
        e.evaluate()
        e.accumulate()
        e.summarize()
    return np.asarray(e.stats, float)


def coco(n: int, names: list[str], arrays: bool) -> Contenders:
    gt, dt, npz = write_files(FOLDER, n)
    with np.load(npz) as file:
        rows = file[file.files[0]]
    results = rows if arrays else str(dt)
    return {
        name: (lambda classes=classes: coco_numbers(classes, gt, results))
        for name, classes in installed(["tamis", *names]).items()
    }


def coco_float32(n: int, names: list[str]) -> Contenders:
    gt, dt = write_float32(FOLDER, n)
    return {
        name: (lambda classes=classes: coco_numbers(classes, gt, str(dt)))
        for name, classes in installed(["tamis", *names]).items()
    }


def shapes(kind: str, n: int, names: list[str]) -> Contenders:
    gt, dt = write_kind(FOLDER, kind, n)
    return {
        name: (lambda classes=classes: coco_numbers(classes, gt, str(dt), kind))
        for name, classes in installed(["tamis", *names]).items()
    }


def mask_iou(n: int) -> Contenders:
    from pycocotools import mask

    rows = random_boxes(2 * n, 2).numpy().astype(float)
    rows[:, 2:] -= rows[:, :2]
    a, b = (mask.frPyObjects(part, 480, 640) for part in np.split(rows, 2))
    x, y = tamis.Masks.from_coco(a), tamis.Masks.from_coco(b)
    crowd = [0] * n
    return {"tamis": lambda: tamis.mask_iou(x, y), "pycocotools": lambda: mask.iou(a, b, crowd)}


def torch_iou(a: Any, b: Any) -> Any:
    """torchvision.ops.box_iou."""
    import torch

    area_a, area_b = ((x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1]) for x in (a, b))
    low = torch.max(a[:, None, :2], b[:, :2])
    high = torch.min(a[:, None, 2:], b[:, 2:])
    wh = (high - low).clamp(min=0)
    inter = wh[:, :, 0] * wh[:, :, 1]
    return inter / (area_a[:, None] + area_b - inter)


def random_boxes(n: int, seed: int) -> Any:
    import torch

    torch.set_num_threads(tamis.num_threads())
    rng = np.random.default_rng(seed)
    low, size = rng.uniform(0, 500, (n, 2)), rng.uniform(1, 200, (n, 2))
    return torch.from_numpy(np.concatenate([low, low + size], 1).astype(np.float32))


def box_iou(n: int) -> Contenders:
    a, b = random_boxes(n, 0), random_boxes(n, 1)
    return {"tamis": lambda: tamis.box_iou(a, b), "torch formula": lambda: torch_iou(a, b)}


def box_iou_batched(images: int) -> Contenders:
    import torch

    a, b = random_boxes(100 * images, 0), random_boxes(8 * images, 1)
    a_splits, b_splits = 100 * np.arange(images + 1), 8 * np.arange(images + 1)

    def loop() -> Any:
        pairs = zip(a.split(100), b.split(8), strict=True)
        return torch.cat([torch_iou(x, y).flatten() for x, y in pairs])

    def ours() -> Any:
        return tamis.box_iou_batched(a, a_splits, b, b_splits)[0]

    return {"tamis": ours, "loop of the torch formula": loop}


def duplicates(images: int) -> Contenders:
    from bench_duplicates import boxes, numpy_loop

    x, splits = boxes(20 * images), 20 * np.arange(images + 1)
    x[1::20] = x[::20]
    how = {"threshold": 0.9, "method": "simple"}
    return {
        "tamis": lambda: tamis.find_duplicate_boxes(x, splits, **how).duplicates,
        "NumPy, image by image": lambda: numpy_loop(x, splits, **how),
    }


# Of --quick: fixed costs weigh more in small sizes. The largest of some quiet and loaded runs, and
# a third more for calls of about a millisecond.
QUICK = {
    "coco json 20,000 float32": {"ultrafast-pycocotools": 0.55},
    "coco json 20,000": {"ultrafast-pycocotools": 0.5, "hotcoco": 0.45},
    "coco arrays 20,000": {"ultrafast-pycocotools": 0.65},
    "coco segm 5,000": {"hotcoco": 0.9},
    "coco keypoints 5,000": {"hotcoco": 0.69},
    "mask_iou 100 x 100": {"pycocotools": 0.5},
    "box_iou 500 x 500": {"torch formula": 0.3},
    "box_iou_batched 100 x 100 x 8": {"loop of the torch formula": 0.14},
    "find_duplicate_boxes 100 x 20": {"NumPy, image by image": 0.25},
}


def bars(quick: bool) -> Iterator[tuple[str, dict[str, float], Callable[[], Contenders], int]]:
    """Name, the most that tamis' share of each peer's time may be, contenders, turns."""
    turns = 2 if quick else 7
    sizes = [20_000] if quick else [500_000, 200_000]
    both = {"ultrafast-pycocotools": 0.3, "hotcoco": 0.25}
    fast = {"ultrafast-pycocotools": 0.25}
    long = {"ultrafast-pycocotools": 0.3}
    yield f"coco json {sizes[0]:,} float32", long, lambda: coco_float32(sizes[0], list(long)), turns
    for n in sizes:
        yield f"coco json {n:,}", both, lambda n=n: coco(n, list(both), False), turns
        yield f"coco arrays {n:,}", fast, lambda n=n: coco(n, list(fast), True), turns
    slow = {"pycocotools": 0.01}
    if not quick:  # the dataset alone keeps pycocotools busy for half a minute
        yield "coco pycocotools", slow, lambda: coco(sizes[0], list(slow), False), 5
    for kind, n, bar in (("segm", 500_000, 0.3), ("keypoints", 135_000, 0.3)):
        limit, n = {"hotcoco": bar}, 5_000 if quick else n
        yield f"coco {kind} {n:,}", limit, lambda k=kind, n=n: shapes(k, n, ["hotcoco"]), turns
    n = 100 if quick else 1_000
    yield f"mask_iou {n:,} x {n:,}", {"pycocotools": 0.2}, lambda n=n: mask_iou(n), turns
    size, images = (500, 100) if quick else (10_000, 5_000)
    yield f"box_iou {size:,} x {size:,}", {"torch formula": 0.2}, lambda: box_iou(size), turns
    loop = {"loop of the torch formula": 0.02}
    yield f"box_iou_batched {images:,} x 100 x 8", loop, lambda: box_iou_batched(images), turns
    by_image = {"NumPy, image by image": 1 / 15}
    yield f"find_duplicate_boxes {images:,} x 20", by_image, lambda: duplicates(images), turns


def check(name: str, answer: Any, want: Any) -> None:
    answer, want = np.asarray(answer), np.asarray(want)
    # the last bits are the peers' affair: hotcoco and the torch formula round otherwise
    np.testing.assert_allclose(answer, want, rtol=0, atol=1e-6, err_msg=name)


def timed(name: str, limits: dict[str, float], run: Contenders, turns: int) -> list[dict[str, Any]]:
    """A row for each peer."""
    seconds = in_turn(run, turns, check)
    rows = []
    for peer in limits:
        if peer not in seconds:
            continue
        ratio = median(a / b for a, b in zip(seconds["tamis"], seconds[peer], strict=True))
        row: dict[str, Any] = {
            "work": name, "peer": peer, "tamis_s": median(seconds["tamis"]),
            "peer_s": median(seconds[peer]), "ratio": ratio, "bar": limits[peer],
            "turns": turns,
        }  # fmt: skip
        rows.append(row)
        print(
            f"{name:32s} tamis {row['tamis_s'] * 1e3:9.1f} ms  {peer:26s}"
            f" {row['peer_s'] * 1e3:9.1f} ms  ratio {ratio:.4f}  (bar {limits[peer]:.3g})"
        )
    return rows


def late(rows: list[dict[str, Any]]) -> list[str]:
    """What is over its bar by a quarter."""
    return [f"{r['work']} ({r['peer']})" for r in rows if r["ratio"] > 1.25 * r["bar"]]


def peak_memory(name: str, n: int, kind: str = "bbox") -> float:
    """Peak resident MB of a fresh process that does the JSON run."""
    gt, dt = write_files(FOLDER, n)[:2] if kind == "bbox" else write_kind(FOLDER, kind, n)
    first, second = PEERS[name]
    code = (
        f"from {first} import COCO; from {second} import COCOeval; import re\n"
        f"g = COCO({str(gt)!r}); e = COCOeval(g, g.loadRes({str(dt)!r}), {kind!r})\n"
        "e.evaluate(); e.accumulate(); e.summarize()\n"
        # not ru_maxrss, which a new process inherits from the one that started it
        "print('KB', re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(out.stdout.split("KB ")[-1]) / 1024


def import_seconds(turns: int) -> float:
    """Time to import tamis where numpy already is."""
    code = (
        "import numpy, time; t = time.perf_counter(); import tamis; print(time.perf_counter() - t)"
    )
    runs = [subprocess.check_output([sys.executable, "-c", code], text=True) for _ in range(turns)]
    return median(map(float, runs))


def versions() -> dict[str, str]:
    out = {}
    for name in ("numpy", "torch", "pycocotools", "ultrafast-pycocotools", "hotcoco"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            out[name] = version(name)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="*", help="names start with one of these")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true", help="store the results")
    args = parser.parse_args()
    rows = []
    print(f"{processor()}, {tamis.num_threads()} threads, instruction set v{tamis._core.isa()}")
    for name, limits, build, turns in bars(args.quick):
        if args.only and not name.startswith(tuple(args.only)):
            continue
        if args.quick:
            limits = QUICK[name]
        try:
            contenders = build()
        except ImportError as error:
            print(f"{name}: left out, {error}")
            continue
        found = timed(name, limits, contenders, turns)
        if args.quick and late(found):  # a busy machine, perhaps: more turns decide
            found = timed(name, limits, contenders, 8 * turns)
        rows += found
    memory = {}
    if not args.only:
        n = 20_000 if args.quick else 500_000
        memory = {name: peak_memory(name, n) for name in installed(list(PEERS)[:3])}
        print("peak MB of the JSON run:", {k: round(v) for k, v in memory.items()})
        masks = {name: round(peak_memory(name, n, "segm")) for name in ("tamis", "hotcoco")}
        print("peak MB of the run of masks:", masks)
        print(f"import of tamis beyond numpy: {import_seconds(5):.3f} s")
    if args.write:
        result = {
            **place(), "threads": tamis.num_threads(), "versions": versions(), "bars": rows,
            "peak_mb": memory,
        }  # fmt: skip
        stem = re.sub(r"\W+", "-", f"{result['processor']} v{result['isa']}".lower())
        path = HERE / "results" / f"{stem}-{tamis.num_threads()}-threads.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(result, indent=1) + "\n")
        print(f"wrote {path}")
    if args.quick and late(rows):
        sys.exit(f"over the bar by a quarter: {', '.join(late(rows))}")


if __name__ == "__main__":
    main()
