"""Functions of embeddings: neighbours, outliers, coverage, diversity, drift and maps."""
