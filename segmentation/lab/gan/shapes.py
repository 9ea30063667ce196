"""Silhouettes of single particles: cut from label images, drawn by a network, put back at any size."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.measure import regionprops

from ..synthesis.scene import split_pieces

REACH = 0.45  # of the frame's side: from a silhouette's centroid to its farthest point
LEAST_AREA = 0.03  # of the frame, under which a drawn silhouette is a speck
Field = NDArray[np.float32]


class Shape(NamedTuple):
    """aspect: of the ellipse of equal moments, minor / major axis; solidity: area / area of the convex hull."""

    aspect: float
    solidity: float


def silhouettes(labels: NDArray[np.integer], size: int, smallest: float, solidity: float) -> list[NDArray[np.uint8]]:
    """(size, size) uint8 silhouettes, 0..255 with soft edges, of the whole particles of a label image.

    Left out are those that touch the frame, that are less than `smallest` px in ECD, or less solid than `solidity`.
    Each is centred on its centroid and scaled so that it reaches REACH of the frame, however it is turned.
    """
    found = []
    rows, columns = labels.shape
    for region in regionprops(split_pieces(labels)):
        top, left, bottom, right = region.bbox
        whole = top > 0 and left > 0 and bottom < rows and right < columns
        if whole and region.equivalent_diameter_area >= smallest and region.solidity >= solidity:
            found.append(framed(np.asarray(region.image_filled), size))
    return found


def framed(inside: NDArray[np.bool_], size: int) -> NDArray[np.uint8]:
    """A silhouette (h, w) brought to the frame (size, size), 0..255, averaged where it shrinks."""
    points = np.argwhere(inside)
    centre = points.mean(axis=0)
    reach = float(np.sqrt(((points - centre) ** 2).sum(axis=1).max())) + 0.5
    step = reach / (REACH * size)  # px of the particle per px of the frame
    soft = inside.astype(np.float32)
    soft = np.pad(soft, (pad := int(np.ceil(2 * step)) + 2))
    if step > 1:
        soft = ndimage.gaussian_filter(soft, 0.4 * step)
    offset = centre + pad - step * (size - 1) / 2
    moved = ndimage.affine_transform(soft, np.full(2, step), offset, (size, size), order=1)
    return np.rint(np.clip(moved, 0, 1) * 255).astype(np.uint8)


def clean(field: Field) -> Field | None:
    """A drawn field (S, S), positive inside, with its largest piece only and no holes; None without a usable one."""
    pieces, count = ndimage.label(field > 0)
    if count == 0:
        return None
    inside = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    if inside[0].any() or inside[-1].any() or inside[:, 0].any() or inside[:, -1].any():
        return None
    filled = ndimage.binary_fill_holes(inside)
    if filled.sum() < LEAST_AREA * field.size:
        return None
    kept = np.where(inside, field, -1)
    return np.where(filled & ~inside, 1, kept).astype(np.float32)


def shape_of(field: Field) -> Shape:
    """Shape of a cleaned field's silhouette."""
    region = regionprops((field > 0).astype(np.uint8))[0]
    return Shape(region.axis_minor_length / max(region.axis_major_length, 1e-6), region.solidity)


def at_diameter(field: Field, diameter: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """The cleaned field's silhouette at `diameter` px of ECD, turned by quarters and mirrored at random."""
    factor = diameter / np.sqrt(4 * (field > 0).sum() / np.pi)
    turned = np.rot90(field, int(rng.integers(4)))
    turned = turned[:, ::-1] if rng.integers(2) else turned
    side = max(3, round(len(field) * factor))
    resized = Image.fromarray(np.ascontiguousarray(turned)).resize((side, side), Image.Resampling.BILINEAR)
    inside = np.asarray(resized) > 0
    return inside[np.ix_(inside.any(axis=1), inside.any(axis=0))]
