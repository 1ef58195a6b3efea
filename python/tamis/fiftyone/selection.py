"""What to label next: zcore of samples, and a tagged batch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import fiftyone.brain.internal.core.uniqueness as brain_uniqueness
import fiftyone.core.collections as foc
import fiftyone.core.fields as fof
import numpy as np

import tamis
from tamis.fiftyone import _documents, _runs
from tamis.fiftyone._options import DEFAULTS, EmbeddingOptions, one_by_one
from tamis.fiftyone.embeddings import Source


@one_by_one
def zcore(
    samples: Any,
    zcore_field: str = "zcore",
    given: EmbeddingOptions = DEFAULTS,
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
        As in `compute_uniqueness`.
    **options
        ``n_samples``, ``seed`` and the others of :func:`tamis.zcore`.

    Raises
    ------
    ValueError, TypeError
        As :func:`tamis.zcore`. Nothing is written then, and a failed write deletes a new field.

    Notes
    -----
    Cost and memory: :func:`tamis.zcore`.
    """
    if samples._is_generated:
        raise ValueError(
            "zcore: samples must be a dataset or a view of samples, not patches, clips or frames"
        )
    rows, sample_ids = Source(samples, brain_uniqueness, given).get()
    with _documents.counted(given.progress) as report, _arguments("zcore", x="embeddings"):
        scores = tamis.zcore(np.asarray(rows), progress=report, **options) if len(rows) else rows
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
    quota: Any = None,
    threshold: float = 0.02,
    metric: Literal["cosine", "euclidean"] = "cosine",
    tag: str | None = "next_batch",
    progress: Any = None,
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
    coverage, quota, threshold, metric
        As in :func:`tamis.select_batch`.
    tag : str, optional
        Given to the selected samples. Default "next_batch".
    progress : bool, optional
        Whether to show a progress bar. Default: FiftyOne's setting.

    Returns
    -------
    fiftyone.core.view.DatasetView
        Those for coverage first, then those near failures.

    Raises
    ------
    ValueError, TypeError
        As :func:`tamis.select_batch`; also for samples without a score or embedding, and ids that
        are not in `samples`.
    """
    name = "select_next_batch"
    ids = samples.values("id")

    scores = values_of(name, samples, "zcore_field", zcore_field, ids)
    rows = values_of(name, samples, "embeddings", embeddings, ids)
    failed = rows_of(name, "failures", failures, ids)
    excluded = None if exclude is None else rows_of(name, "exclude", exclude, ids)
    called = {"x": "embeddings", "scores": "zcore_field"}
    with _documents.counted(progress) as report, _arguments(name, **called):
        batch = tamis.select_batch(
            scores, rows, failed, budget=budget, coverage=coverage, exclude=excluded, quota=quota,
            threshold=threshold, metric=metric, progress=report,
        )  # fmt: skip
    view = samples.select([ids[i] for i in batch], ordered=True)
    if tag is not None:
        view.tag_samples(tag)
    return view


def values_of(name: str, samples: Any, argument: str, given: Any, ids: list[str]) -> Any:
    """A value of every sample: those of a field, or the array given."""
    if not isinstance(given, str):
        rows = np.asarray(given)
        if rows.ndim == 2 and len(rows) != len(ids):
            raise ValueError(
                f"{name}: {argument} must have a row for each of {len(ids)} samples,"
                f" got {rows.shape}"
            )
        return rows
    values = samples.values(given)
    for sample_id, value in zip(ids, values, strict=True):
        if value is None:
            raise ValueError(
                f"{name}: {argument} must be a field that all samples have, got {given!r},"
                f" which sample {sample_id!r} lacks"
            )
    try:
        return np.asarray(values, np.float64 if argument == "zcore_field" else None)
    except ValueError:
        raise ValueError(
            f"{name}: {argument} must be rows of one length, got field {given!r}"
        ) from None


def rows_of(name: str, argument: str, chosen: Any, ids: list[str]) -> Any:
    """Where the samples of a view, or of ids, stand among `ids`."""
    if isinstance(chosen, foc.SampleCollection):
        chosen = chosen.values("id")
    try:
        wanted = None if isinstance(chosen, str) else list(chosen)
    except (TypeError, ValueError):  # a sample raises the latter
        wanted = None
    if wanted is None:
        raise TypeError(
            f"{name}: {argument} must be a view or a list of ids, got {type(chosen).__name__}"
        )
    place = {sample_id: i for i, sample_id in enumerate(ids)}
    unknown = [i for i in wanted if not isinstance(i, str) or i not in place]
    if unknown:
        raise ValueError(f"{name}: {argument} must be of samples, got {unknown[0]!r}")
    return np.array([place[sample_id] for sample_id in wanted], np.int64)


@contextmanager
def _arguments(name: str, **ours: str) -> Iterator[None]:
    """Context that renames the arguments in errors of the function called inside."""
    try:
        yield
    except (ValueError, TypeError) as error:
        found = re.fullmatch(r"\w+: (\w+)(.*)", str(error), re.DOTALL)
        if found is None:
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{name}: {ours.get(found[1], found[1])}{found[2]}") from None
