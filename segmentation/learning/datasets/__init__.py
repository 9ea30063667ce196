"""Datasets: images with checked outlines, from which models learn."""
