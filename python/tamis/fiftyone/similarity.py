"""A similarity backend for `compute_similarity` on tamis' exact neighbours."""

from __future__ import annotations

from functools import wraps
from typing import Any, Literal

import fiftyone.core.runs as fors
import numpy as np
import sklearn.metrics as skm
from fiftyone.brain.internal.core.sklearn import (
    SklearnSimilarity,
    SklearnSimilarityConfig,
    SklearnSimilarityIndex,
)

import tamis
from tamis._shared.arrays import Array
from tamis.embeddings.knn_exact import Metric
from tamis.embeddings.knn_pairs import MOST_PAIRS, Searched, all_pairs
from tamis.embeddings.knn_search import make_rows, matrix

MOST_K = 1024  # of tamis.knn
STORED = f"{SklearnSimilarity.__module__}.{SklearnSimilarity.__name__}"  # what the database names
QUERIES_AT_ONCE = 256
AGGREGATIONS: dict[str, Any] = {
    "post-mean": np.nanmean,
    "post-min": np.nanmin,
    "post-max": np.nanmax,
}


class TamisSimilarityConfig(SklearnSimilarityConfig):  # type: ignore[misc]
    """Configuration of the backend ``tamis``.

    Parameters
    ----------
    metric : {"cosine", "euclidean"}
        Default "cosine": one minus the cosine of embeddings minus their mean.
    compat : "brain", optional
        In `find_duplicates` the keeper of each duplicate, and its distance, as in Brain 0.25's
        sklearn backend, where keepers are centred again and duplicates are not normalised.
    **kwargs
        Those of FiftyOne's `SimilarityConfig`.

    Notes
    -----
    The database stores the run under the class names of FiftyOne's sklearn backend, which reads the
    same embeddings. Without tamis, it is a run of that backend; after `tamis.fiftyone` is imported
    it is a run of tamis again.
    """

    def __init__(
        self,
        metric: Literal["cosine", "euclidean"] = "cosine",
        compat: Literal["brain"] | None = None,
        **kwargs: Any,
    ) -> None:
        if metric not in ("cosine", "euclidean"):
            raise ValueError(
                f"TamisSimilarityConfig: metric must be cosine or euclidean, got {metric!r}"
            )
        super().__init__(metric=metric, **kwargs)
        self.compat = compat

    @property
    def method(self) -> str:
        return "tamis"

    @property
    def cls(self) -> str:
        return f"{STORED}Config"

    @property
    def run_cls(self) -> type[TamisSimilarity]:
        return TamisSimilarity


class TamisSimilarity(SklearnSimilarity):  # type: ignore[misc]
    """Makes a `TamisSimilarityIndex`."""

    def initialize(self, samples: Any, brain_key: str | None) -> TamisSimilarityIndex:
        return TamisSimilarityIndex(samples, self.config, brain_key, backend=self)


class _Space:
    """The embeddings that a view shows, about the mean of all."""

    def __init__(self, embeddings: Array, keep: Array | None, metric: Metric) -> None:
        self.keep, self.metric = keep, metric
        self.mean = embeddings.mean(axis=0, keepdims=True) if len(embeddings) else 0
        self.rows = matrix(
            "similarity", "embeddings", embeddings[slice(None) if keep is None else keep]
        )
        self.rows = np.ascontiguousarray(self.rows - self.mean)
        prepared = make_rows("similarity", "embeddings", self.rows, cosine=metric == "cosine")
        self.searched = Searched(prepared, metric, None)
        self.asked = False
        self.index: tamis.KnnIndex | None = None

    def search(self, k: int, queries: Array | None = None) -> tuple[Array, Array]:
        """Nearest rows as by `tamis.knn`; those that are searched again have an index."""
        if self.asked and self.index is None:
            self.index = tamis.KnnIndex(self.rows, metric=self.metric, copy=False)
        self.asked = True
        if self.index is None:
            return _knn(self.rows, k, queries=queries, metric=self.metric)
        found = self.index.self_search(k) if queries is None else self.index.search(queries, k)
        return found[0], found[1]

    def pairs(self, threshold: float) -> tuple[Array, Array]:
        return all_pairs("similarity", self.searched.rows, threshold, self.metric, MOST_PAIRS, None)

    def distances(self, queries: Array, own: Array) -> Array:
        """(queries, rows), NaN between a row and itself."""
        found = skm.pairwise_distances(queries, self.rows, metric=self.metric)
        itself = np.flatnonzero(own >= 0)
        found[itself, own[itself]] = np.nan
        return np.asarray(found)

    def nearest(self, queries: Array, own: Array, k: int | None) -> tuple[Array, Array]:
        """Distances and rows of the `k` nearest other rows of each query, all of them for None."""
        k = len(self.rows) if k is None else min(k, len(self.rows))
        if k >= MOST_K or k + 1 > len(self.rows):
            parts = []
            for i in range(0, len(queries), QUERIES_AT_ONCE):
                part = slice(i, i + QUERIES_AT_ONCE)
                far = self.distances(queries[part], own[part])
                order = np.argsort(far, axis=1, kind="stable")[:, :k]
                parts.append((np.take_along_axis(far, order, axis=1), order))
            far, order = (np.concatenate(column) for column in zip(*parts, strict=True))
            return far, order
        far, order = self.search(k + 1, queries)
        other = order != own[:, None]
        other[other.all(axis=1), -1] = False  # not a row itself: one too many
        return far[other].reshape(-1, k), order[other].reshape(-1, k)


class TamisSimilarityIndex(SklearnSimilarityIndex):  # type: ignore[misc]
    """FiftyOne's in-memory index with exact neighbours that need no matrix of distances.

    Distances are measured after subtracting the mean of the whole index, from query vectors too;
    the stored embeddings are not changed. Memory: a centred copy, and from the second search for
    neighbours on an index of it, of the size that `tamis.KnnIndex` states.
    """

    @property
    def cls(self) -> str:
        return f"{STORED}Index"

    def _space(self) -> _Space:
        keep = self._current_inds
        # the parent drops its helper with every change
        space: _Space | None = getattr(self, "_neighbors_helper", None)
        if space is None or not _same(space.keep, keep):
            space = self._neighbors_helper = _Space(self._embeddings, keep, self.config.metric)
        return space

    def _asked(self, query: Any) -> tuple[Array, Array, bool, bool]:
        """Centred queries, which rows of the view they are (-1: none), whether all, whether one."""
        space = self._space()
        vectors, _, full, single = self._parse_neighbors_query(query)
        if full:
            return space.rows, np.arange(len(space.rows)), True, False
        own = np.full(len(vectors), -1)
        if isinstance(query, str) or not np.issubdtype(np.asarray(query).dtype, np.number):
            known = self._get_ids_to_inds(full=False)
            own[:] = [known.get(i, -1) for i in ([query] if single else query)]
        rows = np.ascontiguousarray(vectors - space.mean, dtype=space.rows.dtype)
        return rows, own, False, single

    def _kneighbors(
        self,
        query: Any = None,
        k: int | None = None,
        reverse: bool = False,
        aggregation: str | None = None,
        return_dists: bool = False,
    ) -> Any:
        if aggregation is not None:
            return self._aggregated(query, k, reverse, aggregation, return_dists)
        rows, own, full, single = self._asked(query)
        space = self._space()
        if self.config.compat == "brain" and not full and (own < 0).all():
            far, order = _brain_nearest(space, rows, k)
        elif full and k is not None and k < min(MOST_K, len(rows)):
            far, order = space.search(k)
        else:
            far, order = space.nearest(rows, own, k)
        return self._format_output(list(order), list(far), full, single, return_dists)

    def _radius_neighbors(
        self, query: Any = None, thresh: Any = None, return_dists: bool = False
    ) -> Any:
        rows, own, full, single = self._asked(query)
        space = self._space()
        if full:
            pairs, far = space.pairs(thresh)
            both = np.concatenate([pairs, pairs[:, ::-1]])
            order = np.lexsort((both[:, 1], both[:, 0]))
            bounds = np.searchsorted(both[order, 0], np.arange(1, len(rows)))
            found = np.split(both[order, 1], bounds), np.split(np.tile(far, 2)[order], bounds)
        else:
            near = [space.distances(rows[i : i + 1], own[i : i + 1])[0] for i in range(len(rows))]
            inds = [np.flatnonzero(far <= thresh) for far in near]
            found = inds, [far[i] for far, i in zip(near, inds, strict=True)]
        return self._format_output(list(found[0]), list(found[1]), full, single, return_dists)

    def _aggregated(
        self, query: Any, k: int | None, reverse: bool, aggregation: str, return_dists: bool
    ) -> Any:
        if query is None:
            raise ValueError("Full index queries do not support aggregation")
        if aggregation != "mean" and aggregation not in AGGREGATIONS:
            raise ValueError(
                f"Unsupported aggregation method '{aggregation}'. Supported values are"
                f" {self.config.supported_aggregations}"
            )
        rows, own, _, _ = self._asked(query)
        space = self._space()
        if aggregation == "mean":
            if len(rows) > 1:
                rows, own = rows.mean(axis=0, keepdims=True), np.array([-1])
            far = space.distances(rows, own)[0]
        else:
            far = AGGREGATIONS[aggregation](space.distances(rows, own), axis=0)
        far[np.isnan(far)] = 0.0
        order = np.argsort(far)  # not stable, as in Brain
        order = (order[::-1] if reverse else order)[:k]
        sample_ids = list(self.current_sample_ids[order])
        label_ids = None
        if self.config.patches_field is not None:
            label_ids = list(self.current_label_ids[order])
        if return_dists:
            return sample_ids, label_ids, list(far[order])
        return sample_ids, label_ids

    def _remove_duplicates_thresh(self, thresh: float, ids: Any) -> list[str]:
        return [ids[i] for i in self._space().searched.keep(thresh)]


def _same(a: Array | None, b: Array | None) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))


def _brain_nearest(space: _Space, rows: Array, k: int | None) -> tuple[Array, Array]:
    """Brain's neighbours of rows outside the view: these not normalised, the view centred again."""
    shown = space.rows - space.rows.mean(axis=0, keepdims=True)
    if space.metric == "cosine":
        norms = np.linalg.norm(shown, axis=1, keepdims=True)
        shown = shown / np.where(norms == 0, 1, norms)
    return _knn(np.ascontiguousarray(shown), k or len(shown), queries=rows)


def _knn(rows: Array, k: int, **options: Any) -> tuple[Array, Array]:
    found: Any = tamis.knn(rows, k, **options)
    return found[0], found[1]


def _read_stored_runs() -> None:
    """Make FiftyOne load the stored runs of tamis as tamis' objects."""
    read_config: Any = fors.BaseRunConfig.from_dict
    read_results: Any = fors.BaseRunResults.from_dict

    @wraps(read_config.__func__)
    def own_config(cls: Any, d: Any) -> Any:
        if d.get("type") == "similarity" and d.get("method") == "tamis":
            d["cls"] = f"{__name__}.{TamisSimilarityConfig.__name__}"
        return read_config.__func__(cls, d)

    @wraps(read_results.__func__)
    def own_results(cls: Any, d: Any, samples: Any, config: Any, key: str) -> Any:
        if d is not None and type(config) is TamisSimilarityConfig:
            d["cls"] = f"{__name__}.{TamisSimilarityIndex.__name__}"
        return read_results.__func__(cls, d, samples, config, key)

    fors.BaseRunConfig.from_dict = classmethod(own_config)
    fors.BaseRunResults.from_dict = classmethod(own_results)


_read_stored_runs()
