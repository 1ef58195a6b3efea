"""What type checkers must refuse, one fault a line."""

import numpy as np
import tamis

x = np.zeros((10, 4), np.float32)

tamis.box_iou(x, x, kind="giuo")
tamis.knn(x, "3")
tamis.box_iou("boxes", x)
distances, rows, recall = tamis.knn(x, 3)
tamis.leaks(x, threshold="wide")
tamis.threads("two")
tamis.box_iou(x, "boxes")
tamis.max_iou(x, "splits")
tamis.uniqueness(x, image_index="image")
tamis.match_detections(x, x[:, 0], 3, x, [0, 10])
tamis.mask_iou(x, x)
tamis.best_f1(x)
tamis.compare(x, x)
tamis.split(x, groups=3)
tamis.DetectionEvaluator().update(x, x)
tamis.nothing(x)
