"""The folder of a plan: what was planned, and one file for each task that is done."""

from __future__ import annotations

import json
import zipfile
from typing import Any

import numpy as np

from tamis._shared import npz
from tamis._shared.arrays import Array
from tamis.shards.storage import Folder

PLAN = "plan.json"


class Damaged(ValueError):
    """A file of a state that cannot be read."""


class State:
    """Arrays of tasks by the task's name; each file says which plan it is of."""

    def __init__(self, path: str, plan: str) -> None:
        self.folder, self.plan = Folder(path), plan

    def save_plan(self, function: str, content: dict[str, Any]) -> None:
        """Write the plan, or raise if the folder is that of another one."""
        self.folder.make()
        if not self.folder.has(PLAN):
            text = json.dumps(content, indent=1) + "\n"
            self.folder.write(PLAN, lambda file: file.write(text.encode()))
            return
        held = read_plan(function, self.folder.path)
        for name in ("kind", "arguments", "shards"):
            if held.get(name) != content[name]:
                raise ValueError(
                    f"{function}: state {self.folder.path} is of other {_other(name)}: give another"
                    " folder, or remove it"
                )

    def write(self, task: str, arrays: dict[str, Any]) -> None:
        name = f"{task}.npz"
        held = {**arrays, "plan": np.array(self.plan)}
        self.folder.write(name, lambda file: np.savez(file, **held))

    def holds(self, task: str) -> bool:
        """Whether the task is done; raises for a file that is damaged, or of another plan."""
        if not self.folder.has(f"{task}.npz"):
            return False
        self.read(task, [])
        return True

    def read(self, task: str, names: list[str]) -> list[Array]:
        """Arrays of a task that is done."""
        name = f"{task}.npz"
        where = self.folder.file(name)
        size = self.folder.size(name)
        try:
            with self.folder.open(name) as file, zipfile.ZipFile(file) as members:
                plan = str(npz.member(members, "plan", size))
                found = [npz.member(members, one, size) for one in names]
        except Exception as error:  # a damaged file can raise about anything
            if isinstance(error, (MemoryError, PermissionError)):
                raise
            raise Damaged(f"{where} is damaged ({error}): run {task} again") from None
        if plan != self.plan:
            raise ValueError(f"{where} is of another plan")
        return found


def _other(name: str) -> str:
    return {"kind": "work", "arguments": "parameters", "shards": "data"}[name]


def read_plan(function: str, path: str) -> dict[str, Any]:
    """What a folder says it is a plan of."""
    folder = Folder(path)
    if not folder.has(PLAN):
        raise FileNotFoundError(2, "No plan in this folder", folder.file(PLAN))
    with folder.open(PLAN) as file:
        try:
            found = json.loads(file.read())
        except ValueError:
            found = None
    if not isinstance(found, dict) or not {"kind", "arguments", "shards", "source"} <= set(found):
        raise ValueError(f"{function}: {folder.file(PLAN)} is not a plan")
    return found
