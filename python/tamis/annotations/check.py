"""Finds suspicious annotations and results, and their effect on the numbers."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

from tamis._shared.results import Result, rows_of
from tamis.annotations.annotations import Annotations
from tamis.annotations.checks import (
    of_boxes,
    of_classes,
    of_ids,
    of_images,
    of_single_boxes,
    of_sizes,
)
from tamis.annotations.checks_results import of_results
from tamis.annotations.findings import Finding

_WIDTH = 80
_RANK = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True, eq=False, repr=False)
class Report(Result):
    """What :meth:`Annotations.check` found; printing it gives a text of at most 80 columns.

    Attributes
    ----------
    findings : tuple of Finding
        Most severe first.
    images, boxes : int
        Number of images and boxes checked.
    results : int or None
        Number of boxes of the results.
    """

    findings: tuple[Finding, ...]
    images: int
    boxes: int
    results: int | None = None

    @property
    def serious(self) -> tuple[Finding, ...]:
        """The findings that are errors: numbers are wrong, or objects are lost."""
        return tuple(f for f in self.findings if f.severity == "error")

    @property
    def ok(self) -> bool:
        """Whether there is neither an error nor a warning."""
        return all(f.severity == "note" for f in self.findings)

    def _plain(self) -> dict[str, Any]:
        return self._public() | {"ok": self.ok}

    def _columns(self) -> dict[str, Any]:
        return rows_of(({}, finding) for finding in self.findings)

    def __str__(self) -> str:
        counts = [sum(f.severity == s for f in self.findings) for s in _RANK]
        words = ", ".join(
            f"{n} {name}{'s' * (n != 1)}" for n, name in zip(counts, _RANK, strict=True)
        )
        what = f"{self.images:,} images, {self.boxes:,} boxes"
        if self.results is not None:
            what += f", {self.results:,} results"
        lines = textwrap.wrap(f"{words} in {what}", _WIDTH)
        for finding in self.findings:
            lines += ["", *describe(finding)]
        return "\n".join(lines)


def describe(finding: Finding, width: int = _WIDTH) -> list[str]:
    """Lines of a finding, none longer than `width`."""
    share = f" ({100 * finding.count / finding.of:.2g} %)" if 0 < finding.count < finding.of else ""
    of = f" of {finding.of:,}" if finding.of != finding.count else ""
    head = f"{finding.severity}: {finding.kind}: {finding.count:,}{of} {finding.unit}{share}"
    lines = textwrap.wrap(head, width, subsequent_indent="  ")
    lines += textwrap.wrap(finding.effect, width, initial_indent="  ", subsequent_indent="  ")
    for example in finding.examples:
        text = " ".join(f"  - {example}".replace("\t", " ").splitlines())
        lines.append(text if len(text) <= width else text[: width - 3] + "...")
    return lines


def check(gt: Annotations, results: Annotations | None = None, images: str | None = None) -> Report:
    """See :meth:`Annotations.check`; `images` is a folder whose headers sizes are compared with."""
    findings = [*gt.remarks]
    for part in (of_ids, of_boxes, of_images, of_classes):
        findings += part(gt)
    findings += of_sizes(gt, images)
    if results is not None:
        findings += of_results(gt, results)
    findings.sort(key=lambda finding: _RANK[finding.severity])
    return Report(tuple(findings), gt.n_images, len(gt), None if results is None else len(results))


def serious(gt: Annotations, results: Annotations) -> tuple[Finding, ...]:
    """The errors among the findings of :func:`check`, in half of its time."""
    findings = list(gt.remarks)
    for part in (of_ids, of_single_boxes, of_images, of_classes):
        findings += part(gt)
    findings += of_results(gt, results, of_single_boxes)
    return tuple(f for f in findings if f.severity == "error")
