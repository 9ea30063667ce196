"""DeepSegm's Django app; the science lives in `core`."""

__version__ = "1.0.0"
