"""The contrast of outlines with their surroundings. In one micrograph particles of one kind have similar contrast, so
outlines with little contrast (faint ones), and gaps between particles, can be told from particles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..bands import Band, Ids, boxes, by_band, ids_in, sums_of_objects
from .options import FAINT
from .region_graph import BAND

Floats = NDArray[np.float64]
# A bare pixel lies in no outline; the ground is all bare pixels.
RING_PX = 1, 6  # px outside an outline: its surroundings are the bare pixels between these distances
FEWEST_RING_PX = 8  # with fewer bare pixels a ring has no grey
LEAST_GROUND_SHARE = 0.02  # share of the picture that must be bare, else the ground has no grey
# In units of the typical contrast: the largest contrast of a gap, and by how much at least the pixels around it exceed
# its contrast.
GAP = 0.5, 0.6
# Share of the picture that must be bare, else no outline is judged as faint or a gap: in a bed of particles the bare
# pixels are crevices, no background. With less bare pixels, 109 of 194 outlines that would be judged so are right
# (6 composed beds of held-out publications, 4 deeper ones, AMPIS powder, EMPS), with more 7 of 29 (TiO2, EMPS).
LEAST_BARE_SHARE = 0.35
TYPICAL_QUANTILE = 0.7  # quantile of the outlines' contrasts, weighted by area


class Contrasts(NamedTuple):
    """The contrasts of the n outlines of an image.

    relative: (n,) contrast of each outline, divided by the typical one of the image: 1 is typical, 0 is no contrast, a
    negative value has the opposite sign to most of the outlined area; NaN if the ground is not visible.
    gap: (n,) bool, whether the outline looks like a gap between particles.
    dark: whether most of the outlined area is darker than its surroundings.
    has_ground: whether enough of the picture is bare (LEAST_BARE_SHARE) to judge which outlines are faint or gaps.
    """

    relative: Floats
    gap: NDArray[np.bool_]
    dark: bool = False
    has_ground: bool = True

    def faint(self, limit: float) -> NDArray[np.bool_]:
        """(n,) bool: whether the relative contrast is below `limit` or the outline is a gap; none if the limit is 0.
        `has_ground` is not checked."""
        return (self.gap | (self.relative < limit)) if limit else np.zeros(len(self.gap), bool)


def contrasts(
    grey: NDArray[np.uint8],
    labels: NDArray[np.int32],
    foreground: NDArray[np.bool_] | None = None,
    ids: Ids | None = None,
) -> Contrasts:
    """The contrasts of the outlines with these ids (n,), or 1..n, with their surroundings.

    grey, labels: (H, W) of the analysed rows, in either polarity. foreground: (H, W) pixels that are never ground, even
    outside of all outlines: where a person deletes a particle, its neighbours keep their contrast.

    The contrast of an outline is its mean grey minus the median of its ring's bare pixels (2 to 6 px outside). If there
    are fewer than FEWEST_RING_PX, the median of all bare pixels is used. The sign of most of the outlined area is taken
    as the sign of particles; the network's polarity does not show it, because many particles are outlined in both.
    The typical contrast is the 0.7 quantile of the absolute contrasts, weighted by area. A gap has less than half the
    typical contrast, and the median of all pixels around it, other outlines included, exceeds it by 0.6 of the typical
    contrast. An outline with a clear contrast of the opposite sign is also a gap. These rules are our own
    (docs/development/experiments.md).
    """
    ids = ids_in(labels, ids)
    n = len(ids)
    if not n:
        return Contrasts(np.zeros(0), np.zeros(0, bool))
    areas, sums = sums_of_objects(labels, ids, grey)
    inside = sums / np.maximum(areas, 1)
    level, bare = _level_around(grey, labels, ids, foreground)
    contrast = inside - level
    is_known = np.isfinite(contrast)
    if not is_known.any():
        return Contrasts(contrast, np.zeros(n, bool))
    dark = bool(areas[contrast < 0].sum() > areas[contrast > 0].sum())
    sign = -1.0 if dark else 1.0
    has_ground = bare / labels.size >= LEAST_BARE_SHARE
    contrast = sign * contrast
    values, order = np.abs(contrast[is_known]), np.argsort(np.abs(contrast[is_known]))
    total = np.cumsum(areas[is_known][order])
    typical = max(float(values[order][np.searchsorted(total, TYPICAL_QUANTILE * total[-1])]), 1.0)
    relative = contrast / typical
    gap = relative <= -FAINT
    candidates = np.flatnonzero(relative < GAP[0]).tolist()
    box_of = boxes(labels, ids) if candidates else np.zeros((0, 4), np.int64)
    for index in candidates:
        top, left, bottom, right = box_of[index].tolist()
        window = (
            slice(max(0, top - RING_PX[1]), bottom + RING_PX[1]),
            slice(max(0, left - RING_PX[1]), right + RING_PX[1]),
        )
        body = labels[window] == ids[index]
        near, wide = (ndimage.maximum_filter(body, 2 * reach + 1) for reach in RING_PX)
        around = float(np.median(grey[window][wide & ~near]))
        gap[index] |= sign * (inside[index] - around) / typical < -GAP[1]
    return Contrasts(relative, gap, dark, has_ground)


def explained_contrast(grey: NDArray[np.uint8], labels: NDArray[np.int32]) -> float:
    """The share of the variance of grey (H, W) that lies between outlined and bare pixels, 0 to 1.

    It is high if the outlines are around particles, and low if everything or nothing is outlined. On each of 52
    held-out micrographs of EMPS it is higher in the right polarity than in the wrong one.
    """
    inside = labels > 0
    share, variance = float(inside.mean()), float(grey.var())
    if not 0 < share < 1 or not variance:
        return 0.0
    difference = float(grey[inside].mean()) - float(grey[~inside].mean())
    return share * (1 - share) * difference**2 / variance


def _level_around(
    grey: NDArray[np.uint8], labels: NDArray[np.int32], ids: Ids, foreground: NDArray[np.bool_] | None
) -> tuple[Floats, int]:
    """(n,) the median grey of each outline's ring, and the number of bare pixels of the image. For a ring of under
    FEWEST_RING_PX px it is the median of the whole ground, or NaN if the ground is less than LEAST_GROUND_SHARE."""
    images = (grey,) if foreground is None else (grey, foreground)
    parts = by_band("around", labels, RING_PX[1], _greys_around, *images)
    histogram = np.sum([ground for _, ground in parts], axis=0)
    bare = int(histogram.sum())
    ground = (
        float(np.searchsorted(np.cumsum(histogram), bare / 2)) if bare >= LEAST_GROUND_SHARE * labels.size else np.nan
    )
    around = np.zeros((len(ids), 256), np.int32)  # how many pixels of each ring have each grey
    for (part_ids, greys, counts), _ in parts:
        around[np.searchsorted(ids, part_ids), greys] += counts
    cumulated = np.cumsum(around, axis=1)
    counts = cumulated[:, -1]
    # The median is the mean of two greys, at half of the sorted pixels.
    middle = [(cumulated <= place[:, None]).sum(1) for place in (np.maximum(counts - 1, 0) // 2, counts // 2)]
    median = (middle[0] + middle[1]) / 2
    return np.where(counts >= FEWEST_RING_PX, median, ground), bare


class _Greys(NamedTuple):
    """A sparse table: how many pixels (k,) of the ring of an outline (k,) have a grey (k,)."""

    ids: NDArray[np.int32]
    greys: NDArray[np.uint8]
    counts: NDArray[np.int32]


def _greys_around(
    band: Band, grey: NDArray[np.uint8], foreground: NDArray[np.bool_] | None = None
) -> tuple[_Greys, NDArray[np.int64]]:
    """The greys of the rings in a band, and how many bare pixels of it have each grey (256,)."""
    labels, grey = band.labels, grey[band.rows]
    if foreground is not None:  # as one more object; with the lowest label, so that pixels in two rings go to the other
        labels = np.where(labels > 0, labels + 1, foreground.astype(np.int32))
    owner = largest_within(labels, RING_PX[1])[band.rows]
    ring = (owner > 0) & ~largest_within(labels > 0, RING_PX[0])[band.rows]
    numbers = 256 * (owner[ring].astype(np.intp) - (1 if foreground is None else 2)) + grey[ring]
    counts = np.bincount(numbers[numbers >= 0], minlength=256 * len(band.ids))
    places = np.flatnonzero(counts)
    greys = _Greys(band.ids[places // 256], (places % 256).astype(np.uint8), counts[places].astype(np.int32))
    return greys, np.bincount(grey[labels[band.rows] == 0], minlength=256)


def rings(
    labels: NDArray[np.int32], near: int, far: int
) -> Iterator[tuple[NDArray[np.int32], slice, NDArray[np.bool_]]]:
    """The rings around outlines: bare pixels more than `near` and at most `far` px away, counted along rows, columns
    and diagonals.

    Yields some rows at a time, because all rings of a large image would take gigabytes: the label (k,) of the outline
    to which each pixel belongs, the rows, and the mask (h, W) of the pixels in them. A pixel near several outlines
    belongs to the one with the highest label.
    """
    for part, rows, band in overlapping_bands(labels, far):
        owner = largest_within(part, far)[rows]
        ring = (owner > 0) & ~largest_within(part > 0, near)[rows]
        yield owner[ring], band, ring


def overlapping_bands(labels: NDArray[np.int32], margin: int) -> Iterator[tuple[NDArray[np.int32], slice, slice]]:
    """The bands of labels (H, W), some rows each, with up to `margin` more rows above and below.

    Yields the band with these further rows (h, W), the slice of the band in them, and the slice of the band in the
    image.
    """
    step = max(margin, BAND // labels.shape[1])
    for top in range(0, len(labels), step):
        above = min(top, margin)
        yield labels[top - above : top + step + margin], slice(above, above + step), slice(top, top + step)


def largest_within(values: NDArray[Any], reach: int) -> NDArray[Any]:
    """(H, W): for each pixel the largest value up to `reach` px away, along rows, columns and diagonals.

    values: (H, W), whole numbers from 0 on.
    """
    import cv2

    dtype = np.min_scalar_type(int(values.max(initial=0)))
    # OpenCV dilates no int32; float64 holds all such numbers exactly.
    narrow = values.astype(dtype if dtype.itemsize <= 2 else np.float64)
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return cv2.dilate(narrow, square).astype(values.dtype)
