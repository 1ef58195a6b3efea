"""How the numbers of a report are computed: by section, the function and its page."""

from __future__ import annotations

from typing import NamedTuple


class Method(NamedTuple):
    title: str
    text: str
    function: str
    page: str


METHODS = {
    "evaluation": Method(
        "AP and AR",
        "COCO's evaluation, bit for bit pycocotools' numbers: in each image and class detections"
        " take the free ground truth of largest IoU (of keypoints, OKS), best score first; AP"
        " is the mean of the interpolated precision at 101 recalls, over the thresholds and classes"
        " with ground truth. Crowds count neither way.",
        "tamis.DetectionEvaluator", "docs/differences.md",
    ),
    "intervals": Method(
        "Intervals",
        "The bootstrap: as many images as there are, drawn with repetition, and evaluated as that"
        " data set; the interval holds the middle of the samples. Images that resemble each other"
        " (frames of a video) make it too short.",
        "tamis.intervals", "docs/compare.md",
    ),
    "compare": Method(
        "Differences of models",
        "The same images are drawn for both models. p: how often swapping the models' results image"
        " by image, by the toss of a coin, gives a difference at least as large. q: the least false"
        " discovery rate at which a class is found among all (Benjamini and Hochberg).",
        "tamis.compare", "docs/compare.md",
    ),
    "check": Method(
        "Data quality",
        "Rules over the columns of the label files and the results: ids, sizes, boxes, classes,"
        " images. Errors change numbers, warnings may.",
        "tamis check", "docs/files.md",
    ),
    "confidence": Method(
        "Confidence",
        "Detections below a confidence are dropped; the matches of the others stay as they are."
        " F1 is of all classes together, or of each class at its own threshold. Of equal F1 the"
        " highest threshold is given.",
        "tamis.best_f1", "docs/report.md",
    ),
    "errors": Method(
        "Error types",
        "TIDE (Bolya et al. 2020), tidecv's numbers: each wrong detection and each missed object"
        " has one type, and its cost is the AP at the IoU threshold that mending all of the type"
        " would gain.",
        "tamis.detection_errors", "docs/report.md",
    ),
    "confusion": Method(
        "Confusion",
        "Detections above a confidence take the free ground truth of largest IoU whatever its"
        " class. The last column counts ground truths that nothing found, the last row detections"
        " of nothing.",
        "tamis.confusion_matrix", "docs/report.md",
    ),
    "calibration": Method(
        "Calibration",
        "Bins of confidence: the mean confidence against the share of detections that are right."
        " The expected error is the mean distance over all detections (Guo et al. 2017).",
        "tamis.calibration", "docs/report.md",
    ),
    "slices": Method(
        "Slices",
        "Each part of the images evaluated by itself, with the interval of its number and of its"
        " difference to the rest, from the same samples.",
        "tamis.slices", "docs/compare.md",
    ),
    "images": Method(
        "Images",
        "AP of an image alone at IoU (of keypoints, OKS) 0.5: the mean over the classes it holds."
        " Counts are of detections at or above the confidence of the best F1.",
        "tamis.image_scores", "docs/report.md",
    ),
    "near_duplicates": Method(
        "Near-duplicates",
        "All pairs of rows within the threshold, exact and complete; a group is what such pairs"
        " connect. The threshold is read from the distances to nearest neighbours unless given.",
        "tamis.near_duplicates", "docs/curation.md",
    ),
    "leaks": Method(
        "Leaks",
        "Near-duplicates whose splits differ: what a model has seen in training and is tested on.",
        "tamis.leaks", "docs/curation.md",
    ),
    "uniqueness": Method(
        "Uniqueness",
        "The weighted mean distance of a row to its three nearest, by cosine about the mean, over"
        " the largest: 1 is most unique.",
        "tamis.uniqueness", "docs/curation.md",
    ),
    "outliers": Method(
        "Outliers",
        "Local outlier factor (Breunig et al. 2000) of the 10 nearest rows by cosine about the"
        " mean: about 1 inside a cluster, large far from any.",
        "tamis.outliers", "docs/curation.md",
    ),
    "coverage": Method(
        "Coverage",
        "The distance of every row to the nearest labelled one. A hole is a connected group of rows"
        " that are farther than eps.",
        "tamis.coverage", "docs/curation.md",
    ),
    "zcore": Method(
        "zcore",
        "Zero-shot coreset score: how often a row is what random projections of the data need, less"
        " what its neighbours give already. The coreset is the rows of highest score.",
        "tamis.zcore", "docs/zcore.md",
    ),
    "batch": Method(
        "Next batch",
        "A share of rows by zcore, the rest from the neighbourhoods of failures, no near-duplicates"
        " among them, none that is labelled.",
        "tamis.select_batch", "docs/curation.md",
    ),
    "map": Method(
        "Map",
        "The coordinates given, or the two directions of largest variance (PCA). Colours follow the"
        " rank of the score.",
        "tamis.map2d", "docs/curation.md",
    ),
    "drift": Method(
        "Drift",
        "Each check compares the two batches and gives an effect size; p is the share of"
        " permutations of all rows as extreme, q the same adjusted for the number of checks.",
        "tamis.drift", "docs/curation.md",
    ),
}  # fmt: skip
