"""Evaluation parameters with pycocotools' names."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from tamis.regions.mask_iou import DILATION_RATIO


class Params:
    """What is evaluated: thresholds, area ranges, caps, and which images and categories.

    Parameters
    ----------
    iouType : {"segm", "bbox", "keypoints", "boundary"}

    Attributes
    ----------
    imgIds, catIds : list
        What to evaluate; `COCOeval` fills in everything of the ground truth.
    iouThrs : (T,) array
        0.50, 0.55, ... 0.95.
    recThrs : (R,) array
        0.00, 0.01, ... 1.00.
    maxDets : list of int
        Detections counted per image and category: [1, 10, 100], [20] for keypoints.
    areaRng, areaRngLbl : list
        Closed area ranges in square pixels, and their names.
    useCats : int
        0 pools all categories.
    kpt_oks_sigmas : (17,) array
        Keypoints only.
    dilationRatio : float
        Boundaries only: width of the boundary, as a share of the image's diagonal.
    useSegm : None or int
        Deprecated: 1 means "segm", 0 "bbox".
    """

    def __init__(self, iouType: str = "segm") -> None:
        if iouType in ("segm", "bbox", "boundary"):
            self.setDetParams()
        elif iouType == "keypoints":
            self.setKpParams()
        else:
            raise Exception("iouType not supported")
        if iouType == "boundary":
            self.dilationRatio = DILATION_RATIO
        self.iouType = iouType
        self.useSegm: Any = None

    def setDetParams(self) -> None:
        self._set_common()
        self.maxDets: Any = [1, 10, 100]
        self.areaRng: Any = [[0, 1e10], [0, 32**2], [32**2, 96**2], [96**2, 1e10]]
        self.areaRngLbl: Any = ["all", "small", "medium", "large"]

    def setKpParams(self) -> None:
        self._set_common()
        self.maxDets = [20]
        self.areaRng = [[0, 1e10], [32**2, 96**2], [96**2, 1e10]]
        self.areaRngLbl = ["all", "medium", "large"]
        hundredths = [26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]
        self.kpt_oks_sigmas = np.array([h / 100 for h in hundredths]) / 10.0

    def _set_common(self) -> None:
        self.imgIds: Any = []
        self.catIds: Any = []
        # linspace, not arange: the last bits of these decide ties
        self.iouThrs: Any = np.linspace(0.5, 0.95, 10)
        self.recThrs: Any = np.linspace(0.0, 1.0, 101)
        self.useCats: Any = 1


def snapshot(params: Any) -> Any:
    """A deep copy of parameters of any class.

    The long id lists of ours hold numbers or text, so that copying the lists is enough.
    """
    if type(params) is not Params:
        return copy.deepcopy(params)
    other = copy.copy(params)
    for name, value in vars(params).items():
        ids = name in ("imgIds", "catIds") and type(value) is list
        setattr(other, name, list(value) if ids else copy.deepcopy(value))
    return other
