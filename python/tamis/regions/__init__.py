"""Boxes, rotated boxes, masks and keypoints: overlaps and duplicates."""
