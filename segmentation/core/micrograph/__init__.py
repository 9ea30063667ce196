"""File -> pixels and Calibration."""

from .contrast import clip_outliers, preview
from .databar import data_bar, find_data_bar
from .reader import read
from .types import Calibration, Micrograph, UnreadableImage
from .width import parse_width

__all__ = [
    "Calibration",
    "Micrograph",
    "UnreadableImage",
    "clip_outliers",
    "data_bar",
    "find_data_bar",
    "parse_width",
    "preview",
    "read",
]
