"""
Is a confidence of 0.8 right in 80 %
====================================

A detector that says 0.8 and is right in half of the cases is no use to a threshold.
"""

import matplotlib.pyplot as plt
import numpy as np
import tamis

rng = np.random.default_rng(2)
evaluator = tamis.DetectionEvaluator()
for _ in range(400):
    low = rng.uniform(0, 500, (10, 2))
    boxes = np.concatenate([low, low + rng.uniform(30, 120, (10, 2))], axis=1)
    scores = rng.random(10)
    right = rng.random(10) < scores**2  # surer than it should be
    found = np.where(right[:, None], boxes, boxes + 300)
    zeros = np.zeros(10, int)
    evaluator.update(
        {"boxes": found, "scores": scores, "labels": zeros}, {"boxes": boxes, "labels": zeros}
    )
found = tamis.calibration(evaluator.compute())

figure, place = plt.subplots(figsize=(5, 5))
place.plot([0, 1], [0, 1], "k--", linewidth=1)
place.plot(found.confidence[-1], found.precision[-1], "o-")
place.set(xlabel="mean confidence", ylabel="share that is right")
place.set_title(f"off by {found.expected_error[-1]:.2f} on average")
figure.tight_layout()
