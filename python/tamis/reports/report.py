"""One HTML file of what was found: an evaluation, embeddings, or the drift between two batches."""

from __future__ import annotations

import json as json_module
import os
from collections.abc import Mapping
from typing import Any, Literal

from tamis._shared import arrays, output
from tamis._shared.progress import Progress
from tamis._shared.results import plain

KINDS = ("bbox", "obb", "segm", "boundary", "keypoints")


def report(
    path: str | os.PathLike[str],
    gt: Any = None,
    *results: Any,
    images: str | os.PathLike[str] | None = None,
    iou_type: Literal["auto", "bbox", "obb", "segm", "boundary", "keypoints"] = "auto",
    slices: Mapping[str, Any] | None = None,
    embeddings: Any = None,
    names: Any = None,
    splits: Any = None,
    labelled: Any = None,
    failures: Any = None,
    scores: Any = None,
    xy: Any = None,
    threshold: float | None = None,
    count: int = 100,
    reference: Any = None,
    batch: Any = None,
    title: str | None = None,
    date: str | None = None,
    json: str | os.PathLike[str] | None = None,
    tiles: int = 48,
    samples: int = 1000,
    seed: int = 0,
    interactive: bool = False,
    progress: Progress = None,
) -> dict[str, Any]:
    """Write one HTML file that needs no network and no JavaScript to be read.

    Parameters
    ----------
    path : path
        The file to write.
    gt : Annotations or path, optional
        Ground truth, of any format that :func:`tamis.read` takes.
    *results : Annotations or paths
        Of one model each; all are compared with the first.
    images : path, optional
        Folder of the image files: galleries of the worst images and of each type of error, and
        of embeddings where `names` are file names. Nothing outside of it is opened.
    iou_type : {"auto", "bbox", "obb", "segm", "boundary", "keypoints"}
        What is compared, and what pictures show. "auto": COCO's 17 keypoints, else masks, where
        ground truth and all results have them, else boxes. Of keypoints there are no types of
        errors.
    slices : dict of str to (images,) array, optional
        Attributes of images, as for :func:`tamis.slices`.
    embeddings : (N, D) array, optional
    names : (N,) strings, optional
        What to call the rows. Default: their numbers. With results: names of the models.
    splits : (N,) array, optional
        The split of each row: leaks between them are reported.
    labelled, failures : integers, optional
        Rows that are labelled: coverage is reported; and rows that a model got wrong: with either
        the next batch is.
    scores : (N,) array, optional
        Of `tamis.zcore`. Default: those of 20,000 draws.
    xy : (N, 2) array, optional
        The map. Default: that of `tamis.map2d`'s "pca".
    threshold : float, optional
        Of near-duplicates. Default: that of `tamis.duplicate_threshold`.
    count : int, default 100
        Rows of the coreset and of the next batch.
    reference, batch : (N, D) and (M, D) arrays, or Annotations or paths of label files, optional
        Two batches, whose drift is reported.
    title : str, optional
    date : str, optional
        Written below the title. Without one equal input gives equal bytes.
    json : path, optional
        A second file: what is returned, as JSON.
    tiles : int, default 48
        Pictures of a gallery.
    samples : int, default 1000
        Of the intervals and tests of an evaluation; 0: none.
    seed : int
    interactive : bool, default False
        Embeddings only: also a map to draw on, a figure of Bokeh (``pip install
        tamis[interactive]``); a lasso lists the rows it holds, with their pictures where there are
        images. The file grows by 1 MB, and about 3 kB for each of at most 1,000 pictures.
    progress : bool or callable, optional
        ``f(done, total)`` of each long part, or True for a bar.

    Returns
    -------
    dict
        All numbers, plain Python.

    Raises
    ------
    ImportError
        Without matplotlib and Jinja2, with `images` without Pillow, with `interactive` without
        Bokeh.
    TypeError, ValueError
        For arguments that do not fit, before any work.

    Notes
    -----
    Sections appear for what is given. Templates escape every name. The file holds SVG drawings and
    WebP pictures of 176 or 300 pixels; its content-security policy forbids it to load anything.
    Cost: that of the functions it names, and of drawing.

    Examples
    --------
    >>> tamis.report("report.html", "gt.json", "dt.json", images="val/")  # doctest: +SKIP
    """
    from tamis.reports.parts import collect

    name = "report"
    target = output.check(f"{name}: path", path)
    second = None if json is None else output.check(f"{name}: json", json, (path,))
    if gt is None and embeddings is None and reference is None:
        raise TypeError(f"{name}: give gt and results, embeddings, or reference and batch")
    if (gt is None) != (not results):
        raise TypeError(f"{name}: gt and results must be given together")
    if (reference is None) != (batch is None):
        raise TypeError(f"{name}: reference and batch must be given together")
    if not arrays.one_of(iou_type, ("auto", *KINDS)):
        kinds = ", ".join(("auto", *KINDS))
        raise ValueError(f"{name}: iou_type must be one of {kinds}, got {iou_type!r}")
    interactive = arrays.check_flag(name, "interactive", interactive)
    if interactive and embeddings is None:
        raise ValueError(f"{name}: interactive needs embeddings")
    if images is not None:
        images = arrays.path_of(name, "images", images)
    arrays.check_integer(name, "tiles", tiles, 0, 1000)
    arrays.check_integer(name, "count", count, 1)
    arrays.check_integer(name, "samples", samples, 0, 10**7)
    if samples == 1:
        raise ValueError(f"{name}: samples must be 0 or at least 2, got 1")
    arrays.check_integer(name, "seed", seed, 0)
    for what, value in (("title", title), ("date", date)):
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name}: {what} must be a str, got {type(value).__name__}")
    found, html = collect(
        gt, list(results), images=images, iou_type=iou_type, slices=slices,
        embeddings=embeddings, names=names, splits=splits, labelled=labelled, failures=failures,
        scores=scores, xy=xy, threshold=threshold, count=count, reference=reference,
        batch=batch, title=title, date=date, tiles=tiles, samples=samples, seed=seed,
        interactive=interactive, progress=progress,
    )  # fmt: skip
    output.write(f"{name}: path", target, lambda file: file.write(html.encode()))
    numbers: dict[str, Any] = plain(found)
    if second is not None:
        text = json_module.dumps(numbers, allow_nan=False) + "\n"
        output.write(f"{name}: json", second, lambda file: file.write(text.encode()))
    return numbers


__all__ = ["report"]
