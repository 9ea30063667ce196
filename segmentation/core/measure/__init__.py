"""Measuring: from label images to tables of objects, and from these to statistics with intervals."""

from . import descriptors as descriptors  # its import registers the descriptors of shape
