"""Turns the grey of a rendered scene into the pixels of a file: focus, noise, filters, resampling, compression."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

from ..contract import Field, Picture, Rng
from .noise import blur, resized, white_noise
from .settings import ExposureSettings

STRETCH_QUANTILES = (0.003, 0.997)  # quantiles of the grey that become black and white


def expose(grey: Field, settings: ExposureSettings, rng: Rng) -> Picture:
    """The picture (H, W) uint8 of a grey (H, W) float32."""
    if settings.astigmatism == 1 or settings.defocus < 0.3:
        grey = blur(grey, settings.defocus)
    else:
        ratio = np.sqrt(settings.astigmatism)
        sigmas = [settings.defocus * ratio, settings.defocus / ratio]
        grey = ndimage.gaussian_filter(grey, sigmas if rng.random() < 0.5 else sigmas[::-1])
    if settings.charging:  # streaks along the scan lines, stronger where the picture is bright
        streaks = resized(
            white_noise((grey.shape[0], max(4, grey.shape[1] // 24)), rng), (grey.shape[0], grey.shape[1])
        )
        grey = grey + np.float32(settings.charging) * streaks * (grey - grey.min()) * np.float32(0.6)
    noisy = _add_noise(_stretch_contrast(grey, settings), settings, rng)
    values = settings.level + settings.gain * _smooth(noisy, settings, rng)
    picture = np.clip(values, 0, 255).astype(np.uint8)
    return _as_published(picture, settings, rng)


def with_drift(fields: list[NDArray], drift: float, rng: Rng) -> list[NDArray]:
    """The fields (H, W), all with their scan lines displaced by the same drift: rare jumps of about `drift` px, whose
    sum is 0."""
    tall, wide = fields[0].shape
    jumps = rng.normal(0, drift, tall) * (rng.random(tall) < 0.06)
    shift = np.round(ndimage.gaussian_filter1d(np.cumsum(jumps) - np.linspace(0, jumps.sum(), tall), 0.5)).astype(int)
    columns = np.clip(np.arange(wide)[None, :] - np.clip(shift, -30, 30)[:, None], 0, wide - 1)
    return [np.take_along_axis(f, columns, axis=1) for f in fields]


def full_range(grey: Field, settings: ExposureSettings) -> float:
    """The grey span that is stretched to full contrast."""
    low, high = np.quantile(grey[::3, ::3], STRETCH_QUANTILES)
    return max(float(high - low), settings.floor)


def noise_of(settings: ExposureSettings) -> float:
    """SD of a pixel at half of the full contrast, before any filter."""
    return float(np.sqrt(0.5 / settings.dose + settings.read_noise**2 + settings.line_noise**2))


def _stretch_contrast(grey: Field, settings: ExposureSettings) -> Field:
    """Grey from about 0 to 1, as an operator sets brightness and contrast; a nearly empty picture stays mid-grey."""
    low, high = np.quantile(grey[::3, ::3], STRETCH_QUANTILES)
    span = full_range(grey, settings)
    low -= 0.4 * (span - (high - low))
    grey = np.clip((grey - low) / np.float32(span), -0.05, 1.15)
    if settings.vignette:
        rows, columns = np.ogrid[-1 : 1 : grey.shape[0] * 1j, -1 : 1 : grey.shape[1] * 1j]
        grey = grey * (1 - settings.vignette * 0.5 * (rows**2 + columns**2)).astype(np.float32)
    return np.clip(grey + np.float32(0.04), 0, None) ** np.float32(settings.gamma)


def _add_noise(grey: Field, settings: ExposureSettings, rng: Rng) -> Field:
    """The grey with counting noise (normal if counts are high), electronic noise, and noise from line to line."""
    dose = np.float32(settings.dose)
    if dose < 40:
        noisy = rng.poisson(grey * dose).astype(np.float32) / dose
    else:
        noisy = grey + np.sqrt(grey / dose) * white_noise(grey.shape, rng)
    if settings.read_noise:
        noisy += np.float32(settings.read_noise) * white_noise(grey.shape, rng)
    if settings.line_noise:
        noisy += np.float32(settings.line_noise) * white_noise((grey.shape[0], 1), rng)
    return noisy


def _smooth(noisy: Field, settings: ExposureSettings, rng: Rng) -> Field:
    """The picture filtered as microscopes or their users do it: a little blur, a median, or an average of many
    frames."""
    if settings.filtering == "smooth":
        return blur(noisy, rng.uniform(0.5, 1.3))
    if settings.filtering == "median":
        return ndimage.median_filter(noisy, 3)
    if settings.filtering == "average":
        average = blur(noisy, rng.uniform(1.0, 2.0))
        return average + np.float32(0.15) * (noisy - average)
    return noisy


def _as_published(picture: Picture, settings: ExposureSettings, rng: Rng) -> Picture:
    """The picture after changes as in publications: made smaller and larger again, sharpened, compressed."""
    image = Image.fromarray(picture)
    if settings.resampling < 1:
        method = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)[int(rng.integers(3))]
        small = image.resize([max(8, round(n * settings.resampling)) for n in image.size], Image.Resampling.BOX)
        image = small.resize(image.size, method)
    if settings.sharpening:
        image = image.filter(ImageFilter.UnsharpMask(rng.uniform(1, 3), round(100 * settings.sharpening), 0))
    if settings.jpeg < 100:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=settings.jpeg)
        image = Image.open(file)
    return np.asarray(image)
