"""
What the errors cost
====================

TIDE's types of error, and the points of AP that mending each would gain.
"""

import matplotlib.pyplot as plt
import numpy as np
import tamis

rng = np.random.default_rng(1)
evaluator = tamis.DetectionEvaluator()
for _ in range(300):
    low = rng.uniform(0, 500, (8, 2))
    boxes = np.concatenate([low, low + rng.uniform(30, 120, (8, 2))], axis=1)
    labels = rng.integers(0, 4, 8)
    loose = rng.random(8) < 0.2
    found = boxes + rng.normal(size=boxes.shape) * np.where(loose, 25, 3)[:, None]
    called = np.where(rng.random(8) < 0.15, rng.integers(0, 4, 8), labels)
    seen = rng.random(8) < 0.9
    evaluator.update(
        {"boxes": found[seen], "scores": rng.beta(4, 2, 8)[seen], "labels": called[seen]},
        {"boxes": boxes, "labels": labels},
    )
result = evaluator.compute()
errors = tamis.detection_errors(result)
print(errors)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
left.bar(list(errors.main), list(errors.main.values()))
left.set(ylabel="points of AP", title="mending it would gain")
confused = tamis.confusion_matrix(result, confidence=0.3)
shown = right.imshow(confused.matrix)
right.set(title="which class is taken for which", xlabel="detection", ylabel="ground truth")
names = [*map(str, result.classes), "none"]
right.set_xticks(range(5), names)
right.set_yticks(range(5), names)
figure.colorbar(shown)
figure.tight_layout()
