"""Compares two results: differences with their intervals, distance of the distributions, agreement of objects."""
