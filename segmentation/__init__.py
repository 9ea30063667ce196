"""The Django app of DeepSegm. The analysis of images is in `core`, which does not need Django."""

__version__ = "2.0.0"
