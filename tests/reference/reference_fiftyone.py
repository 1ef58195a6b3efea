"""FiftyOne's two matching rules on plain Python objects, for one image, slow and line by line."""

from __future__ import annotations

from collections import defaultdict


def box_iou(gt, pred, crowd):
    gx, gy, gw, gh = gt
    px, py, pw, ph = pred
    w = min(px + pw, gx + gw) - max(px, gx)
    h = min(py + ph, gy + gh) - max(py, gy)
    if w <= 0 or h <= 0:
        return 0.0
    inter = h * w
    union = pw * ph if crowd else pw * ph + gw * gh - inter
    return min(inter / union, 1.0) if union else 0.0


def meet(a, b):
    return all(
        a[i] <= b[i] + b[i + 2] and b[i] <= a[i] + a[i + 2]  # touching counts
        for i in (0, 1)
    )


def categories(gts, preds, classwise):
    found = defaultdict(lambda: ([], []))
    for side, objects in enumerate((gts, preds)):
        for i, (_, label, _) in enumerate(objects):
            found[label if classwise else "all"][side].append(i)
    return found.values()


def match(gts, preds, threshold, rule="coco", classwise=True, most=None, visits=None):
    """`gts` of (box, label, crowd), `preds` of (box, label, score); (gt, iou, det, order)."""
    gt_of, iou_of, det_of, order = [-1] * len(preds), [None] * len(preds), [-1] * len(gts), []
    for gt_rows, pred_rows in categories(gts, preds, classwise):
        gt_rows = sorted(gt_rows, key=lambda g: visits[g] if visits is not None else gts[g][2])
        pred_rows = sorted(pred_rows, key=lambda p: preds[p][2], reverse=True)[:most]
        for p in pred_rows:
            order.append(p)
            best, best_iou, best_taken = None, threshold, threshold
            for g in gt_rows:
                box, label, crowd = gts[g]
                if not meet(box, preds[p][0]):
                    continue
                iou = box_iou(box, preds[p][0], crowd)
                if rule == "open-images":
                    iou = int(iou * 10**10 + 0.5) / 10**10
                if det_of[g] >= 0 and not crowd:
                    if rule == "open-images" and iou > best_taken:
                        best_taken = iou
                        if iou > best_iou:
                            best, best_iou = None, threshold
                    continue
                if crowd and label != preds[p][1]:
                    continue
                if best is not None and not gts[best][2] and crowd:
                    break
                if rule == "open-images" and best_iou == 1:
                    break
                if iou < best_iou:
                    continue
                best, best_iou = g, iou
            if best is not None and best_taken > best_iou and not gts[best][2]:
                best = None
            if best is not None:
                gt_of[p], iou_of[p] = best, best_iou
                if det_of[best] < 0:
                    det_of[best] = p
    return gt_of, iou_of, det_of, order
