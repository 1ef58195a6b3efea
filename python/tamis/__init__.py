"""tamis: a fine sieve for vision datasets."""

from tamis._arrays import CudaUnavailable
from tamis._core import num_threads, set_num_threads
from tamis.exact_duplicates import exact_duplicates
from tamis.knn import knn
from tamis.leaks import leaks
from tamis.near_duplicates import find_unique, near_duplicates
from tamis.representativeness import representativeness
from tamis.uniqueness import uniqueness

__version__ = "0.1.0"
__all__ = [
    "CudaUnavailable",
    "exact_duplicates",
    "find_unique",
    "knn",
    "leaks",
    "near_duplicates",
    "num_threads",
    "representativeness",
    "set_num_threads",
    "uniqueness",
]
