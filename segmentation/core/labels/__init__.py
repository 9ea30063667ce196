"""Probability maps -> labels."""
