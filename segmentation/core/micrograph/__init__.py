"""File -> pixels and Calibration."""

from .barreading import BarReading, read_bar
from .contrast import clip_outliers, displayed, preview
from .crosscheck import crosscheck
from .databar import data_bar, find_data_bar
from .pairing import Pairing, pair
from .reader import read
from .types import Calibration, Micrograph, UnreadableImage
from .width import parse_length, parse_width

__all__ = [
    "BarReading",
    "Calibration",
    "Micrograph",
    "Pairing",
    "UnreadableImage",
    "clip_outliers",
    "crosscheck",
    "data_bar",
    "displayed",
    "find_data_bar",
    "pair",
    "parse_length",
    "parse_width",
    "preview",
    "read",
    "read_bar",
]
