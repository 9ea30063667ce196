"""What a model makes of one image, as the page of the models shows it."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..analysis import Analysis
from .objects import Objects
from .picture import analysed, painted, sampled

LONGEST = 560  # px of either half
GAP = 8


def example_png(analysis: Analysis, caption: str) -> bytes:
    """A PNG of the analysed area beside its kept particles in colour; the caption is its Description."""
    grey = analysed(analysis, LONGEST)
    labels = np.r_[0, np.where(Objects.of(analysis).kept, np.arange(1, len(analysis.segmentation) + 1), 0)]
    found = painted(grey, sampled(labels[analysis.segmentation.dense].astype(np.int32), grey.shape), 0.55)
    gap = np.full((grey.shape[0], GAP, 3), 255, np.uint8)
    facts = PngInfo()
    facts.add_itxt("Description", caption)
    file = io.BytesIO()
    whole = np.concatenate([np.repeat(grey[..., None], 3, axis=2), gap, found], axis=1)
    Image.fromarray(whole).save(file, "PNG", optimize=True, pnginfo=facts)
    return file.getvalue()
