"""
Precision and recall of each class
==================================

The result of an evaluation holds the curves that its numbers are means of.
"""

import matplotlib.pyplot as plt
import numpy as np
import tamis

rng = np.random.default_rng(0)
names = ["car", "person", "sign"]
evaluator = tamis.DetectionEvaluator(classes=names)
for _ in range(300):
    low = rng.uniform(0, 500, (9, 2))
    boxes = np.concatenate([low, low + rng.uniform(15, 120, (9, 2))], axis=1)
    labels = rng.integers(0, 3, 9)
    found = boxes + rng.normal(size=boxes.shape) * (2 + 3 * labels[:, None])  # signs are hardest
    scores = np.where(rng.random(9) < 0.2, rng.beta(2, 4, 9), rng.beta(5, 2, 9))
    called = np.where(rng.random(9) < 0.15, rng.integers(0, 3, 9), labels)
    evaluator.update(
        {"boxes": found, "scores": scores, "labels": called}, {"boxes": boxes, "labels": labels}
    )
result = evaluator.compute()
print(result)

# %%
# ``precision`` is by IoU threshold, recall, class, area range and cap of detections.

figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
for place, threshold in zip(axes, (0, 5), strict=True):
    for k, name in enumerate(names):
        place.plot(result.recall_thresholds, result.precision[threshold, :, k, 0, -1], label=name)
    place.set(title=f"IoU {result.iou_thresholds[threshold]:.2f}", xlabel="recall")
axes[0].set_ylabel("precision")
axes[0].legend()
figure.tight_layout()
