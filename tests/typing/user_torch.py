"""A user's script on PyTorch tensors: type checkers in strict mode accept it as it stands."""

from __future__ import annotations

import tamis
import torch

boxes = torch.zeros((3, 4))
x = torch.zeros((10, 4))

overlap: torch.Tensor = tamis.box_iou(boxes, boxes)
values, ends = tamis.box_iou_batched(boxes, [0, 3], boxes, [0, 3])
offsets: torch.Tensor = ends
distances, rows = tamis.knn(x, 3, metric="cosine")
neighbours: torch.Tensor = rows
scores: torch.Tensor = tamis.uniqueness(x)
gains: torch.Tensor = tamis.zcore(x)
near, partners = tamis.knn(x, 3, queries=x[:2])
alone: torch.Tensor = tamis.max_iou(boxes, torch.tensor([0, 3]), labels=(1, 1, 2))
