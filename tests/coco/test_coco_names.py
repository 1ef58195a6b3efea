"""How other code imports pycocotools, and the names it uses other than the classes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tamis.coco
from tamis.coco import _mask

pytest.importorskip("pycocotools")
import pycocotools._mask
import pycocotools.coco
import pycocotools.cocoeval
import pycocotools.mask

START = "from tamis.coco import init_as_pycocotools; init_as_pycocotools()\n"
ABSENT = (
    "import importlib.util as u\nreal = u.find_spec\n"
    "u.find_spec = lambda n, *a: None if n.split('.')[0] == 'pycocotools' else real(n, *a)\n"
    f"{START}u.find_spec = real\n"
)
FORMS = {
    "Detectron2": "from pycocotools.cocoeval import COCOeval, maskUtils",
    "Detectron2, masks": "import pycocotools.mask as mask_util; mask_util.encode",
    "maskrcnn-benchmark": "from pycocotools.coco import COCO, maskUtils; maskUtils.decode",
    "SAM scripts": "from pycocotools.coco import COCO, mask as maskUtils; maskUtils.encode",
    "MMTracking": "from pycocotools.coco import COCO, _isArrayLike; assert _isArrayLike([])",
    "MMDetection": (
        "import pycocotools\nfrom pycocotools.coco import COCO as _COCO\n"
        "from pycocotools.cocoeval import COCOeval as _COCOeval\n"
        "class COCO(_COCO):\n    def __init__(self, f=None):\n        super().__init__(f)\n"
        "        self.img_ann_map, self.cat_img_map = self.imgToAnns, self.catToImgs\n"
        "assert COCO().img_ann_map == {}"
    ),
    "torchvision, DETR": (
        "import pycocotools.mask as mask_util\nfrom pycocotools import mask as coco_mask\n"
        "from pycocotools.coco import COCO\nfrom pycocotools.cocoeval import COCOeval\n"
        "assert mask_util is coco_mask"
    ),
    "YOLOX": "from pycocotools.cocoeval import COCOeval, Params",
    "Open Images encoders": "from pycocotools import _mask as coco_mask; coco_mask.encode",
    "the compiled module": "import pycocotools._mask as _mask; _mask.frPyObjects",
    "mask._mask": "import pycocotools.mask as m; m._mask.iou",
    "a star": "from pycocotools.coco import *\nnp.zeros, json.load, defaultdict, time.time, COCO",
}


EACH = """
import json, os, sys, traceback
for name, code in json.loads(sys.argv[1]).items():
    child = os.fork()
    if child == 0:
        try:
            exec(code, {})
            import pycocotools.coco as c
            assert "tamis" in c.__name__
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        print(name)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("start", [START, ABSENT], ids=["installed", "absent"])
def test_imports(start: str) -> None:
    """Each in a fork of a process that has nothing but ours."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", start + EACH]
    run = subprocess.run([*command, json.dumps(FORMS)], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, ""), run.stderr


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (pycocotools.coco, tamis.coco.coco),
        (pycocotools.cocoeval, tamis.coco.cocoeval),
        (pycocotools.mask, tamis.coco.mask),
        (pycocotools.coco.COCO, tamis.coco.COCO),
        (pycocotools.cocoeval.COCOeval, tamis.coco.COCOeval),
        (pycocotools.cocoeval.Params, tamis.coco.Params),
    ],
)
def test_every_name_is_there(theirs: object, ours: object) -> None:
    assert [n for n in dir(theirs) if n[:2] != "__" and not hasattr(ours, n)] == []
    assert getattr(ours, "__version__", None) == getattr(theirs, "__version__", None)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools'
def test_the_compiled_modules_functions() -> None:
    rng = np.random.default_rng(0)
    pixels = np.asfortranarray(rng.integers(0, 2, (20, 15, 3), np.uint8))
    theirs, ours = pycocotools._mask, _mask
    rles = theirs.encode(pixels)
    assert ours.encode(pixels) == rles
    for name in ("decode", "area", "toBbox"):
        want, got = getattr(theirs, name)(rles), getattr(ours, name)(rles)
        np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(getattr(ours, name)(tuple(rles)), want)
        for library in (theirs, ours):
            with pytest.raises(TypeError):
                getattr(library, name)(rles[0])
    boxes, polygon = np.array([[1, 2, 5, 6.5]]), [1.0, 1, 9, 1, 9, 12]
    counts = {"size": [4, 5], "counts": [3, 10, 7]}
    assert ours.frBbox(boxes, 20, 15) == theirs.frBbox(boxes, 20, 15)
    assert ours.frPoly([polygon], 20, 15) == theirs.frPoly([polygon], 20, 15)
    assert ours.frUncompressedRLE([counts]) == theirs.frUncompressedRLE([counts], 4, 5)
    assert ours.merge(rles) == theirs.merge(rles)
    np.testing.assert_array_equal(ours.iou(rles, rles, [0] * 3), theirs.iou(rles, rles, [0] * 3))
    for library in (theirs, ours):
        with pytest.raises(ValueError, match=r"wrong number of dimensions \(expected 3, got 2\)"):
            library.encode(pixels[:, :, 0])
