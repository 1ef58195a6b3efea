"""tamis: a fine sieve for vision datasets."""

from tamis._arrays import CudaUnavailable
from tamis._core import num_threads, set_num_threads

__version__ = "0.1.0"
__all__ = ["CudaUnavailable", "num_threads", "set_num_threads"]
