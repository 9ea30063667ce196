"""Drawn discs, rods and squares that lie on each other, as labels and as a picture in transmission."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
SHAPE = (240, 240)


def disc(x: float, y: float, diameter: float, shape: tuple[int, int] = SHAPE) -> Mask:
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    return np.hypot(columns - x, rows - y) <= diameter / 2


def rod(x: float, y: float, width: float, length: float, degrees: float, *, flat: bool = False) -> Mask:
    """A rod with round ends, or with flat ones (a rectangle)."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    turn = np.radians(degrees)
    along = abs((columns - x) * np.cos(turn) + (rows - y) * np.sin(turn))
    across = abs((rows - y) * np.cos(turn) - (columns - x) * np.sin(turn))
    if flat:
        return (along <= length / 2) & (across <= width / 2)
    return np.hypot(np.maximum(along - (length - width) / 2, 0), across) <= width / 2


def labels_of(masks: Sequence[Mask]) -> NDArray[np.int32]:
    """Labels 1..n; a pixel belongs to the last mask that holds it."""
    labels = np.zeros(masks[0].shape, np.int32)
    for number, mask in enumerate(masks, 1):
        labels[mask] = number
    return labels


def picture_of(particles: Sequence[Mask], noise: float = 3.0) -> NDArray[np.uint8]:
    """The grey of particles that each let half of the beam through."""
    beam = 200.0 * 0.5 ** np.sum(particles, axis=0)
    grey = ndimage.gaussian_filter(beam, 0.8) + np.random.default_rng(0).normal(0, noise, beam.shape)
    return np.clip(grey, 0, 255).astype(np.uint8)
