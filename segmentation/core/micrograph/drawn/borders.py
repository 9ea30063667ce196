"""Finds the border of a picture: areas of exactly one grey that reach the edge of the file and end in straight lines,
such as the paper around a figure and the empty corners of a stitched map.

A border is no specimen. It is given as rectangles [[left, top], [right, bottom]] in px, the last ones exclusive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import GreyImage, Micrograph
from .marks import Regions

BORDER = "border"  # key of `Segmentation.used`: the rectangles
Mask = NDArray[np.bool_]
LEAST_RUN = 0.1  # of the shorter side: least run of one grey along an edge of the file
THINNEST_PX = 5  # inside the picture; along an edge of the file a border may be a single line of pixels
# A border ends in lines along rows and columns. Shortest such line; least share of the whole end that such lines are;
# their least length in all, relative to the shorter side. The end of a dark or bright part of a specimen is uneven.
LINE_PX, STRAIGHT, LEAST_LENGTH = 24, 0.85, 0.5
MOST_RECTANGLES, MOST_BORDER = 500, 0.9  # number; share of the picture: where hardly anything else remains, it is none
NEXT_PX = 1  # an outline that comes so near to a border is cut by it


def border_of(pixels: GreyImage) -> Regions:
    """The rectangles of the border of a picture (H, W); [] without one."""
    border = np.zeros(pixels.shape, np.bool_)
    for grey in _greys_along_edges(pixels):
        border |= _border_of_grey(pixels == grey)
    rectangles = list(_rectangles(border)) if border.mean() <= MOST_BORDER else []
    return rectangles if len(rectangles) <= MOST_RECTANGLES else []


def _greys_along_edges(pixels: GreyImage) -> set[Any]:
    """The greys that fill a long run of pixels of the first or last row or column."""
    least, greys = max(2, round(LEAST_RUN * min(pixels.shape))), set()
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        starts = np.flatnonzero(np.append(True, edge[1:] != edge[:-1]))
        greys |= set(edge[starts[np.diff(np.append(starts, len(edge))) >= least]].tolist())
    return greys


def _border_of_grey(is_grey: Mask) -> Mask:
    """The border (H, W) among the pixels of one grey (H, W)."""
    import cv2

    # Beyond the edge of the file all is border, so that a thin line of pixels along it is wide enough.
    padded = np.pad(is_grey.astype(np.uint8), THINNEST_PX, constant_values=1)
    wide = np.asarray(cv2.morphologyEx(padded, cv2.MORPH_OPEN, np.ones((THINNEST_PX, THINNEST_PX), np.uint8)))
    # What the filter lost around the outermost corners belongs to no picture.
    wide[[0, -1]], wide[:, [0, -1]] = 1, 1
    _, pieces = cv2.connectedComponents(wide, connectivity=4)
    border: Mask = (pieces == pieces[0, 0])[THINNEST_PX:-THINNEST_PX, THINNEST_PX:-THINNEST_PX]
    lines = np.concatenate([_ends_of(border), _ends_of(border.T)])
    straight = lines[lines >= LINE_PX].sum()
    is_straight = straight >= max(STRAIGHT * lines.sum(), LEAST_LENGTH * min(border.shape))
    return np.asarray(border & is_straight)


def _ends_of(border: Mask) -> NDArray[np.int64]:
    """(n,) the lengths in px of the lines along rows where a border (H, W) ends."""
    is_end = np.pad(border[1:] != border[:-1], ((0, 0), (1, 1)))
    return np.asarray(np.flatnonzero(is_end[:, :-1] & ~is_end[:, 1:]) - np.flatnonzero(~is_end[:, :-1] & is_end[:, 1:]))


def _rectangles(border: Mask) -> Iterator[list[list[float]]]:
    """The rectangles that a border (H, W) consists of; rows that are alike make the same ones."""
    starts = np.flatnonzero(np.append(True, (border[1:] != border[:-1]).any(1)))
    for top, bottom in zip(starts.tolist(), [*starts[1:].tolist(), len(border)], strict=True):
        steps = np.flatnonzero(np.diff(np.pad(border[top].astype(np.int8), 1))).reshape(-1, 2)
        yield from ([[float(left), float(top)], [float(right), float(bottom)]] for left, right in steps.tolist())


def without_border(micrograph: Micrograph, border: Regions) -> Micrograph:
    """The micrograph with its border in the median grey of the rest, so that neither its contrast nor its edge is taken
    for one of the specimen."""
    if not border:
        return micrograph
    pixels, inside = micrograph.pixels.copy(), np.zeros(micrograph.shape, np.bool_)
    for part in _slices(border):
        inside[part] = True
    pixels[inside] = np.median(pixels[~inside]).astype(pixels.dtype)
    return replace(micrograph, pixels=pixels)


def cut_by_border(labels: NDArray[Any], border: Sequence[Any]) -> NDArray[Any]:
    """The ids, ascending, of the objects in labels (H, W) that reach the border."""
    touching = [np.unique(labels[part]) for part in _slices(border, NEXT_PX)]
    return np.unique(np.concatenate(touching)) if touching else np.zeros(0, labels.dtype)


def _slices(border: Sequence[Any], wider: int = 0) -> Iterator[tuple[slice, slice]]:
    """The rows and columns of each rectangle, and of so many px more on each side."""
    for corners in border:
        (left, top), (right, bottom) = np.rint(corners).astype(int).tolist()
        yield slice(max(0, top - wider), max(0, bottom + wider)), slice(max(0, left - wider), max(0, right + wider))
