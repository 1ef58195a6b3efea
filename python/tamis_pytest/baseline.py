"""What the fixture `tamis_baseline` does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tamis._shared import output
from tamis._shared.results import plain
from tamis.evaluation import gates


@dataclass(frozen=True)
class Baseline:
    """Compares numbers with those of a file of this folder, or writes it if none is too low."""

    folder: Path
    update: bool = False

    def __call__(
        self,
        result: Any,
        name: str | None = None,
        *,
        tolerance: float = 0.0,
        least: Mapping[str, float] | None = None,
    ) -> None:
        """Fail the test where a number is too low.

        Parameters
        ----------
        result : DetectionResult, tamis.coco.COCOeval, or dict of str to float
        name : str, optional
            A file beside the test: what ``pytest --tamis-update`` wrote, or ``tamis eval --json``.
        tolerance : float, default 0
            By how much each number may be lower than the file's.
        least : dict of str to float, optional
            Minima, such as ``{"AP": 0.45}``.
        """
        numbers, kind = gates.numbers_of(result)
        path = None if name is None else self.folder / name
        before = None
        if path is not None and not self.update:
            if not path.exists():
                pytest.fail(f"no {path}: write it by pytest --tamis-update", pytrace=False)
            before = gates.read_baseline("tamis_baseline", path, kind)
        falls = gates.gate(numbers, least=least, baseline=before, tolerance=tolerance)
        if falls:
            pytest.fail(gates.table(falls), pytrace=False)
        if path is not None and self.update:
            held = plain({**numbers, **({} if kind is None else {"iou_type": kind})})
            text = json.dumps(held, indent=1, allow_nan=False) + "\n"
            output.write("tamis_baseline", path, lambda file: file.write(text.encode()))
