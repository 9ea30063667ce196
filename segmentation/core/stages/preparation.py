"""Prepares a micrograph for its analysis: finds the data bar and marks (writing, drawing), and smooths noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..measure.objects.regions import mask_of
from ..micrograph.contrast import clip_outliers
from ..micrograph.drawn.marks import Regions, fill_in, regions_from_metadata, regions_of
from ..micrograph.drawn.writing import Writing, writing_on
from ..micrograph.noise import SMOOTH_PX
from ..micrograph.scale_bar.databar import first_bar_row
from ..micrograph.types import GreyImage, Micrograph, UnreadableImage
from ..settings import SegmentationSettings

NO_ROW = "The data bar cannot take {rows} rows: the image has only {tall}."
Picture = NDArray[np.float32]  # (H, W) in 0..1


def analysed_rows(micrograph: Micrograph, settings: SegmentationSettings) -> int:
    """The number of rows above the data bar, which are analysed; raises UnreadableImage if there are none."""
    bar, height = settings.data_bar, micrograph.shape[0]
    if bar == "auto":
        return first_bar_row(micrograph)
    if bar >= height:
        raise UnreadableImage(NO_ROW.format(rows=bar, tall=height))
    return height - bar


def marks_on(micrograph: Micrograph, rows: int, *, lined: bool = True) -> tuple[Regions, Writing | None]:
    """Regions of a micrograph that writing or drawing covers: coloured marks, which the reader of the file found, and
    text, bars, lines and circles in black, white or one grey; and what is written or drawn in these.

    micrograph: without its coloured marks (`without_coloured_marks`). rows: number of analysed rows.
    lined: whether lines are marks, and no specimen such as fibres.
    """
    coloured_marks = [
        region for region in regions_from_metadata(micrograph.metadata) if min(y for _, y in region) < rows
    ]
    writing = writing_on(micrograph.pixels[:rows], lined=lined)
    return [*coloured_marks, *(regions_of(writing.all) if writing else [])], writing


def without_coloured_marks(micrograph: Micrograph) -> Micrograph:
    """The micrograph with its coloured marks replaced by what surrounds them, because a thin line over a particle would
    divide it. Black and white marks stay: replacing them would change the contrast of the whole picture."""
    marks = regions_from_metadata(micrograph.metadata)
    mask = mask_of(marks, micrograph.shape) if marks else None
    if mask is None or not mask.any():
        return micrograph
    return replace(micrograph, pixels=fill_in(micrograph.pixels, mask))


def smooth(pixels: GreyImage) -> Picture:
    """Pixels (H, W) as a picture in 0..1, smoothed by a Gaussian that removes most of the noise."""
    from scipy import ndimage

    return clip_outliers(np.asarray(ndimage.gaussian_filter(pixels.astype(np.float32), SMOOTH_PX), np.float32))
