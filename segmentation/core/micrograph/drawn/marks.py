"""Finds coloured marks that somebody drew on a picture, gives their outlines as polygons, and fills them in.

An electron micrograph is grey. So where nearly all pixels are grey, coloured ones were added later: arrows, circles,
measuring lines and letters. A wide coloured area with texture is no mark, but a part of the specimen that somebody
coloured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..grey import bands
from ..types import GreyImage
from ..vendors.facts import MARKS

Array = NDArray[Any]
Mask = NDArray[np.bool_]
Regions = list[list[list[float]]]  # polygons of [x, y] corners in px
# Differences of the channels, as shares of full white: up to GREY_DIFFERENCE they are noise of a JPEG, above
# COLOUR_DIFFERENCE they are certainly colour.
GREY_DIFFERENCE, COLOUR_DIFFERENCE = 0.06, 0.2
LEAST_GREY_SHARE = 0.85  # least share of grey pixels in a grey picture
FEWEST_COLOURED_PX = 12  # in a picture with marks
RIM, JPEG_RIM = 1, 2  # px around a mark in which it is blended with the picture
JPEG_RATIO = 0.3  # ratio of nearly grey to coloured pixels, from which on the picture was a JPEG
# Distance from the edge inside a wide area; standard deviation of its channels, as a share of full white.
WIDE_PX, TEXTURE = 8, 0.025
TILE = 128  # px: regions are divided into tiles of this size, so that each is quickly drawn
MOST_CORNERS = 6000  # of all regions of a picture
SHIFTS = (0.5, 1.5, 3.0, 6.0, 12.0, 24.0)  # px of simplification, tried in turn until there are few enough corners


def coloured_marks(colours: Array) -> Mask | None:
    """(H, W) bool: the coloured marks on a picture (H, W, 3 or more) that is mostly grey; None if there are none."""
    full = float(np.iinfo(colours.dtype).max) if colours.dtype.kind in "ui" else max(float(np.nanmax(colours)), 1e-30)
    tinted, vivid = (np.zeros(colours.shape[:2], np.bool_) for _ in range(2))
    nearly_grey = 0
    for band in bands(colours[..., 0]):
        red, green, blue = (colours[band][..., channel] for channel in range(3))
        highest, lowest = (pick(pick(red, green), blue) for pick in (np.maximum, np.minimum))
        spread = highest - lowest
        tinted[band], vivid[band] = spread > GREY_DIFFERENCE * full, spread > COLOUR_DIFFERENCE * full
        nearly_grey += int(np.count_nonzero((spread > 0) & ~tinted[band]))
    if np.count_nonzero(vivid) < FEWEST_COLOURED_PX or tinted.mean() > 1 - LEAST_GREY_SHARE:
        return None
    import cv2

    count, pieces = cv2.connectedComponents(tinted.astype(np.uint8), connectivity=8)
    is_mark = np.bincount(pieces.ravel(), vivid.ravel(), count) > 0
    is_mark[0] = False
    core = cv2.distanceTransform(tinted.astype(np.uint8), cv2.DIST_L2, 3) > WIDE_PX
    for number in np.unique(pieces[core]).tolist():
        inside = colours[core & (pieces == number)][:, :3].astype(np.float64) / full
        is_mark[number] &= bool(inside.std(axis=0).min() <= TEXTURE)
    rim = JPEG_RIM if nearly_grey > JPEG_RATIO * np.count_nonzero(tinted) else RIM
    marks = cv2.dilate(is_mark[pieces].astype(np.uint8), np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)) > 0
    return marks if marks.any() else None


def regions_of(mask: Mask) -> Regions:
    """Polygons of [x, y] corners in px that cover a mask (H, W), MOST_CORNERS at most.

    A polygon has an edge to each of its holes and back, so that the hole stays empty when the polygon is filled.
    """
    import cv2

    rows, columns = mask.shape
    tiles = [
        (top, left)
        for top in range(0, rows, TILE)
        for left in range(0, columns, TILE)
        if mask[top : top + TILE, left : left + TILE].any()
    ]
    regions: Regions = []
    for shift in SHIFTS:
        regions = []
        for top, left in tiles:
            tile = mask[top : top + TILE, left : left + TILE].astype(np.uint8)
            contours, levels = cv2.findContours(tile, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
            simple = [np.asarray(cv2.approxPolyDP(line, shift, True))[:, 0] + (left, top) for line in contours]
            regions += _with_holes(simple, levels[0])
        if sum(map(len, regions)) <= MOST_CORNERS:
            break
    return regions[: MOST_CORNERS // 4] if sum(map(len, regions)) > MOST_CORNERS else regions


def _with_holes(contours: Sequence[Array], levels: Array) -> Iterator[list[list[float]]]:
    """Each outer contour, joined with those of its holes. levels: OpenCV's hierarchy (next, previous, child,
    parent)."""
    for contour, (_, _, hole, outer) in zip(contours, levels.tolist(), strict=True):
        if outer >= 0:
            continue
        path = [contour]
        while hole >= 0:
            path += [contour[:1], contours[hole], contours[hole][:1]]
            hole = int(levels[hole][0])
        corners = np.concatenate([*path, contour[:1]] if len(path) > 1 else path)
        if len(corners) < 3:  # a polygon needs three; two corners would mean a rectangle
            corners = corners[[0, -1, -1]] if len(corners) else corners
        yield (corners + 0.5).tolist()


def regions_text(regions: Regions) -> str:
    """Regions as a short text of whole numbers, for the key MARKS in the metadata of a file."""
    return ";".join(",".join(f"{int(number)}" for corner in region for number in corner) for region in regions)


def regions_from_metadata(metadata: Mapping[str, Any]) -> Regions:
    """The regions in the metadata of a micrograph; [] if it has none, or none that can be read."""
    try:
        numbers = [[int(number) for number in part.split(",")] for part in str(metadata[MARKS]).split(";")]
        return [(np.reshape(corners, (-1, 2)) + 0.5).tolist() for corners in numbers]
    except (KeyError, ValueError):
        return []


def fill_in(pixels: GreyImage, mask: Mask) -> GreyImage:
    """A copy of the pixels (H, W) in which those of a mask (H, W) are replaced by smooth means of their surroundings.

    The picture is halved until no pixel is missing, and enlarged again (push and pull, Gortler et al. 1996)."""
    top, bottom = np.flatnonzero(mask.any(1))[[0, -1]]
    left, right = np.flatnonzero(mask.any(0))[[0, -1]]
    margin = 2 * TILE  # px around the mask; pixels farther away have no influence
    box = slice(max(0, top - margin), bottom + margin + 1), slice(max(0, left - margin), right + margin + 1)
    part, missing = pixels[box], mask[box]
    smooth = _smoothly_filled(np.where(missing, 0, part).astype(np.float32), (~missing).astype(np.float32))
    rounded = np.rint(smooth) if pixels.dtype.kind == "u" else smooth
    whole = pixels.copy()
    whole[box] = np.where(missing, rounded.astype(pixels.dtype), part)
    return whole


def _smoothly_filled(grey: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Greys (h, w) in which pixels of weight 0 are replaced by means of their surroundings."""
    if weight.all() or min(grey.shape) == 1 or not weight.any():
        return grey if weight.any() else np.full_like(grey, grey.mean())
    rows, columns = grey.shape
    padding = ((0, rows % 2), (0, columns % 2))
    sums, weights = (
        np.pad(values, padding).reshape((rows + 1) // 2, 2, (columns + 1) // 2, 2).sum((1, 3))
        for values in (grey * weight, weight)
    )
    half = _smoothly_filled(sums / np.maximum(weights, 1e-6), np.minimum(weights, 1.0))
    return weight * grey + (1 - weight) * _doubled(half)[:rows, :columns]


def _doubled(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Greys (2 h, 2 w): those of (h, w) enlarged, linear between the centres of pixels."""
    for axis in (0, 1):
        before, after = (np.roll(grey, step, axis) for step in (1, -1))
        head, last = [slice(None)] * 2, [slice(None)] * 2
        head[axis], last[axis] = slice(0, 1), slice(-1, None)
        before[tuple(head)], after[tuple(last)] = grey[tuple(head)], grey[tuple(last)]
        pair = np.stack([0.75 * grey + 0.25 * before, 0.75 * grey + 0.25 * after], axis + 1)
        grey = pair.reshape([size * (2 if place == axis else 1) for place, size in enumerate(grey.shape)])
    return grey
