# Arrays are C-contiguous device memory; the last argument is the CUDA stream the work is queued on.
from typing import Any

__version__: str

def average_precision(
    category: Any,
    rank: Any,
    score: Any,
    verdicts: Any,
    n_regular: Any,
    max_dets: Any,
    recalls: Any,
    farthest: Any,
    places: Any,
    precision: Any,
    recall: Any,
    scores: Any,
    stream: int,
) -> None: ...
def box_iou(kind: int, format: int, a: Any, b: Any, out: Any, stream: int) -> None: ...
def box_iou_paired(kind: int, format: int, a: Any, b: Any, out: Any, stream: int) -> None: ...
def box_iou_batched(
    kind: int,
    format: int,
    a: Any,
    a_splits: Any,
    b: Any,
    b_splits: Any,
    out_splits: Any,
    out: Any,
    stream: int,
) -> None: ...
def find_duplicate_boxes(
    format: int,
    boxes: Any,
    threshold: float,
    splits: Any,
    labels: Any,
    crowd: Any,
    duplicate: Any,
    of: Any,
    iou: Any,
    stream: int,
) -> None: ...
def find_duplicate_rotated_boxes(
    prepared: Any,
    threshold: float,
    splits: Any,
    labels: Any,
    crowd: Any,
    duplicate: Any,
    of: Any,
    iou: Any,
    stream: int,
) -> None: ...
def find_duplicate_masks(
    ends: Any,
    mask_splits: Any,
    masks: Any,
    threshold: float,
    splits: Any,
    labels: Any,
    crowd: Any,
    duplicate: Any,
    of: Any,
    iou: Any,
    stream: int,
) -> None: ...
def fiftyone_match(
    threshold: float,
    splits: Any,
    order: Any,
    boxes: Any,
    labels: Any,
    gt_splits: Any,
    gt_boxes: Any,
    gt_labels: Any,
    crowd: Any,
    scratch: Any,
    det_gt: Any,
    det_iou: Any,
    gt_det: Any,
    stream: int,
) -> None: ...
def mistakes_of_matches(
    least_iou: float,
    missing_confidence: float,
    splits: Any,
    gt_splits: Any,
    gt: Any,
    det: Any,
    iou: Any,
    confidence: Any,
    certain: Any,
    labels: Any,
    gt_labels: Any,
    judged: Any,
    label: Any,
    place: Any,
    spurious: Any,
    missing: Any,
    worst: Any,
    n_missing: Any,
    n_spurious: Any,
    bad: Any,
    stream: int,
) -> None: ...
def match_scratch_words(rotated: bool, n_areas: int, n_thresholds: int) -> int: ...
def match_keys(
    splits: Any,
    category: Any,
    boxes: Any,
    values: Any,
    groups: Any,
    scores: Any | None,
    bad: Any,
    stream: int,
) -> None: ...
def match_ranks(
    order: Any,
    groups: Any,
    category: Any,
    n_categories: int,
    max_det: int,
    rank: Any,
    kept: Any,
    stream: int,
) -> None: ...
def match_places(
    index: Any, ranges: Any, area: Any, place: Any, verdicts: Any, stream: int
) -> None: ...
def match_verdicts(
    dets: tuple[Any, ...],
    gts: tuple[Any, ...],
    crowd: Any,
    max_det: int,
    ranges: Any,
    thresholds: Any,
    lowest: float,
    scratch: tuple[Any, ...],
    place: Any,
    gt_category: Any,
    verdicts: Any,
    n_regular: Any,
    stream: int,
) -> None: ...
def match_pairs(
    dets: tuple[Any, ...],
    gts: tuple[Any, ...],
    crowd: Any,
    max_det: int,
    ranges: Any,
    thresholds: Any,
    lowest: float,
    scratch: tuple[Any, ...],
    gt: Any,
    iou: Any,
    ignored: Any,
    det: Any,
    stream: int,
) -> None: ...

MASK_BYTES: int
MASK_AREA: int
MASK_BOX: int

def mask_read(text: Any, splits: Any, size: Any, ends: Any, masks: Any, stream: int) -> None: ...
def mask_decode(ends: Any, splits: Any, masks: Any, out: Any, stream: int) -> None: ...
def mask_iou_batched(
    a_ends: Any,
    a_text_splits: Any,
    a_masks: Any,
    b_ends: Any,
    b_text_splits: Any,
    b_masks: Any,
    crowd: Any,
    a_splits: Any,
    b_splits: Any,
    out_splits: Any,
    out: Any,
    stream: int,
) -> None: ...
def max_iou(format: int, boxes: Any, splits: Any, labels: Any, out: Any, stream: int) -> None: ...
def max_iou_between(
    format: int,
    boxes: Any,
    splits: Any,
    labels: Any,
    other: Any,
    other_splits: Any,
    other_labels: Any,
    out: Any,
    stream: int,
) -> None: ...
def oks(
    det: Any,
    splits: Any,
    gt: Any,
    boxes: Any,
    area: Any,
    gt_splits: Any,
    variances: Any,
    out_splits: Any,
    out: Any,
    stream: int,
) -> None: ...
def knn_scan(x: Any, offset: Any | None, norms: Any, stats: Any, stream: int) -> None: ...
def knn_encode(
    x: Any,
    scale: Any | None,
    offset: Any | None,
    centre: Any,
    gain: float,
    dots: bool,
    z: Any,
    of_rows: Any,
    stream: int,
) -> None: ...
def knn_search(
    x: Any,
    scale: Any | None,
    queries: Any,
    query_scale: Any | None,
    offset: Any | None,
    z: Any,
    of_columns: Any,
    query_z: Any,
    of_rows: Any,
    sampled: Any,
    limits: Any,
    counts: Any,
    entries: Any,
    dots: bool,
    without_self: bool,
    told: int,
    begin: int,
    rows: int,
    keys: Any,
    indices: Any,
    stream: int,
) -> None: ...
def knn_pairs(
    x: Any,
    scale: Any | None,
    queries: Any,
    query_scale: Any | None,
    offset: Any | None,
    z: Any,
    of_columns: Any,
    query_z: Any,
    of_rows: Any,
    limits: Any,
    candidates: Any,
    counts: Any,
    pairs: Any,
    keys: Any,
    self: bool,
    radius: float,
    reach: float,
    part: tuple[int, int, int, int],
    stream: int,
) -> None: ...

ROTATED_NUMBERS: int

def rotated_prepare(boxes: Any, out: Any, stream: int) -> None: ...
def rotated_box_iou(kind: int, a: Any, b: Any, out: Any, stream: int) -> None: ...
def rotated_box_iou_paired(kind: int, a: Any, b: Any, out: Any, stream: int) -> None: ...
def rotated_box_iou_batched(
    kind: int,
    a: Any,
    a_splits: Any,
    b: Any,
    b_splits: Any,
    out_splits: Any,
    out: Any,
    stream: int,
) -> None: ...

ZCORE_BLOCKS: int
ZCORE_EIGHT: int
ZCORE_SPARE: int

def zcore_columns(
    x: Any, first: int, out: Any, sample: Any, spans: Any, bad: Any, stream: int
) -> None: ...
def zcore_halves(x: Any, spans: Any, scale: float, out: Any, stream: int) -> None: ...
def zcore_draws(spans: Any, seed: int, first: int, dims: Any, points: Any, stream: int) -> None: ...
def zcore_start(seed: int, out: Any, stream: int) -> None: ...
def zcore_score(
    x: Any,
    spans: Any,
    scale: float,
    halves: Any,
    sample: Any,
    dims: Any,
    points: Any,
    wanted: int,
    exponent: float,
    lists: Any,
    sums: Any,
    stream: int,
) -> None: ...
def resample(
    target_splits: Any,
    target_image: Any,
    cell_area: Any,
    cell_curve: Any,
    stop_splits: Any,
    stop_end: Any,
    seen_image: Any,
    run_splits: Any,
    runs: Any,
    tp_splits: Any,
    tp_image: Any,
    mixed_splits: Any,
    mixed_image: Any,
    level: Any,
    before: Any,
    depth: int,
    n_recalls: int,
    weights: Any,
    precisions: Any,
    reached: Any,
    precision: Any,
    recall: Any,
    targets: Any,
    stream: int,
) -> None: ...
