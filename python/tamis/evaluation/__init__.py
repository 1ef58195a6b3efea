"""Detections matched with ground truth, and every number of an evaluation."""
