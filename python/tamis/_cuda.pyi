# Arrays are C-contiguous device memory; the last argument is the CUDA stream the work is queued on.
from typing import Any

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
