"""Particles cut out of labelled micrographs, and empty substrate beside them: what composites are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ....core.measure.shapes import measure
from ....core.planning import WHOLE_PX
from ..contract import Field, Labels, Mask, Picture
from .scene import split_pieces

DIAMETERS = (WHOLE_PX, 220.0)  # of particles that are cut out, in px
SOLID = 0.9  # of the convex hull that a whole particle fills
SLENDER = 0.5  # smallest aspect ratio; fibres make no agglomerates
TOUCHED = 0.12  # of the rim that other particles may lie on
STRAIGHT = 0.6  # of a side of the bounding box: a panel's edge or a letter's box cut the particle
CLEAR = 0.45  # of the picture's contrast that a particle has at least
CONTRAST = 25  # grey levels between particles and substrate, at least
MARGIN = 3  # px around a particle that are cut out with it
MOST = 14  # of a picture, the largest ones, so that one picture does not stand for all
EVEN = 0.25  # SD of even substrate by the contrast, at most
SMALLEST_PATCH, LARGEST_PATCH = 35, 512  # sides of empty substrate in px


@dataclass(frozen=True, eq=False)
class CutOut:
    """A whole particle. mask, tone: (h, w); tone is 0 at the substrate's grey and 1 at the particle's median."""

    group: str
    diameter: float  # equivalent, in px
    mask: Mask
    tone: Field


class Stock(NamedTuple):
    """textures: (h, w) of empty substrate, its mean is 0 and its unit the contrast of the picture's particles."""

    particles: list[CutOut]
    textures: list[Field]


def cut_out(pictures: Iterable[tuple[Picture, Labels, str]]) -> Stock:
    """The particles and substrates of pictures with bright objects.

    pictures: (H, W) uint8 grey, (H, W) int32 labels (0 is substrate), group.
    """
    particles: list[CutOut] = []
    textures: list[Field] = []
    for grey, labels, group in pictures:
        away = ndimage.distance_transform_edt(labels == 0)
        substrate = away > MARGIN + 1
        if not labels.any() or substrate.mean() < 0.02:
            continue
        level = float(np.median(grey[substrate]))
        contrast = float(np.median(grey[labels > 0])) - level
        if contrast >= CONTRAST:
            particles += _particles(grey, labels, contrast, group)
            textures += _textures(grey, away, contrast)
    return Stock(particles, textures)


def _particles(grey: Picture, labels: Labels, contrast: float, group: str) -> list[CutOut]:
    """The whole, nearly isolated, bright particles of a picture."""
    cut: list[CutOut] = []
    pieces = split_pieces(labels)
    boxes = ndimage.find_objects(pieces)
    table = measure(pieces, grey, np.ones(pieces.max(), np.float32), None, len(pieces))
    compact = (table["solidity"] >= SOLID) & (table["ellipse_ratio"] >= SLENDER)
    fitting = compact & (table["ecd_px"] >= DIAMETERS[0]) & (table["ecd_px"] <= DIAMETERS[1])
    for number in np.flatnonzero(fitting) + 1:
        window = tuple(slice(side.start - MARGIN, side.stop + MARGIN) for side in boxes[number - 1])
        if any(s.start < 0 or s.stop > n for s, n in zip(window, labels.shape, strict=True)):
            continue
        mask = pieces[window] == number
        sides = mask[MARGIN:-MARGIN, MARGIN:-MARGIN]
        if max(sides[0].mean(), sides[-1].mean(), sides[:, 0].mean(), sides[:, -1].mean()) > STRAIGHT:
            continue
        rim = ndimage.binary_dilation(mask, iterations=MARGIN) & ~mask
        others = rim & (labels[window] > 0)
        if others.sum() > TOUCHED * rim.sum():
            continue
        ground = float(np.median(grey[window][rim & ~others]))
        inside = grey[window][mask]
        bright = float(np.median(inside)) - ground
        if bright < CLEAR * contrast or (inside >= 254).mean() > 0.5:
            continue
        tone = (grey[window].astype(np.float32) - ground) / bright
        cut.append(CutOut(group, float(table["ecd_px"][number - 1]), mask, tone))
    return sorted(cut, key=lambda one: -one.diameter)[:MOST]


def _textures(grey: Picture, away: Field, contrast: float) -> list[Field]:
    """The largest square of substrate 10 px from all particles, if it is even; one or none."""
    free = ndimage.distance_transform_cdt(np.pad(away > 10, 1), metric="chessboard")[1:-1, 1:-1]
    row, column = np.unravel_index(np.argmax(free), free.shape)
    reach = min(int(free[row, column]) - 1, LARGEST_PATCH // 2)
    if 2 * reach < 2 * SMALLEST_PATCH:
        return []
    patch = grey[row - reach + 1 : row + reach, column - reach + 1 : column + reach].astype(np.float32)
    even = patch.std() < EVEN * contrast and (np.abs(patch - np.median(patch)) > 60).mean() < 0.005
    return [(patch - patch.mean()) / contrast] if even else []
