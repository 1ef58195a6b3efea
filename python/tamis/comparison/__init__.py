"""Evaluations beside each other: intervals, differences, parts, and versions of labels."""
