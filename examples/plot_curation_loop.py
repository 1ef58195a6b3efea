"""
The curation loop
=================

Drop near-duplicates, freeze a test set, choose what to label, look for holes, choose the next
batch. The embeddings are made up; take those of your model instead.
"""

import matplotlib.pyplot as plt
import numpy as np
import tamis

rng = np.random.default_rng(4)
size = rng.dirichlet(np.full(15, 0.7))  # some scenes are common, some rare
scene = rng.choice(15, 3000, p=size)
x = (rng.normal(size=(15, 32))[scene] + 0.35 * rng.normal(size=(3000, 32))).astype(np.float32)
x[2800:] = x[:200] + 0.01 * rng.normal(size=(200, 32)).astype(np.float32)

# %%
# A pool without repeats, and a test set without leaks into it.

unique = tamis.near_duplicates(x, threshold="auto").keep
split = tamis.split(x, fractions={"pool": 0.8, "test": 0.2}, threshold=0.02)
assert len(tamis.leaks(x, split.split, threshold=0.02).pairs) == 0
pool = np.intersect1d(split.rows_of("pool"), unique)
print(f"{len(x)} rows, {len(unique)} without repeats, {len(pool)} in the pool")

# %%
# The first rows to label, by zcore, and as many by chance.

scores = tamis.zcore(x[pool], n_samples=20_000)
chosen = pool[tamis.select_coreset(scores, count=60)]
chance = rng.choice(pool, 60, replace=False)
for name, rows in (("zcore", chosen), ("chance", chance)):
    found = tamis.coverage(x[pool], x[rows])
    scenes = len(np.unique(scene[rows]))
    print(f"{name}: radius {found.radius:.2f}, {scenes} of {len(np.unique(scene))} scenes")

# %%
# The next batch, near what a model got wrong: here, the scene of the fewest labels.

scenes, counts = np.unique(scene[chosen], return_counts=True)
failed = chosen[scene[chosen] == scenes[counts.argmin()]]
every = np.zeros(len(x), np.float32)
every[pool] = scores
outside = np.setdiff1d(np.arange(len(x)), np.setdiff1d(pool, chosen))
batch = tamis.select_batch(every, x, failed, budget=30, exclude=outside)

place = tamis.map2d(x, "pca")
figure, axes = plt.subplots(figsize=(7, 6))
axes.scatter(*place[pool].T, s=4, c="0.8", label="pool")
axes.scatter(*place[chosen].T, s=18, label="first to label")
axes.scatter(*place[batch].T, s=18, marker="^", label="next batch")
axes.scatter(*place[failed].T, s=60, marker="x", c="k", label="failures")
axes.set(xticks=[], yticks=[])
axes.legend()
figure.tight_layout()
