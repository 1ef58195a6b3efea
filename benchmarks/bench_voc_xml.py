"""Pascal VOC files: tamis, globox and the standard library.

pytest benchmarks/bench_voc_xml.py     5,000 files; TAMIS_BENCH_IMAGES=500 for a quick look
"""

import os
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import tamis
from label_files import folder

IMAGES = int(os.environ.get("TAMIS_BENCH_IMAGES", 5000))


def ours(path):
    return tamis.read(path).boxes


def globox_way(path):
    globox = pytest.importorskip("globox")
    found = globox.AnnotationSet.from_pascal_voc(path)
    images = sorted(found, key=lambda a: a.image_id)
    return np.array([(b.xmin, b.ymin, b.width, b.height) for a in images for b in a.boxes])


def element_tree(path):
    rows = []
    for file in sorted(path.iterdir()):
        for box in ET.parse(file).getroot().iterfind("object/bndbox"):
            x0, y0, x1, y1 = (float(box.findtext(k)) for k in ("xmin", "ymin", "xmax", "ymax"))
            rows.append((x0, y0, x1 - x0, y1 - y0))
    return np.array(rows)


@pytest.mark.parametrize("who", ["tamis", "globox", "ElementTree"])
def test_voc_files(benchmark, who):
    path = folder(IMAGES, 40 * IMAGES) / "voc"
    run = {"tamis": ours, "globox": globox_way, "ElementTree": element_tree}[who]
    benchmark.group = f"{IMAGES:,} Pascal VOC files"
    found = benchmark.pedantic(run, args=(path,), rounds=5, warmup_rounds=1)
    assert np.array_equal(found, ours(path))
