"""Measurements on real images with ground truth."""
