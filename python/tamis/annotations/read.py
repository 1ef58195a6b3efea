"""Label files of any format."""

from __future__ import annotations

import importlib
import os
from typing import Any

from tamis._shared import arrays
from tamis.annotations.annotations import Annotations
from tamis.annotations.build import class_table
from tamis.annotations.options import Options
from tamis.annotations.yolo_layout import parse_layout

_READERS = {  # imported when one is used: `import tamis` stays quick
    "coco": "coco.read_coco",
    "yolo": "yolo.read_yolo",
    "voc": "voc.read_voc",
    "cvat": "cvat.read_cvat",
    "label_studio": "label_studio.read_label_studio",
    "label_studio_predictions": "label_studio.read_label_studio_predictions",
    "labelme": "labelme.read_labelme",
    "open_images": "open_images.read_open_images",
    "dota": "dota.read_dota",
    "kitti": "kitti.read_kitti",
    "ultralytics": "coco.read_ultralytics",
}
FORMATS = tuple(_READERS)
TASKS = ("auto", "detect", "segment", "pose", "obb")


def read(
    path: str | os.PathLike[str],
    format: str = "auto",
    *,
    images: str | os.PathLike[str] | None = None,
    image_sizes: Any = None,
    classes: Any = None,
    like: Annotations | None = None,
    split: str | None = None,
    task: str = "auto",
    layout: str = "auto",
    difficult: str = "object",
    one_based: bool = False,
) -> Annotations:
    """Ground truth or results of any label format, as columns.

    Parameters
    ----------
    path : path
        A file or a folder.
    format : str, default "auto"
        "coco" (ground truth or results), "yolo" (a folder, data.yaml, Darknet's .data, a list of
        images), "voc" (Pascal VOC, ImageNet), "cvat" (for images 1.1), "label_studio",
        "label_studio_predictions", "labelme", "open_images", "dota", "kitti" or "ultralytics"
        (predictions.json); "auto" detects it from the contents.
    images : path, optional
        Folder of the image files, whose headers give their sizes; found automatically if it is
        where the format puts it.
    image_sizes : (height, width), or dict of file name to (height, width), optional
        Instead of image files.
    classes : names in order, or dict of number to name, optional
        Names of the class numbers; for files with names, the number of each name.
    like : Annotations, optional
        For results: the ground truth whose images, sizes and class names they share.
    split : str, optional
        "train", "val", "test" or "all" of a data set with several splits. Default: for a data.yaml
        "val" if it exists, else "test", else "train"; for folders all.
    task : {"auto", "detect", "segment", "pose", "obb"}
        The task of YOLO rows.
    layout : str, default "auto"
        The columns of YOLO rows: ``"label cx cy w h score"``, ``"label score x y w h"``,
        ``"label score x0 y0 x1 y1"`` and the like, relative or in pixels.
    difficult : {"object", "crowd"}
        Whether difficult objects of VOC and DOTA are normal objects, as in most readers, or crowds,
        which are not counted as missed.
    one_based : bool, default False
        True: pixels of a VOC file count from 1, as in VOC itself, so 1 is subtracted from xmin and
        ymin. By default the numbers are used as they are, as in torchvision, globox and CVAT.

    Returns
    -------
    Annotations
        Boxes in float64 pixels, xywh; oriented ones for YOLO OBB and DOTA.

    Raises
    ------
    AnnotationError
        A ValueError that lists every problem of every file, each with file, line and what was
        expected.
    FileNotFoundError
        There is nothing at `path`.

    Notes
    -----
    COCO, YOLO and VOC are read by compiled code on all threads, without the GIL; entities of XML
    are never expanded. Memory: twice the columns. docs/files.md describes each format.

    Examples
    --------
    >>> gt = tamis.read("data.yaml")  # doctest: +SKIP
    >>> dt = tamis.read("runs/detect/predict/labels", like=gt)  # doctest: +SKIP
    >>> gt, dt = tamis.align(gt, dt)  # doctest: +SKIP
    >>> evaluator = tamis.DetectionEvaluator(fmt="xywh")  # doctest: +SKIP
    >>> evaluator.update(dt.preds(), gt.targets())  # doctest: +SKIP
    """
    if not arrays.one_of(format, ("auto", *FORMATS)):
        raise ValueError(
            f"read: format must be 'auto' or one of {', '.join(FORMATS)}, got {format!r}"
        )
    if not arrays.one_of(task, TASKS):
        raise ValueError(f"read: task must be one of {', '.join(TASKS)}, got {task!r}")
    if not arrays.one_of(difficult, ("object", "crowd")):
        raise ValueError(f"read: difficult must be 'object' or 'crowd', got {difficult!r}")
    if like is not None and not isinstance(like, Annotations):
        raise TypeError(f"read: like must be Annotations, got {type(like).__name__}")
    if not isinstance(layout, str):
        raise TypeError(f"read: layout must be a str, got {type(layout).__name__}")
    if split is not None and not isinstance(split, str):
        raise TypeError(f"read: split must be a str or None, got {type(split).__name__}")
    one_based = arrays.check_flag("read", "one_based", one_based)
    if layout != "auto":
        parse_layout(layout)
    place = arrays.path_of("read", "path", path)
    os.stat(place)  # FileNotFoundError, or a loop of links
    options = Options(
        images=_folder(images), image_sizes=image_sizes, like=like, split=split, task=task,
        classes=None if classes is None else class_table(classes), layout=layout,
        difficult=difficult, one_based=one_based,
    )  # fmt: skip
    if format == "auto":
        from tamis.annotations.detect import detect

        format, place = detect(place)
    module, _, function = _READERS[format].partition(".")
    found: Annotations = getattr(importlib.import_module(f"tamis.annotations.{module}"), function)(
        place, options
    )
    return found


def _folder(images: Any) -> str | None:
    if images is None:
        return None
    folder = arrays.path_of("read", "images", images)
    if not os.path.isdir(folder):
        raise ValueError(f"read: images must be a folder, got {folder!r}")
    return folder
