"""From a YOLO folder and a folder of predictions to COCO's 12 numbers: tamis, globox, hotcoco.

pytest benchmarks/bench_yolo_text.py     5,000 images, 200,000 predictions; TAMIS_BENCH_IMAGES=500
                                         for a quick look: globox takes minutes
"""

import contextlib
import io
import os

import numpy as np
import pytest
import tamis
from label_files import CLASSES, folder

IMAGES = int(os.environ.get("TAMIS_BENCH_IMAGES", 5000))


def ours(root):
    gt = tamis.read(root / "data.yaml")
    gt, dt = tamis.align(gt, tamis.read(root / "dt", like=gt))
    evaluator = tamis.DetectionEvaluator(fmt="xywh")
    evaluator.update(dt.preds(), gt.targets())
    return list(evaluator.compute().stats.values())


def globox_way(root):
    """Six of the 12 numbers are the same rule: its areas and its caps are those of COCO."""
    globox = pytest.importorskip("globox")
    read = globox.AnnotationSet.from_yolo_v5
    gt = read(root / "labels/val", image_folder=root / "images/val")
    dt = read(root / "dt", image_folder=root / "images/val")
    e = globox.COCOEvaluator(ground_truths=gt, predictions=dt)
    return [
        e.ap(), e.ap_50(), e.ap_75(), e.ap_small(), e.ap_medium(), e.ap_large(),
        e.ar_1(), e.ar_10(), e.ar_100(), e.ar_small(), e.ar_medium(), e.ar_large(),
    ]  # fmt: skip


def hotcoco_way(root):
    """Its conversion of the ground truth; of predictions it has none, so a loop, as users write."""
    hotcoco = pytest.importorskip("hotcoco")
    with contextlib.redirect_stdout(io.StringIO()):
        gt = hotcoco.COCO.from_yolo(str(root / "labels/val"), images_dir=str(root / "images/val"))
        sizes = {
            i["file_name"][:6]: (i["id"], i["width"], i["height"]) for i in gt.dataset["images"]
        }
        rows = []
        for path in sorted((root / "dt").iterdir()):
            image, w, h = sizes[path.stem]
            x = np.loadtxt(path, ndmin=2)
            box = x[:, 1:5] * (w, h, w, h)
            box[:, :2] -= box[:, 2:] / 2
            ids = np.full((len(x), 1), image)
            rows.append(np.concatenate([ids, box, x[:, 5:], x[:, :1] + 1], axis=1))
        e = hotcoco.COCOeval(gt, gt.loadRes(np.concatenate(rows)), "bbox")
        e.evaluate()
        e.accumulate()
        e.summarize()
    return list(e.stats)


@pytest.mark.parametrize("who", ["tamis", "hotcoco", "globox"])
def test_folder_to_numbers(benchmark, who):
    root = folder(IMAGES, 40 * IMAGES)
    expected, run = ours(root), {"tamis": ours, "hotcoco": hotcoco_way, "globox": globox_way}[who]
    assert len(CLASSES) == 20
    benchmark.group = f"YOLO folder of {IMAGES:,} images, {40 * IMAGES:,} predictions, to numbers"
    rounds = 1 if who == "globox" else 5
    found = benchmark.pedantic(run, args=(root,), rounds=rounds, warmup_rounds=rounds > 1)
    assert np.abs(np.array(found) - expected).max() < 1e-3, (found, expected)
