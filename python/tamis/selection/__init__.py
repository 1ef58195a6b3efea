"""What to label, to test on and to look at next."""
