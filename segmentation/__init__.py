"""DeepSegm's Django app; the science lives in `core`."""

__version__ = "1.1.0"
