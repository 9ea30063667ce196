"""Random fields for rendered pictures, a fast blur, and random turning and mirroring of pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ..contract import Field, Rng, Shape


def standardised(field: Field) -> Field:
    """The field with zero mean and unit SD."""
    field = field - field.mean()
    return field / max(float(field.std()), 1e-6)


def resized(field: Field, shape: Shape, box: tuple[float, float, float, float] | None = None) -> Field:
    """(H, W) float32: the field, or its part `box` (left, top, right, bottom), resized by bicubic interpolation."""
    picture = Image.fromarray(np.ascontiguousarray(field, np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box))


def white_noise(shape: Shape, rng: Rng) -> Field:
    """(H, W) float32 independent normal values."""
    return rng.standard_normal(shape, dtype=np.float32)


def smooth_field(shape: Shape, period: float, rng: Rng) -> Field:
    """(H, W) float32 field of zero mean and unit SD that varies over about `period` px."""
    if period <= 1.5:
        return standardised(white_noise(shape, rng))
    rows, columns = shape[0] / period, shape[1] / period
    coarse = white_noise((int(np.ceil(rows)) + 4, int(np.ceil(columns)) + 4), rng)
    left, top = rng.uniform(1, 2, 2)
    return standardised(resized(coarse, shape, (left, top, left + columns, top + rows)))


def fractal_field(shape: Shape, longest: float, shortest: float, roughness: float, rng: Rng) -> Field:
    """(H, W) float32 sum of smooth fields with periods from `longest` to `shortest` px; zero mean and unit SD.

    The period is halved from one field to the next, and the weight multiplied by `roughness`.
    """
    total = np.zeros(shape, np.float32)
    weight, period = 1.0, longest
    while period >= shortest:
        total += np.float32(weight) * smooth_field(shape, period, rng)
        weight *= roughness
        period /= 2
    return standardised(total)


def band_field(shape: Shape, period: float, rng: Rng) -> Field:
    """(H, W) float32 field of zero mean and unit SD with one wavelength, `period` px, in all directions; it looks
    like worms."""
    factor = max(1.0, period / 7)
    small = (int(np.ceil(shape[0] / factor)) + 2, int(np.ceil(shape[1] / factor)) + 2)
    noise = white_noise(small, rng)
    sigma = period / factor / 5
    band = ndimage.gaussian_filter(noise, sigma) - ndimage.gaussian_filter(noise, 1.5 * sigma)
    return standardised(band if factor == 1 else resized(band, shape))[: shape[0], : shape[1]]


def distance_to_points(shape: Shape, spacing: float, rng: Rng) -> tuple[Field, NDArray]:
    """For each pixel the nearest of random points that are about `spacing` px apart.

    Returns (distance, nearest): (H, W) float32 distance to this point, in units of `spacing`, and (H, W) int index of
    its pixel.
    """
    rows, columns = (np.arange(spacing / 2, n + spacing, spacing) for n in shape)
    points = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    points = (points + rng.uniform(-0.45, 0.45, points.shape) * spacing).astype(int)
    inside = ((points >= 0) & (points < np.array(shape))).all(axis=1)
    points = points[inside] if inside.any() else np.array(shape)[None] // 2
    empty = np.ones(shape, bool)
    empty[tuple(points.T)] = False
    distance, nearest = ndimage.distance_transform_edt(empty, return_indices=True)
    return (distance / spacing).astype(np.float32), nearest[0] * shape[1] + nearest[1]


def warped(field: NDArray, reach: float, period: float, rng: Rng) -> NDArray:
    """The field with its pixels displaced by about `reach` px, so that straight lines bend over about `period` px."""
    shape = field.shape[0], field.shape[1]
    rows, columns = (
        np.clip(axis + reach * smooth_field(shape, period, rng), 0, n - 1).astype(int)
        for axis, n in zip(np.ogrid[: shape[0], : shape[1]], shape, strict=True)
    )
    return field[rows, columns]


def blur(field: Field, sigma: float) -> Field:
    """Gaussian blur with an SD of `sigma` px; a wide blur is computed on a coarser grid, which is faster."""
    factor = int(sigma / 2)
    if factor < 2 or min(field.shape) < 4 * factor:
        return ndimage.gaussian_filter(field, min(sigma, max(field.shape)), truncate=3)
    picture = Image.fromarray(np.ascontiguousarray(field, np.float32)).reduce(factor)
    small = ndimage.gaussian_filter(np.asarray(picture), sigma / factor, truncate=3)
    box = (0, 0, field.shape[1] / factor, field.shape[0] / factor)
    return resized(small, (field.shape[0], field.shape[1]), box)


def turned_or_mirrored(rng: Rng, *pictures: NDArray) -> list[NDArray]:
    """The pictures, all turned and mirrored in the same random way (one of eight forms)."""
    turns, mirror = int(rng.integers(4)), bool(rng.integers(2))
    turned = [np.rot90(picture, turns) for picture in pictures]
    return [picture[:, ::-1] for picture in turned] if mirror else turned
