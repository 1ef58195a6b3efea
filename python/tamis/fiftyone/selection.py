"""What to label next: zcore of samples, and a tagged batch."""

from __future__ import annotations

from typing import Any, Literal

import fiftyone.brain.internal.core.uniqueness as brain_uniqueness
import fiftyone.core.collections as foc
import fiftyone.core.fields as fof
import numpy as np

import tamis
from tamis.fiftyone import _documents, _runs
from tamis.fiftyone.embeddings import Source


def zcore(
    samples: Any,
    zcore_field: str = "zcore",
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
    **options: Any,
) -> None:
    """Write the zero-shot coreset score of each sample: the higher, the sooner to be labelled.

    Parameters
    ----------
    samples : fiftyone.core.collections.SampleCollection
    zcore_field : str
        The field of samples to write. Default "zcore".
    roi_field, embeddings, similarity_index, model, model_kwargs, force_square, alpha, batch_size, \
num_workers, skip_failures, progress
        As of `compute_uniqueness`.
    **options
        ``n_samples``, ``seed`` and the others of :func:`tamis.zcore`.

    Raises
    ------
    ValueError, TypeError
        As :func:`tamis.zcore`. Nothing is written then, and a write that fails takes a new field
        back.

    Notes
    -----
    Cost and memory: :func:`tamis.zcore`.
    """
    given = dict(
        roi_field=roi_field, embeddings=embeddings, similarity_index=similarity_index, model=model,
        model_kwargs=model_kwargs, force_square=force_square, alpha=alpha, batch_size=batch_size,
        num_workers=num_workers, skip_failures=skip_failures, progress=progress,
    )  # fmt: skip
    if samples._is_generated:
        raise ValueError("zcore: samples must be those of a dataset, not patches, clips or frames")
    rows, sample_ids = Source(samples, brain_uniqueness, given).get()
    with _documents.counted(progress) as told:
        scores = tamis.zcore(np.asarray(rows), progress=told, **options) if len(rows) else rows
    with _runs.field(samples, zcore_field, fof.FloatField):
        values = np.asarray(scores, np.float64).tolist()
        _documents.write(samples, _documents.id_bytes(sample_ids), [], {zcore_field: values})


def select_next_batch(
    samples: Any,
    failures: Any,
    *,
    budget: int,
    embeddings: Any,
    zcore_field: str = "zcore",
    coverage: float = 0.3,
    exclude: Any = None,
    threshold: float = 0.02,
    metric: Literal["cosine", "euclidean"] = "cosine",
    tag: str | None = "next_batch",
) -> Any:
    """The next samples to label, as a view for ``view.annotate(...)``.

    Parameters
    ----------
    samples : fiftyone.core.collections.SampleCollection
        With the scores of `zcore`.
    failures : view or list of ids
        Samples of `samples` that the model got wrong.
    budget : int
        Samples wanted.
    embeddings : str or (N, D) array
        The field that holds the embeddings, or those of `samples` in order.
    exclude : view or list of ids, optional
        Samples not to be selected, such as those labelled already.
    coverage, threshold, metric
        As of :func:`tamis.select_batch`.
    tag : str, optional
        Given to the selected samples. Default "next_batch".

    Returns
    -------
    fiftyone.core.view.DatasetView
        Those for coverage first, then those near failures.

    Raises
    ------
    ValueError, TypeError
        As :func:`tamis.select_batch`; samples without a score or embedding, ids that are none of
        `samples`.
    """
    name = "select_next_batch"
    ids, scores = samples.values(["id", zcore_field])
    rows = samples.values(embeddings) if isinstance(embeddings, str) else embeddings
    if any(value is None for column in (scores, rows) for value in column):
        raise ValueError(f"{name}: samples must all have an embedding and a score ({zcore_field})")
    place = {sample_id: i for i, sample_id in enumerate(ids)}

    def rows_of(argument: str, chosen: Any) -> Any:
        wanted = chosen.values("id") if isinstance(chosen, foc.SampleCollection) else list(chosen)
        unknown = [sample_id for sample_id in wanted if sample_id not in place]
        if unknown:
            raise ValueError(f"{name}: {argument} must be of samples, got {unknown[0]!r}")
        return np.array([place[sample_id] for sample_id in wanted], np.int64)

    batch = tamis.select_batch(
        np.array(scores, np.float64), np.asarray(rows), rows_of("failures", failures),
        budget=budget, coverage=coverage, threshold=threshold, metric=metric,
        exclude=None if exclude is None else rows_of("exclude", exclude),
    )  # fmt: skip
    view = samples.select([ids[i] for i in batch], ordered=True)
    if tag is not None:
        view.tag_samples(tag)
    return view
