"""Labels that a model disagrees with."""
