"""Writes the speed table and the headline of the README from the newest stored results.

Those are of bars.py, and of bench_knn.py and bench_zcore.py with --json results/NAME.json.

python benchmarks/table.py            write
python benchmarks/table.py --check    exit 1 where the README is stale
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
README = HERE.parent / "README.md"


def load() -> dict[str, Any]:
    """The stored results of bars.py, the last by name; then those of other benchmarks on it."""
    found = [json.loads(path.read_text()) for path in sorted((HERE / "results").glob("*.json"))]
    last = [result for result in found if "bars" in result][-1]
    last["bars"] += [
        {
            "work": row["name"], "peer": row["peer"], "tamis_s": row["ours_s"],
            "peer_s": row["peer_s"], "ratio": row["value"],
        }
        for result in found for row in result.get("results", []) if "peer" in row
    ]  # fmt: skip
    return last


def times(seconds: float) -> str:
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
            f"{result['machine']}, {result['threads']} threads, Python"
            f" {result['versions']['python']}. Peak memory of the JSON run: {memory}.",
        ]
    )


def headline(result: dict[str, Any]) -> str:
    ratios = [row["ratio"] for row in result["bars"] if row["peer"] == "pycocotools"]
    return f"1/{1 / ratios[0]:.0f}"


def fill(text: str, name: str, content: str) -> str:
    return re.sub(
        f"(<!-- {name} -->).*?(<!-- /{name} -->)",
        lambda m: m[1] + content + m[2],
        text,
        flags=re.DOTALL,
    )


def main() -> None:
    result = load()
    before = README.read_text()
    after = fill(before, "table", f"\n{table(result)}\n")
    after = fill(after, "headline", headline(result))
    if "--check" in sys.argv:
        sys.exit(0 if after == before else "README.md is stale: run benchmarks/table.py")
    README.write_text(after)


if __name__ == "__main__":
    main()
