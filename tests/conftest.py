"""Fixtures: every instruction set, every array library, and the directory of real data."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import platform
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tamis import _core
from tamis._shared import arrays

for folder in Path(__file__).parent.iterdir():  # tests import references, and cases of other rooms
    if folder.is_dir() and str(folder) not in sys.path:
        sys.path.append(str(folder))
ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("TAMIS_DATA") or ROOT.parent / "shared/data").resolve()
not_on_arm = pytest.mark.skipif(  # its wheels were compiled to fused products and sums
    platform.machine() in ("aarch64", "arm64"),
    reason="pycocotools draws some polygons a pixel off on ARM",
)


class Library:
    """One array library on one device: arrays in, NumPy out."""

    def __init__(self, name: str, device: str = "cpu", emulated: bool = False) -> None:
        self.name, self.device, self.emulated = name, device, emulated
        self.module = importlib.import_module(name)

    def array(self, x: Any) -> Any:
        if self.name == "torch":
            return self.module.from_numpy(np.array(x)).to(self.device)
        return self.module.asarray(x)

    def new_stream(self) -> tuple[Any, Any]:
        """(a CUDA stream, the context in which it is the current one)."""
        if self.emulated:
            pytest.skip("streams are not emulated")
        if self.name == "torch":
            stream = self.module.cuda.Stream()
            return stream, self.module.cuda.stream(stream)
        stream = self.module.cuda.Stream(non_blocking=True)
        return stream, stream

    @contextlib.contextmanager
    def not_waiting(self) -> Iterator[None]:
        """Fail if the host synchronises with the device."""
        if self.name == "torch" and not self.emulated:
            self.module.cuda.set_sync_debug_mode("error")
            try:
                yield
            finally:
                self.module.cuda.set_sync_debug_mode("default")
            return
        if self.name == "torch":
            from torch.utils._python_dispatch import TorchDispatchMode

            class Mode(TorchDispatchMode):  # type: ignore[misc]
                def __torch_dispatch__(self, f: Any, _: Any, args: Any = (), kw: Any = None) -> Any:
                    assert not any(x in str(f) for x in ("_local_scalar", "nonzero", "unique")), f
                    return f(*args, **(kw or {}))

            with Mode():
                yield
            return
        yield

    def numpy(self, x: Any) -> np.ndarray:
        assert isinstance(x, self.module.Tensor if self.name == "torch" else self.module.ndarray)
        if self.name == "torch":
            assert x.device.type == self.device
            return x.cpu().numpy()
        return x.get() if self.name == "cupy" else x


def _no_library(name: str) -> str | None:
    return None if importlib.util.find_spec(name) else f"no {name}"


def _no_level(level: int) -> str | None:
    best = _core.isa()
    return None if level <= best else f"this CPU has no v{level} instructions (it has v{best})"


def _no_gpu(name: str) -> str | None:
    """Why arrays of that library cannot be on a device here."""
    library = "torch" if name == "emulated" else name
    part = "_emulated" if name == "emulated" else "_cuda"
    if importlib.util.find_spec(library) is None:
        return f"no {library}"
    if importlib.util.find_spec(f"tamis.{part}") is None:
        lacks = {"_emulated": "the emulation", "_cuda": "its CUDA part"}[part]
        return f"tamis was built without {lacks}"
    if name == "emulated":
        return None
    module = importlib.import_module(name)
    if name == "torch":
        found = module.cuda.is_available()
    else:
        try:
            found = module.cuda.runtime.getDeviceCount() > 0
        except module.cuda.runtime.CUDARuntimeError:
            found = False
    return None if found else f"{name} sees no CUDA device"


# what a fixture stands for, and why some of it cannot run here: tests of that are not collected
REASONS: dict[str, dict[Any, str | None]] = {
    "isa": {level: _no_level(level) for level in (2, 3, 4)},
    "library": {name: _no_library(name) for name in ("numpy", "torch")},
    "gpu_library": {name: _no_gpu(name) for name in ("torch", "cupy", "emulated")},
    "fo": {
        "FiftyOne": None
        if "FIFTYONE_DATABASE_URI" in os.environ
        else "no FIFTYONE_DATABASE_URI, a MongoDB for the tests against FiftyOne"
    },
}
LEFT_OUT: Counter[str] = Counter()


def _here(fixture: str) -> list[Any]:
    return [value for value, reason in REASONS[fixture].items() if reason is None]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop tests none of whose kinds can run, and count what was left out."""
    kept, dropped = [], []
    for item in items:
        used = [name for name in REASONS if name in getattr(item, "fixturenames", ())]
        (kept if all(map(_here, used)) else dropped).append(item)
        for name in used:
            for reason in filter(None, REASONS[name].values()):
                LEFT_OUT[reason] += 1 / max(1, len(_here(name)))
    items[:] = kept
    config.hook.pytest_deselected(items=dropped)


# With pytest-xdist the processes that run the tests collect them; the one that started them prints


def pytest_configure(config: pytest.Config) -> None:
    """A database of FiftyOne for each process; OpenMP's pools would spin on each other's cores."""
    os.environ["FIFTYONE_DATABASE_NAME"] = f"tamis-tests-{os.getpid()}"
    if getattr(config.option, "numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = dict(LEFT_OUT)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the counts of a process: each collects all tests, and one that died has none."""
    for reason, count in getattr(node, "workeroutput", {}).get("left_out", {}).items():
        LEFT_OUT[reason] = max(LEFT_OUT[reason], count)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for reason, count in sorted(LEFT_OUT.items()):
        terminalreporter.write_line(f"LEFT OUT [{round(count)}] {reason}")


@pytest.fixture(params=_here("isa"), ids=lambda level: f"v{level}")
def isa(request: pytest.FixtureRequest) -> Iterator[int]:
    """Each x86-64 level this CPU has; the best one is restored afterwards."""
    before = _core.isa()
    _core.cap_isa(request.param)
    yield request.param
    _core.cap_isa(before)


@pytest.fixture(params=_here("library"))
def library(request: pytest.FixtureRequest) -> Library:
    """Each library of host arrays."""
    return Library(request.param)


@pytest.fixture(params=_here("gpu_library"))
def gpu_library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Library:
    """Each library of CUDA arrays, and PyTorch on the host where the kernels are emulated."""
    if request.param == "emulated":
        return emulated(monkeypatch)
    return Library(request.param, "cuda")


def emulated(monkeypatch: pytest.MonkeyPatch) -> Library:
    """Host tensors treated as if on a device (cpp/core/emulation.hpp runs the kernels)."""
    torch = pytest.importorskip("torch")
    module = pytest.importorskip("tamis._emulated", reason="tamis was built without the emulation")
    before = arrays.backend, arrays.device, arrays.from_host

    def device(x: Any) -> str:
        return "cuda:0" if isinstance(x, torch.Tensor) else before[1](x)

    def backend(function: str, where: str) -> Any:
        return module if where == "cuda:0" else before[0](function, where)

    def from_host(like: Any, x: np.ndarray) -> Any:
        if device(like) != "cuda:0":
            return before[2](like, x)
        return arrays.tensor(x).clone()

    @contextlib.contextmanager
    def stream(like: Any) -> Iterator[int]:
        yield 1

    for new in (backend, device, from_host, stream):
        monkeypatch.setattr(arrays, new.__name__, new)
    monkeypatch.setattr("tamis._shared.device_arrays.wait", lambda like: None)
    return Library("torch", "cpu", emulated=True)


def data_path(*parts: str) -> Path:
    """A file of the real data, in the folder that TAMIS_DATA names, or skip."""
    path = DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no {'/'.join(parts)} among the test data (TAMIS_DATA)")
    return path


@pytest.fixture(scope="session")
def fo() -> Iterator[Any]:
    """FiftyOne with a database that can be reached, in which the tests have one of their own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("fiftyone.core", reason="FiftyOne is not installed")
        fiftyone = importlib.import_module("fiftyone")  # without it, tests/fiftyone has that name
        try:
            fiftyone.list_datasets()
        except Exception as error:
            pytest.skip(f"FiftyOne does not reach its database: {error}")
    fiftyone.config.show_progress_bars = False
    yield fiftyone
    importlib.import_module("fiftyone.core.odm").drop_database()
