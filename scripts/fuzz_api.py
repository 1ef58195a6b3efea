#!/usr/bin/env python3
"""Calls every public function of tamis with good arguments of which some were spoilt.

    scripts/fuzz_api.py --seconds 60
    scripts/fuzz_api.py --only box_iou --seed 17 --cases 1    # what a finding says

A call may return, or raise one of `ALLOWED` with a message that names the function or an argument.
All else is a finding: other exceptions, warnings, a process that ends, a call that takes longer
than `--hang`. Drop-ins may raise what the replaced library raises. Calls run in worker processes,
so that a crash is reported with its seed. The functions are found by themselves; one for whose
arguments `Problem` has no value makes the script fail.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import faulthandler
import fcntl
import inspect
import io
import logging
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import numpy as np
import tamis
import tamis.coco
import tamis.coco.mask
import tamis.lvis
from fuzz_api_evaluation import Problem
from fuzz_api_odd import spoilt
from fuzz_api_special import SELVES
from tamis.labels.fiftyone_matching import match_fiftyone

ALLOWED = (ValueError, TypeError, IndexError, KeyError, MemoryError, tamis.CudaUnavailable)
FILES = (
    "read",
    "write",
    "save_split",
    "verify_split",
    "Split.save",
    "drift",
    "contact_sheet",
    "KnnIndex.load",
    "KnnIndex.save",
)  # may raise OSError
SKIPPED = {  # names that need what a fuzzer should not have
    "coco.init_as_pycocotools": "changes sys.modules",
    "coco.COCO.download": "network",
    "lvis.LVIS.download": "network",
    "coco.COCO.showAnns": "a window",
    "report": "seconds of drawing a call",
}
PUBLIC = {  # of modules that also hold what they import
    "coco.mask": ("encode", "decode", "iou", "merge", "area", "toBbox", "frPyObjects"),
    "coco": ("COCO", "COCOeval", "Params", "init_as_pycocotools"),
    "lvis": ("LVIS", "LVISEval", "LVISResults", "Params"),
}
MEMORY = 6 << 30  # address space of a worker
DEPRECATED = {("leaks", "splits")}  # arguments that warn


def torchmetrics() -> Any:
    """Its class, where it is installed."""
    try:
        from tamis.torchmetrics import MeanAveragePrecision
    except Exception:
        return None
    return MeanAveragePrecision


def targets() -> dict[str, Callable[..., Any]]:
    """All public functions, classes and methods, by the name that `--only` takes."""
    found: dict[str, Any] = {"fiftyone_matching.match_fiftyone": match_fiftyone}
    metric = torchmetrics()
    modules: list[tuple[str, Any, Any]] = [("", tamis, tamis.__all__)]
    modules += [(f"{path}.", _module(path), names) for path, names in PUBLIC.items()]
    if metric is not None:
        found["torchmetrics.MeanAveragePrecision"] = metric
        found["torchmetrics.MeanAveragePrecision.update"] = metric.update
    for prefix, module, names in modules:
        for name in names:
            thing = getattr(module, name)
            record = is_record(thing)
            if not record:
                found[prefix + name] = thing
            if inspect.isclass(thing) and (not record or name in SELVES):
                for method in vars(thing):
                    if callable(getattr(thing, method)) and not method.startswith("_"):
                        found[f"{prefix}{name}.{method}"] = getattr(thing, method)
    return {name: thing for name, thing in found.items() if name not in SKIPPED}


def is_record(thing: Any) -> bool:
    """Whether functions make or raise it: its fields have no checks."""
    return dataclasses.is_dataclass(thing) or (
        inspect.isclass(thing) and issubclass(thing, BaseException)
    )


def _module(path: str) -> Any:
    module = tamis
    for part in path.split("."):
        module = getattr(module, part)
    return module


def parameters(name: str, thing: Any) -> list[str]:
    """The parameters a case gives; `self` comes first in methods."""
    try:
        signature = inspect.signature(thing)
    except ValueError:
        return Problem.UNSIGNED[name]
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    found = [p.name for p in signature.parameters.values() if p.kind not in kinds]
    more = Problem.OPTIONS.get(name, [])  # behind **options
    return [p for p in found if not p.startswith("_") and (name, p) not in DEPRECATED] + more


def call(name: str, thing: Any, seed: int) -> str:
    """The outcome of one case: "returned", the name of an allowed exception, or "FINDING ..."."""
    rng = np.random.default_rng([zlib.crc32(name.encode()), seed])
    problem = Problem(name, rng)
    names = parameters(name, thing)
    given = {p: problem.value(p) for p in names if p == "self" or problem.is_given(thing, p)}
    for p in rng.permutation([p for p in given if p != "self"])[: rng.choice([0, 1, 1, 1, 2, 3])]:
        given[p] = spoilt(given[p], p, rng)
    positional = [given.pop("self")] if "self" in given else []
    if name in Problem.UNSIGNED:
        positional, given = list(given.values()), {}
    shown = io.StringIO()
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(shown),
            contextlib.redirect_stderr(shown),
        ):
            warnings.simplefilter("error")
            problem.use(thing(*positional, **given))
    except ALLOWED as error:
        text = str(error)
        if isinstance(error, tamis.AnnotationError):  # which names the file and line
            return "AnnotationError"
        if problem.drop_in or isinstance(error, MemoryError) or not text:
            return type(error).__name__
        named = [*name.split("."), *names]
        if any(part in text for part in named if part != "self"):
            return type(error).__name__
        return f"FINDING {type(error).__name__} names nothing: {text[:200]}\n{_at()}"
    except (UserWarning, RuntimeWarning) as warning:  # one that a function documents
        kind = type(warning).__name__
        if kind == "ConvergenceWarning":  # scikit-learn's own, of equal rows
            return kind
        if problem.drop_in and isinstance(warning, np.exceptions.ComplexWarning):
            return kind  # the replaced code takes the real part too
        if name in str(warning):
            return kind
        return f"FINDING {kind}: {str(warning)[:200]}\n{_at()}"
    except BaseException as error:
        if isinstance(error, OSError) and name in FILES:
            return "OSError"
        ours = isinstance(error, SystemError) or not isinstance(error, Exception)
        if problem.drop_in and not ours:
            return type(error).__name__
        return f"FINDING {type(error).__name__}: {str(error)[:200]}\n{_at()}"
    finally:
        tamis.set_num_threads(2)
    return "returned"


def _at() -> str:
    return "".join(traceback.format_exc().splitlines(keepends=True)[-7:-1]).rstrip()


def work(arguments: argparse.Namespace) -> None:
    """Run the cases from `--first` on, each announced before it runs."""
    if "asan" not in os.environ.get("LD_PRELOAD", ""):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    every = chosen(arguments)
    warnings.simplefilter("ignore")  # of the script itself; those of a call are errors
    tamis.set_num_threads(2)
    logging.disable()
    # far from the small numbers, which are opened and closed where they are given for a path
    out = os.fdopen(fcntl.fcntl(1, fcntl.F_DUPFD, 200), "w", buffering=1)
    sys.stderr = open(fcntl.fcntl(2, fcntl.F_DUPFD, 201), "w", buffering=1)  # noqa: SIM115
    faulthandler.enable(sys.stderr)
    sys.stdout = io.StringIO()
    os.chdir(tempfile.mkdtemp())
    i = arguments.first
    while arguments.cases is None or i < arguments.cases:
        name = list(every)[i % len(every)]
        out.write(f"> {i}\n")
        outcome = call(name, every[name], arguments.seed + i // len(every))
        out.write(f"< {i} {outcome.encode('unicode_escape').decode()}\n")
        i += 1


def chosen(arguments: argparse.Namespace) -> dict[str, Any]:
    every = targets()
    unknown = [
        f"{n}: {p}" for n in every for p in parameters(n, every[n]) if not Problem.knows(n, p)
    ]
    if unknown:
        sys.exit("fuzz_api.py has no values for: " + ", ".join(unknown))
    found = {n: t for n, t in every.items() if not arguments.only or n in arguments.only}
    if not found:
        sys.exit(f"no such function: {arguments.only}; there are: {', '.join(every)}")
    return found


class Workers:
    """One worker after the other, each taking up where the one before was lost."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.names = list(chosen(arguments))
        self.outcomes: Counter[str] = Counter()
        self.findings: dict[str, str] = {}  # the first of each kind
        self.end = time.monotonic() + arguments.seconds

    def run(self) -> None:
        first = 0
        while time.monotonic() < self.end and first >= 0:
            first = self.one(first)

    def one(self, first: int) -> int:
        """Where the next worker begins; -1 at the end."""
        a = self.arguments
        command = [
            sys.executable,
            os.path.abspath(__file__),
            "--first",
            str(first),
            "--seed",
            str(a.seed),
        ]
        command += [f"--only={name}" for name in a.only or ()]
        command += ["--cases", str(a.cases)] if a.cases is not None else []
        with tempfile.TemporaryFile("w+") as errors:
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
            try:
                self.running = first - 1  # a worker may be lost before its first case
                ended = self.follow(child)
            finally:
                child.kill()
                child.wait()
            if ended in ("time", "cases"):
                return -1
            errors.seek(0)
            self.report(self.running, f"FINDING {ended}: " + errors.read()[-3000:])
        return self.running + 1

    def follow(self, child: subprocess.Popen[bytes]) -> str:
        assert child.stdout is not None
        left, since = b"", time.monotonic() + self.arguments.hang  # it has to start, too
        while True:
            now = time.monotonic()
            if now > self.end:
                return "time"
            if now - since > self.arguments.hang:
                child.send_signal(signal.SIGABRT)  # faulthandler says where
                time.sleep(1)
                return f"no answer for {self.arguments.hang} s"
            if not select.select([child.stdout], [], [], 0.5)[0]:
                continue
            more = os.read(child.stdout.fileno(), 1 << 16)
            if not more:
                code = child.wait()
                return "cases" if code == 0 else f"the process ended with {code}"
            *lines, left = (left + more).split(b"\n")
            for line in lines:
                kind, _, rest = line.decode().partition(" ")
                i, _, outcome = rest.partition(" ")
                since = time.monotonic()
                if kind == ">":
                    self.running = int(i)
                elif kind == "<":
                    self.report(int(i), outcome.encode().decode("unicode_escape"))

    def report(self, i: int, outcome: str) -> None:
        if not outcome.startswith("FINDING"):
            self.outcomes[outcome] += 1
            return
        self.outcomes["FINDING"] += 1
        name = self.names[i % len(self.names)]
        kind = name + outcome.partition("\n")[0][:60]
        if kind in self.findings:
            return
        seed = self.arguments.seed + i // len(self.names)
        self.findings[kind] = outcome
        print(f"--only {name} --seed {seed} --cases 1\n    {outcome}\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="default: 60")
    parser.add_argument("--seed", type=int, default=0, help="of the first case of each function")
    parser.add_argument(
        "--only", action="append", help="a function, as findings name it; repeatable"
    )
    parser.add_argument("--cases", type=int, help="so many cases in all")
    parser.add_argument(
        "--hang", type=float, default=60, help="seconds a call may take, default: 60"
    )
    parser.add_argument("--first", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.first is not None:
        work(arguments)
        return
    workers = Workers(arguments)
    workers.run()
    calls = sum(workers.outcomes.values())
    print(
        f"{calls} calls of {len(workers.names)} functions: {dict(workers.outcomes.most_common())}"
    )
    if calls == 0 or workers.findings:
        sys.exit(f"{len(workers.findings)} findings")


if __name__ == "__main__":
    main()
