"""
With FiftyOne
=============

FiftyOne's own calls, computed and written in bulk by tamis; and what to label first as a view. It
needs a database that FiftyOne reaches.
"""

import fiftyone as fo
import numpy as np
import tamis.fiftyone

rng = np.random.default_rng(0)
samples = []
for i in range(60):
    boxes = rng.uniform(0, 0.5, (4, 4))
    labels = rng.choice(["car", "person"], 4)
    truth = [
        fo.Detection(label=str(name), bounding_box=box.tolist())
        for name, box in zip(labels, boxes, strict=True)
    ]
    found = [
        fo.Detection(
            label=str(name), bounding_box=(box + 0.01 * rng.normal(size=4)).clip(0).tolist(),
            confidence=float(rng.uniform(0.3, 1)),
        )
        for name, box in zip(labels, boxes, strict=True)
    ]  # fmt: skip
    sample = fo.Sample(filepath=f"/nowhere/{i}.jpg", embedding=rng.normal(size=16))
    sample["ground_truth"] = fo.Detections(detections=truth)
    sample["predictions"] = fo.Detections(detections=found)
    samples.append(sample)
dataset = fo.Dataset()
dataset.add_samples(samples, progress=False)

tamis.fiftyone.install()
results = dataset.evaluate_detections(
    "predictions", gt_field="ground_truth", eval_key="eval", compute_mAP=True
)
print(f"mAP {results.mAP():.3f}")
tamis.fiftyone.uninstall()

tamis.fiftyone.compute_uniqueness(dataset, embeddings="embedding")
tamis.fiftyone.zcore(dataset, embeddings="embedding", n_samples=2000)
first = tamis.select_coreset(np.array(dataset.values("zcore")), count=10)
chosen = dataset.select(np.array(dataset.values("id"))[first].tolist())
print(f"label first: {len(chosen)} samples, uniqueness {chosen.mean('uniqueness'):.2f}")
dataset.delete()
