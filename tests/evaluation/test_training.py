"""The recipe for training loops: Lightning's hooks, as docs/evaluation.md has them."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis

DOCS = Path(__file__).resolve().parents[2] / "docs" / "evaluation.md"
torch = pytest.importorskip("torch")


def batch(seed: int) -> tuple[Any, Any]:
    """Two images of boxes; the model of the test gives them back, moved a little."""
    rng = np.random.default_rng(seed)
    targets = []
    for i in range(2):
        low = torch.from_numpy(rng.uniform(0, 90, (4, 2)))
        targets.append({
            "boxes": torch.cat([low, low + 20], 1),
            "labels": torch.from_numpy(rng.integers(0, 2, 4)),
            "image_id": torch.tensor(2 * seed + i),
        })  # fmt: skip
    return [t["boxes"] for t in targets], targets


def found(boxes: Any, target: Any) -> dict[str, Any]:
    n = len(boxes)
    return {"boxes": boxes + 2, "labels": target["labels"], "scores": torch.linspace(0, 1, n)}


class Hooks:
    """Lightning's, where it is not installed."""

    def log_dict(self, values: dict[str, float]) -> None:
        self.logged = values


def recipe(base: type) -> Any:
    """The class of the page, over `base`."""
    (code,) = re.findall(r"```python\n(class Detector.*?)```", DOCS.read_text(), flags=re.S)
    module = type("lightning", (), {"LightningModule": base})
    names: dict[str, Any] = {"lightning": module, "tamis": tamis}
    exec(code, names)
    detector = names["Detector"]()
    return detector


def expected(seeds: list[int]) -> dict[str, float]:
    evaluator = tamis.DetectionEvaluator()
    for seed in seeds:
        boxes, targets = batch(seed)
        evaluator.update([found(b, t) for b, t in zip(boxes, targets, strict=True)], targets)
    return evaluator.compute().flat(prefix="val/")


def test_the_hooks() -> None:
    detector = recipe(Hooks)
    for seeds in ([0, 1, 2], [3, 1]):  # two epochs
        detector.on_validation_epoch_start()
        for index, seed in enumerate([*seeds, seeds[0]]):  # the last is padding
            images, targets = batch(seed)
            detector.model = lambda x, t=targets: [
                found(b, target) for b, target in zip(x, t, strict=True)
            ]
            detector.validation_step((images, targets), index)
        detector.on_validation_epoch_end()
        assert detector.logged == expected(sorted(seeds))


def test_lightning_itself(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lightning = pytest.importorskip("lightning")
        detector = recipe(lightning.LightningModule)
        seeds = [0, 1, 2]
        answers = {float(batch(s)[0][0].sum()): batch(s)[1] for s in seeds}

        def model(images: Any) -> Any:
            targets = answers[float(images[0].sum())]
            return [found(b, t) for b, t in zip(images, targets, strict=True)]

        detector.model = model
        loader = torch.utils.data.DataLoader(
            [batch(s) for s in seeds], batch_size=None, shuffle=False
        )
        trainer = lightning.Trainer(
            accelerator="cpu", logger=False, enable_checkpointing=False, barebones=False,
            enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
        )  # fmt: skip
        (logged,) = trainer.validate(detector, loader, verbose=False)
    want = expected(seeds)
    assert {k: pytest.approx(v, abs=1e-6) for k, v in want.items()} == logged
