"""zcore on a GPU against its steps in PyTorch, draw by draw.

The lower bound is one float16 column per draw, read twice from memory at the rate of a copy; the
other column stays in the cache for the draws that share it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tamis
import torch
from gpu_knn import embeddings
from gpu_timing import milliseconds_per_byte, row


def torch_scores(
    columns: torch.Tensor, dims: torch.Tensor, points: torch.Tensor, nn: int = 1000
) -> torch.Tensor:
    """Gains less penalties; `columns` is (D, N)."""
    scores = torch.zeros(columns.shape[1], dtype=torch.float64, device="cuda")
    for which, point in zip(dims.long(), points, strict=True):
        e = columns[which]
        near = (e.double() - point[:, None]).abs().sum(0).argmin()
        scores[near] += 1
        far = (e - e[:, near : near + 1]).abs().sum(0)
        far[near] = torch.inf
        least, rows = far.topk(nn, largest=False)
        weights = torch.where(least[0] == 0, 0.0, (least[0] / least.double()) ** 4)
        weights[0] = torch.where(least[0] == 0, 1.0, weights[0])
        scores[rows] -= weights / weights.sum()
    return scores


def check() -> None:
    """Against PyTorch and against the host."""
    x = embeddings(20_000, 64)
    dims, points = tamis.zcore_draws(x, 200)
    host = tamis.zcore_draws(x.cpu(), 200)
    pairs = zip((dims, points), host, strict=True)
    if not all(np.array_equal(a.cpu().numpy(), b) for a, b in pairs):
        raise SystemExit("zcore: other draws than on the host")
    got = tamis.zcore_from_draws(x, dims, points).cpu().numpy()
    want = np.asarray(tamis.zcore_from_draws(x.cpu(), *host))
    if np.abs(got - want).max() > 200 * 2.0**-30:
        raise SystemExit("zcore: other scores than on the host")
    theirs = torch_scores(x.T.contiguous(), dims, points).cpu().numpy()
    if np.abs(got - theirs).max() > 1e-5:
        raise SystemExit("zcore: other scores than PyTorch's steps")


def run() -> list[dict[str, Any]]:
    check()
    found = []
    for n, d, draws in ((100_000, 512, 100_000), (1_280_000, 1280, 1_000_000)):
        need = 3 * 4 * n * d + (2 << 30)
        if torch.cuda.mem_get_info()[0] < need:
            print(f"zcore {n} x {d} left out: less than {need / 1e9:.0f} GB of memory is free")
            continue
        x = embeddings(n, d)
        name = f"{n} x {d}"
        found.append(
            row(
                f"tamis.zcore {name}, {draws} draws",
                lambda x=x, s=draws: tamis.zcore(x, n_samples=s),
                floor_ms=draws * n * 2 * 2 * milliseconds_per_byte(True),
                rounds=1,
                warm_ups=0,  # check() has run the kernels
            )
        )
        some = tamis.zcore_draws(x, 50)
        columns = x.T.contiguous()
        found.append(
            row(
                f"torch steps {name}, 50 draws",
                lambda c=columns, s=some: torch_scores(c, *s),
                rounds=3,
            )
        )
        del x, columns
        torch.cuda.empty_cache()
    return found
