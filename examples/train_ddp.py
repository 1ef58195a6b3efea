"""
Across processes
================

Each process evaluates its images; the states are gathered and merged. With ``image_ids`` the
numbers have the bits of one process, whatever the number of processes, the order of images and the
padding of the sampler.
"""

import os
import tempfile

import numpy as np
import tamis
import torch.distributed as dist
import torch.multiprocessing as mp

IMAGES, PROCESSES = 41, 2


def evaluate(images: list[int]) -> tamis.DetectionEvaluator:
    evaluator = tamis.DetectionEvaluator()
    for image in images:
        rng = np.random.default_rng(image)
        low = rng.uniform(0, 300, (8, 2))
        boxes = np.concatenate([low, low + rng.uniform(20, 90, (8, 2))], 1)
        labels = rng.integers(0, 3, 8)
        preds = {"boxes": boxes + rng.normal(size=(8, 4)) * 4, "scores": rng.random(8)}
        evaluator.update(
            {**preds, "labels": labels}, {"boxes": boxes, "labels": labels}, image_ids=[image]
        )
    return evaluator


def process(rank: int, store: str) -> None:
    dist.init_process_group("gloo", f"file://{store}", rank=rank, world_size=PROCESSES)
    padded = [i % IMAGES for i in range(IMAGES + 1)]  # as a distributed sampler pads
    mine = evaluate(padded[rank::PROCESSES])
    parts = [None] * PROCESSES if rank == 0 else None
    dist.gather_object(mine, parts)
    if parts is not None:
        whole, *others = parts
        for part in others:
            whole.merge(part)
        alone = evaluate(list(range(IMAGES))).compute()
        assert whole.compute().stats == alone.stats
        print(f"{PROCESSES} processes: AP {alone.stats['AP']:.4f}, as one process has it")
    dist.destroy_process_group()


if __name__ == "__main__":
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    with tempfile.TemporaryDirectory() as folder:
        # a fork has PyTorch already; processes with GPUs are started by torchrun
        mp.start_processes(process, (f"{folder}/store",), PROCESSES, start_method="fork")
