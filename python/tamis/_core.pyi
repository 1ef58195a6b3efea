# Arrays are C-contiguous host memory; float32 and float64 have one overload each. The functions
# of the rooms are documented in the Python module of the same name.
import mmap
from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Floats = Float32 | Float64
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt32 = NDArray[np.uint32]
UInt64 = NDArray[np.uint64]
Bytes = NDArray[np.uint8] | NDArray[np.int8] | NDArray[np.bool_]  # read alike
Text = bytes | bytearray | memoryview | mmap.mmap | NDArray[np.uint8]

__version__: str

def isa() -> int: ...
def cap_isa(most: int) -> None: ...
def num_threads() -> int: ...
def set_thread_limit(n: int) -> int: ...
def listen(next: Callable[[int, int], object] | None) -> Callable[[int, int], object] | None: ...
def set_num_threads(n: int) -> None: ...
def xyxy_to_xywh(images: Sequence[object]) -> list[Floats] | None: ...
def box_iou(kind: int, format: int, a: Floats, b: Floats, out: Floats) -> None: ...
def box_iou_paired(kind: int, format: int, a: Floats, b: Floats, out: Floats) -> None: ...
def box_iou_batched(
    kind: int,
    format: int,
    a: Floats,
    a_splits: Int64,
    b: Floats,
    b_splits: Int64,
    out_splits: Int64,
    out: Floats,
) -> None: ...
def first_bad_box(boxes: Floats) -> int: ...
def max_iou(format: int, boxes: Floats, splits: Int64, labels: Int32, out: Floats) -> None: ...
def max_iou_between(
    format: int,
    boxes: Floats,
    splits: Int64,
    labels: Int32,
    other: Floats,
    other_splits: Int64,
    other_labels: Int32,
    out: Floats,
) -> None: ...
def bson_columns(
    batches: list[bytes], tables: list[tuple[list[str], list[tuple[str, str]]]]
) -> tuple[Bytes, list[dict[str, NDArray[Any]]], list[str]] | None: ...
def measure_masks(text: Bytes, splits: Int64, size: Int64, area: UInt32, bbox: Float64) -> None: ...
def first_bad_mask(text: Bytes, splits: Int64, size: Int64) -> int: ...
def encode_masks(pixels: Bytes, *, by_rows: bool, nonzero: bool) -> tuple[Bytes, Int64]: ...
def encode_counts(counts: UInt32, splits: Int64) -> tuple[Bytes, Int64]: ...
def mask_counts(text: Bytes, splits: Int64, size: Int64) -> tuple[UInt32, Int64]: ...
def decode_masks(text: Bytes, splits: Int64, size: Int64, out: Bytes) -> bool: ...
def merge_masks(
    text: Bytes, splits: Int64, size: Int64, groups: Int64, *, intersect: bool, out_size: Int64
) -> tuple[Bytes, Int64]: ...
def mask_boundaries(
    text: Bytes, splits: Int64, size: Int64, dilation: Int64
) -> tuple[Bytes, Int64]: ...
def polygon_masks(points: Float64, splits: Int64, size: Int64) -> tuple[Bytes, Int64]: ...
def mask_iou_batched(
    *,
    a_text: Bytes,
    a_text_splits: Int64,
    a_size: Int64,
    b_text: Bytes,
    b_text_splits: Int64,
    b_size: Int64,
    crowd: Bytes | None,
    a_index: Int64 | None,
    a_splits: Int64,
    b_index: Int64 | None,
    b_splits: Int64,
    a_boxes: Float64 | None,
    least: float,
    out: Float64,
) -> None: ...
def take_masks(text: Bytes, splits: Int64, size: Int64, index: Int64) -> tuple[Bytes, Int64]: ...
def read_plain_results(data: Text, chunk_bytes: int = ...) -> dict[str, Any] | None: ...
def read_plain_file(
    descriptor: int, size: int, chunk_bytes: int = ...
) -> dict[str, Any] | None: ...
def read_coco_results(data: Text, chunk_bytes: int = ...) -> dict[str, Any] | None: ...
def read_coco_dataset(data: Text, chunk_bytes: int = ...) -> dict[str, Any] | None: ...
def read_lvis_dataset(data: Text, chunk_bytes: int = ...) -> dict[str, Any] | None: ...
def read_result_masks(data: Text, chunk_bytes: int = ...) -> dict[str, Any] | None: ...
def read_dataset_masks(data: Text, chunk_bytes: int = ...) -> Any: ...
def read_file(descriptor: int, to: Bytes) -> bool: ...
def result_columns(records: Sequence[object]) -> dict[str, Any] | None: ...
def annotation_columns(records: Sequence[object]) -> dict[str, Any] | None: ...
def split_coco_rows(data: Floats) -> dict[str, Any] | None: ...
def find_positions(ids: Int64, known: Int64, out: Int32) -> None: ...
def order_detections(
    category: Int32, image: Int32, score: Float64, n_categories: int, n_images: int, max_det: int
) -> tuple[Int64, Int32, Int64]: ...
def find_outside(area: Float64, index: Int64 | None, ranges: Float64, out: Bytes) -> None: ...
def match_detections(
    *,
    index: Int64,
    det_category: Int32,
    det_image: Int32,
    det_boxes: Float64 | None,
    det_claims: Bytes | None,
    gt_category: Int32,
    gt_image: Int32,
    gt_boxes: Float64 | None,
    gt_crowd: Bytes,
    gt_ignore: Bytes,
    thresholds: Float64,
    n_categories: int,
    n_images: int,
    similarity: Float64 | None,
) -> tuple[Int32, Int64, Int32, UInt64]: ...
def pair_groups(
    index: Int64,
    det_category: Int32,
    det_image: Int32,
    gt_category: Int32,
    gt_image: Int32,
    gt_crowd: Bytes,
    n_categories: int,
    n_images: int,
) -> tuple[Int64, Int64, Int64, Int64]: ...
def match_given(
    similarity: Float64,
    det_claims: Bytes,
    gt_crowd: Bytes,
    gt_ignore: Bytes,
    thresholds: Float64,
    out: Int32,
) -> None: ...
def coco_iou(dets: Float64, gts: Float64, crowd: Bytes, out: Float64) -> None: ...
def average_precision(
    *,
    splits: Int64,
    rank: Int32,
    index: Int64,
    score: Float64,
    outside: Bytes,
    row: Int32,
    first: Int64,
    gt: Int32,
    at: UInt64,
    gt_ignore: Bytes,
    gt_counts: Bytes | None,
    n_regular: Int64,
    max_dets: Int64,
    recall_thresholds: Float64,
    precision: Float64,
    recall: Float64,
    scores: Float64,
) -> None: ...

class ResamplingParts:
    def __init__(
        self,
        *,
        splits: Int64,
        rank: Int32,
        image: Int32,
        outside: Bytes,
        row: Int32,
        first: Int64,
        gt: Int32,
        at: UInt64,
        gt_category: Int32,
        gt_image: Int32,
        gt_ignore: Bytes,
        gt_counts: Bytes | None,
        n_thresholds: int,
        n_images: int,
        caps: Int64,
    ) -> None: ...
    def evaluate(
        self, keep: Bytes, recalls: Float64, regular: Int64, precision: Float64, recall: Float64
    ) -> None: ...

class ResamplingPlan:
    def __init__(
        self,
        *,
        splits: Int64,
        rank: Int32,
        image: Int32,
        outside: Bytes,
        row: Int32,
        first: Int64,
        gt: Int32,
        at: UInt64,
        gt_category: Int32,
        gt_image: Int32,
        gt_ignore: Bytes,
        gt_counts: Bytes | None,
        n_thresholds: int,
        n_images: int,
        cells: Int64,
    ) -> None: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def n_images(self) -> int: ...
    @property
    def columns(self) -> dict[str, NDArray[Any]]: ...

def recall_table(recalls: Float64) -> tuple[Float64, Int32, int]: ...
def resample(
    plan: ResamplingPlan,
    weights: Float64,
    recalls: Float64,
    cell: Int32,
    precision: Bytes,
    mask: Bytes,
    out: Float64,
) -> None: ...
def detection_errors(
    *,
    det: Int64,
    det_splits: Int64,
    gt: Int64,
    gt_splits: Int64,
    det_label: Int32,
    gt_label: Int32,
    det_boxes: Float64 | None,
    gt_boxes: Float64 | None,
    gt_crowd: Bytes,
    similarity: Float64 | None,
    foreground: float,
    background: float,
    kind: Int8,
    ignored: Bytes,
    fixes: Bytes,
    target: Int64,
    gt_state: Int8,
) -> None: ...
def fiftyone_match(
    *,
    rule: int,
    max_dets: int,
    thresholds: Float64,
    det_splits: Int64,
    det_boxes: Float64,
    det_labels: Int32,
    det_groups: Int32,
    confidence: Float64,
    gt_splits: Int64,
    gt_boxes: Float64,
    gt_labels: Int32,
    gt_groups: Int32,
    crowd: Bytes,
    given: Bytes,
    pair_splits: Int64,
    pair_gts: Int32,
    pair_iou: Float64,
) -> tuple[Int64, Bytes, Int32, Float64, Int32, Float64]: ...
def oks(
    *,
    det: Float64,
    det_index: Int64 | None,
    det_splits: Int64,
    gt: Float64,
    gt_boxes: Float64,
    gt_area: Float64,
    gt_index: Int64 | None,
    gt_splits: Int64,
    variances: Float64,
    least: float,
    exp: Callable[[Float64], None],
    out: Float64,
) -> None: ...
def rotated_box_iou(kind: int, a: Floats, b: Floats, out: Floats) -> None: ...
def rotated_box_iou_paired(kind: int, a: Floats, b: Floats, out: Floats) -> None: ...
def rotated_box_iou_batched(
    kind: int,
    a: Floats,
    a_splits: Int64,
    b: Floats,
    b_splits: Int64,
    out_splits: Int64,
    out: Floats,
) -> None: ...

KNN_BLOCK: int

def column_sums(x: Floats) -> list[list[float]]: ...
def cap_knn_codes(level: int) -> None: ...
def knn_codes() -> str: ...
def project_rows(z: Float32, basis: Float32, out: Float32) -> None: ...
def knn_scan(x: Floats, offset: Float64 | None, norms: Float64, sums: Float64 | None) -> int: ...
def keep_largest(block: Floats, of_rows: Floats, of_columns: Floats | None) -> None: ...
def greedy_keep(pairs: Int64, keep: Bytes) -> None: ...
def group_pairs(pairs: Int64, group: Int64) -> None: ...
def nearest_kept(pairs: Int64, keys: Float64, keep: Bytes, kept: Int64, apart: Float64) -> None: ...
def merge_neighbours(keys: Float64, rows: Int64, out_keys: Float64, out_rows: Int64) -> None: ...

class KnnIndex:
    def __init__(
        self,
        *,
        x: Floats,
        scale: Float64 | None,
        offset: Float64 | None,
        parts: dict[str, Float32 | Float64 | Int32 | Int64 | Bytes | int] | None,
        dots: bool,
        mean: Float64,
        gain: float,
        codes: bool,
        ordered: bool,
        basis: Float32 | None,
        leading: int = 0,
    ) -> None: ...
    @property
    def nbytes(self) -> int: ...
    def parts(self) -> dict[str, Float32 | Float64 | Int32 | Int64 | Bytes | int]: ...

class KnnSearch:
    @overload
    def __init__(
        self,
        *,
        index: KnnIndex,
        queries: Floats | None,
        query_scale: Float64 | None,
        k: int,
        radius: float,
    ) -> None: ...
    @overload
    def __init__(
        self,
        *,
        x: Floats,
        scale: Float64 | None,
        offset: Float64 | None,
        queries: Floats | None,
        query_scale: Float64 | None,
        k: int,
        radius: float,
        dots: bool,
        mean: Float64,
        gain: float,
        codes: bool,
        ordered: bool,
        basis: Float32 | None,
        leading: int = 0,
    ) -> None: ...
    @property
    def steps(self) -> int: ...
    @property
    def too_many_pairs(self) -> bool: ...
    @property
    def n_pairs(self) -> int: ...
    def lower_limits(self, limits: Float64) -> None: ...
    def set_balls(self, balls: Float64) -> None: ...
    def write_held(self, held: Bytes) -> None: ...
    def set_paged(self) -> None: ...
    def set_most_pairs(self, most: int) -> None: ...
    def run(self) -> None: ...
    def write_neighbours(self, keys: Float64, indices: Int64) -> None: ...
    def write_pairs(self, ends: Int64, keys: Float64) -> None: ...

class KnnPass:
    def __init__(
        self, *, x: Floats, queries: Floats, query_scale: Float64 | None, k: int, dots: bool
    ) -> None: ...
    def run(self, begin: int, end: int) -> bool: ...
    def write_neighbours(self, keys: Float64, indices: Int64) -> None: ...

def find_duplicate_boxes(
    *,
    method: int,
    threshold: float,
    format: int,
    boxes: Floats,
    splits: Int64,
    labels: Int64,
    scores: Float64,
    crowd: Bytes,
) -> tuple[Int64, Int64, Float64]: ...
def find_duplicate_rotated_boxes(
    *,
    method: int,
    threshold: float,
    boxes: Floats,
    splits: Int64,
    labels: Int64,
    scores: Float64,
    crowd: Bytes,
) -> tuple[Int64, Int64, Float64]: ...
def find_duplicate_masks(
    *,
    method: int,
    threshold: float,
    text: Bytes,
    text_splits: Int64,
    size: Int64,
    splits: Int64,
    labels: Int64,
    scores: Float64,
    crowd: Bytes,
) -> tuple[Int64, Int64, Float64]: ...
def entropy_terms(p: Floats, out: Floats) -> None: ...

ZCORE_UNIT: int

class ZcoreTable:
    def __init__(self, x: Floats, neighbours: int) -> None: ...
    def find_spans(self) -> None: ...
    @property
    def bad(self) -> int: ...
    def spans(self) -> tuple[Float64, Float64, Float64]: ...

class ZcoreTable64(ZcoreTable): ...

class ZcoreRun:
    def __init__(self, table: ZcoreTable, neighbours: int, exponent: float, k: int) -> None: ...
    @property
    def slice(self) -> int: ...
    def add(self, dims: Int32, points: Float64) -> None: ...
    def nearest(self, dims: Int32, points: Float64, rows: Int64) -> None: ...
    def around(self, dims: Int32, places: Float64, own: Int64, out: Floats) -> None: ...
    def apply_penalty(
        self,
        dims: Int32,
        places: Float64,
        own: Int64,
        limit: Floats,
        nearest: Floats,
        share: Float64,
        ties: Int64,
    ) -> None: ...
    def write(self, sums: Int64) -> None: ...

class ZcoreRun64(ZcoreRun): ...

def zcore_settle(
    distances: Floats,
    neighbours: int,
    exponent: float,
    limit: Floats,
    nearest: Floats,
    share: Float64,
) -> None: ...
def zcore_draws(
    low: Float64,
    median: Float64,
    high: Float64,
    seed: int,
    first: int,
    dims: Int32,
    points: Float64,
) -> None: ...
def cap_zcore_log(bytes: int) -> None: ...
def zcore_start(seed: int, out: Float64) -> None: ...
def read_image_sizes(paths: list[bytes], sizes: Int64, status: Bytes) -> None: ...
def read_voc_files(paths: list[bytes]) -> dict[str, Any]: ...
def read_yolo_files(paths: list[bytes]) -> dict[str, Any]: ...
