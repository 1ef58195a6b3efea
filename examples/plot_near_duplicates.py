"""
Which distance is a near-duplicate
==================================

The distances of rows to their nearest neighbours have two humps where a data set has copies.
``threshold="auto"`` looks for the place between them.
"""

import matplotlib.pyplot as plt
import numpy as np
import tamis

rng = np.random.default_rng(3)
scene = rng.normal(size=(20, 64))[rng.integers(0, 20, 2000)]
x = (scene + 0.6 * rng.normal(size=(2000, 64))).astype(np.float32)
x[1700:] = x[:300] + 0.02 * rng.normal(size=(300, 64)).astype(np.float32)

told = tamis.duplicate_threshold(x)
print(told)

figure, place = plt.subplots(figsize=(8, 4))
place.hist(np.log10(told.distances), bins=80)
place.axvline(
    np.log10(told.threshold), color="k", linestyle="--", label=f"auto: {told.threshold:.3g}"
)
place.axvline(np.log10(0.2), color="C1", linestyle="--", label="0.2")
place.set(xlabel="log10 of the distance to the nearest row", ylabel="rows")
place.legend()
figure.tight_layout()
