"""
In Lightning
============

An evaluator is a plain attribute of the module: ``validation_step`` fills it, and it computes in
``on_validation_epoch_end``. With several processes ``all_gather_object`` brings the evaluators
together; with image ids the padding of the sampler counts once.
"""

import logging
import tempfile
import warnings

import lightning
import tamis
import torch

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.filterwarnings("ignore")


class Detector(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)
        self.evaluator = tamis.DetectionEvaluator()
        self.history: list[float] = []

    def training_step(self, batch, _):
        seen, boxes, _ = batch
        return torch.nn.functional.smooth_l1_loss(self.layer(seen), boxes)

    def validation_step(self, batch, _):
        seen, boxes, ids = batch
        n = len(ids)
        labels, splits = torch.zeros(n, dtype=torch.int64), list(range(n + 1))  # one box an image
        columns = {"labels": labels, "splits": splits}
        self.evaluator.update(
            {"boxes": self.layer(seen).detach(), "scores": torch.ones(n), **columns},
            {"boxes": boxes, **columns},
            image_ids=ids.tolist(),
        )

    def on_validation_epoch_end(self) -> None:
        whole = self.evaluator
        if torch.distributed.is_initialized():
            parts = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(parts, whole)
            whole = parts[0]
            for part in parts[1:]:
                whole.merge(part)
        ap = whole.compute().stats["AP50"]
        self.log("AP50", ap)
        self.history.append(ap)
        self.evaluator.reset()

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.02)


torch.manual_seed(0)
low = torch.rand(128, 2) * 2
boxes = torch.cat([low, low + 1 + torch.rand(128, 2)], 1)
data = torch.utils.data.TensorDataset(boxes + 0.02 * torch.randn(128, 4), boxes, torch.arange(128))
loader = torch.utils.data.DataLoader(data, batch_size=16)
detector = Detector()
with tempfile.TemporaryDirectory() as folder:
    trainer = lightning.Trainer(
        max_epochs=20, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
        num_sanity_val_steps=0, check_val_every_n_epoch=5,
    )  # fmt: skip
    trainer.fit(detector, loader, loader)
print("AP50", [round(ap, 3) for ap in detector.history])
assert detector.history[-1] > detector.history[0]
