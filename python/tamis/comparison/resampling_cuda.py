"""Image weights on a CUDA device: the curves there, their means on the host."""

from __future__ import annotations

from typing import Any

import numpy as np

from tamis import _core
from tamis._shared import arrays
from tamis._shared.arrays import Array

_BYTES = 256 << 20  # of runs, on the device


class DevicePlan:
    """The columns of a plan on the device of `like`."""

    def __init__(self, plan: _core.ResamplingPlan, recalls: Array, like: Any) -> None:
        columns = plan.columns
        level, before, depth = _core.recall_table(recalls)
        self.like, self.depth, self.n_recalls = like, depth, len(recalls)
        hosted = dict(**columns, level=level, before=before)
        self.columns = {name: arrays.from_host(like, x) for name, x in hosted.items()}
        self.n_runs, self.n_cells = len(columns["runs"]), len(columns["cell_area"])
        self.step = max(1, _BYTES // max(1, 12 * self.n_runs))
        self.n_curves = len(columns["run_splits"]) - 1

    def by_class(self, weights: Array, cell: Array, precision: Array, mask: Array) -> Array:
        """(n, K, numbers) as `_core.resample` gives them."""
        levels = mask.shape[1]
        k = self.n_curves // max(1, self.n_cells * levels)
        out = np.full((len(weights), k, len(cell)), -1.0)
        for first in range(0, len(weights), self.step):
            part = weights[first : first + self.step]
            tables = self._curves(part, (k, self.n_cells, levels, len(part)))
            for i, (c, is_precision, wanted) in enumerate(zip(cell, precision, mask, strict=True)):
                total, count = np.zeros((k, len(part))), np.count_nonzero(wanted)
                for t in np.flatnonzero(wanted):  # in order, as the host adds them
                    total += tables[0 if is_precision else 1][:, c, t]
                there = tables[2][:, c, 0] > 0 if levels else np.zeros(total.shape, bool)
                if count:
                    out[first : first + len(part), :, i] = np.where(there, total / count, -1).T
        return out

    def _curves(self, weights: Array, shape: tuple[int, ...]) -> list[Array]:
        """Precision, recall and ground truths of every curve, (K, C, T, n) each, on the host."""
        like, n = self.like, len(weights)
        lanes = arrays.from_host(like, np.ascontiguousarray(weights.T, np.float64))
        out = [arrays.empty(like, shape, "float64") for _ in range(3)]
        arrays.call(
            "resample", like, **self.columns, depth=self.depth, n_recalls=self.n_recalls,
            weights=lanes, precisions=arrays.empty(like, (self.n_runs, n), "float64"),
            reached=arrays.empty(like, (self.n_runs, n), "int32"),
            precision=out[0], recall=out[1], targets=out[2],
        )  # fmt: skip
        return [arrays.host("resample", "out", x) for x in out]
