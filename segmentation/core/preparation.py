"""What of a micrograph is looked at: the analysed rows, without what was drawn over them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .measure.regions import mask_of
from .micrograph.contrast import clip_outliers
from .micrograph.databar import data_bar
from .micrograph.marks import Regions, fill_in, regions_from_metadata, regions_of
from .micrograph.noise import SMOOTH
from .micrograph.types import GreyImage, Micrograph, UnreadableImage
from .micrograph.writing import writing_on
from .settings import SegmentationSettings

NO_ROW = "The data bar cannot take {rows} rows: the image has only {tall}."
Picture = NDArray[np.float32]


def analysed_rows(micrograph: Micrograph, settings: SegmentationSettings) -> int:
    """Rows from the top that are analysed: all but the data bar; raises UnreadableImage where that leaves none."""
    bar, tall = settings.data_bar, micrograph.shape[0]
    if bar == "auto":
        return data_bar(micrograph)
    if bar >= tall:
        raise UnreadableImage(NO_ROW.format(rows=bar, tall=tall))
    return tall - bar


def marks_on(micrograph: Micrograph, rows: int) -> Regions:
    """Regions of the analysed rows of a micrograph that writing or drawing covers: coloured pieces, which its reader
    found, and text, bars, lines and circles in black and white. micrograph: without its coloured marks."""
    coloured = [region for region in regions_from_metadata(micrograph.metadata) if min(y for _, y in region) < rows]
    written = writing_on(micrograph.pixels[:rows])
    return coloured if written is None else [*coloured, *regions_of(written)]


def without_coloured_marks(micrograph: Micrograph) -> Micrograph:
    """The micrograph with its coloured marks filled in from their surroundings, as thin lines over particles would
    part them. What is black or white stays: filling it in changes the contrast of the whole, and it hides what lies
    under it all the same."""
    marks = regions_from_metadata(micrograph.metadata)
    mask = mask_of(marks, micrograph.shape) if marks else None
    if mask is None or not mask.any():
        return micrograph
    return replace(micrograph, pixels=fill_in(micrograph.pixels, mask))


def smoothed(pixels: GreyImage) -> Picture:
    """Noisy pixels (H, W) as a picture in 0..1 without most of the noise."""
    from scipy import ndimage

    return clip_outliers(np.asarray(ndimage.gaussian_filter(pixels.astype(np.float32), SMOOTH), np.float32))
