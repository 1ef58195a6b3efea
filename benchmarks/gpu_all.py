"""All benchmarks on a GPU, every answer compared with the rival's before it is timed.

python benchmarks/gpu_all.py results.json
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from pathlib import Path

import gpu_box_iou
import gpu_duplicates
import gpu_evaluation
import gpu_knn
import gpu_mask_iou
import gpu_oks
import gpu_rotated_iou
import gpu_zcore
import torch
from gpu_timing import ceilings, environment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="the JSON file to write")
    output = parser.parse_args().output
    found, wrong = ceilings(), []
    rooms = (
        gpu_box_iou, gpu_duplicates, gpu_evaluation, gpu_mask_iou, gpu_oks, gpu_rotated_iou,
        gpu_zcore, gpu_knn,  # the longest last
    )  # fmt: skip
    for room in rooms:
        torch.cuda.empty_cache()
        try:
            found += room.run()
        except (Exception, SystemExit):  # no matter for the other rooms
            traceback.print_exc()
            wrong.append(room.__name__)
        output.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"environment": environment(), "rows": found}, indent=1)
        output.write_text(text + "\n")  # after every room: a later one may not come to an end
    print(f"wrote {output}")
    if wrong:
        sys.exit(f"wrong or without an end: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
