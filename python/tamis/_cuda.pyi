# Arrays are C-contiguous device memory; the last argument is the CUDA stream the work is queued on.
from typing import Any, Protocol

__version__: str

class DeviceArray(Protocol):
    """An array of a library that has devices."""

    @property
    def shape(self) -> Any: ...
    def __dlpack__(self, *, stream: int | None = ...) -> object: ...

def average_precision(
    *,
    category: DeviceArray,
    rank: DeviceArray,
    score: DeviceArray,
    verdicts: DeviceArray,
    n_regular: DeviceArray,
    max_dets: DeviceArray,
    recalls: DeviceArray,
    farthest: DeviceArray,
    places: DeviceArray,
    precision: DeviceArray,
    recall: DeviceArray,
    scores: DeviceArray,
    stream: int,
) -> None: ...
def box_iou(
    kind: int, format: int, a: DeviceArray, b: DeviceArray, out: DeviceArray, *, stream: int
) -> None: ...
def box_iou_paired(
    kind: int, format: int, a: DeviceArray, b: DeviceArray, out: DeviceArray, *, stream: int
) -> None: ...
def box_iou_batched(
    kind: int,
    format: int,
    a: DeviceArray,
    a_splits: DeviceArray,
    b: DeviceArray,
    b_splits: DeviceArray,
    out_splits: DeviceArray,
    out: DeviceArray,
    *,
    stream: int,
) -> None: ...
def find_duplicate_boxes(
    *,
    format: int,
    boxes: DeviceArray,
    threshold: float,
    splits: DeviceArray,
    labels: DeviceArray,
    crowd: DeviceArray,
    duplicate: DeviceArray,
    of: DeviceArray,
    iou: DeviceArray,
    stream: int,
) -> None: ...
def find_duplicate_rotated_boxes(
    *,
    prepared: DeviceArray,
    threshold: float,
    splits: DeviceArray,
    labels: DeviceArray,
    crowd: DeviceArray,
    duplicate: DeviceArray,
    of: DeviceArray,
    iou: DeviceArray,
    stream: int,
) -> None: ...
def find_duplicate_masks(
    *,
    ends: DeviceArray,
    mask_splits: DeviceArray,
    masks: DeviceArray,
    threshold: float,
    splits: DeviceArray,
    labels: DeviceArray,
    crowd: DeviceArray,
    duplicate: DeviceArray,
    of: DeviceArray,
    iou: DeviceArray,
    stream: int,
) -> None: ...
def fiftyone_match(
    *,
    threshold: float,
    splits: DeviceArray,
    order: DeviceArray,
    boxes: DeviceArray,
    labels: DeviceArray,
    gt_splits: DeviceArray,
    gt_boxes: DeviceArray,
    gt_labels: DeviceArray,
    crowd: DeviceArray,
    scratch: DeviceArray,
    det_gt: DeviceArray,
    det_iou: DeviceArray,
    gt_det: DeviceArray,
    stream: int,
) -> None: ...
def mistakes_of_matches(
    *,
    least_iou: float,
    missing_confidence: float,
    splits: DeviceArray,
    gt_splits: DeviceArray,
    gt: DeviceArray,
    det: DeviceArray,
    iou: DeviceArray,
    confidence: DeviceArray,
    certain: DeviceArray,
    labels: DeviceArray,
    gt_labels: DeviceArray,
    judged: DeviceArray,
    label: DeviceArray,
    place: DeviceArray,
    spurious: DeviceArray,
    missing: DeviceArray,
    worst: DeviceArray,
    n_missing: DeviceArray,
    n_spurious: DeviceArray,
    bad: DeviceArray,
    stream: int,
) -> None: ...
def match_scratch_words(*, rotated: bool, n_areas: int, n_thresholds: int) -> int: ...
def match_keys(
    splits: DeviceArray,
    category: DeviceArray,
    boxes: DeviceArray,
    values: DeviceArray,
    groups: DeviceArray,
    scores: DeviceArray | None,
    bad: DeviceArray,
    *,
    stream: int,
) -> None: ...
def match_ranks(
    order: DeviceArray,
    groups: DeviceArray,
    category: DeviceArray,
    n_categories: int,
    max_det: int,
    rank: DeviceArray,
    kept: DeviceArray,
    *,
    stream: int,
) -> None: ...
def match_places(
    index: DeviceArray,
    ranges: DeviceArray,
    area: DeviceArray,
    place: DeviceArray,
    verdicts: DeviceArray,
    *,
    stream: int,
) -> None: ...
def match_verdicts(
    *,
    dets: tuple[DeviceArray, ...],
    gts: tuple[DeviceArray, ...],
    crowd: DeviceArray,
    max_det: int,
    ranges: DeviceArray,
    thresholds: DeviceArray,
    lowest: float,
    scratch: tuple[DeviceArray, ...],
    place: DeviceArray,
    gt_category: DeviceArray,
    verdicts: DeviceArray,
    n_regular: DeviceArray,
    stream: int,
) -> None: ...
def match_pairs(
    *,
    dets: tuple[DeviceArray, ...],
    gts: tuple[DeviceArray, ...],
    crowd: DeviceArray,
    max_det: int,
    ranges: DeviceArray,
    thresholds: DeviceArray,
    lowest: float,
    scratch: tuple[DeviceArray, ...],
    gt: DeviceArray,
    iou: DeviceArray,
    ignored: DeviceArray,
    det: DeviceArray,
    stream: int,
) -> None: ...

MASK_BYTES: int
MASK_AREA: int
MASK_BOX: int

def mask_read(
    text: DeviceArray,
    splits: DeviceArray,
    size: DeviceArray,
    ends: DeviceArray,
    masks: DeviceArray,
    *,
    stream: int,
) -> None: ...
def mask_decode(
    ends: DeviceArray, splits: DeviceArray, masks: DeviceArray, out: DeviceArray, *, stream: int
) -> None: ...
def mask_iou_batched(
    *,
    a_ends: DeviceArray,
    a_text_splits: DeviceArray,
    a_masks: DeviceArray,
    b_ends: DeviceArray,
    b_text_splits: DeviceArray,
    b_masks: DeviceArray,
    crowd: DeviceArray,
    a_splits: DeviceArray,
    b_splits: DeviceArray,
    out_splits: DeviceArray,
    out: DeviceArray,
    stream: int,
) -> None: ...
def max_iou(
    format: int,
    boxes: DeviceArray,
    splits: DeviceArray,
    labels: DeviceArray,
    out: DeviceArray,
    *,
    stream: int,
) -> None: ...
def max_iou_between(
    format: int,
    boxes: DeviceArray,
    splits: DeviceArray,
    labels: DeviceArray,
    other: DeviceArray,
    other_splits: DeviceArray,
    other_labels: DeviceArray,
    out: DeviceArray,
    *,
    stream: int,
) -> None: ...
def oks(
    *,
    det: DeviceArray,
    splits: DeviceArray,
    gt: DeviceArray,
    boxes: DeviceArray,
    area: DeviceArray,
    gt_splits: DeviceArray,
    variances: DeviceArray,
    out_splits: DeviceArray,
    out: DeviceArray,
    stream: int,
) -> None: ...
def knn_scan(
    x: DeviceArray,
    offset: DeviceArray | None,
    norms: DeviceArray,
    stats: DeviceArray,
    *,
    stream: int,
) -> None: ...
def knn_encode(
    *,
    x: DeviceArray,
    scale: DeviceArray | None,
    offset: DeviceArray | None,
    centre: DeviceArray,
    gain: float,
    dots: bool,
    z: DeviceArray,
    of_rows: DeviceArray,
    stream: int,
) -> None: ...
def knn_search(
    *,
    x: DeviceArray,
    scale: DeviceArray | None,
    queries: DeviceArray,
    query_scale: DeviceArray | None,
    offset: DeviceArray | None,
    z: DeviceArray,
    of_columns: DeviceArray,
    query_z: DeviceArray,
    of_rows: DeviceArray,
    sampled: DeviceArray,
    limits: DeviceArray,
    counts: DeviceArray,
    entries: DeviceArray,
    dots: bool,
    without_self: bool,
    output: int,
    begin: int,
    rows: int,
    keys: DeviceArray,
    indices: DeviceArray,
    stream: int,
) -> None: ...
def knn_pairs(
    *,
    x: DeviceArray,
    scale: DeviceArray | None,
    queries: DeviceArray,
    query_scale: DeviceArray | None,
    offset: DeviceArray | None,
    z: DeviceArray,
    of_columns: DeviceArray,
    query_z: DeviceArray,
    of_rows: DeviceArray,
    limits: DeviceArray,
    candidates: DeviceArray,
    counts: DeviceArray,
    pairs: DeviceArray,
    keys: DeviceArray,
    self: bool,
    radius: float,
    reach: float,
    part: tuple[int, int, int, int],
    stream: int,
) -> None: ...

ROTATED_NUMBERS: int

def rotated_prepare(boxes: DeviceArray, out: DeviceArray, *, stream: int) -> None: ...
def rotated_box_iou(
    kind: int, a: DeviceArray, b: DeviceArray, out: DeviceArray, *, stream: int
) -> None: ...
def rotated_box_iou_paired(
    kind: int, a: DeviceArray, b: DeviceArray, out: DeviceArray, *, stream: int
) -> None: ...
def rotated_box_iou_batched(
    kind: int,
    a: DeviceArray,
    a_splits: DeviceArray,
    b: DeviceArray,
    b_splits: DeviceArray,
    out_splits: DeviceArray,
    out: DeviceArray,
    *,
    stream: int,
) -> None: ...

ZCORE_BLOCKS: int
ZCORE_EIGHT: int
ZCORE_SPARE: int

def zcore_columns(
    x: DeviceArray,
    first: int,
    out: DeviceArray,
    sample: DeviceArray,
    spans: DeviceArray,
    bad: DeviceArray,
    *,
    stream: int,
) -> None: ...
def zcore_halves(
    x: DeviceArray, spans: DeviceArray, scale: float, out: DeviceArray, *, stream: int
) -> None: ...
def zcore_draws(
    spans: DeviceArray,
    seed: int,
    first: int,
    dims: DeviceArray,
    points: DeviceArray,
    *,
    stream: int,
) -> None: ...
def zcore_start(seed: int, out: DeviceArray, *, stream: int) -> None: ...
def zcore_score(
    *,
    x: DeviceArray,
    spans: DeviceArray,
    scale: float,
    halves: DeviceArray,
    sample: DeviceArray,
    dims: DeviceArray,
    points: DeviceArray,
    wanted: int,
    exponent: float,
    lists: DeviceArray,
    sums: DeviceArray,
    stream: int,
) -> None: ...
def resample(
    *,
    target_splits: DeviceArray,
    target_image: DeviceArray,
    cell_area: DeviceArray,
    cell_curve: DeviceArray,
    stop_splits: DeviceArray,
    stop_end: DeviceArray,
    seen_image: DeviceArray,
    run_splits: DeviceArray,
    runs: DeviceArray,
    tp_splits: DeviceArray,
    tp_image: DeviceArray,
    mixed_splits: DeviceArray,
    mixed_image: DeviceArray,
    level: DeviceArray,
    before: DeviceArray,
    depth: int,
    n_recalls: int,
    weights: DeviceArray,
    precisions: DeviceArray,
    reached: DeviceArray,
    precision: DeviceArray,
    recall: DeviceArray,
    targets: DeviceArray,
    stream: int,
) -> None: ...
