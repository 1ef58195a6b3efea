"""Evaluations of masks and of keypoints, one for each behaviour of pycocotools 2.0.11."""

from __future__ import annotations

from typing import Any

import numpy as np
from coco_cases import set_params
from coco_harness import Case, category, image, truth
from tamis.coco import mask

H, W, K = 60, 80, 17


def polygon(rng: np.random.Generator) -> list[float]:
    """A wobbly ellipse, now and then partly outside or crossing itself."""
    k = int(rng.integers(5, 14))
    turn = np.sort(rng.uniform(0, 2 * np.pi, k)) if rng.random() < 0.8 else rng.uniform(0, 6, k)
    radius = rng.uniform(4, 30) * rng.uniform(0.5, 1, k)
    x, y = rng.uniform(0, W) + radius * np.cos(turn), rng.uniform(0, H) + radius * np.sin(turn)
    return [float(v) for v in np.round(np.stack([x, y], 1), 2).ravel()]


def pixels(rng: np.random.Generator, of: dict[str, Any] | None = None) -> np.ndarray:
    m = mask.decode(mask.merge(mask.frPyObjects([polygon(rng)], H, W)))
    if of is not None:
        m = np.roll(mask.decode(of), rng.integers(-3, 4, 2), axis=(0, 1))
    return np.asfortranarray(m)


def text(rle: dict[str, Any]) -> dict[str, Any]:
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def masks(seed: int, n_images: int = 5, n_cats: int = 3, **more: Any) -> Case:
    """Polygons in parts, crowds as uncompressed counts, detections near them, ties."""
    rng = np.random.default_rng(seed)
    anns: list[Any] = []
    dets: list[Any] = []
    for img in range(1, n_images + 1):
        for _ in range(int(rng.integers(1, 9))):
            cat, crowd = int(rng.integers(1, n_cats + 1)), int(rng.random() < 0.2)
            parts = [polygon(rng) for _ in range(int(rng.integers(1, 4)))]
            packed = mask.merge(mask.frPyObjects(parts, H, W))
            segmentation: Any = parts
            if crowd:
                flat = np.asfortranarray(mask.decode(packed)).ravel(order="F")
                ends = np.flatnonzero(np.diff(flat)) + 1
                counts = np.diff([0, *ends, len(flat)]).tolist()
                counts = [0, *counts] if flat[0] else counts
                segmentation = {"size": [H, W], "counts": counts}
            area = float(mask.area(packed)) * float(rng.choice([1, 20, 200]))
            box = mask.toBbox(packed).tolist()
            anns.append(
                truth(len(anns) + 1, img, cat, box, crowd, segmentation=segmentation)
                | {"area": area}
            )
            for _ in range(int(rng.integers(0, 4))):
                moved = text(mask.encode(pixels(rng, packed if rng.random() < 0.7 else None)))
                score = float(rng.integers(0, 11)) / 10
                dets.append(
                    {"image_id": img, "category_id": cat, "segmentation": moved, "score": score}
                )
    images = [image(i, W, H) for i in range(1, n_images + 1)]
    gt = {
        "info": {}, "images": images, "annotations": anns,
        "categories": [category(c) for c in range(1, n_cats + 1)],
    }  # fmt: skip
    return Case(gt, dets, iou_type="segm", **more)


def person(rng: np.random.Generator, k: int, near: Any = None) -> list[float]:
    xy = rng.uniform(0, 300, 2) + rng.normal(0, 40, (k, 2))
    if near is not None:
        xy = np.reshape(near, (k, 3))[:, :2] + rng.normal(0, rng.choice([1, 10, 60]), (k, 2))
    v = rng.integers(0, 3, (k, 1)) if near is None else np.ones((k, 1))
    points = np.concatenate([np.round(xy, 1), v], axis=1).ravel()
    return [int(p) for p in points] if rng.random() < 0.5 else [float(p) for p in points]


def people(seed: int, k: int = K, n_images: int = 6, n_cats: int = 1, **more: Any) -> Case:
    """Crowds, nobody visible, lists of integers and of floats, ties."""
    rng = np.random.default_rng(seed)
    anns: list[Any] = []
    dets: list[Any] = []
    for img in range(1, n_images + 1):
        for _ in range(int(rng.integers(1, 7))):
            cat, points = int(rng.integers(1, n_cats + 1)), person(rng, k)
            if rng.random() < 0.2:
                points[2::3] = [0] * k
            seen = sum(v > 0 for v in points[2::3]) if rng.random() < 0.9 else 3
            box = [float(v) for v in rng.uniform(0, 100, 4)]
            area = float(10 ** rng.uniform(1, 5))
            ann = truth(len(anns) + 1, img, cat, box, int(rng.random() < 0.1))
            anns.append(ann | {"area": area, "keypoints": points, "num_keypoints": seen})
            for _ in range(int(rng.integers(0, 4))):
                found = person(rng, k, points if rng.random() < 0.8 else None)
                score = float(rng.integers(0, 11)) / 10
                dets.append(
                    {"image_id": img, "category_id": cat, "keypoints": found, "score": score}
                )
    gt = {
        "info": {}, "images": [image(i) for i in range(1, n_images + 1)], "annotations": anns,
        "categories": [category(c) for c in range(1, n_cats + 1)],
    }  # fmt: skip
    return Case(gt, dets, iou_type="keypoints", **more)


def change(case: Case, gt: Any = None, dt: Any = None) -> Case:
    """`case` with every ground truth or detection edited by a function."""
    for edit, anns in ((gt, case.gt["annotations"]), (dt, case.dt)):
        if edit is not None:
            for ann in anns:
                edit(ann)
    return case


def _counts_as_bytes(ann: Any) -> None:
    ann["segmentation"]["counts"] = ann["segmentation"]["counts"].encode()


def _resize(ann: Any) -> None:
    if ann["image_id"] % 2:
        ann["segmentation"] = {"size": [W, H], "counts": ann["segmentation"]["counts"]}


def _to_boxes(ann: Any) -> None:
    ann["bbox"] = [float(v) for v in mask.toBbox(ann["segmentation"])]


def _boxes_only(ann: Any) -> None:
    _to_boxes(ann)
    del ann["segmentation"]


def _hook(name: str) -> Any:
    def subclass(base: type) -> type:
        def method(self: Any, *args: Any) -> Any:
            got = getattr(base, name)(self, *args)
            return got * 0.9 if len(got) else got

        return type("Hooked", (base,), {name: method})

    return subclass


FIVE = {"kpt_oks_sigmas": np.array([0.02, 0.05, 0.05, 0.1, 0.08])}
CASES = {
    "masks": masks(1),
    "masks, file": masks(2, mode="file"),
    "masks, many, file": masks(3, 30, 2, mode="file"),
    "masks, pooled": masks(4, before=set_params(useCats=0)),
    "masks, pooled, file": masks(4, before=set_params(useCats=0), mode="file"),
    "masks, caps": masks(5, before=set_params(maxDets=[1, 2, 3])),
    "masks, thresholds": masks(6, before=set_params(iouThrs=np.array([0.0, 0.3, 1.0]))),
    "masks, counts as bytes": change(masks(7), dt=_counts_as_bytes),
    "masks, sizes differ": change(masks(8), dt=_resize),
    "masks, sizes differ, file": change(masks(8, mode="file"), dt=_resize),
    "masks and boxes": change(masks(9), dt=_to_boxes),
    "masks and boxes, file": change(masks(9, mode="file"), dt=_to_boxes),
    "masks as boxes": change(masks(9, mode="file"), dt=_boxes_only),
    "masks evaluated as boxes": masks(10, mode="list"),
    "masks evaluated as boxes, file": masks(10, mode="file"),
    "masks, no boxes in the ground truth": change(masks(11), gt=lambda a: a.pop("bbox")),
    "masks, no boxes in the ground truth, file": change(
        masks(11, mode="file"), gt=lambda a: a.pop("bbox")
    ),
    "masks, useSegm": masks(12, before=set_params(useSegm=1)),
    "masks, hook": masks(13, subclass=_hook("computeIoU")),
    "masks, no height": change(masks(14)),
    "masks, id as text": change(masks(15), gt=lambda a: a.update(id=f"x{a['id']}")),
    "people": people(1),
    "people, file": people(2, mode="file"),
    "people, many, file": people(3, n_images=40, mode="file"),
    "people, classes": people(4, n_cats=3),
    "people, pooled": people(5, before=set_params(useCats=0)),
    "people, pooled, file": people(5, before=set_params(useCats=0), mode="file"),
    "people, five points": people(6, 5, before=set_params(**FIVE)),
    "people, five points, file": people(6, 5, before=set_params(**FIVE), mode="file"),
    "people, caps": people(7, before=set_params(maxDets=[2, 20])),
    "people, cap 100": people(7, before=set_params(maxDets=[100])),
    "people, hook": people(8, subclass=_hook("computeOks")),
    "people, no num_keypoints": change(people(9), gt=lambda a: a.pop("num_keypoints")),
    "people, no area": change(people(10), gt=lambda a: a.pop("area")),
    "people, areas as integers": change(people(11), gt=lambda a: a.update(area=int(a["area"]))),
    "people, last visibility missing": change(people(10), dt=lambda a: a["keypoints"].pop()),
    "people, huge integers": change(people(12), dt=lambda a: a["keypoints"].__setitem__(0, 2**30)),
    "people, NaN": change(people(13), dt=lambda a: a["keypoints"].__setitem__(4, float("nan"))),
    "people, NaN, file": change(
        people(13, mode="file"), dt=lambda a: a["keypoints"].__setitem__(4, float("nan"))
    ),
}
for name in ("masks evaluated as boxes", "masks evaluated as boxes, file"):
    CASES[name].iou_type = "bbox"
CASES["masks, no height"].gt["images"][0].pop("height")
