"""Brain's near-duplicates and leaks between splits, computed from tamis' neighbours."""

from __future__ import annotations

from typing import Any

import eta.core.utils as etau
import fiftyone.brain as fob
import fiftyone.brain.internal.core.duplicates as brain_duplicates
import fiftyone.brain.internal.core.leaky_splits as brain_leaks
import fiftyone.brain.internal.core.utils as fbu
import numpy as np

import tamis
from tamis.fiftyone._options import DEFAULTS, EmbeddingOptions, one_by_one
from tamis.fiftyone._original import in_place_of
from tamis.fiftyone.similarity import TamisSimilarityConfig

fiftyone_compute_near_duplicates = fob.compute_near_duplicates
fiftyone_compute_leaky_splits = fob.compute_leaky_splits
fiftyone_compute_similarity = fob.compute_similarity


@in_place_of(fiftyone_compute_near_duplicates)
@one_by_one
def compute_near_duplicates(
    samples: Any,
    threshold: float | None = 0.2,
    given: EmbeddingOptions = DEFAULTS,
    *,
    corrected: bool = False,
) -> Any:
    """The index that comes back is a `TamisSimilarityIndex`.

    Parameters
    ----------
    corrected : bool
        Default False: `neighbors_map` as Brain 0.25 has it, whose distances are not those of the
        metric. True: each duplicate is listed under its nearest keeper, with their distance.

    Notes
    -----
    Cost and memory: :func:`tamis.near_duplicates`, and a centred copy of the embeddings.
    """
    similarity_index = given.similarity_index
    if similarity_index is None:
        similarity_index = _index(samples, corrected, brain_duplicates._DEFAULT_MODEL, given)
    return fiftyone_compute_near_duplicates(
        samples, threshold=threshold, similarity_index=similarity_index
    )


@in_place_of(fiftyone_compute_leaky_splits)
@one_by_one
def compute_leaky_splits(
    samples: Any,
    splits: Any,
    threshold: float | None = 0.2,
    given: EmbeddingOptions = DEFAULTS,
    *,
    corrected: bool = False,
) -> Any:
    """The similarity index is a `TamisSimilarityIndex`.

    Parameters
    ----------
    corrected : bool
        Default False: Brain 0.25's leaks, which miss pairs that do not go through a kept sample.
        True: every pair of different splits within the threshold, and `splits` may be a dict of
        views, as documented.

    Notes
    -----
    Cost and memory: :func:`tamis.leaks`, and a centred copy of the embeddings.
    """
    similarity_index = given.similarity_index
    if similarity_index is None:
        similarity_index = _index(samples, corrected, brain_leaks._DEFAULT_MODEL, given)
    views = corrected and isinstance(splits, dict)
    found = fiftyone_compute_leaky_splits(
        samples, [] if views else splits, threshold=None if corrected else threshold,
        similarity_index=similarity_index,
    )  # fmt: skip
    if given.similarity_index is None:
        found.config.embeddings_field = similarity_index.config.embeddings_field
        found.config.model = similarity_index.config.model
    if corrected:
        chosen = splits if views else found.split_views
        found = CompleteLeaks(samples, found.config, found._similarity_index, chosen)
        if threshold is not None:
            found.find_leaks(threshold)
    return found


class CompleteLeaks(brain_leaks.LeakySplitsIndex):  # type: ignore[misc]
    """Brain's leaks with every pair of different splits, not only those of a kept sample."""

    def find_leaks(self, thresh: float) -> None:
        if thresh == self.thresh:
            return
        index = self._similarity_index
        split = np.array([self._id2split.get(i) for i in index.current_sample_ids], object)
        names = {name: code for code, name in enumerate(dict.fromkeys(split.tolist()))}
        rows = np.flatnonzero([name is not None for name in split])
        codes = np.array([names[name] for name in split[rows]], np.int64)
        embeddings, _, _ = index.get_embeddings(sample_ids=index.current_sample_ids[rows])
        found = tamis.leaks(embeddings, codes, threshold=thresh, metric=index.config.metric)
        ids = index.current_sample_ids[rows]
        self._partners: dict[str, list[str]] = {}
        for a, b in found.pairs.tolist():
            self._partners.setdefault(ids[a], []).append(ids[b])
            self._partners.setdefault(ids[b], []).append(ids[a])
        self._thresh = thresh
        self._leak_ids = [ids[i] for i in found.rows]

    def leaks_for_sample(self, sample_or_id: Any) -> Any:
        if self.thresh is None:
            raise ValueError("You must first call `find_leaks()`")
        sample_id = sample_or_id if etau.is_str(sample_or_id) else sample_or_id.id
        partners = self._partners.get(sample_id, [])
        return self.samples.select([sample_id, *partners], ordered=True)


def _index(samples: Any, corrected: bool, default_model: str, given: EmbeddingOptions) -> Any:
    """Brain's similarity index of these embeddings, on tamis' backend."""
    options, embeddings = dict(vars(given)), given.embeddings
    del options["similarity_index"]
    exist = embeddings is not None
    if etau.is_str(embeddings):
        _, exist = fbu.parse_data_field(samples, embeddings, data_type="embeddings")
    if options["model"] is None and not exist:
        options["model"] = default_model
    compat = None if corrected else "brain"
    return fiftyone_compute_similarity(
        samples, backend=TamisSimilarityConfig, compat=compat, **options
    )
