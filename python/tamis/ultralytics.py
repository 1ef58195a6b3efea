"""Makes Ultralytics evaluate COCO detections with tamis instead of faster-coco-eval."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any

import faster_coco_eval

from tamis.coco import COCO, COCOeval

__all__ = ["COCO_faster", "COCOeval_faster", "install", "open_coco", "uninstall"]

_THEIRS = {name: getattr(faster_coco_eval, name) for name in ("COCO", "COCOeval_faster")}
_AREAS = ("small", "medium", "large")
_DETECTION = (
    "AP_all", "AP_50", "AP_75", *(f"AP_{area}" for area in _AREAS),
    "AR_all", "AR_second", "AR_third", *(f"AR_{area}" for area in _AREAS),
)  # fmt: skip
_KEYPOINTS = (
    "AP_all", "AP_50", "AP_75", "AP_medium", "AP_large",
    "AR_all", "AR_50", "AR_75", "AR_medium", "AR_large",
)  # fmt: skip


class COCOeval_faster(COCOeval):
    """`tamis.coco.COCOeval` as Ultralytics calls faster-coco-eval's class.

    Parameters
    ----------
    cocoGt, cocoDt, iouType
        As `COCOeval` takes them.
    print_function : callable, default print
        Called with each printed line.
    lvis_style : bool, default False
        True raises NotImplementedError.
    """

    def __init__(
        self,
        cocoGt: Any = None,
        cocoDt: Any = None,
        iouType: Any = "segm",
        *,
        print_function: Callable[[str], Any] = print,
        lvis_style: bool = False,
    ) -> None:
        if lvis_style:
            raise NotImplementedError("tamis.ultralytics evaluates by COCO's rules, not by LVIS'")
        super().__init__(cocoGt, cocoDt, iouType)
        self.print_function = print_function

    @contextlib.contextmanager
    def _printed(self) -> Iterator[None]:
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            yield
        for line in text.getvalue().splitlines():
            self.print_function(line)

    def evaluate(self) -> None:
        with self._printed():
            super().evaluate()

    def accumulate(self, p: Any = None) -> None:
        with self._printed():
            super().accumulate(p)

    def summarize(self) -> None:
        with self._printed():
            super().summarize()

    @property
    def stats_as_dict(self) -> dict[str, float]:
        """The numbers of `stats` under faster-coco-eval's names."""
        names = _KEYPOINTS if self.params.iouType == "keypoints" else _DETECTION
        return dict(zip(names, map(float, self.stats), strict=True))


class _AnyCOCO(type):
    """Results of `loadRes` are instances too, as with faster-coco-eval's class."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, COCO)


class COCO_faster(COCO, metaclass=_AnyCOCO):
    """`tamis.coco.COCO` as Ultralytics calls faster-coco-eval's class: of a file or its content."""

    def __new__(cls, annotation_file: Any = None) -> Any:
        return open_coco(annotation_file)


def open_coco(annotations: Any = None) -> COCO:
    """The `COCO` of a file, or of its content, as faster-coco-eval takes it."""
    if not isinstance(annotations, dict):
        return COCO(annotations)
    coco = COCO()
    coco.dataset = annotations
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def install() -> None:
    """Make ``from faster_coco_eval import COCO, COCOeval_faster`` mean tamis in this process.

    Ultralytics' validators import these names, for masks and keypoints too. Call `uninstall` before
    validating on LVIS data sets.
    """
    faster_coco_eval.COCO = COCO_faster
    faster_coco_eval.COCOeval_faster = COCOeval_faster


def uninstall() -> None:
    """Undo `install`."""
    for name, theirs in _THEIRS.items():
        setattr(faster_coco_eval, name, theirs)
