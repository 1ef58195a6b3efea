"""Programs that call pycocotools or faster-coco-eval get the same numbers from tamis."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import coco_kinds
import numpy as np
import pytest
from coco_cases import random_problem
from torchmetrics_cases import assert_same, images, import_torchmetrics

pytest.importorskip("pycocotools")
import pycocotools.coco
import pycocotools.cocoeval
import pycocotools.mask
import tamis.coco


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """`init_as_pycocotools`, undone after the test."""
    for part in ("coco", "cocoeval", "mask", "_mask"):
        monkeypatch.setitem(sys.modules, f"pycocotools.{part}", getattr(pycocotools, part))
        monkeypatch.setattr(pycocotools, part, getattr(pycocotools, part))
    return tamis.coco.init_as_pycocotools


def test_where_pycocotools_is_not_installed(
    stand_in: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "pycocotools")
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        stand_in()
    assert importlib.util.find_spec("pycocotools") is not None  # how programs look for it
    assert importlib.import_module("pycocotools.coco").COCO is tamis.coco.COCO


@pytest.mark.filterwarnings("ignore:Encountered more than:UserWarning")
@pytest.mark.parametrize("iou_type", ["bbox", "segm", ("bbox", "segm")], ids=str)
def test_torchmetrics(iou_type: Any, stand_in: Callable[[], None], tmp_path: Path) -> None:
    detection = import_torchmetrics()

    def run(folder: Path) -> list[Any]:
        folder.mkdir()
        metric = detection.MeanAveragePrecision(
            iou_type=iou_type, class_metrics=True, extended_summary=True
        )
        out = [metric(*images(1, 15, masks=True))]
        metric.tm_to_coco(str(folder / "x"))
        files = [folder / f"x_{side}.json" for side in ("preds", "target")]
        out += [file.read_text() for file in files]
        if iou_type == "bbox":
            out.append(metric.coco_to_tm(*map(str, files), iou_type=iou_type))
        return out

    want = run(tmp_path / "theirs")
    stand_in()
    assert_same(run(tmp_path / "ours"), want)


# --- Ultralytics ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def yolo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Its package of models, or skip."""
    import_torchmetrics()  # torchvision
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("YOLO_CONFIG_DIR", str(tmp_path_factory.mktemp("yolo")))
        patch.setenv("YOLO_AUTOINSTALL", "false")
        pytest.importorskip("ultralytics", reason="Ultralytics is not installed")
        yield importlib.import_module("ultralytics.models.yolo")


def problem(task: str) -> tuple[Any, list[Any]]:
    if task == "detect":
        case = random_problem(1)
    else:
        case = coco_kinds.masks(1) if task == "segment" else coco_kinds.people(1)
        for i, det in enumerate(case.dt):
            det["bbox"] = case.gt["annotations"][i % len(case.gt["annotations"])]["bbox"]
    return case.gt, case.dt


def numbers(yolo: Any, task: str, folder: Path) -> dict[str, float]:
    """What the task's validator reports of a data set and predictions it has written."""
    gt, dt = problem(task)
    cls = {"detect": "Detection", "segment": "Segmentation", "pose": "Pose"}[task] + "Validator"
    name = "person_keypoints" if task == "pose" else "instances"
    (folder / "annotations").mkdir(parents=True)
    (folder / "annotations" / f"{name}_val2017.json").write_text(json.dumps(gt))
    (folder / "predictions.json").write_text(json.dumps(dt))
    validator = getattr(getattr(yolo, task), cls)(save_dir=folder, args={"save_json": True})
    validator.is_coco, validator.is_lvis, validator.gdict = True, False, None
    validator.training = False
    validator.data, validator.jdict = {"path": folder}, dt
    files = [f"{img['id']:012d}.jpg" for img in gt["images"]]
    validator.dataloader = SimpleNamespace(dataset=SimpleNamespace(im_files=files))
    stats: dict[str, float] = {}
    validator.eval_json(stats)
    return {key: float(value) for key, value in stats.items()}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("task", ["detect", "segment", "pose"])
def test_ultralytics(yolo: Any, task: str, stand_in: Callable[[], None], tmp_path: Path) -> None:
    theirs = numbers(yolo, task, tmp_path / "theirs")
    assert len(theirs) >= 2 and all(value > 0 for value in list(theirs.values())[:2])
    source = inspect.getsource(sys.modules[yolo.detect.DetectionValidator.__module__])
    if "from pycocotools" in source:
        stand_in()
        assert numbers(yolo, task, tmp_path / "ours") == theirs
        return
    ours = importlib.import_module("tamis.ultralytics")
    ours.install()
    try:
        got = numbers(yolo, task, tmp_path / "ours")
    finally:
        ours.uninstall()
    assert list(got) == list(theirs)
    np.testing.assert_allclose(list(got.values()), list(theirs.values()), rtol=0, atol=1e-12)


def test_what_ultralytics_imports(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("faster_coco_eval")
    import faster_coco_eval
    import tamis.ultralytics as ours

    before = faster_coco_eval.COCO
    ours.install()
    from faster_coco_eval import COCO, COCOeval_faster

    ours.uninstall()
    assert (COCO, COCOeval_faster) == (ours.COCO_faster, ours.COCOeval_faster)
    assert faster_coco_eval.COCO is before
    case = random_problem(2)
    (tmp_path / "gt.json").write_text(json.dumps(case.gt))
    gt = COCO(tmp_path / "gt.json")
    assert COCO(case.gt).dataset == gt.dataset
    assert all(isinstance(one, COCO) for one in (gt, COCO(case.gt), gt.loadRes(case.dt)))
    assert not isinstance(case.gt, COCO)
    lines: list[str] = []
    capsys.readouterr()
    evaluation = COCOeval_faster(gt, gt.loadRes(case.dt), "bbox", print_function=lines.append)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert len(lines) > 12 and "Average Precision" in lines[-12]
    assert list(evaluation.stats_as_dict.values()) == evaluation.stats.tolist()
    with pytest.raises(NotImplementedError, match="LVIS"):
        COCOeval_faster(gt, gt, "bbox", lvis_style=True)


# --- MMDetection ---------------------------------------------------------------------------

MMDET = """
import importlib.util, json, sys, types, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
from torchmetrics_cases import images, import_torchmetrics
import_torchmetrics()  # torchvision
if sys.argv[3] == "ours":
    from tamis.coco import init_as_pycocotools
    init_as_pycocotools()
if importlib.util.find_spec("mmcv._ext") is None:  # mmcv-lite has no operators; none is called
    class Extension(types.ModuleType):
        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
    sys.modules["mmcv._ext"] = Extension("mmcv._ext")
from mmdet.evaluation.metrics import CocoMetric
metric = CocoMetric(sys.argv[2], metric=["bbox", "segm"], classwise=True)
metric.dataset_meta = {"classes": ("0", "1", "2", "3")}
for i, found in enumerate(images(4, 12, masks=True)[0]):
    found["bboxes"] = found.pop("boxes")
    metric.process({}, [{"pred_instances": found, "img_id": i, "ori_shape": (40, 50)}])
import pycocotools.cocoeval
assert (pycocotools.cocoeval.__name__[:5] == "tamis") == (sys.argv[3] == "ours")
print("RESULT", json.dumps(metric.evaluate(size=12)))
"""


def test_mmdetection(tmp_path: Path) -> None:
    if importlib.util.find_spec("mmdet") is None:
        pytest.skip("MMDetection is not installed")
    detection = import_torchmetrics()
    metric = detection.MeanAveragePrecision(iou_type=("bbox", "segm"))
    metric.update(*images(4, 12, masks=True))
    metric.tm_to_coco(str(tmp_path / "x"))
    truth = json.loads((tmp_path / "x_target.json").read_text())
    truth["images"] = [{"id": i, "height": 40, "width": 50, "file_name": ""} for i in range(12)]
    truth["categories"] = [{"id": i, "name": str(i)} for i in range(4)]
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    results = []
    for who in ("theirs", "ours"):
        command = [sys.executable, "-c", MMDET, str(Path(__file__).parents[1] / "reference")]
        out = subprocess.run(
            [*command, str(tmp_path / "gt.json"), who], capture_output=True, text=True
        )
        assert "RESULT" in out.stdout, out.stderr
        results.append(json.loads(out.stdout.split("RESULT")[1]))
    assert results[0] == results[1] and results[0]["coco/segm_mAP"] > 0
