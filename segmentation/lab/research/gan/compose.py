"""Composes synthetic masks: silhouettes of particles on a tile, in agglomerates, with exact instance labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_li
from skimage.segmentation import relabel_sequential

from ...training.contract import Field, Floats, Labels, Mask, Picture, Rng
from ...training.instances.targets import near_contacts
from .settings import MaskSettings

PLACE_TRIES = 25  # places that are tried for one particle before it is left out


def canvas_size(settings: MaskSettings) -> tuple[int, int]:
    """(side of the canvas, margin) in px. The canvas is the tile with a margin, so that particles cross the tile's
    frame."""
    margin = int(np.ceil(settings.diameter))
    return settings.tile + 2 * margin, margin


def most_particles(settings: MaskSettings) -> int:
    """The greatest number of particles that `compose_mask` draws for one canvas."""
    return round(settings.particles[1] * (canvas_size(settings)[0] / settings.tile) ** 2)


def compose_mask(draw: Callable[[float], Mask], settings: MaskSettings, rng: Rng) -> Labels:
    """(tile, tile) int32 labels 1..n of particles that lie where the thresholded noise allows.

    draw(d): the next silhouette, (h, w) bool, `d` px in ECD. The number of particles per tile area is drawn
    from the range `settings.particles`; a particle that would overlap too much everywhere is left out.
    """
    side, margin = canvas_size(settings)
    count = round(int(rng.integers(settings.particles[0], settings.particles[1] + 1)) * (side / settings.tile) ** 2)
    noise = perlin(side, settings.frequency * side / settings.tile, rng)
    places = np.argwhere(noise > settings.threshold)
    places = places if len(places) else np.argwhere(noise <= settings.threshold)
    labels = np.zeros((side, side), np.int32)
    for number in range(1, count + 1):
        size = float(np.clip(rng.normal(1, settings.spread), 0.4, 1.6))
        silhouette = draw(settings.diameter * size)
        for row, column in places[rng.integers(len(places), size=PLACE_TRIES)]:
            if put_beneath(labels, silhouette, row, column, number, settings.overlap):
                break
    return np.asarray(relabel_sequential(labels[margin:-margin, margin:-margin])[0], np.int32)


def put_beneath(labels: Labels, silhouette: Mask, row: int, column: int, number: int, overlap: float) -> bool:
    """Place a silhouette, centred at (row, column), beneath the particles there; returns whether that was possible.

    False if other particles would hide more than the share `overlap` of it, or if its visible part would be in several
    pieces. The other particles do not change, so no particle ever loses more than `overlap`.
    """
    top, left = row - silhouette.shape[0] // 2, column - silhouette.shape[1] // 2
    bottom, right = top + silhouette.shape[0], left + silhouette.shape[1]
    window = np.s_[max(0, top) : min(labels.shape[0], bottom), max(0, left) : min(labels.shape[1], right)]
    inside = silhouette[window[0].start - top : window[0].stop - top, window[1].start - left : window[1].stop - left]
    is_visible = inside & (labels[window] == 0)
    if not inside.any() or is_visible.sum() < (1 - overlap) * inside.sum():
        return False
    if is_visible.sum() < inside.sum() and ndimage.label(is_visible)[1] != 1:
        return False
    labels[window][is_visible] = number
    return True


def mask_picture(labels: Labels) -> Picture:
    """The mask (H, W) uint8 for the CycleGAN: 255 inside particles, 0 outside and along contacts (2 px wide).

    Without the dark contacts the CycleGAN could not know where one particle ends and the next begins.
    """
    contact = near_contacts(labels, ndimage.generate_binary_structure(2, 1))
    return np.where((labels > 0) & ~contact, 255, 0).astype(np.uint8)


def remove_dark_particles(picture: Picture, labels: Labels) -> tuple[Labels, int]:
    """(labels, number of removed particles): particles with a mean grey below the Li threshold of the picture are
    removed, the others numbered 1..n.

    picture: (H, W) uint8, particles bright. labels: (H, W) int32. Li & Lee, Pattern Recognition 26, 617 (1993).
    In a picture of uniform grey no particle is visible, so all are removed.
    """
    count = int(labels.max())
    if count == 0:
        return labels, 0
    means = np.asarray(ndimage.mean(picture, labels, np.arange(1, count + 1)))
    is_dark = means < threshold_li(picture) if picture.min() < picture.max() else np.ones(count, bool)
    keep = np.concatenate([[True], ~is_dark])
    return np.asarray(relabel_sequential(np.where(keep[labels], labels, 0))[0], np.int32), int(is_dark.sum())


def perlin(side: int, cells: float, rng: Rng) -> Field:
    """(side, side) float32 gradient noise, 0.5 on average, within 0..1; about `cells` cells along a side.

    Perlin, Improving Noise (2002): random unit gradients on a lattice, blended by 6 t^5 - 15 t^4 + 10 t^3.
    """
    count = int(np.ceil(cells)) + 2
    angle = rng.uniform(0, 2 * np.pi, (count, count))
    positions = (np.arange(side) + 0.5) * cells / side + rng.random()
    cell = positions.astype(int)
    t = positions - cell
    blend = t**3 * (6 * t**2 - 15 * t + 10)

    def corner(down: int, right: int) -> Floats:
        corner_angle = angle[np.ix_(cell + down, cell + right)]
        return np.sin(corner_angle) * (t - down)[:, None] + np.cos(corner_angle) * (t - right)[None]

    upper = corner(0, 0) + blend[None] * (corner(0, 1) - corner(0, 0))
    lower = corner(1, 0) + blend[None] * (corner(1, 1) - corner(1, 0))
    value = upper + blend[:, None] * (lower - upper)  # within +-sqrt(1/2)
    return (0.5 + value * np.sqrt(0.5)).astype(np.float32)
