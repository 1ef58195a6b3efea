"""All benchmarks on a GPU, every answer compared with the rival's before it is timed.

python benchmarks/gpu_all.py results.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import gpu_box_iou
import gpu_duplicates
import gpu_evaluation
import gpu_knn
import gpu_mask_iou
import gpu_rotated_iou
import gpu_zcore
import torch
from gpu_timing import ceilings, environment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="the JSON file to write")
    output = parser.parse_args().output
    found = ceilings()
    rooms = (
        gpu_box_iou, gpu_duplicates, gpu_evaluation, gpu_knn,
        gpu_mask_iou, gpu_rotated_iou, gpu_zcore,
    )  # fmt: skip
    for room in rooms:
        torch.cuda.empty_cache()
        found += room.run()
        output.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"environment": environment(), "rows": found}, indent=1)
        output.write_text(text + "\n")  # after every room: a later one may not come to an end
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
