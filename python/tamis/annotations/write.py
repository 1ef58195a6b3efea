"""Writes label files for annotation tools and evaluators, atomically."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Callable
from typing import IO, BinaryIO

from tamis._shared import arrays, output
from tamis.annotations.annotations import Annotations

FORMATS = ("coco", "yolo", "cvat")


def write(annotations: Annotations, path: str | os.PathLike[str], format: str = "auto") -> None:
    """Write annotations or results.

    Parameters
    ----------
    annotations : Annotations
    path : path
        A file, which is replaced; for YOLO a folder, which must be new or empty.
    format : {"auto", "coco", "yolo", "cvat"}
        "auto": by the suffix, .json for COCO, .xml for CVAT for images 1.1, none for YOLO.

    Raises
    ------
    ValueError
        The format cannot hold the annotations: YOLO needs image sizes and one file name per image.
    FileExistsError
        The folder is not empty.

    Notes
    -----
    Written under a temporary name in the same folder and renamed, so that no reader sees a partial
    file. Reading it back gives everything that the format can hold (docs/files.md). COCO keeps ids;
    annotations with scores are written as a list of results.

    Examples
    --------
    >>> import pathlib, tempfile, tamis
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> columns = "ImageID,LabelName,XMin,XMax,YMin,YMax"
    >>> _ = (folder / "gt.csv").write_text(f"{columns}\\ncat,Cat,0.1,0.5,0.1,0.6\\n")
    >>> gt = tamis.read(folder / "gt.csv", image_sizes={"cat": (100, 200)})
    >>> tamis.write(gt, folder / "gt.json")
    >>> tamis.read(folder / "gt.json").boxes
    array([[20., 10., 80., 50.]])
    """
    if not isinstance(annotations, Annotations):
        raise TypeError(f"write: annotations must be Annotations, got {type(annotations).__name__}")
    place = arrays.path_of("write", "path", path)
    if arrays.one_of(format, ("auto",)):
        end = os.path.splitext(place)[1].lower()
        format = {".json": "coco", ".xml": "cvat", "": "yolo"}.get(end, place)
    if not arrays.one_of(format, FORMATS):
        raise ValueError(
            f"write: format must be 'auto' (for .json, .xml or a folder) or one of"
            f" {', '.join(FORMATS)}, got {format!r}"
        )
    if format == "yolo":
        from tamis.annotations.write_yolo import write_yolo

        _folder(place, lambda folder: write_yolo(annotations, folder))
    elif format == "coco":
        from tamis.annotations.write_coco import write_coco

        _file(place, lambda file: write_coco(annotations, file))
    else:
        from tamis.annotations.write_cvat import write_cvat

        _file(place, lambda file: write_cvat(annotations, file))


def _file(path: str, fill: Callable[[IO[str]], None]) -> None:
    def encoded(file: BinaryIO) -> None:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="\n", write_through=True)
        fill(text)
        text.detach()  # the file is closed by who opened it

    output.write("write: path", path, encoded)


def _folder(path: str, fill: Callable[[str], None]) -> None:
    if (os.path.isdir(path) and os.listdir(path)) or os.path.isfile(path):
        raise FileExistsError(17, "must be an empty folder, or not there", path)
    target = os.path.abspath(path)
    made = tempfile.mkdtemp(dir=os.path.dirname(target), prefix=".tamis-")
    try:
        fill(made)
        os.chmod(made, 0o777 & ~_mask())
        os.rename(made, target)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
