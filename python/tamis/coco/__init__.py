"""pycocotools with the same names: change the import and nothing else.

``from tamis.coco import COCO, COCOeval`` gives pycocotools 2.0.11's answers bit for bit;
`init_as_pycocotools` makes ``import pycocotools`` in other people's code mean this module.
"""

from tamis.coco import _mask, mask
from tamis.coco._install import init_as_pycocotools
from tamis.coco.coco import COCO
from tamis.coco.cocoeval import COCOeval
from tamis.coco.params import Params

mask._mask = _mask  # type: ignore[attr-defined]  # other code looks for it there

__all__ = ["COCO", "COCOeval", "Params", "init_as_pycocotools", "mask"]
