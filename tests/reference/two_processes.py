"""Two processes of gloo. One forks from the other, so that they load PyTorch once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

START = """
import os, sys
sys.path = {path!r}
import torch.distributed as dist
{imports}
rank = int(os.fork() == 0)
dist.init_process_group("gloo", init_method="file://{store}", rank=rank, world_size=2)
def say(what):
    os.write(1, f"{{rank}} {{what}}\\n".encode())  # lines stay whole
{work}
dist.destroy_process_group()
os._exit(rank == 0 and os.wait()[1] != 0)  # to take PyTorch down takes seconds
"""


def both_run(imports: str, work: str, folder: Path) -> list[list[str]]:
    """What each said; `work` knows its `rank` and `say`, and what `imports` imports."""
    code = START.format(path=sys.path, imports=imports, store=folder / "meet", work=work)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # its threads do not survive a fork
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split(" ", 1) for line in done.stdout.splitlines()]
    return [[text for who, text in lines if who == str(rank)] for rank in (0, 1)]
