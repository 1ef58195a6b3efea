"""Array interoperability: library, device, stream, allocation and argument checks."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamis import _core
from tamis._core import __version__

INSTALL_CUDA = f"pip install tamis-cuda=={__version__}"
Array = NDArray[Any]
FLOATS = ("float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")
HALVES = ("float16", "bfloat16")  # taken in, given back as float32


class CudaUnavailable(RuntimeError):
    """Raised for a CUDA array when tamis was built without CUDA, or when there is no device.

    Examples
    --------
    >>> try:  # doctest: +SKIP
    ...     scores = tamis.uniqueness(x)
    ... except tamis.CudaUnavailable:
    ...     scores = tamis.uniqueness(x.cpu())
    """


def library(x: Any) -> str:
    """``"torch"``, ``"cupy"`` or, for NumPy and every other exporter of memory, ``"numpy"``."""
    kind: Any = type(x)
    return _library_of(kind)


@lru_cache(256)  # asked for many times a call
def _library_of(kind: Any) -> str:
    for name, array in (("torch", "Tensor"), ("cupy", "ndarray")):
        module = sys.modules.get(name)
        if module is not None and issubclass(kind, getattr(module, array, ())):
            return name
    return "numpy"


def device(x: Any) -> str:
    """``"cpu"`` or ``"cuda:N"``."""
    where = library(x)
    if where == "torch":
        return str(x.device)
    if where == "cupy":
        return f"cuda:{x.device.id}"
    return "cpu"


def one_device(function: str, **arrays: Any) -> str:
    """The device all the given arrays live on; `None` values are skipped."""
    first: tuple[str, str] | None = None
    for name, x in arrays.items():
        if x is None:
            continue
        here = device(x)
        if first is None:
            first = (name, here)
        elif here != first[1]:
            raise ValueError(
                f"{function}: {name} must be on the device of {first[0]} ({first[1]}), got {here}"
            )
    assert first is not None
    return first[1]


def as_array(function: str, name: str, x: Any) -> Any:
    """`x` as an array of its own library; lists and scalars are refused."""
    where = library(x)
    if where == "torch":
        if x.layout is not sys.modules["torch"].strided:
            raise TypeError(f"{function}: {name} must be a dense tensor, got {x.layout}")
        return x.detach().resolve_conj().resolve_neg()  # as lazy signs are lost to other libraries
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{function}: {name} must be an array without a mask, got a masked array")
    if where == "cupy" or isinstance(x, np.ndarray):
        return x
    if hasattr(x, "__dlpack__"):
        try:
            return np.from_dlpack(x)
        except Exception as error:  # each library refuses with errors of its own
            raise TypeError(
                f"{function}: {name} must be an array whose memory can be read as it lies, got"
                f" {type(x).__name__}: {' '.join(str(error).split())}"
            ) from error
    try:
        return np.asarray(memoryview(x))
    except TypeError:
        raise TypeError(
            f"{function}: {name} must be an array (NumPy, PyTorch, CuPy, DLPack or buffer),"
            f" got {type(x).__name__}"
        ) from None


def column(function: str, name: str, x: Any, dtype: str | None = None) -> Any:
    """`as_array` of ids, rows, labels, scores and the like, which may also be lists of numbers.

    An empty list holds integers. A list, not an array, is brought to `dtype` where one is given.
    """
    if not isinstance(x, (list, tuple, range)):
        return as_array(function, name, x)
    wanted = f"{function}: {name} must be an array or a list of numbers"
    try:
        values = np.asarray(x) if len(x) else np.empty(0, np.int64)
    except (ValueError, TypeError, OverflowError) as error:
        raise TypeError(f"{wanted}, got a {type(x).__name__} of other things: {error}") from None
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{wanted}, got a {type(x).__name__} of {values.dtype}")
    return values if dtype is None else values.astype(dtype)


def as_list(function: str, name: str, values: Any) -> list[Any]:
    """The items of `values`; an error if it is not a container."""
    try:
        return list(values)
    except TypeError:
        kind = type(values).__name__
        raise TypeError(f"{function}: {name} must be a sequence, got {kind}") from None


def path_of(function: str, name: str, path: Any) -> str:
    """`path` as text; numbers and bytes are not paths."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{function}: {name} must be a path, got {type(path).__name__}")
    return str(os.fspath(path))


def check_flag(function: str, name: str, value: Any) -> bool:
    """`value` as a bool, or an error for anything but True and False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{function}: {name} must be True or False, got {value!r}")
    return bool(value)


def dtype_name(x: Any) -> str:
    """``"float32"``, the same for every library."""
    return _name_of(x.dtype)


@lru_cache(256)  # NumPy makes the name anew each time
def _name_of(dtype: Any) -> str:
    return str(dtype.name) if isinstance(dtype, np.dtype) else str(dtype).removeprefix("torch.")


def cast(x: Any, dtype: str) -> Any:
    """`x` C-contiguous, aligned and of `dtype`, itself when it already is."""
    where = library(x)
    if where == "torch":
        return x.to(getattr(sys.modules["torch"], dtype)).contiguous()
    if where == "cupy":
        with x.device:
            return sys.modules["cupy"].ascontiguousarray(x, dtype=dtype)
    return np.require(x, dtype=dtype, requirements=["C", "A"])


def copied(x: Any, dtype: str) -> Any:
    """A C-contiguous copy of `x` of `dtype`, in its library and on its device."""
    where = library(x)
    if where == "torch":
        torch = sys.modules["torch"]
        kind = getattr(torch, dtype)
        return x.to(kind, copy=True, memory_format=torch.contiguous_format)
    if where == "cupy":
        with x.device:
            return x.astype(dtype, order="C")
    return np.array(x, dtype=dtype, order="C")


def concatenate(arrays: Sequence[Any]) -> Any:
    """Arrays of one library and device, joined."""
    module = sys.modules[library(arrays[0])]
    if library(arrays[0]) != "cupy":
        return module.concatenate(arrays)
    with arrays[0].device:
        return module.concatenate(arrays)


def check_shape(function: str, name: str, x: Any, shape: tuple[int | str, ...]) -> None:
    """Raise unless `x.shape` fits `shape`, in which a letter stands for any length."""
    got = tuple(x.shape)
    if got == shape:
        return
    fits = len(got) == len(shape) and all(
        isinstance(want, str) or want == have for want, have in zip(shape, got, strict=True)
    )
    if not fits:
        wanted = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
        raise ValueError(f"{function}: {name} must have shape {wanted}, got {got}")


def check_integer(
    function: str, name: str, value: Any, least: int | None = None, most: int | None = None
) -> int:
    """`value` as an int, or an error unless it is an integer in the range."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{function}: {name} must be an integer, got {value!r}")
    if least is not None and (value < least or (most is not None and value > most)):
        wanted = f"at least {least}" if most is None else f"{least} to {most}"
        raise ValueError(f"{function}: {name} must be {wanted}, got {value}")
    return int(value)


def check_number(function: str, name: str, value: Any, low: float, high: float) -> float:
    """`value` as a float, or an error unless low < value <= high."""
    is_nan = isinstance(value, (float, np.floating)) and value != value
    if is_nan or not low < check_real(function, name, value) <= high:
        raise ValueError(f"{function}: {name} must be in ({low:g}, {high:g}], got {value}")
    return float(value)


def one_of(value: Any, choices: Collection[str]) -> bool:
    """Whether an option is one of `choices`; never true for an array, which `in` would compare."""
    return isinstance(value, str) and value in choices


def check_real(function: str, name: str, value: Any) -> float:
    """`value` as a float, or an error unless it is a number, and not NaN."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{function}: {name} must be a number, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{function}: {name} must fit a float, got {value}") from None
    if number != number:
        raise ValueError(f"{function}: {name} must be a number, got {value!r}")
    return number


def floats(function: str, **arrays: Any) -> tuple[Any, ...]:
    """The arrays, contiguous, in their common float type: float64 if any is, else float32."""
    for name, x in arrays.items():
        if dtype_name(x) not in FLOATS + HALVES:
            raise TypeError(
                f"{function}: {name} must be float16, bfloat16, float32 or float64,"
                f" got {dtype_name(x)}"
            )
    common = "float64" if any(dtype_name(x) == "float64" for x in arrays.values()) else "float32"
    return tuple(cast(x, common) for x in arrays.values())


def integers(function: str, name: str, x: Any) -> Any:
    """`x` as an array of integers that int64 holds.

    It is copied on the host: another thread may write into the caller's array between checks and
    use.
    """
    x = column(function, name, x)
    if dtype_name(x) not in INTEGERS:
        raise TypeError(f"{function}: {name} must be int8 to int64, got {dtype_name(x)}")
    return copied(x, dtype_name(x)) if device(x) == "cpu" else x


def empty(like: Any, shape: tuple[int, ...], dtype: str) -> Any:
    """An uninitialised array of the library and device of `like`."""
    if library(like) == "torch":
        torch = sys.modules["torch"]
        return torch.empty(shape, dtype=getattr(torch, dtype), device=like.device)
    if library(like) == "cupy":
        with like.device:
            return sys.modules["cupy"].empty(shape, dtype=dtype)
    return np.empty(shape, dtype=dtype)


def full(like: Any, shape: tuple[int, ...], dtype: str, value: Any) -> Any:
    """The same, filled with a number or an array of its library that broadcasts."""
    out = empty(like, shape, dtype)
    out[...] = value
    return out


def host(function: str, name: str, x: Any) -> np.ndarray:
    """`x` as an aligned NumPy array on the host, copied if it must be."""
    where = library(x)
    if where == "torch":
        try:
            x = as_array(function, name, x).cpu()
            is_bfloat16 = x.dtype == sys.modules["torch"].bfloat16
            values: np.ndarray = (x.float() if is_bfloat16 else x).numpy()
        except (TypeError, NotImplementedError) as error:  # sparse, on "meta", of eight-bit floats
            raise TypeError(
                f"{function}: {name} must be a dense tensor that NumPy can hold, got {x.dtype},"
                f" {x.layout}, on {x.device}"
            ) from error
        return values
    values = np.asarray(x.get() if where == "cupy" else as_array(function, name, x))
    return values if values.flags.aligned else values.copy()


def tensor(x: np.ndarray) -> Any:
    """`x` as a tensor on the host, sharing memory if PyTorch can."""
    # PyTorch takes no negative strides and none that cut through elements
    odd = any(step < 0 or step % x.itemsize for step in x.strides)
    native = x.dtype.newbyteorder("=")
    return sys.modules["torch"].from_numpy(
        np.require(x.copy() if odd else x, native, requirements=["W", "A"])
    )


def from_host(like: Any, x: np.ndarray) -> Any:
    """`x` in the library and on the device of `like`; the host does not wait for the device."""
    if library(like) == "torch":
        hosted = tensor(x)
        if device(like) == "cpu":
            return hosted
        return hosted.pin_memory().to(like.device, non_blocking=True)
    if library(like) == "cupy":
        with like.device:
            return sys.modules["cupy"].asarray(x)
    return x


def same_library(like: Any, x: Any) -> Any:
    """`x` in the library of `like`; on a device without a copy and in stream order."""
    if library(like) == library(x) or library(like) == "numpy":
        return x
    if library(like) == "torch" and isinstance(x, np.ndarray):
        return tensor(x)
    return sys.modules[library(like)].from_dlpack(x)


@contextmanager
def stream(like: Any) -> Iterator[int]:
    """The caller's current stream, with the device of `like` the current one."""
    if library(like) == "torch":
        cuda, number = sys.modules["torch"].cuda, like.device.index
        current = cuda.current_stream(number).cuda_stream or 1  # 1: the legacy default stream
        if cuda.current_device() == number:  # a context costs more than the question
            yield current
            return
        with cuda.device(number):
            yield current
    else:
        with like.device:
            yield sys.modules["cupy"].cuda.get_current_stream().ptr or 1


def backend(function: str, device: str) -> ModuleType:
    """The compiled part for `device`: ``tamis._core`` or ``tamis._cuda``."""
    if device == "cpu":
        return _core
    if not device.startswith("cuda"):
        raise ValueError(f"{function}: arrays must be on the CPU or on CUDA, got {device}")
    try:
        from tamis import _cuda
    except ImportError as error:
        raise CudaUnavailable(
            f"{function}: got an array on {device}, but the CUDA part of tamis is missing:"
            f" {INSTALL_CUDA}, or build tamis where nvcc is on PATH"
        ) from error
    if _cuda.__version__ != __version__:
        raise CudaUnavailable(
            f"{function}: the CUDA part is that of tamis {_cuda.__version__}, and tamis is"
            f" {__version__}: {INSTALL_CUDA}"
        )
    return _cuda


def runs_on_device(x: Any) -> bool:
    """Whether `x` lives on a CUDA device for which tamis has its compiled part."""
    try:
        return device(x).startswith("cuda") and bool(backend("", device(x)))
    except CudaUnavailable:
        return False


def call(function: str, like: Any, *arguments: Any, **named: Any) -> None:
    """Call the compiled function on the device of `like`; on CUDA on the caller's stream."""
    where = device(like)
    compiled = getattr(backend(function, where), function)
    if where == "cpu":
        compiled(*arguments, **named)
        return
    with stream(like) as number:
        compiled(*arguments, **named, stream=number)
