"""A plan of `DetectionEvaluator` over shards of images: they are matched where they are."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from tamis._shared.progress import Progress
from tamis._shared.results import plain as as_json
from tamis.evaluation.detection_result import DetectionResult
from tamis.evaluation.evaluator import DetectionEvaluator
from tamis.shards import storage
from tamis.shards.images import ShardImages
from tamis.shards.plan import Plan, Task
from tamis.shards.sources import Shard, paths_of

SUFFIXES = ("",)  # any file


class EvaluationPlan(Plan):
    """A task for each shard, which keeps what its detections are: 20 bytes each, by default."""

    kind = "evaluation"
    source: ShardImages
    source_type = ShardImages

    def _tasks(self) -> list[Task]:
        return [
            Task(f"shard-{i}", "", (shard.path,), 0, 0, int(shard.stamp.split()[0]))
            for i, shard in enumerate(self.source.shards)
        ]

    def evaluator(self) -> DetectionEvaluator:
        """An empty one of these settings."""
        settings = dict(self.arguments["settings"])
        if isinstance(settings.get("classes"), dict):  # the keys of JSON are text
            settings["classes"] = {int(key): name for key, name in settings["classes"].items()}
        return DetectionEvaluator(**settings, state="matches")

    def _run(self, task: Task, progress: Progress) -> dict[str, Any]:
        shard = self.source.shards[task.number]
        storage.check_same("plan.run", shard.path, shard.stamp)
        evaluator = self.evaluator()
        try:
            evaluator.update(*_function(self.arguments["read"])(shard.path))
        except (ValueError, TypeError, KeyError) as error:
            raise type(error)(f"plan.run: {shard.path}: {error}") from error
        found: dict[str, Any] = {}
        parts = evaluator.__getstate__()["_parts"]
        for i, (preds, targets, ids) in enumerate(parts):
            for side, columns in (("dt", preds), ("gt", targets)):
                found |= {f"{side}{i}.{j}": column for j, column in enumerate(columns)}
            if ids is not None:
                found[f"ids{i}"] = ids
        sides = [len(parts), *((len(parts[0][0]), len(parts[0][1])) if parts else (0, 0))]
        named = int(bool(parts) and parts[0][2] is not None)
        return found | {"shape": np.array([*sides, named])}

    def merge(self) -> DetectionResult:
        """What one evaluator of all shards, in their order, gives: numbers, no analyses."""
        self._check_done()
        whole = self.evaluator()
        for task in self.tasks:
            n, preds, targets, named = self._state.read(task.id, ["shape"])[0].tolist()
            parts = []
            for i in range(n):
                columns = [f"dt{i}.{j}" for j in range(preds)]
                columns += [f"gt{i}.{j}" for j in range(targets)]
                held = self._state.read(task.id, columns + [f"ids{i}"] * named)
                ids = held.pop() if named else None
                parts.append((tuple(held[:preds]), tuple(held[preds:]), ids))
            one = self.evaluator()
            one.__dict__["_parts"] = parts
            whole.merge(one)
        return whole.compute()


def _function(name: str) -> Callable[[str], tuple[Any, ...]]:
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]


def plan_evaluation(
    paths: Any, *, read: Callable[[str], tuple[Any, ...]], state: str, **settings: Any
) -> EvaluationPlan:
    """An evaluation of detections whose images lie in shards; the merge is that of one process.

    Parameters
    ----------
    paths : path, or list of paths
        A file for each shard of images, of any kind that `read` knows.
    read : function
        Of a path: the arguments of `DetectionEvaluator.update`, (preds, targets) or (preds,
        targets, image_ids), for boxes, masks or keypoints. Workers import it by its name, so it
        must stand at the top of a module that they have.
    state : str
        As for `plan_knn`.
    settings
        Of `DetectionEvaluator`: iou_type, fmt, iou_thresholds, max_detections, area_ranges ...

    Returns
    -------
    EvaluationPlan
        With a task for each shard; `merge` gives a bit-identical `DetectionResult`, without
        analyses.

    Raises
    ------
    ValueError, TypeError
        For settings that do not fit, a `read` that cannot be imported, and as `plan_knn`.
    """
    name = "plan_evaluation"
    said = f"{getattr(read, '__module__', '')}:{getattr(read, '__qualname__', '')}"
    if not callable(read) or said.startswith("__main__") or "<" in said:
        raise ValueError(
            f"{name}: read must be a function at the top of a module that workers can import,"
            f" got {read!r}"
        )
    if "state" in settings:
        raise TypeError(f"{name}: state must be the folder of the plan")
    files = paths_of(name, paths, SUFFIXES)
    shards = tuple(Shard(path, 0, storage.stamp(path)) for path in files)
    chosen = {"read": said, "settings": as_json(settings)}
    plan = EvaluationPlan(ShardImages(shards), chosen, storage.plain(state))
    plan.evaluator()
    plan.save(name)
    return plan
