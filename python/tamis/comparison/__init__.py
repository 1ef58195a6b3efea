"""Evaluations compared: intervals, differences, parts, and versions of labels."""
