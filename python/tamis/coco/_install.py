"""Replaces pycocotools under its own name."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType


def init_as_pycocotools() -> None:
    """Make ``pycocotools`` and its modules `coco`, `cocoeval` and `mask` mean `tamis.coco`.

    Call it before the code that imports pycocotools, which need not be installed.
    """
    from tamis.coco import _mask, coco, cocoeval, mask

    package = sys.modules.get("pycocotools")
    if package is None:
        spec = importlib.util.find_spec("pycocotools")
        package = ModuleType("pycocotools")
        package.__spec__ = spec or ModuleSpec("pycocotools", None)
        package.__path__ = list(spec.submodule_search_locations or []) if spec else []
        sys.modules["pycocotools"] = package
    modules = {"coco": coco, "cocoeval": cocoeval, "mask": mask, "_mask": _mask}
    for name, module in modules.items():
        sys.modules[f"pycocotools.{name}"] = module
        setattr(package, name, module)
