"""DeepSegm's Django app; the science lives in `core`."""

__version__ = "0.2.0"
