"""A plan of `tamis.find_duplicate_boxes` over shards of images."""

from __future__ import annotations

from typing import Any

import numpy as np

from tamis._shared.columns import Format, check_format
from tamis._shared.progress import Progress
from tamis.regions.duplicates import DuplicateBoxes, Method, check_duplicates, find_duplicate_boxes
from tamis.shards.images import ShardImages, describe_images, read_images
from tamis.shards.plan import Plan, Task
from tamis.shards.storage import plain

COLUMNS = ("labels", "scores", "iscrowd")


class DuplicateBoxesPlan(Plan):
    """A task for each shard: boxes of different images do not meet."""

    kind = "duplicate_boxes"
    source: ShardImages
    source_type = ShardImages

    def _tasks(self) -> list[Task]:
        return [
            Task(f"shard-{i}", "", (shard.path,), shard.rows, 0, int(shard.stamp.split()[0]))
            for i, shard in enumerate(self.source.shards)
        ]

    def _run(self, task: Task, progress: Progress) -> dict[str, Any]:
        a, shard = self.arguments, self.source.shards[task.number]
        names = [name for name in COLUMNS if a[name] is not None]
        boxes, splits, columns = read_images("plan.run", shard, a["boxes"], [a[n] for n in names])
        how: dict[str, Any] = {name: a[name] for name in ("threshold", "method", "fmt")}
        how |= dict(zip(names, columns, strict=True))
        try:
            found = find_duplicate_boxes(boxes, splits, **how)
        except (ValueError, TypeError) as error:
            raise type(error)(f"plan.run: {shard.path}: {error}") from None
        return {
            "duplicates": found.duplicates, "of": found.of, "iou": found.iou,
            "boxes": np.array(len(boxes)),
        }  # fmt: skip

    def merge(self) -> DuplicateBoxes:
        """What `tamis.find_duplicate_boxes` of all images gives; boxes are numbered through."""
        self._check_done()
        first, found = 0, []
        for task in self.tasks:
            rows, of, iou, boxes = self._state.read(task.id, ["duplicates", "of", "iou", "boxes"])
            found.append((rows + first, of + first, iou))
            first += int(boxes)
        return DuplicateBoxes(*(np.concatenate(column) for column in zip(*found, strict=True)))


def plan_duplicate_boxes(
    paths: Any,
    *,
    state: str,
    boxes: str = "boxes",
    labels: str | None = None,
    scores: str | None = None,
    iscrowd: str | None = None,
    threshold: float = 0.99,
    method: Method = "simple",
    fmt: Format = "xyxy",
) -> DuplicateBoxesPlan:
    """Boxes that repeat another of their image; the merge is that of `tamis.find_duplicate_boxes`.

    Parameters
    ----------
    paths : path, or list of paths
        .npz files with ``splits`` and the arrays named below, or Parquet files with a row for each
        image, in which they are lists; or folders of them.
    state : str
        As for `plan_knn`.
    boxes : str
        The name of the boxes, (n, 4) or (n, 5). Default ``"boxes"``.
    labels, scores, iscrowd : str, optional
        The names of these columns, where they are to be used.
    threshold, method, fmt
        As for `tamis.find_duplicate_boxes`.

    Returns
    -------
    DuplicateBoxesPlan
        With a task for each shard; `merge` gives `tamis.DuplicateBoxes`.

    Raises
    ------
    ValueError, TypeError
        As `plan_knn`; for lists of different lengths in one image, and for nulls.
    """
    name = "plan_duplicate_boxes"
    check_format(name, fmt)
    check_duplicates(name, threshold, method, scores)
    chosen = {"boxes": boxes, "labels": labels, "scores": scores, "iscrowd": iscrowd}
    source = describe_images(name, paths, [one for one in chosen.values() if one is not None])
    how = {"threshold": float(threshold), "method": method, "fmt": fmt}
    plan = DuplicateBoxesPlan(source, chosen | how, plain(state))
    plan.save(name)
    return plan
