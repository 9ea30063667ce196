"""Cuts particles and empty substrate out of labelled micrographs, as material for composites (composites.py)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ....core.learning.planning import LEAST_COMPOSED_PX
from ....core.measure.shape.shapes import measure
from ..contract import Field, Labels, Mask, Picture
from .scene import split_pieces

DIAMETERS = (LEAST_COMPOSED_PX, 220.0)  # of particles that are cut out, in px
LEAST_SOLIDITY = 0.9  # area / area of the convex hull of a whole particle
LEAST_ASPECT_RATIO = 0.5  # below it particles are fibres, which make no agglomerates
LARGEST_TOUCHED = 0.12  # share of the rim at which other particles may lie
# Share of a side of its bounding box that a whole particle may fill; a larger share is a straight edge: it is cut off.
LARGEST_STRAIGHT = 0.6
LEAST_CONTRAST = 0.45  # of a particle, relative to the contrast of the picture
PICTURE_CONTRAST = 25  # grey levels, least difference between particles and substrate
MARGIN_PX = 3  # around a particle, cut out with it
MOST_PER_PICTURE = 14  # particles, the largest ones
LARGEST_SD = 0.25  # of even substrate, relative to the contrast
LEAST_REACH, LARGEST_PATCH = 35, 512  # px of empty substrate: from the middle of a square to its side; side of a square


@dataclass(frozen=True, eq=False)
class CutOut:
    """A whole particle. mask, tone: (h, w); tone is 0 at the substrate's grey and 1 at the particle's median."""

    group: str
    diameter: float  # ECD in px
    mask: Mask
    tone: Field


class Stock(NamedTuple):
    """The material of composites. textures: (h, w) empty substrate with a mean of 0, in units of the contrast of the
    particles in its picture."""

    particles: list[CutOut]
    textures: list[Field]


def cut_out(pictures: Iterable[tuple[Picture, Labels, str]]) -> Stock:
    """The particles and the substrate of pictures with bright objects; pictures without contrast are left out.

    pictures: (H, W) uint8 grey, (H, W) int32 labels (0 substrate), and the group of each.
    """
    particles: list[CutOut] = []
    textures: list[Field] = []
    for grey, labels, group in pictures:
        distance = ndimage.distance_transform_edt(labels == 0)
        substrate = distance > MARGIN_PX + 1
        if not labels.any() or substrate.mean() < 0.02:
            continue
        level = float(np.median(grey[substrate]))
        contrast = float(np.median(grey[labels > 0])) - level
        if contrast >= PICTURE_CONTRAST:
            particles += _particles(grey, labels, contrast, group)
            textures += _textures(grey, distance, contrast)
    return Stock(particles, textures)


def _particles(grey: Picture, labels: Labels, contrast: float, group: str) -> list[CutOut]:
    """The particles of a picture that are whole, bright, and touch few others. contrast: of the picture, in grey
    levels."""
    cut_outs: list[CutOut] = []
    pieces = split_pieces(labels)
    boxes = ndimage.find_objects(pieces)
    table = measure(pieces, grey, np.ones(pieces.max(), np.float32), None, len(pieces))
    compact = (table["solidity"] >= LEAST_SOLIDITY) & (table["ellipse_ratio"] >= LEAST_ASPECT_RATIO)
    is_suitable = compact & (table["ecd_px"] >= DIAMETERS[0]) & (table["ecd_px"] <= DIAMETERS[1])
    for number in np.flatnonzero(is_suitable) + 1:
        window = tuple(slice(side.start - MARGIN_PX, side.stop + MARGIN_PX) for side in boxes[number - 1])
        if any(s.start < 0 or s.stop > n for s, n in zip(window, labels.shape, strict=True)):
            continue
        mask = pieces[window] == number
        sides = mask[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]
        if max(sides[0].mean(), sides[-1].mean(), sides[:, 0].mean(), sides[:, -1].mean()) > LARGEST_STRAIGHT:
            continue
        rim = ndimage.binary_dilation(mask, iterations=MARGIN_PX) & ~mask
        is_other = rim & (labels[window] > 0)
        if is_other.sum() > LARGEST_TOUCHED * rim.sum():
            continue
        substrate_grey = float(np.median(grey[window][rim & ~is_other]))
        inside = grey[window][mask]
        particle_contrast = float(np.median(inside)) - substrate_grey
        if particle_contrast < LEAST_CONTRAST * contrast or (inside >= 254).mean() > 0.5:
            continue
        tone = (grey[window].astype(np.float32) - substrate_grey) / particle_contrast
        cut_outs.append(CutOut(group, float(table["ecd_px"][number - 1]), mask, tone))
    return sorted(cut_outs, key=lambda cut_out: -cut_out.diameter)[:MOST_PER_PICTURE]


def _textures(grey: Picture, distance: Field, contrast: float) -> list[Field]:
    """The largest square of substrate that is 10 px away from all particles, as a list of one; [] if it is uneven.
    distance: (H, W) of each pixel from the particles, in px."""
    distance_to_particles = ndimage.distance_transform_cdt(np.pad(distance > 10, 1), metric="chessboard")[1:-1, 1:-1]
    row, column = np.unravel_index(np.argmax(distance_to_particles), distance_to_particles.shape)
    reach = min(int(distance_to_particles[row, column]) - 1, LARGEST_PATCH // 2)
    if reach < LEAST_REACH:
        return []
    patch = grey[row - reach + 1 : row + reach, column - reach + 1 : column + reach].astype(np.float32)
    is_even = patch.std() < LARGEST_SD * contrast and (np.abs(patch - np.median(patch)) > 60).mean() < 0.005
    return [(patch - patch.mean()) / contrast] if is_even else []
