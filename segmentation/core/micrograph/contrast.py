"""Scales grey values: to 0..1 for networks, to bytes for reading text, and to pictures and previews for people."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .grey import bands
from .types import GreyImage, Micrograph

SAMPLE = 1 << 22  # pixels of a float image from which percentiles are taken
PREVIEW_SIDE = 640  # px, longest side of a preview


def clip_outliers(pixels: GreyImage, low: float = 0.5, high: float = 99.5) -> NDArray[np.float32]:
    """Pixels (H, W) clipped at two percentiles and scaled to 0..1; a constant image becomes zeros.

    In addition to the result this needs memory only for some rows.
    """
    bottom, top = grey_limits(pixels, low, high)
    clipped = pixels.astype(np.float32)
    _scale(clipped, bottom, top)
    return clipped


def grey_limits(pixels: GreyImage, low: float, high: float) -> tuple[float, float]:
    """The grey values at two percentiles; if these are equal, the smallest and the largest grey value."""
    bottom, top = _percentiles(pixels, low, high)
    return (bottom, top) if top > bottom else (float(pixels.min()), float(pixels.max()))


def _display_limits(pixels: GreyImage) -> tuple[float, float]:
    """The grey values that are displayed as black and as white; an image of one grey is displayed as grey."""
    bottom, top = _percentiles(pixels, 0.5, 99.5)
    if top > bottom:
        return bottom, top
    least, greatest = float(pixels.min()), float(pixels.max())
    if greatest > least:  # nearly all pixels have one grey: it is black only if it is 0
        return (min(0.0, least) if bottom == least else least), greatest
    if pixels.dtype == np.uint8:
        return 0.0, 255.0
    limit = float(np.finfo(np.float32).max)
    return max(min(0.0, 2 * bottom), -limit), min(max(2 * abs(top), 1.0), limit)


def _percentiles(pixels: GreyImage, low: float, high: float) -> tuple[float, float]:
    """The grey values at two percentiles; of a large float image from a sample of its pixels."""
    if pixels.dtype.kind != "u":
        step = max(1, math.isqrt(pixels.size // SAMPLE))
        bottom, top = np.percentile(pixels[::step, ::step], (low, high)).tolist()
        return bottom, top
    counts = np.zeros(256 if pixels.dtype == np.uint8 else 65536, np.int64)
    for band in bands(pixels):
        counts += np.bincount(pixels[band].ravel(), minlength=len(counts))
    share = np.cumsum(counts) * (100.0 / pixels.size)
    bottom, top = np.searchsorted(share, (low, high)).clip(0, len(counts) - 1).tolist()
    return float(bottom), float(top)


def _scale(grey: NDArray[np.float32], bottom: float, top: float) -> None:
    """Clip and scale to 0..1 in place. Values are divided by 4 first if their range is too large for float32."""
    if not top > bottom:
        grey.fill(0.0)
        return
    np.clip(grey, bottom, top, out=grey)
    if top - bottom > 1e38:
        grey *= np.float32(0.25)
        bottom, top = bottom / 4, top / 4
    grey -= np.float32(bottom)
    grey /= np.float32(max(top - bottom, float(np.finfo(np.float32).smallest_subnormal)))
    np.clip(grey, 0.0, 1.0, out=grey)


def display_picture(micrograph: Micrograph) -> NDArray[np.uint8]:
    """(H, W) bytes: every pixel of the micrograph for display, clipped at the display limits."""
    pixels = micrograph.pixels
    bottom, top = _display_limits(pixels)
    picture = np.empty(pixels.shape, np.uint8)
    for band in bands(pixels):
        part = pixels[band].astype(np.float32)
        _scale(part, bottom, top)
        picture[band] = np.rint(part * 255)
    return picture


def as_bytes(pixels: GreyImage) -> NDArray[np.uint8]:
    """Pixels (H, W) as bytes, from 0 for the darkest to 255 for the brightest one; none is clipped."""
    low, high = grey_limits(pixels, 0.0, 100.0)
    scaled = (pixels.astype(np.float32) - low) * (255.0 / max(high - low, 1e-30))
    return np.asarray(np.rint(scaled).clip(0, 255), np.uint8)


def preview(micrograph: Micrograph, longest: int = PREVIEW_SIDE) -> NDArray[np.uint8]:
    """(h, w) bytes: the micrograph for display, made smaller by area means if a side is longer than `longest` px."""
    pixels = micrograph.pixels
    block = max(1, max(pixels.shape) // longest)
    if block == 1:
        picture = Image.fromarray(display_picture(micrograph))
    else:
        small = _block_means(pixels, block, *_display_limits(pixels))
        picture = Image.fromarray(np.rint(small * 255).astype(np.uint8))
    ratio = longest / max(pixels.shape)
    if ratio < 1:
        rows, columns = pixels.shape
        size = (max(1, round(columns * ratio)), max(1, round(rows * ratio)))
        picture = picture.resize(size, Image.Resampling.BOX)
    return np.asarray(picture)


def _block_means(pixels: GreyImage, block: int, bottom: float, top: float) -> NDArray[np.float32]:
    """(h, w) in 0..1: means over squares of `block` px a side (fewer at the far edges) of the clipped pixels."""
    rows, columns = pixels.shape
    starts = np.arange(0, columns, block)
    widths = np.diff(np.append(starts, columns)).astype(np.float32)
    mean_rows = []
    for row in range(0, rows, block):
        part = pixels[row : row + block].astype(np.float32)
        _scale(part, bottom, top)
        mean_rows.append(np.add.reduceat(part.mean(axis=0), starts) / widths)
    return np.stack(mean_rows)
