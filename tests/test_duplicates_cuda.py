"""find_duplicate_boxes of CUDA arrays: what the host finds, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import tamis

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("fmt", ["xyxy", "xywh"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gpu_equals_the_host(gpu_library, dtype, fmt):
    rng = np.random.default_rng(0)
    boxes = np.concatenate([rng.uniform(0, 3, (300, 2)), rng.uniform(3, 9, (300, 2))], 1)
    boxes = boxes.astype(dtype)
    splits = np.array([0, 100, 100, 101, 240, 300])
    labels, crowd = rng.integers(0, 2, 300), rng.random(300) < 0.2
    on = gpu_library.array
    for options in ({}, {"labels": labels}, {"labels": labels, "iscrowd": crowd}):
        for threshold in (0.6, -1.0, 1.0):
            how = {"threshold": threshold, "fmt": fmt}
            want = tamis.find_duplicate_boxes(boxes, splits, **options, **how)
            device = {name: on(x) for name, x in options.items()}
            for columns in (options, device):
                got = tamis.find_duplicate_boxes(on(boxes), splits, **columns, **how)
                for name in ("duplicates", "of", "iou"):
                    mine = gpu_library.numpy(getattr(got, name))
                    np.testing.assert_array_equal(mine, getattr(want, name))
    none = on(np.empty((0, 4), np.float32))
    assert gpu_library.numpy(tamis.find_duplicate_boxes(none, np.array([0])).of).shape == (0,)
