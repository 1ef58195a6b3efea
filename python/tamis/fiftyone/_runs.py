"""Atomic FiftyOne runs: saved completely or rolled back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bson import json_util


@contextmanager
def saved(
    samples: Any,
    run: Any,
    key: str,
    results: Any,
    omit_fields: tuple[str, ...] = (),
    *,
    cleanup: bool = True,
) -> Iterator[None]:
    """Register a run, write in the body, save the results; roll everything back on an error.

    `cleanup` says whether an older run of the same key takes its fields with it. As in FiftyOne, an
    older run is gone even where this one fails.
    """
    run.register_run(samples, key, cleanup=cleanup)
    try:
        yield
        save_results(samples, run, key, results)
        if hasattr(run, "add_fields_to_sidebar_group"):
            run.add_fields_to_sidebar_group(samples, key, omit_fields=omit_fields)
    except BaseException:
        run.delete_run(samples, key)
        raise


@contextmanager
def field(samples: Any, name: str, kind: type) -> Iterator[None]:
    """Declare a field of samples for the body to fill; delete it on an error if it is new."""
    new = samples.get_field(name) is None
    samples._dataset.add_sample_field(name, kind)
    try:
        yield
    except BaseException:
        if new:
            samples._dataset.delete_sample_field(name)
        raise


def save_results(samples: Any, run: Any, key: str, results: Any) -> None:
    """`BaseRun.save_run_results` of a fresh run; its json_util walks every value in Python."""
    if results is None:
        run.save_run_results(samples, key, None)
        return
    document = results.serialize()
    try:
        text = json.dumps(document, default=json_util.default, allow_nan=False)
    except ValueError:  # NaN and infinity, which json_util spells its own way
        text = json_util.dumps(document)
    doc = run._get_run_doc(samples, key)
    doc.results.put(text.encode(), content_type="application/json")
    doc.results_meta = dict(results.get_meta() or {})
    getattr(samples._root_dataset, run._results_cache_field())[key] = results
    doc.save()
