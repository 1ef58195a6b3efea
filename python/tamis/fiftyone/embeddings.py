"""Brain's scores of embeddings: uniqueness and representativeness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import eta.core.utils as etau
import fiftyone.brain as fob
import fiftyone.brain.internal.core.representativeness as brain_representativeness
import fiftyone.brain.internal.core.uniqueness as brain_uniqueness
import fiftyone.brain.internal.core.utils as fbu
import fiftyone.brain.internal.models as fbm
import fiftyone.core.fields as fof
import fiftyone.core.validation as fov
import numpy as np

import tamis
from tamis.fiftyone import _documents, _runs
from tamis.fiftyone._options import DEFAULTS, EmbeddingOptions, one_by_one
from tamis.fiftyone._original import in_place_of

fiftyone_compute_uniqueness = fob.compute_uniqueness
fiftyone_compute_representativeness = fob.compute_representativeness


@in_place_of(fiftyone_compute_uniqueness)
@one_by_one
def compute_uniqueness(
    samples: Any,
    uniqueness_field: str = "uniqueness",
    given: EmbeddingOptions = DEFAULTS,
    *,
    corrected: bool = False,
) -> None:
    """Neighbours are found by tamis.

    Parameters
    ----------
    corrected : bool
        Default False: Brain 0.25's numbers, bit-identical for float32 rows. True: neighbours 1 to 3
        instead of 2 to 4, one metric for any number of samples, and 4 samples have scores.

    Notes
    -----
    Everything is computed before the first write, and a failed write rolls the run back. With a
    `similarity_index` and without `corrected`, Brain's own function runs. Cost and memory:
    :func:`tamis.uniqueness`.
    """
    fov.validate_collection(samples)
    if samples._is_generated or (given.similarity_index is not None and not corrected):
        fiftyone_compute_uniqueness(samples, uniqueness_field=uniqueness_field, **vars(given))
        return

    def score(x: Any, report: Any) -> Any:
        brain_uniqueness.logger.info("Computing uniqueness...")
        if len(x) <= 3:
            return np.ones(len(x))
        return tamis.uniqueness(x, compat=None if corrected else "brain", progress=report)

    config = brain_uniqueness.UniquenessConfig(uniqueness_field)
    _score_samples(samples, uniqueness_field, config, brain_uniqueness, score, given)
    brain_uniqueness.logger.info("Uniqueness computation complete")


@in_place_of(fiftyone_compute_representativeness)
@one_by_one
def compute_representativeness(
    samples: Any,
    representativeness_field: str = "representativeness",
    method: str = "cluster-center",
    given: EmbeddingOptions = DEFAULTS,
    *,
    corrected: bool = False,
) -> None:
    """Scores are computed by tamis.

    Parameters
    ----------
    corrected : bool
        Default False: Brain 0.25's numbers, in which 1 is the sample farthest from its centre.
        True: 1 is the centre, as documented.

    Notes
    -----
    Everything is computed before the first write, and a failed write rolls the run back. Cost and
    memory: :func:`tamis.representativeness`.
    """
    fov.validate_collection(samples)
    known = method in ("cluster-center", "cluster-center-downweight")
    if samples._is_generated or not known:
        fiftyone_compute_representativeness(
            samples, representativeness_field=representativeness_field, method=method, **vars(given)
        )
        return

    def score(x: Any, report: Any) -> Any:
        logger = brain_representativeness.logger
        logger.info("Computing representativeness...")
        logger.info("Computing clusters for %d embeddings; this may take awhile...", len(x))
        if method == "cluster-center-downweight":
            logger.info("Applying iterative downweighting...")
        compat: Any = None if corrected else "brain"
        rule: Any = method
        return tamis.representativeness(x, method=rule, compat=compat, progress=report)

    config = brain_representativeness.RepresentativenessConfig(
        representativeness_field, method=method
    )
    _score_samples(
        samples, representativeness_field, config, brain_representativeness, score, given
    )
    brain_representativeness.logger.info("Representativeness computation complete")


def _score_samples(
    samples: Any,
    field: str,
    config: Any,
    brain: Any,
    score: Callable[[Any, Any], Any],
    given: EmbeddingOptions,
) -> None:
    """Embed, score, then write the scores under `field` as a run of that name."""
    source = Source(samples, brain, given)
    config.roi_field, config.embeddings_field = source.roi_field, source.embeddings_field
    config.similarity_index = getattr(source.options["similarity_index"], "key", None)
    config.model, config.model_kwargs = source.model_name, source.options["model_kwargs"]
    run = config.build()
    run.ensure_requirements()
    run.validate_run(samples, field)
    embeddings, sample_ids = source.get()
    with _documents.counted(given.progress) as report:
        scores = score(embeddings, report)
    with _runs.saved(samples, run, field, None, cleanup=False):
        samples._dataset.add_sample_field(field, fof.FloatField)
        ids = _documents.id_bytes(sample_ids)
        _documents.write(samples, ids, [], {field: np.asarray(scores, np.float64).tolist()})


class Source:
    """Where the embeddings of samples come from: the options, checked and resolved."""

    def __init__(self, samples: Any, brain: Any, given: EmbeddingOptions) -> None:
        self.samples, self.options = samples, dict(vars(given))
        options = self.options
        self.roi_field = options.pop("roi_field")
        if self.roi_field is not None:
            kinds = brain._ALLOWED_ROI_FIELD_TYPES
            fov.validate_collection_label_fields(samples, self.roi_field, kinds)
        self.embeddings_field, exist = None, None
        if etau.is_str(options["embeddings"]):
            self.embeddings_field, exist = fbu.parse_data_field(
                samples, options["embeddings"], patches_field=self.roi_field, data_type="embeddings"
            )
            options["embeddings"] = None
        if etau.is_str(options["similarity_index"]):
            options["similarity_index"] = samples.load_brain_results(options["similarity_index"])
        sources = ("model", "embeddings", "similarity_index")
        if all(options[name] is None for name in sources) and not exist:
            options["model"] = fbm.load_model(brain._DEFAULT_MODEL)
            options["batch_size"] = options["batch_size"] or brain._DEFAULT_BATCH_SIZE
        model = options["model"]
        named = model is None or etau.is_str(model)
        self.model_name = model if named else etau.get_class_name(model)

    def get(self) -> tuple[Any, Any]:
        """The embeddings, and the ids of their samples."""
        embeddings, sample_ids, _ = fbu.get_embeddings(
            self.samples, patches_field=self.roi_field, embeddings_field=self.embeddings_field,
            handle_missing="image", agg_fcn=None if self.roi_field is None else _mean_row,
            **self.options,
        )  # fmt: skip
        return embeddings, sample_ids


def _mean_row(embeddings: Any) -> Any:
    return np.mean(embeddings, axis=0)
