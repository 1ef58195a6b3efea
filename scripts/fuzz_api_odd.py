"""Ways to spoil an argument."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import numpy as np
import tamis

try:
    import torch
except ImportError:
    torch = None

Rng = np.random.Generator
DTYPES = (
    "float16",
    "float32",
    "float64",
    ">f4",
    ">f8",
    "int8",
    ">i4",
    "int64",
    "uint8",
    "uint64",
    "bool",
    "O",
    "complex64",
    "U3",
    "S2",
    "M8[s]",
    "longdouble",
    [("x", "f4")],
)
VALUES = (
    np.nan,
    np.inf,
    -np.inf,
    1e308,
    -1e308,
    1e38,
    1e-310,
    -1.0,
    0.0,
    2.0**31,
    2.0**63,
    -(2.0**63),
    1e15,
)
COUNTS = (2**31, 2**63 - 1, 2**63, 2**64, -(2**63), 10**30)
SLOW = (
    "n_samples",
    "n",
    "num_workers",
    "samples",
    "permutations",
    "most_samples",
    "max_rows",
)  # where a large number is only much work


def odd_scalar(parameter: str, rng: Rng) -> Any:
    """An option of a wrong type or out of range."""
    odd = [
        0,
        1,
        -1,
        2,
        3,
        100,
        0.5,
        1.5,
        -0.0,
        np.nan,
        np.inf,
        -np.inf,
        1e-320,
        True,
        False,
        None,
        "",
        "x",
        b"x",
        [],
        {},
        (),
        [0.5, 0.75],
        np.int8(3),
        np.uint64(3),
        np.float32(0.5),
        np.array(3),
        np.array([1, 2]),
        1j,
        object(),
        lambda *_: None,
        type,
        np.datetime64("now"),
    ]
    if parameter not in SLOW:
        odd += COUNTS
    if parameter == "progress":
        odd = [value for value in odd if value is not type]
    return odd[int(rng.integers(len(odd)))]


def odd_values(x: np.ndarray, rng: Rng) -> np.ndarray:
    x = x.copy()
    if x.size == 0 or x.dtype.kind not in "fiub":
        return x
    some = rng.integers(0, x.size, 1 + int(rng.integers(x.size)))
    with np.errstate(all="ignore"):
        odd = np.asarray(VALUES[int(rng.integers(len(VALUES)))]).astype(x.dtype)
    x.flat[some] = odd
    return x


def odd_memory(x: np.ndarray, rng: Rng) -> Any:
    fixed = x.copy()
    fixed.flags.writeable = False
    unaligned = x
    if not x.dtype.hasobject:
        unaligned = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape)
    ways = [
        np.repeat(x, 2, axis=0)[::2] if x.ndim else x,
        x[::-1] if x.ndim else x,
        np.asfortranarray(x),
        fixed,
        np.broadcast_to(x[:1], x.shape) if x.ndim else x,
        unaligned,
        x.astype(x.dtype.newbyteorder(">")),
        np.flip(x),
        x.T,
    ]
    return ways[int(rng.integers(len(ways)))]


def odd_shape(x: np.ndarray, rng: Rng) -> Any:
    ways = [
        x[:0] if x.ndim else x,
        x[None],
        x.ravel(),
        x[..., :-1] if x.ndim else x,
        x.reshape(-1, 1),
        np.concatenate([x, x]) if x.ndim else x,
        x.ravel()[0] if x.size else x,
        np.empty((0, 0), x.dtype),
        np.empty((3, 0), x.dtype),
        x[:1] if x.ndim else x,
    ]
    return ways[int(rng.integers(len(ways)))]


def odd_library(x: np.ndarray, rng: Rng) -> Any:
    ways: list[Any] = [
        x.tolist(),
        tuple(x.tolist()) if x.ndim else x,
        np.ma.masked_array(x),
        None,
        "text",
        {},
        1.5,
        object(),
        iter(()),
        type,
    ]
    with contextlib.suppress(ValueError, TypeError):
        ways.append(memoryview(x))
    if torch is not None:
        with contextlib.suppress(TypeError, ValueError, RuntimeError):
            t = torch.from_numpy(np.ascontiguousarray(x).copy())
            ways += [
                t,
                t,
                t,
                t.flip(0) if t.ndim else t,
                t.to_sparse(),
                t.to("meta"),
                t.expand(2, *t.shape),
            ]
            if t.is_floating_point():
                ways += [
                    t.requires_grad_(),
                    t.detach().half(),
                    t.detach().bfloat16(),
                    torch._neg_view(t.detach()),
                ]
    return ways[int(rng.integers(len(ways)))]


def odd_array(x: np.ndarray, rng: Rng) -> Any:
    """Several things at once, the library last."""
    found: Any = x
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        way = int(rng.integers(5))
        if way == 0:
            with contextlib.suppress(TypeError, ValueError, ArithmeticError, RuntimeError, Warning):
                wanted = DTYPES[int(rng.integers(len(DTYPES)))]
                if wanted != "M8[s]" or found.dtype.kind not in "US":  # NumPy itself may crash
                    found = found.astype(wanted)
        elif way < 4:
            found = np.asarray((odd_values, odd_memory, odd_shape)[way - 1](found, rng))
        else:
            return odd_library(found, rng)
    return found


def spoilt(value: Any, parameter: str, rng: Rng) -> Any:
    """`value`, or a part of it, made odd."""
    if isinstance(value, np.ndarray):
        return odd_array(value, rng)
    if torch is not None and isinstance(value, torch.Tensor):
        return odd_array(value.numpy(), rng)
    if isinstance(value, tamis.Masks):
        return (value, value[:0], value.to_coco(), odd_scalar(parameter, rng))[int(rng.integers(4))]
    if isinstance(value, (dict, list)) and value and rng.random() < 0.8:
        found = copy.copy(value)
        keys = list(found) if isinstance(found, dict) else list(range(len(found)))
        key = keys[int(rng.integers(len(keys)))]
        if rng.random() < 0.15:
            del found[key]
        else:
            found[key] = spoilt(found[key], parameter, rng)
        return found
    return odd_scalar(parameter, rng)
