"""What all domains share: arrays, columns, progress."""
