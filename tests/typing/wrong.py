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
tamis.nothing(x)
