"""Who made this array: its library and device, new arrays from the same library, and shared checks."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

FLOATS = ("float32", "float64")
HALVES = ("float16", "bfloat16")  # taken in, given back as float32


class CudaUnavailable(RuntimeError):
    """A CUDA array came, and the CUDA part of tamis or a device is missing."""


def library(x: Any) -> str:
    """``"torch"``, ``"cupy"`` or, for NumPy and every other exporter of memory, ``"numpy"``."""
    for name in ("torch", "cupy"):
        module = sys.modules.get(name)
        kind = {"torch": "Tensor", "cupy": "ndarray"}[name]
        if module is not None and isinstance(x, getattr(module, kind, ())):
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
    if library(x) != "numpy" or isinstance(x, np.ndarray):
        return x.detach() if library(x) == "torch" else x
    if hasattr(x, "__dlpack__"):
        return np.from_dlpack(x)
    try:
        return np.asarray(memoryview(x))
    except TypeError:
        raise TypeError(
            f"{function}: {name} must be an array (NumPy, PyTorch, CuPy, DLPack or buffer),"
            f" got {type(x).__name__}"
        ) from None


def dtype_name(x: Any) -> str:
    """``"float32"``, the same for every library."""
    return str(x.dtype).rpartition(".")[2]


def cast(x: Any, dtype: str) -> Any:
    """`x` C-contiguous and of `dtype`, itself when it already is."""
    if library(x) == "torch":
        import torch

        return x.to(getattr(torch, dtype)).contiguous()
    return sys.modules[library(x)].ascontiguousarray(x, dtype=dtype)


def check_shape(function: str, name: str, x: Any, shape: tuple[int | str, ...]) -> None:
    """Raise unless `x.shape` fits `shape`, in which a letter stands for any length."""
    got = tuple(x.shape)
    fits = len(got) == len(shape) and all(
        isinstance(want, str) or want == have for want, have in zip(shape, got, strict=True)
    )
    if not fits:
        wanted = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
        raise ValueError(f"{function}: {name} must have shape {wanted}, got {got}")


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


def empty(like: Any, shape: tuple[int, ...], dtype: str) -> Any:
    """An uninitialised array of the library and device of `like`."""
    if library(like) == "torch":
        import torch

        return torch.empty(shape, dtype=getattr(torch, dtype), device=like.device)
    return sys.modules[library(like)].empty(shape, dtype=dtype)


def host(function: str, name: str, x: Any) -> np.ndarray:
    """`x` as a NumPy array on the host, copied from a device if it must be."""
    x = as_array(function, name, x)
    if library(x) == "torch":
        if dtype_name(x) == "bfloat16":
            x = x.float()
        return np.asarray(x.cpu().numpy())
    if library(x) == "cupy":
        return np.asarray(x.get())
    return np.asarray(x)
