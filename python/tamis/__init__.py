"""tamis: a fine sieve for vision datasets."""

from tamis._arrays import CudaUnavailable
from tamis._core import num_threads, set_num_threads
from tamis.knn import knn

__version__ = "0.1.0"
__all__ = ["CudaUnavailable", "knn", "num_threads", "set_num_threads"]
