"""
Has the data changed
====================

One verdict a check, and the clusters that grew.
"""

import matplotlib.pyplot as plt
import numpy as np
import tamis

rng = np.random.default_rng(5)
centres = rng.normal(size=(8, 24))
last_month = centres[rng.integers(0, 8, 1500)] + 0.4 * rng.normal(size=(1500, 24))
shares = np.array([0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
this_month = centres[rng.choice(8, 800, p=shares)] + 0.4 * rng.normal(size=(800, 24))

found = tamis.drift(last_month, this_month, permutations=200)
print(found)

figure, place = plt.subplots(figsize=(8, 4))
names = [check.name for check in found.checks]
place.barh(names, [-np.log10(check.p) for check in found.checks])
place.axvline(-np.log10(found.alpha), color="k", linestyle="--", label=f"p = {found.alpha}")
place.set(xlabel="-log10 p")
place.legend(loc="lower right")
figure.tight_layout()
