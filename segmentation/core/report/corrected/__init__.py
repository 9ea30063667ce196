"""What a page shows directly after a correction."""
