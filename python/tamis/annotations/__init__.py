"""Label files of any format as columns: read, write, align and check them."""

from tamis.annotations.align import align
from tamis.annotations.annotations import Annotations
from tamis.annotations.findings import Finding
from tamis.annotations.problems import AnnotationError, Problem
from tamis.annotations.read import read
from tamis.annotations.write import write

__all__ = [
    "AnnotationError",
    "Annotations",
    "Finding",
    "Problem",
    "align",
    "read",
    "write",
]
