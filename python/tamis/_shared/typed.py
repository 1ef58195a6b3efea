"""Types of arrays for signatures: an array in, one of the same library out."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Host: TypeAlias = NDArray[Any] | memoryview  # what comes back as NumPy arrays
Int64: TypeAlias = NDArray[np.int64]
Float32: TypeAlias = NDArray[np.float32]
Float64: TypeAlias = NDArray[np.float64]


class Exporter(Protocol):
    """An array of any library, such as a tensor of PyTorch."""

    def __dlpack__(self, *, stream: Any = ...) -> Any: ...


class Converted(Protocol):
    """What NumPy makes an array of, such as a column of pandas."""

    def __array__(self) -> NDArray[Any]: ...


T = TypeVar("T", bound=Exporter)
AnyArray: TypeAlias = Host | Exporter  # of any library
AnyColumn: TypeAlias = AnyArray | Converted | list[Any] | tuple[Any, ...]  # a value for each row
