"""Choose the fastest filter for an exact search, estimated on a sample (affects speed only)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tamis import _core
from tamis._shared.arrays import Array
from tamis._shared.blas import products

SMALL = 2e9  # multiply-adds below which float tiles in the given order are done before a plan is
MOST_SAMPLED = 10_000
SMALL_SAMPLED = 256
WORTH_A_ROW = 7e6  # multiply-adds of which a row more in the sample takes a twentieth
FEW_PAIRS, FEW_SAMPLED = 5e8, 2500  # below, weighing prefixes would cost what they save
ASKED = 128  # rows of the sample whose neighbourhoods are measured
PREFIXES = (64, 128, 256)  # of leading directions
LEADING = (64, 128, 192, 256)  # of mixed coordinates
PANEL = 64  # queries that a tile takes, however few there are
MOST_GAINED = 1e9  # the largest norm a filter sees: its square is far from float32's limit
MOST_CODED = 8192  # dimensions up to which int32 holds every sum of codes


class Kernel(NamedTuple):
    """What codes can be, and nanoseconds on one core of a 2.6 GHz server; only ratios count."""

    levels: int  # a code's largest
    coordinate: float  # per pair and coordinate of a tile
    pair: float
    dot: float  # a survivor of the prefix, 512 dimensions


KERNELS = {  # those of ARM are counted from their instructions, not measured; "bytes" by level
    "amx": Kernel(127, 0.0006, 0.08, 20.0),
    "vnni": Kernel(127, 0.0047, 0.06, 20.0),
    "i8mm": Kernel(127, 0.0085, 0.2, 20.0),
    "dotprod": Kernel(63, 0.016, 0.2, 20.0),
    "bytes 4": Kernel(63, 0.0077, 0.95, 40.0),
    "bytes 3": Kernel(63, 0.0077, 0.25, 40.0),
    "bytes 2": Kernel(63, 0.135, 0.2, 40.0),
}
FLOATS = {4: 0.0128, 3: 0.0224, 2: 0.059}  # per pair and dimension, by instruction set
SURVIVOR = 5.0  # any filter, to hand a pair on
FINE, WIDEST_FINE = (10.0, 60.0), 2048  # one of the codes in 16 bits: a pair, 512 dimensions
EXACT_KEY = 150.0  # a pair computed exactly, 512 dimensions
APART = 1.5  # times as far as a row looks: most rows beyond are left out with those around them,
ASK = 0.04  # which costs this share of comparing them
CENTRE, ENCODE = 1.5, 3.0  # to make a coordinate ready for float tiles, and for codes
ORDER = 30.0  # and for codes of prefixes in a good order,
PLAN = 1.2e9  # which a sample of full size is taken for


@dataclass(frozen=True)
class Plan:
    """Arguments of `_core.KnnSearch` other than the rows."""

    mean: npt.NDArray[np.float64]
    gain: float
    codes: bool = False
    ordered: bool = False
    basis: npt.NDArray[np.float32] | None = None
    leading: int = 0

    def arguments(self, largest: float, dots: bool) -> dict[str, Any]:
        """As `_core` takes them, for rows and queries of norms up to `largest`."""
        gain = min(self.gain, MOST_GAINED / largest) if largest > 0 else self.gain
        how = {"codes": self.codes, "ordered": self.ordered}
        prefix = {"basis": self.basis, "leading": self.leading}
        return {"dots": dots, "mean": self.mean, "gain": gain, **how, **prefix}


def kernel() -> Kernel:
    """The one that compares codes here."""
    name = _core.knn_codes()
    return KERNELS.get(name) or KERNELS[f"{name} {_core.isa()}"]


def make_plan(
    x: Array,
    scale: Array | None,
    offset: Array | None,
    n_queries: int | None,
    *,
    k: int,
    radius: float,
    dots: bool,
) -> Plan:
    """The cheapest plan by survivors counted on a sample; `n_queries` is None for a self search.

    `radius` is the largest key wanted where `k` is 0.
    """
    n, d = x.shape
    pairs = n * n / 2 if n_queries is None else float(n) * n_queries
    small = is_small(pairs, d)
    if not small and n_queries is not None:
        size = min(FEW_SAMPLED, max(SMALL_SAMPLED, int(pairs * d / WORTH_A_ROW)))
        sample = Sample(x, scale, offset, dots=dots, size=size)
        ready = _few_queries(sample, n_queries, k, radius)
        if ready is not None:
            return ready
    few = pairs <= FEW_PAIRS
    size = SMALL_SAMPLED if small else FEW_SAMPLED if few else MOST_SAMPLED
    sample = Sample(x, scale, offset, dots=dots, size=size)
    if small or sample.size == 0:
        return sample.plain()
    sample.measure(k, radius, both=n_queries is None)
    if few:
        return sample.cheapest(())
    with products():
        return sample.cheapest(PREFIXES)


def few_queries_plan(
    x: Array, scale: Array | None, offset: Array | None, *, k: int, dots: bool
) -> Plan:
    """The better plan of those whose rows are ready at once."""
    sample = Sample(x, scale, offset, dots=dots, size=FEW_SAMPLED)
    return _few_queries(sample, PANEL, k, 0.0) or sample.plain()


def _few_queries(sample: Sample, n_queries: int, k: int, radius: float) -> Plan | None:
    """The cheaper of the plans whose rows are ready at once, unless there is time for another."""
    n, d = sample.n, sample.z.shape[1]
    if sample.size == 0 or d > MOST_CODED:
        return sample.plain()
    panels = -(-n_queries // PANEL) * PANEL
    sample.measure(k, radius, both=False)
    floats, codes = sample.costs()
    plans = [(n * (panels * floats + d * CENTRE), 0, sample.plain())]
    for width, cost in [(1, codes), *sample.leading_costs(LEADING)]:
        plan = replace(sample.coded(), ordered=False, leading=width - 1)
        plans.append((n * (panels * cost + (d + width) * ENCODE), width, plan))
    cost, _, plan = min(plans, key=lambda option: option[:2])
    return plan if cost <= PLAN + n * d * ORDER else None


def is_small(pairs: float, d: int) -> bool:
    """Whether no plan is worth its time, or none with codes can be made."""
    return pairs * d <= SMALL or d > MOST_CODED


class Sample:
    """A sample of the rows and its statistics: mean, size, neighbour distances."""

    def __init__(
        self, x: Array, scale: Array | None, offset: Array | None, *, dots: bool, size: int
    ) -> None:
        self.n, self.dots = len(x), dots
        self.rng = np.random.default_rng(0)
        which = np.sort(self.rng.choice(self.n, min(self.n, size), replace=False))
        y = np.asarray(x[which], dtype=np.float64)
        if scale is not None and offset is not None:
            y -= offset
            y *= scale[which, None]
        self.mean = np.zeros(x.shape[1]) if dots else y.mean(0)
        y -= self.mean
        self.size = float(np.sqrt(np.einsum("nd,nd->n", y, y).mean()))
        self.gain = 1 / self.size if self.size > 0 else 1.0
        self.z = (y * self.gain).astype(np.float32)

    def plain(self) -> Plan:
        return Plan(self.mean, self.gain)

    def coded(self, basis: Array | None = None) -> Plan:
        ordered = self.n > 2 * _core.KNN_BLOCK
        return Plan(self.mean, self.gain, codes=True, ordered=ordered, basis=basis)

    def measure(self, k: int, radius: float, *, both: bool) -> None:
        """How far some of the rows look for neighbours; `both` rows of a pair in a self search."""
        self.asked = self.rng.choice(len(self.z), min(ASKED, len(self.z)), replace=False)
        self.sides = 2 if both else 1
        self.kernel = kernel()
        self.far = self._distances(self.z)
        self.far[np.arange(len(self.asked)), self.asked] = np.inf
        if k > 0:
            rank = max(0, min(len(self.z) - 2, round(k * len(self.z) / self.n) - 1))
            self.reach = np.partition(self.far, rank, axis=1)[:, rank, None]
        else:
            reach = np.sqrt(max(0.0, radius)) * self.gain
            self.reach = np.full((len(self.asked), 1), reach)

    def _distances(self, rows: Array) -> Array:
        """(asked, sampled) distances, or negated dot products."""
        # not by BLAS, whose threads stay busy for a while after a product, where others are to work
        dot = np.empty((len(rows), len(self.asked)), np.float32)
        _core.project_rows(rows, np.ascontiguousarray(rows[self.asked].T), dot)
        dot = dot.T
        if self.dots:
            return np.asarray(-dot)
        squares = np.einsum("nd,nd->n", rows, rows)
        return np.asarray(np.sqrt(np.maximum(0, squares[self.asked, None] + squares - 2 * dot)))

    def kept(self) -> float:
        """About the work of codes in order by that of all pairs: what lies apart is left out."""
        if self.dots or not self.coded().ordered:
            return 1.0
        return min(1.0, ASK + float((self.far <= APART * self.reach).mean()))

    def _survivors(self, bound: Array, lost: float) -> float:
        return self.sides * float((bound <= self.reach + 2 * lost).mean())

    def _lost(self, largest: float, width: int) -> float:
        return largest / self.kernel.levels * float(np.sqrt(width / 12))

    @cached_property
    def _mixed(self) -> float:
        """About the largest coordinate, mixed or not."""
        return 4.5 * float(np.sqrt(np.einsum("nd,nd->d", self.z, self.z).max() / len(self.z)))

    @cached_property
    def _last(self) -> float:
        """Time per pair for those that codes do not drop."""
        d = int(self.z.shape[1])
        lost = self._lost(self._mixed, d)
        if self.dots:  # a dot product goes off by about what was lost times the other norm
            lost *= float(np.linalg.norm(self.z, axis=1).max())
        survivors = self._survivors(self.far, lost)
        if self.dots or d > WIDEST_FINE:
            return survivors * EXACT_KEY * d / 512
        fine = SURVIVOR + FINE[0] + FINE[1] * d / 512
        return survivors * fine + self._survivors(self.far, 1e-4) * EXACT_KEY * d / 512

    def costs(self, kept: float = 1.0) -> tuple[float, float]:
        """Estimated time per pair by floats, and by the codes of whole rows for a share of them."""
        d = self.z.shape[1]
        exact = self._survivors(self.far, 1e-4) * EXACT_KEY * d / 512
        tile = kept * (self.kernel.coordinate * d + self.kernel.pair)
        return FLOATS[_core.isa()] * d + exact, tile + self._last

    def cheapest(self, prefixes: tuple[int, ...]) -> Plan:
        """The plan with the least estimated time per pair; `prefixes` are the widths to weigh."""
        kept = self.kept()
        floats, codes = self.costs(kept)
        costs = [(floats, 0, self.plain()), (codes, 1, self.coded())]
        for width, basis, rows in self.prefixes(prefixes):
            lost = self._lost(float(np.abs(rows).max()), width)
            first = self._survivors(self._distances(rows), lost)
            costs.append((self._prefix_cost(width, first, kept), width, self.coded(basis)))
        return min(costs, key=lambda option: option[:2])[-1]

    def _prefix_cost(self, width: int, first: float, kept: float = 1.0) -> float:
        """Estimated time per pair by a prefix, then codes for a share `first` of them."""
        tile = kept * (self.kernel.coordinate * width + self.kernel.pair)
        dot = SURVIVOR + self.kernel.dot * self.z.shape[1] / 512
        return float(tile + first * dot + self._last)

    def leading_costs(self, widths: tuple[int, ...]) -> Iterator[tuple[int, float]]:
        """(width, estimated time per pair) of prefixes of mixed coordinates, then codes."""
        d = self.z.shape[1]
        far = self.far[:, ::8]
        for width in () if self.dots else widths:
            if 2 * width > d:
                return
            # their share of a squared distance, as random directions have it: about normal
            share = (width - 1) / d
            off = np.sqrt(share * (1 - share) / (d / 2 + 1))
            reach = self.reach + 2 * self._lost(self._mixed, width)
            within = (reach / np.maximum(far, reach / 10 + 1e-30)) ** 2
            below = 0.5 + 0.5 * np.tanh(0.8 * (within - share) / off)
            yield width, self._prefix_cost(width, self.sides * float(below.mean()))

    def prefixes(self, widths: tuple[int, ...]) -> Iterator[tuple[int, Array, Array]]:
        """(width, basis, the rows in it and the norm of their rest) of the prefixes to weigh."""
        widths = tuple(width for width in widths if 2 * width <= self.z.shape[1])
        if self.dots or not widths:
            return
        leading = self.basis(max(widths) - 1)
        squares = np.einsum("nd,nd->n", self.z, self.z)
        for width in widths:
            basis = _evened_out(leading[:, : width - 1])
            inside = self.z @ basis
            rest = np.sqrt(np.maximum(0, squares - np.einsum("nd,nd->n", inside, inside)))
            yield width, basis, np.column_stack([inside, rest - rest.mean()])

    def basis(self, width: int) -> Array:
        """About the `width` leading directions, most important first."""
        # matrix products as far as possible: LAPACK's small threaded calls crawl on busy machines
        covariance = (self.z.T @ self.z).astype(np.float64)
        covariance /= max(np.trace(covariance), 1e-30)
        found = self.rng.standard_normal((self.z.shape[1], width))
        for _ in range(2):
            found = _orthonormal(covariance @ found)
        order = np.linalg.eigh(found.T @ covariance @ found)[1][:, ::-1]
        return np.asarray(found @ order)


def _orthonormal(columns: Array) -> Array:
    """By Cholesky, which is matrix products; by QR where the columns are nearly dependent."""
    columns = columns / np.maximum(np.linalg.norm(columns, axis=0), 1e-30)
    for _ in range(2):
        try:
            lower = np.linalg.cholesky(columns.T @ columns)
        except np.linalg.LinAlgError:
            return np.asarray(np.linalg.qr(columns)[0])
        columns = columns @ np.linalg.inv(lower).T
    return np.asarray(columns)


def _evened_out(basis: Array) -> npt.NDArray[np.float32]:
    """The same subspace by a cosine transform: even sizes make the int8 steps finer."""
    width = basis.shape[1]
    at = np.arange(width)
    mix = np.cos(np.pi / width * (at[:, None] + 0.5) * at) * np.sqrt(2 / width)
    mix[:, 0] *= np.sqrt(0.5)
    return np.ascontiguousarray(basis @ mix.T, dtype=np.float32)
