"""Size distributions: their figures, bins and laws."""
