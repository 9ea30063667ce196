"""DeepSegm in napari: results as layers, and the analysis of an open image (README.md)."""
