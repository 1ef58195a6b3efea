"""Writes the numbers of the README and of docs/ between their marks, from the stored results.

Those are of bars.py, gpu_all.py, bench_knn.py, bench_zcore.py, shards.py and threads.py with
--json results/NAME.json.

python benchmarks/table.py            write
python benchmarks/table.py --check    exit 1 where a page is stale
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
EXACT = "self-kNN k=10, 100,000 x 512 Gaussian"  # the row of bench_knn.py that scales up
LEVELS = {2: "SSE4.2", 3: "AVX2", 4: "AVX-512"}
ON_GPU = {  # rows of gpu_all.py, each with the row of its peer
    "tamis.box_iou 10000 x 10000 float32": "torch formula 10000 x 10000 float32",
    "tamis.box_iou 50000 x 50000 float32": "ceiling: copy within 50000 x 50000 (read + written)",
    "tamis.mask_iou 2000 x 2000, 480 x 640": "torch product of pixels 2000 x 2000, 480 x 640",
    "tamis.find_duplicate_boxes, 100000000 boxes": None,
    "tamis.DetectionEvaluator, 500000 detections": (
        "the same on the host, with the copies, 500000 detections"
    ),
    "tamis MeanAveragePrecision, 50000 detections": (
        "torchmetrics MeanAveragePrecision, 50000 detections"
    ),
    "tamis.knn 1000000 x 512, k 10": None,
    "tamis.knn 65536 queries of 1000000 x 512, k 10": (
        "torch float16 matmul + topk, 65536 queries of 1000000 x 512, k 10"
    ),
    "tamis.zcore 1280000 x 1280, 1000000 draws": None,
}


def stored() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((HERE / "results").glob("*.json"))]


def load() -> dict[str, Any]:
    """The newest stored results of bars.py; then those of other benchmarks on its machine."""
    found = stored()
    last = max((r for r in found if "bars" in r), key=lambda result: str(result.get("date", "")))
    last["bars"] += [
        {
            "work": row["name"], "peer": row["peer"], "tamis_s": row["ours_s"],
            "peer_s": row["peer_s"], "ratio": row["value"],
        }
        for result in found for row in result.get("results", []) if "peer" in row
    ]  # fmt: skip
    return last


def times(seconds: float) -> str:
    if seconds < 0.01:
        return f"{seconds * 1e3:.2f} ms"
    return f"{seconds:.1f} s" if seconds >= 10 else f"{seconds * 1e3:,.0f} ms"


def table(result: dict[str, Any]) -> str:
    lines = ["| work | tamis | peer | peer's time | tamis / peer |", "|---|---|---|---|---|"]
    for row in result["bars"]:
        peer = f"{row['peer']} {result['versions'].get(row['peer'], '')}".strip()
        lines.append(
            f"| {row['work']} | {times(row['tamis_s'])} | {peer} | {times(row['peer_s'])}"
            f" | {row['ratio']:.3f} |"
        )
    memory = ", ".join(f"{name} {mb:.0f} MB" for name, mb in result["peak_mb"].items())
    return "\n".join(
        [
            *lines,
            "",
            f"{processor(result)}, {result['threads']} threads, Python"
            f" {result['python']}. Peak memory of the JSON run: {memory}.",
        ]
    )


def processor(result: dict[str, Any]) -> str:
    return f"{result['processor']} ({LEVELS[result['isa']]})"


def gpu_table() -> str:
    result = next(x for x in reversed(stored()) if "gpu" in x.get("environment", ()))
    milliseconds = {row["name"]: row["median_ms"] for row in result["rows"]}
    lines = ["| work | tamis | compared with | its time |", "|---|---|---|---|"]
    for name, peer in ON_GPU.items():
        other = f"{peer} | {times(milliseconds[peer] / 1e3)}" if peer else " | "
        lines.append(f"| {name} | {times(milliseconds[name] / 1e3)} | {other} |")
    said = result["environment"]
    place = f"{said['gpu']}, driver {said['driver']}, CUDA {said['cuda']}, PyTorch {said['torch']}"
    return "\n".join([*lines, "", f"{place}. Medians; every answer was compared first."])


def headline(result: dict[str, Any]) -> str:
    ratios = [row["ratio"] for row in result["bars"] if row["peer"] == "pycocotools"]
    return f"1/{1 / ratios[0]:.0f}"


def quality() -> str:
    """Of bench_zcore.py quality: coresets against as many rows by chance."""
    lines = ["| data | measure | zcore | by chance |", "|---|---|---|---|"]
    for row in (row for result in stored() for row in result.get("results", []) if "of" in row):
        data, rest = row["name"].split(": ", 1)
        ours, theirs = row["of"]
        lines.append(f"| {data} | {rest.split(' of a ')[0]} | {ours:.4g} | {theirs:.4g} |")
    return "\n".join(lines)


def exact_search() -> str:
    """What all pairs cost, scaled up from a stored search; of the two threads that it took."""
    knn = next(result for result in stored() if "faiss" in result.get("machine", ()))
    row = next(row for row in knn["results"] if row["name"] == EXACT)
    seconds = row["ours_s"] * knn["machine"]["threads"] / (100_000 * 99_999 / 2)
    hours = [f"{float(f'{rows**2 / 2 * seconds / 3600:.2g}'):,.0f}" for rows in (1e8, 3e8, 1e9)]
    level = LEVELS[knn["machine"]["isa"]]
    return (
        f"{seconds * 1e9:.1f} ns a pair and thread (100,000 x 512, {level}), 100 million rows"
        f" take\n{hours[0]} hours of a core, 300 million {hours[1]}, and a billion"
        f" {hours[2]}"
    )


def plans() -> str:
    """Of shards.py: a plan by one process."""
    lines = ["| plan | parts | CPU time by that of one process | memory of a task |"]
    lines.append("|---|---|---|---|")
    for row in next(result["plans"] for result in stored() if "plans" in result):
        data = f"{row['rows']:,} x {row['columns']}"
        lines.append(
            f"| {row['work']}, {data} | {row['shard_parts']} | {row['ratio']:.2f}"
            f" | {row['task_mb']:.0f} MB |"
        )
    return "\n".join(lines)


def by_isa(result: dict[str, Any]) -> str:
    """Of threads.py --isa: what an older processor takes."""
    levels = [LEVELS[int(level)] for level in result["by_isa"][0]["seconds"]]
    lines = [f"| work | {' | '.join(levels)} |", "|---" * (1 + len(levels)) + "|"]
    for row in result["by_isa"]:
        lines.append(f"| {row['name']} | {' | '.join(map(times, row['seconds'].values()))} |")
    said = result["environment"]
    return "\n".join([*lines, "", f"{said['processor']}, {said['threads']} threads."])


def kept(state: str) -> str:
    found = next(result for result in stored() if "bytes_a_detection" in result)
    return f"{found['bytes_a_detection'][state]:.0f}"


def pages() -> list[Path]:
    written = (p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts)
    return [ROOT / "README.md", *sorted(written)]


def fill(text: str, name: str, content: str) -> str:
    return re.sub(
        f"(<!-- {name} -->).*?(<!-- /{name} -->)",
        lambda m: m[1] + content + m[2],
        text,
        flags=re.DOTALL,
    )


def main() -> None:
    result = load()
    numbers = {
        "table": f"\n{table(result)}\n",
        "gpu table": f"\n{gpu_table()}\n",
        "headline": headline(result),
        "zcore quality": f"\n{quality()}\n",
        "exact search": exact_search(),
        "plans": f"\n{plans()}\n",
        "bytes of matches": kept("matches"),
        "bytes of boxes": kept("boxes"),
    }
    stale = []
    for page in pages():
        before = after = page.read_text()
        for name, content in numbers.items():
            after = fill(after, name, content)
        if after != before:
            stale.append(page.relative_to(ROOT).as_posix())
            if "--check" not in sys.argv:
                page.write_text(after)
    if stale and "--check" in sys.argv:
        sys.exit(f"{', '.join(stale)}: stale, run benchmarks/table.py")


if __name__ == "__main__":
    main()
