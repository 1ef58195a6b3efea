"""Drawing annotations with matplotlib."""

from __future__ import annotations

from typing import Any

import numpy as np


def show_annotations(coco: Any, anns: list[dict[str, Any]], draw_bbox: bool) -> Any:
    """Polygons, masks, keypoints and boxes on the current axes; captions are printed."""
    if len(anns) == 0:
        return 0
    if "caption" in anns[0] and "segmentation" not in anns[0] and "keypoints" not in anns[0]:
        for ann in anns:
            print(ann["caption"])
        return None
    if "segmentation" not in anns[0] and "keypoints" not in anns[0]:
        raise Exception("datasetType not supported")
    import matplotlib.pyplot as plt
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Polygon

    axes = plt.gca()
    axes.set_autoscale_on(False)
    outlines, colours = [], []
    for ann in anns:
        colour = (np.random.random(3) * 0.6 + 0.4).tolist()
        segmentation = ann.get("segmentation", [])
        if type(segmentation) is list:
            parts = [np.reshape(part, (-1, 2)) for part in segmentation]
        else:
            parts = []
            mask = coco.annToMask(ann)
            layer = np.ones((*mask.shape, 4))
            shade = np.array([2.0, 166.0, 101.0]) / 255 if ann["iscrowd"] == 1 else colour
            layer[..., :3], layer[..., 3] = shade, mask * 0.5
            axes.imshow(layer)
        if type(ann.get("keypoints")) is list:
            _show_keypoints(plt, coco, ann, colour)
        if draw_bbox:
            x, y, w, h = ann["bbox"]
            parts.append(np.array([[x, y], [x, y + h], [x + w, y + h], [x + w, y]]))
        outlines += [Polygon(part) for part in parts]
        colours += [colour] * len(parts)
    axes.add_collection(PatchCollection(outlines, facecolor=colours, linewidths=0, alpha=0.4))
    axes.add_collection(
        PatchCollection(outlines, facecolor="none", edgecolors=colours, linewidths=2)
    )
    return None


def _show_keypoints(plt: Any, coco: Any, ann: dict[str, Any], colour: Any) -> None:
    x, y, visible = np.reshape(ann["keypoints"], (-1, 3)).T
    for bone in np.array(coco.loadCats(ann["category_id"])[0]["skeleton"]) - 1:  # from 1
        if (visible[bone] > 0).all():
            plt.plot(x[bone], y[bone], linewidth=3, color=colour)
    for level, edge in ((0, "k"), (1, colour)):
        shown = visible > level
        plt.plot(
            x[shown], y[shown], "o", markersize=8, markerfacecolor=colour,
            markeredgecolor=edge, markeredgewidth=2,
        )  # fmt: skip
