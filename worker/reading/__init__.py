"""Reads uploaded files in child processes."""
