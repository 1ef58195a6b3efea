"""oks on a GPU against its formula in PyTorch, all pairs of every image at once.

The floor is the keypoints read once, and the result written, at the rate of a copy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tamis
import torch
from gpu_timing import milliseconds_per_byte, row
from tamis.regions.oks import COCO_SIGMAS

IMAGES, DETECTIONS, TARGETS = 5000, 20, 5  # in all, an image, an image


def torch_oks(det: torch.Tensor, gt: torch.Tensor, areas: torch.Tensor) -> torch.Tensor:
    """(images, n, k, 3), (images, m, k, 3) and (images, m); all have a visible keypoint."""
    variances = torch.from_numpy((2 * COCO_SIGMAS) ** 2).to(det.device)
    far = ((det[:, :, None, :, :2] - gt[:, None, :, :, :2]) ** 2).sum(4)
    terms = torch.exp(-far / variances / (areas[:, None, :, None] + np.spacing(1)) / 2)
    seen = gt[:, None, :, :, 2] > 0
    return (terms * seen).sum(3) / seen.sum(3)


def run() -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 300, (IMAGES, TARGETS, 17, 3))
    truth[..., 2] = rng.integers(0, 3, truth.shape[:3])
    truth[:, :, 0, 2] = 1
    near = rng.integers(0, TARGETS, (IMAGES, DETECTIONS))
    found = np.take_along_axis(truth, near[:, :, None, None], 1)
    found = found + rng.normal(0, 8, found.shape)
    areas = rng.uniform(1e3, 1e4, (IMAGES, TARGETS))
    ends = tuple(np.arange(IMAGES + 1) * k for k in (DETECTIONS, TARGETS))
    det, gt, area = (torch.from_numpy(x).to("cuda") for x in (found, truth, areas))
    flat = det.reshape(-1, 17, 3), ends[0], gt.reshape(-1, 17, 3), ends[1], area.reshape(-1)
    hosted = [x if isinstance(x, np.ndarray) else x.cpu().numpy() for x in flat]
    got = tamis.oks_batched(*flat)[0]
    if not np.allclose(got.cpu().numpy(), tamis.oks_batched(*hosted)[0], rtol=1e-14, atol=1e-300):
        raise SystemExit("oks_batched: other numbers than on the host")
    if float((got - torch_oks(det, gt, area).reshape(-1)).abs().max()) > 1e-9:
        raise SystemExit("oks_batched: other numbers than PyTorch's formula")
    name = f"{IMAGES} images of {DETECTIONS} x {TARGETS}"
    least = (det.nbytes + gt.nbytes + 2 * got.nbytes) * milliseconds_per_byte(True)
    return [
        row(
            f"tamis.oks_batched, {name}",
            lambda: tamis.oks_batched(*flat),
            got.nbytes,
            floor_ms=least,
        ),
        row(f"torch formula of OKS, {name}", lambda: torch_oks(det, gt, area), got.nbytes),
    ]
