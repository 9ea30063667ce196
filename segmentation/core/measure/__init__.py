"""Measures objects: label images give tables of objects, and tables give statistics with intervals."""

from .shape import descriptors as descriptors  # its import registers the descriptors of shape
