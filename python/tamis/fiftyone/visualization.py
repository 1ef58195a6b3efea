"""Maps of samples for the App's embeddings panel, on exact neighbours."""

from __future__ import annotations

from typing import Any, Literal

import fiftyone.brain as fob

import tamis
from tamis.fiftyone import _documents
from tamis.fiftyone.selection import arguments, values_of


def compute_visualization(
    samples: Any,
    *,
    embeddings: Any,
    brain_key: str | None = None,
    method: Literal["pca", "umap", "pacmap"] = "umap",
    k: int = 15,
    metric: Literal["euclidean", "cosine"] = "euclidean",
    seed: int = 0,
    progress: Any = None,
) -> Any:
    """A two-dimensional map of samples, as FiftyOne's run of the same name.

    Parameters
    ----------
    samples : fiftyone.core.collections.SampleCollection
    embeddings : str or (N, D) array
        The field that holds the embeddings, or those of `samples` in order.
    brain_key : str, optional
        Under which the dataset keeps the map; the App's embeddings panel shows it.
    method, k, metric, seed
        As in :func:`tamis.map2d`.
    progress : bool, optional
        Whether to show a progress bar. Default: FiftyOne's setting.

    Returns
    -------
    fiftyone.brain.visualization.VisualizationResults
        ``points`` are those of :func:`tamis.map2d`.

    Raises
    ------
    ValueError, TypeError, ImportError
        As :func:`tamis.map2d`; also for samples without an embedding. No run is kept then.

    Notes
    -----
    FiftyOne's own searches approximate neighbours and takes "tsne" too. Cost and memory:
    :func:`tamis.map2d`.
    """
    name = "compute_visualization"
    rows = values_of(name, samples, "embeddings", embeddings, samples.values("id"))
    with _documents.counted(progress) as report, arguments(name, x="embeddings"):
        points = tamis.map2d(rows, method, k=k, metric=metric, seed=seed, progress=report)
    return fob.compute_visualization(samples, points=points, brain_key=brain_key)
