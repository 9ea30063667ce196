"""Reads outlines from other tools: label images, masks, ImageJ ROIs and COCO annotations become labels of an image.

The files are not trusted. A worker reads them in a child process (`python -m segmentation.core.imported`).
"""
