"""A napari plugin for DeepSegm: it shows results as layers, and analyses an open image
(README.md)."""
