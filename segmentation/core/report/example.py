"""What a model makes of one image, as the page of the models shows it."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..analysis import Analysis
from .objects import Objects
from .picture import analysed, painted, sampled

LONGEST = 480  # px of either half
GAP = 8
CAPTION = 0x010E  # of EXIF, ImageDescription: bytes of UTF-8
QUALITIES = 70, 50, 35, 20, 10, 5  # of WebP, the first with which a picture is no larger than LARGEST
LARGEST = 60_000  # bytes


def example_picture(analysis: Analysis, caption: str) -> bytes:
    """A WebP of the analysed area beside what was kept of it in colour."""
    grey, coloured = before_and_after(analysis, LONGEST)
    gap = np.full((grey.shape[0], GAP, 3), 255, np.uint8)
    return captioned(np.concatenate([grey, gap, coloured], axis=1), caption)


def before_and_after(analysis: Analysis, longest: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The analysed area, and what was kept of it in colour: (h, w, 3) uint8 each, no side over `longest`."""
    grey = analysed(analysis, longest)
    labels = np.r_[0, np.where(Objects.of(analysis).kept, np.arange(1, len(analysis.segmentation) + 1), 0)]
    labels_shown = sampled(labels[analysis.segmentation.dense].astype(np.int32), grey.shape)
    return np.repeat(grey[..., None], 3, axis=2), painted(grey, labels_shown, 0.55)


def captioned(picture: NDArray[np.uint8], caption: str) -> bytes:
    """A picture (H, W) or (H, W, 3) as WebP that says what it shows."""
    facts, content = Image.Exif(), b""
    facts[CAPTION] = caption.encode()
    for quality in QUALITIES:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "WEBP", quality=quality, method=6, exif=facts)
        content = file.getvalue()
        if len(content) <= LARGEST:
            break
    return content
