"""
In a training loop
==================

Evaluate after every epoch from the tensors that the model gives. Nothing is written to files, and
on a GPU nothing is copied to the host before ``compute``. ``submit`` computes while the next epoch
trains.
"""

import tamis
import torch

torch.manual_seed(0)
IMAGES, SIZE = 64, 64


def make_image() -> tuple[torch.Tensor, torch.Tensor]:
    """A dark image with a bright box."""
    low = torch.rand(2) * 30
    box = torch.cat([low, low + 15 + torch.rand(2) * 15])
    image = 0.1 * torch.rand(1, SIZE, SIZE)
    x1, y1, x2, y2 = box.int().tolist()
    image[:, y1:y2, x1:x2] += 1
    return image, box


images, boxes = map(torch.stack, zip(*(make_image() for _ in range(2 * IMAGES)), strict=True))
train, val = slice(0, IMAGES), slice(IMAGES, 2 * IMAGES)

model = torch.nn.Sequential(
    torch.nn.AvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(256, 64), torch.nn.ReLU(),
    torch.nn.Linear(64, 4),
)  # fmt: skip
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
zeros = torch.zeros(1, dtype=torch.int64)
found = []
for _ in range(3):
    for _ in range(30):
        optimizer.zero_grad()
        loss = torch.nn.functional.smooth_l1_loss(SIZE * model(images[train]), boxes[train])
        loss.backward()
        optimizer.step()
    evaluator = tamis.DetectionEvaluator(classes=["box"])
    with torch.no_grad():
        predicted = SIZE * model(images[val])
    for i in range(IMAGES):
        evaluator.update(
            {"boxes": predicted[i : i + 1], "scores": torch.ones(1), "labels": zeros},
            {"boxes": boxes[val][i : i + 1], "labels": zeros},
            image_ids=[i],
        )
    found.append(evaluator.submit())  # of a copy: the next epoch may begin

for epoch, future in enumerate(found):
    print(f"epoch {epoch}: AP50 {future.result().stats['AP50']:.3f}")
assert found[-1].result().stats["AP50"] > found[0].result().stats["AP50"]
