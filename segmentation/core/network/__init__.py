"""Pixels -> probability maps."""
