"""Exact neighbours on a GPU against PyTorch's matrix product and topk, and faiss' flat index.

The lower bound is a float16 product of all rows.
"""

from __future__ import annotations

from typing import Any

import tamis
import torch
from gpu_timing import milliseconds_per_operation, row

TILE_VALUES = 1 << 31  # distances that PyTorch holds at once
TIMES = {"rounds": 3, "warm_ups": 1}  # check() has run the kernels


def embeddings(n: int, d: int, seed: int = 0) -> torch.Tensor:
    """Rows in clusters of clusters, as networks give them; some rows twice."""
    g = torch.Generator("cuda").manual_seed(seed)
    x = torch.randn((n, d), generator=g, device="cuda") * 0.4
    for centres in (100, 5000):
        about = torch.randn((centres, d), generator=g, device="cuda")
        x += about[torch.randint(0, centres, (n,), generator=g, device="cuda")]
    copies = torch.randint(0, n, (n // 100,), generator=g, device="cuda")
    x[: len(copies)] = x[copies]
    return x


def torch_knn(x: torch.Tensor, queries: torch.Tensor, k: int, dtype: torch.dtype) -> Any:
    """(squared distances, indices) of a search among other rows."""
    columns = x.to(dtype)
    squares = (x * x).sum(1)
    found = []
    for q in queries.split(TILE_VALUES // len(x)):
        far = squares - 2 * (q.to(dtype) @ columns.T)
        found.append(far.topk(k, dim=1, largest=False))
    return [torch.cat(parts) for parts in zip(*found, strict=True)]


def check(x: torch.Tensor, k: int, asked: int = 1000) -> None:
    """Neighbours of some rows against float64, ties aside."""
    distances, indices = tamis.knn(x, k, metric="sqeuclidean")
    which = torch.randperm(len(x), device="cuda")[:asked]
    wide = x.double()
    squares = (wide * wide).sum(1)
    for at in which.split(100):
        far = squares - 2 * (wide[at] @ wide.T) + squares[at, None]
        far[torch.arange(len(at), device="cuda"), at] = torch.inf
        want = far.topk(k, dim=1, largest=False).values
        got = far.gather(1, indices[at])
        slack = 1e-9 * squares[at, None]
        if not bool(((got - want).abs() <= slack).all()):
            raise SystemExit("knn: a neighbour is not among the nearest")
        if not bool(((distances[at] - want).abs() <= slack + 1e-5 * want).all()):
            raise SystemExit("knn: a distance is wrong")


def faiss_flat(x: torch.Tensor, queries: torch.Tensor, k: int, name: str) -> list[dict[str, Any]]:
    """faiss' exact search, its index filled before."""
    try:
        import faiss
    except ImportError:
        return []
    if not hasattr(faiss, "StandardGpuResources"):
        print("faiss has no GPU support here: left out")
        return []
    index = faiss.GpuIndexFlatL2(faiss.StandardGpuResources(), x.shape[1])
    tamis.knn(x, k, queries=queries[:1], method=index)
    run = row(
        f"faiss flat, {name}",
        lambda: tamis.knn(x, k, queries=queries, method=index),
        operations=2.0 * len(x) * len(queries) * x.shape[1],
        **TIMES,
    )
    return [run]


def run() -> list[dict[str, Any]]:
    of_product = milliseconds_per_operation(torch.float16)
    found = []
    for n, d, k in ((100_000, 512, 10), (1_000_000, 512, 10), (100_000, 512, 1000)):
        x = embeddings(n, d)
        check(x, k)
        torch.cuda.empty_cache()
        name = f"{n} x {d}, k {k}"
        ours = row(
            f"tamis.knn {name}",
            lambda x=x, k=k: tamis.knn(x, k),
            operations=2.0 * n * n * d,
            floor_ms=2.0 * n * n * d * of_product,
            **TIMES,
        )
        queries = x[: min(n, 65_536)].clone()
        work = 2.0 * n * len(queries) * d
        some = f"{len(queries)} queries of {name}"
        found += [
            ours,
            row(
                f"tamis.knn {some}",
                lambda x=x, q=queries, k=k: tamis.knn(x, k, queries=q),
                operations=work,
                floor_ms=work * of_product,
                **TIMES,
            ),
        ]
        for dtype in (torch.float16, torch.float32):
            found.append(
                row(
                    f"torch {str(dtype)[6:]} matmul + topk, {some}",
                    lambda x=x, q=queries, k=k, t=dtype: torch_knn(x, q, k, t),
                    operations=work,
                    **TIMES,
                )
            )
        found += faiss_flat(x, queries, k, some)
        del x, queries
        torch.cuda.empty_cache()
    return found
