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
from tamis.fiftyone._original import in_place_of
from tamis.fiftyone.similarity import TamisSimilarityConfig

fiftyone_compute_near_duplicates = fob.compute_near_duplicates
fiftyone_compute_leaky_splits = fob.compute_leaky_splits
fiftyone_compute_similarity = fob.compute_similarity


@in_place_of(fiftyone_compute_near_duplicates)
def compute_near_duplicates(
    samples: Any,
    threshold: float | None = 0.2,
    roi_field: str | None = None,
    embeddings: Any = None,
    similarity_index: Any = None,
    model: Any = None,
    model_kwargs: Any = None,
    force_square: bool = False,
    alpha: float | None = None,
    batch_size: int | None = None,
    num_workers: int | None = None,
    skip_failures: bool = True,
    progress: Any = None,
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
    if similarity_index is None:
        similarity_index = _index(
            samples, corrected, brain_duplicates._DEFAULT_MODEL, roi_field=roi_field,
            embeddings=embeddings, model=model, model_kwargs=model_kwargs,
            force_square=force_square, alpha=alpha, batch_size=batch_size, num_workers=num_workers,
            skip_failures=skip_failures, progress=progress,
        )  # fmt: skip
    return fiftyone_compute_near_duplicates(
        samples, threshold=threshold, similarity_index=similarity_index
    )


@in_place_of(fiftyone_compute_leaky_splits)
def compute_leaky_splits(
    samples: Any,
    splits: Any,
    threshold: float | None = 0.2,
    roi_field: str | None = None,
    embeddings: Any = None,
    similarity_index: Any = None,
    model: Any = None,
    model_kwargs: Any = None,
    force_square: bool = False,
    alpha: float | None = None,
    batch_size: int | None = None,
    num_workers: int | None = None,
    skip_failures: bool = True,
    progress: Any = None,
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
    given = similarity_index
    if given is None:
        similarity_index = _index(
            samples, corrected, brain_leaks._DEFAULT_MODEL, roi_field=roi_field,
            embeddings=embeddings, model=model, model_kwargs=model_kwargs,
            force_square=force_square, alpha=alpha, batch_size=batch_size, num_workers=num_workers,
            skip_failures=skip_failures, progress=progress,
        )  # fmt: skip
    views = corrected and isinstance(splits, dict)
    found = fiftyone_compute_leaky_splits(
        samples, [] if views else splits, threshold=None if corrected else threshold,
        similarity_index=similarity_index,
    )  # fmt: skip
    if given is None:
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


def _index(samples: Any, corrected: bool, default_model: str, **options: Any) -> Any:
    """Brain's similarity index of these embeddings, on tamis' backend."""
    embeddings = options["embeddings"]
    exist = embeddings is not None
    if etau.is_str(embeddings):
        _, exist = fbu.parse_data_field(samples, embeddings, data_type="embeddings")
    if options["model"] is None and not exist:
        options["model"] = default_model
    compat = None if corrected else "brain"
    return fiftyone_compute_similarity(
        samples, backend=TamisSimilarityConfig, compat=compat, **options
    )
