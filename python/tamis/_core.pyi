# Arrays are C-contiguous host memory; float32 and float64 have one overload each. The functions
# of the rooms are documented in the Python module of the same name.
from typing import Any

__version__: str

def isa() -> int: ...
def cap_isa(most: int) -> None: ...
def num_threads() -> int: ...
def set_thread_limit(n: int) -> int: ...
def set_num_threads(n: int) -> None: ...
def box_iou(kind: int, format: int, a: Any, b: Any, out: Any) -> None: ...
def box_iou_paired(kind: int, format: int, a: Any, b: Any, out: Any) -> None: ...
def box_iou_batched(
    kind: int,
    format: int,
    a: Any,
    a_splits: Any,
    b: Any,
    b_splits: Any,
    out_splits: Any,
    out: Any,
) -> None: ...
def first_bad_box(boxes: Any) -> int: ...
def max_iou(format: int, boxes: Any, splits: Any, labels: Any, out: Any) -> None: ...
def max_iou_between(
    format: int,
    boxes: Any,
    splits: Any,
    labels: Any,
    other: Any,
    other_splits: Any,
    other_labels: Any,
    out: Any,
) -> None: ...
def bson_columns(
    batches: list[bytes], tables: list[tuple[list[str], list[tuple[str, str]]]]
) -> tuple[Any, list[dict[str, Any]], list[str]] | None: ...
def measure_masks(text: Any, splits: Any, size: Any, area: Any, bbox: Any) -> None: ...
def first_bad_mask(text: Any, splits: Any, size: Any) -> int: ...
def encode_masks(pixels: Any, by_rows: bool, nonzero: bool) -> tuple[Any, Any]: ...
def encode_counts(counts: Any, splits: Any) -> tuple[Any, Any]: ...
def mask_counts(text: Any, splits: Any, size: Any) -> tuple[Any, Any]: ...
def decode_masks(text: Any, splits: Any, size: Any, out: Any) -> bool: ...
def merge_masks(
    text: Any, splits: Any, size: Any, groups: Any, intersect: bool, out_size: Any
) -> tuple[Any, Any]: ...
def mask_boundaries(text: Any, splits: Any, size: Any, dilation: Any) -> tuple[Any, Any]: ...
def polygon_masks(points: Any, splits: Any, size: Any) -> tuple[Any, Any]: ...
def mask_iou_batched(
    a_text: Any,
    a_text_splits: Any,
    a_size: Any,
    b_text: Any,
    b_text_splits: Any,
    b_size: Any,
    crowd: Any | None,
    a_index: Any | None,
    a_splits: Any,
    b_index: Any | None,
    b_splits: Any,
    a_boxes: Any | None,
    least: float,
    out: Any,
) -> None: ...
def take_masks(text: Any, splits: Any, size: Any, index: Any) -> tuple[Any, Any]: ...
def read_plain_results(data: Any, chunk_bytes: int = ...) -> dict[str, Any] | None: ...
def read_plain_file(
    descriptor: int, size: int, chunk_bytes: int = ...
) -> dict[str, Any] | None: ...
def read_coco_results(data: Any, chunk_bytes: int = ...) -> dict[str, Any] | None: ...
def read_coco_dataset(data: Any, chunk_bytes: int = ...) -> dict[str, Any] | None: ...
def read_lvis_dataset(data: Any, chunk_bytes: int = ...) -> dict[str, Any] | None: ...
def read_result_masks(data: Any, chunk_bytes: int = ...) -> dict[str, Any] | None: ...
def read_dataset_masks(data: Any, chunk_bytes: int = ...) -> Any: ...
def read_file(descriptor: int, to: Any) -> bool: ...
def result_columns(records: list[Any]) -> dict[str, Any] | None: ...
def annotation_columns(records: list[Any]) -> dict[str, Any] | None: ...
def split_coco_rows(data: Any) -> dict[str, Any] | None: ...
def find_positions(ids: Any, known: Any, out: Any) -> None: ...
def order_detections(
    category: Any, image: Any, score: Any, n_categories: int, n_images: int, max_det: int
) -> tuple[Any, Any, Any]: ...
def match_detections(
    index: Any,
    det_category: Any,
    det_image: Any,
    det_boxes: Any,
    det_claims: Any,
    gt_category: Any,
    gt_image: Any,
    gt_boxes: Any,
    gt_crowd: Any,
    gt_ignore: Any,
    thresholds: Any,
    n_categories: int,
    n_images: int,
    similarity: Any | None,
) -> tuple[Any, Any, Any, Any]: ...
def pair_groups(
    index: Any,
    det_category: Any,
    det_image: Any,
    gt_category: Any,
    gt_image: Any,
    gt_crowd: Any,
    n_categories: int,
    n_images: int,
) -> tuple[Any, Any, Any, Any]: ...
def match_given(
    similarity: Any,
    det_claims: Any,
    gt_crowd: Any,
    gt_ignore: Any,
    thresholds: Any,
    out: Any,
) -> None: ...
def coco_iou(dets: Any, gts: Any, crowd: Any, out: Any) -> None: ...
def average_precision(
    splits: Any,
    rank: Any,
    index: Any,
    score: Any,
    outside: Any,
    row: Any,
    first: Any,
    gt: Any,
    at: Any,
    gt_ignore: Any,
    gt_counts: Any,
    n_regular: Any,
    max_dets: Any,
    recall_thresholds: Any,
    precision: Any,
    recall: Any,
    scores: Any,
) -> None: ...

class ResamplingParts:
    def __init__(
        self,
        splits: Any,
        rank: Any,
        image: Any,
        outside: Any,
        row: Any,
        first: Any,
        gt: Any,
        at: Any,
        gt_category: Any,
        gt_image: Any,
        gt_ignore: Any,
        gt_counts: Any,
        n_thresholds: int,
        n_images: int,
        caps: Any,
    ) -> None: ...
    def evaluate(
        self, keep: Any, recalls: Any, regular: Any, precision: Any, recall: Any
    ) -> None: ...

class ResamplingPlan:
    def __init__(
        self,
        splits: Any,
        rank: Any,
        image: Any,
        outside: Any,
        row: Any,
        first: Any,
        gt: Any,
        at: Any,
        gt_category: Any,
        gt_image: Any,
        gt_ignore: Any,
        gt_counts: Any,
        n_thresholds: int,
        n_images: int,
        cells: Any,
    ) -> None: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def n_images(self) -> int: ...
    @property
    def columns(self) -> tuple[Any, ...]: ...

def recall_table(recalls: Any) -> tuple[Any, Any, int]: ...
def resample(
    plan: ResamplingPlan,
    weights: Any,
    recalls: Any,
    cell: Any,
    precision: Any,
    mask: Any,
    out: Any,
) -> None: ...
def detection_errors(
    det: Any,
    det_splits: Any,
    gt: Any,
    gt_splits: Any,
    det_label: Any,
    gt_label: Any,
    det_boxes: Any | None,
    gt_boxes: Any | None,
    gt_crowd: Any,
    similarity: Any | None,
    foreground: float,
    background: float,
    kind: Any,
    ignored: Any,
    fixes: Any,
    target: Any,
    gt_state: Any,
) -> None: ...
def fiftyone_match(
    rule: int,
    max_dets: int,
    thresholds: Any,
    det_splits: Any,
    det_boxes: Any,
    det_labels: Any,
    det_groups: Any,
    confidence: Any,
    gt_splits: Any,
    gt_boxes: Any,
    gt_labels: Any,
    gt_groups: Any,
    crowd: Any,
    given: Any,
    pair_splits: Any,
    pair_gts: Any,
    pair_iou: Any,
) -> tuple[Any, Any, Any, Any, Any, Any]: ...
def oks(
    det: Any,
    det_index: Any | None,
    det_splits: Any,
    gt: Any,
    gt_boxes: Any,
    gt_area: Any,
    gt_index: Any | None,
    gt_splits: Any,
    variances: Any,
    least: float,
    exp: Any,
    out: Any,
) -> None: ...
def rotated_box_iou(kind: int, a: Any, b: Any, out: Any) -> None: ...
def rotated_box_iou_paired(kind: int, a: Any, b: Any, out: Any) -> None: ...
def rotated_box_iou_batched(
    kind: int, a: Any, a_splits: Any, b: Any, b_splits: Any, out_splits: Any, out: Any
) -> None: ...

KNN_BLOCK: int

def column_sums(x: Any) -> list[list[float]]: ...
def cap_knn_codes(level: int) -> None: ...
def knn_codes() -> str: ...
def knn_scan(x: Any, offset: Any | None, norms: Any, sums: Any | None) -> int: ...
def keep_largest(block: Any, of_rows: Any, of_columns: Any | None) -> None: ...
def greedy_keep(pairs: Any, keep: Any) -> None: ...
def group_pairs(pairs: Any, group: Any) -> None: ...
def nearest_kept(pairs: Any, keys: Any, keep: Any, kept: Any, apart: Any) -> None: ...

class KnnSearch:
    def __init__(
        self,
        *,
        x: Any,
        scale: Any | None,
        offset: Any | None,
        queries: Any | None,
        query_scale: Any | None,
        k: int,
        radius: float,
        dots: bool,
        mean: Any,
        gain: float,
        codes: bool,
        ordered: bool,
        basis: Any | None,
    ) -> None: ...
    @property
    def steps(self) -> int: ...
    @property
    def too_many_pairs(self) -> bool: ...
    @property
    def n_pairs(self) -> int: ...
    def set_paged(self, paged: bool) -> None: ...
    def set_most_pairs(self, most: int) -> None: ...
    def run(self, begin: int, end: int) -> None: ...
    def write_neighbours(self, keys: Any, indices: Any) -> None: ...
    def write_pairs(self, ends: Any, keys: Any) -> None: ...

def find_duplicate_boxes(
    method: int,
    threshold: float,
    format: int,
    boxes: Any,
    splits: Any,
    labels: Any,
    scores: Any,
    crowd: Any,
) -> tuple[Any, Any, Any]: ...
def find_duplicate_rotated_boxes(
    method: int,
    threshold: float,
    boxes: Any,
    splits: Any,
    labels: Any,
    scores: Any,
    crowd: Any,
) -> tuple[Any, Any, Any]: ...
def find_duplicate_masks(
    method: int,
    threshold: float,
    text: Any,
    text_splits: Any,
    size: Any,
    splits: Any,
    labels: Any,
    scores: Any,
    crowd: Any,
) -> tuple[Any, Any, Any]: ...
def entropy_terms(p: Any, out: Any) -> None: ...

ZCORE_UNIT: int

class ZcoreTable:
    def __init__(self, x: Any, neighbours: int) -> None: ...
    @property
    def bad(self) -> int: ...
    def spans(self) -> tuple[Any, Any, Any]: ...

class ZcoreTable64(ZcoreTable): ...

class ZcoreRun:
    def __init__(self, table: ZcoreTable, neighbours: int, exponent: float, k: int) -> None: ...
    @property
    def slice(self) -> int: ...
    def add(self, dims: Any, points: Any) -> None: ...
    def write(self, sums: Any) -> None: ...

class ZcoreRun64(ZcoreRun): ...

def zcore_draws(
    low: Any, median: Any, high: Any, seed: int, first: int, dims: Any, points: Any
) -> None: ...
def cap_zcore_log(bytes: int) -> None: ...
def zcore_start(seed: int, out: Any) -> None: ...
def read_image_sizes(paths: list[bytes], sizes: Any, status: Any) -> None: ...
def read_voc_files(paths: list[bytes]) -> dict[str, Any]: ...
def read_yolo_files(paths: list[bytes]) -> dict[str, Any]: ...
