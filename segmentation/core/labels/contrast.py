"""The contrast of outlines with their surroundings: in one micrograph, particles of one kind have similar contrast."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .bands import Band, Ids, boxes, by_band, ids_in, sums_of_objects
from .options import FAINT
from .region_graph import BAND

Floats = NDArray[np.float64]
RING = 1, 6  # px outside an outline, between which its surroundings are looked at
FEWEST = 8  # fewest px of a ring for its grey
LEAST_GROUND = 0.02  # share of the picture that must be bare for the grey of the whole ground
GAP = 0.5, 0.6  # of the typical contrast: that of a gap at most, and by how much more all around it stands out
# Share of the picture that must be bare for outlines to be faint or gaps: in a bed the bare pixels are crevices, no
# background. With less, 109 of 194 such outlines are right (6 composed beds of held-out publications, 4 deeper ones,
# AMPIS powder, EMPS), with more 7 of 29 (TiO2, EMPS).
GROUND = 0.35
TYPICAL = 0.7  # quantile of the outlines' contrasts, weighted by area


class Contrasts(NamedTuple):
    """relative: (n,) the contrast of each outline relative to the typical one of the image: 1 is typical, 0 is no
    contrast, a negative value has the opposite sign to most of the outlined area; NaN if the ground is not visible.
    gap: (n,) bool, whether the outline looks like a gap between particles.
    dark: whether most of the outlined area is darker than its surroundings.
    has_ground: whether enough of the picture is bare to judge by it whether an outline is faint or a gap.
    """

    relative: Floats
    gap: NDArray[np.bool_]
    dark: bool = False
    has_ground: bool = True

    def faint(self, limit: float) -> NDArray[np.bool_]:
        """(n,) whether the contrast is below `limit`, or the outline is a gap, whether or not there is ground to judge
        it by; with a limit of 0 none is."""
        return (self.gap | (self.relative < limit)) if limit else np.zeros(len(self.gap), bool)


def contrasts(
    grey: NDArray[np.uint8],
    labels: NDArray[np.int32],
    erased: NDArray[np.bool_] | None = None,
    ids: Ids | None = None,
) -> Contrasts:
    """The contrast of the outlines of these ids (n,), or 1..n, of an image with their surroundings.

    grey, labels: (H, W), of the analysed rows, in either polarity. erased: (H, W) pixels that are no ground, although
    no outline has them any more: where a person deletes a particle, its neighbours keep their contrast.
    The contrast of an outline is its mean grey minus the median of the bare pixels 2 to 6 px outside. If neighbours
    leave fewer than FEWEST of them, the median of all bare pixels is used.
    The sign of the contrast of the particles is that of most of the outlined area. The network outlines many particles
    alike in both polarities, so the polarity in which it saw them does not decide.
    The typical contrast is the 0.7 quantile of the absolute contrasts, weighted by area. A gap has less than half the
    typical contrast, and the median of all pixels around it, other outlines included, exceeds it by 0.6 of that. An
    outline with a clear contrast of the opposite sign is also a gap. Our own rules (docs/development/experiments.md).
    """
    ids = ids_in(labels, ids)
    n = len(ids)
    if not n:
        return Contrasts(np.zeros(0), np.zeros(0, bool))
    areas, sums = sums_of_objects(labels, ids, grey)
    inside = sums / np.maximum(areas, 1)
    level, bare = _level_around(grey, labels, ids, erased)
    contrast = inside - level
    is_known = np.isfinite(contrast)
    if not is_known.any():
        return Contrasts(contrast, np.zeros(n, bool))
    dark = bool(areas[contrast < 0].sum() > areas[contrast > 0].sum())
    sign = -1.0 if dark else 1.0
    has_ground = bare / labels.size >= GROUND
    contrast = sign * contrast
    values, order = np.abs(contrast[is_known]), np.argsort(np.abs(contrast[is_known]))
    total = np.cumsum(areas[is_known][order])
    typical = max(float(values[order][np.searchsorted(total, TYPICAL * total[-1])]), 1.0)
    relative = contrast / typical
    gap = relative <= -FAINT
    candidates = np.flatnonzero(relative < GAP[0]).tolist()
    box_of = boxes(labels, ids) if candidates else np.zeros((0, 4), np.int64)
    for index in candidates:
        top, left, bottom, right = box_of[index].tolist()
        window = slice(max(0, top - RING[1]), bottom + RING[1]), slice(max(0, left - RING[1]), right + RING[1])
        mine = labels[window] == ids[index]
        near, wide = (ndimage.maximum_filter(mine, 2 * reach + 1) for reach in RING)
        around = float(np.median(grey[window][wide & ~near]))
        gap[index] |= sign * (inside[index] - around) / typical < -GAP[1]
    return Contrasts(relative, gap, dark, has_ground)


def explained_contrast(grey: NDArray[np.uint8], labels: NDArray[np.int32]) -> float:
    """The share of the variance of grey (H, W) that lies between outlined and bare pixels, 0 to 1.

    Outlines of particles explain the brightness of the picture; outlines of everything, or of nothing, do not. Of 52
    held-out micrographs of EMPS the right polarity explains more than the wrong one on each.
    """
    inside = labels > 0
    share, spread = float(inside.mean()), float(grey.var())
    if not 0 < share < 1 or not spread:
        return 0.0
    apart = float(grey[inside].mean()) - float(grey[~inside].mean())
    return share * (1 - share) * apart**2 / spread


def _level_around(
    grey: NDArray[np.uint8], labels: NDArray[np.int32], ids: Ids, erased: NDArray[np.bool_] | None
) -> tuple[Floats, int]:
    """(n,) median grey of each outline's ring; if under FEWEST px, of the whole ground; NaN if that is small. And the
    number of bare pixels."""
    images = (grey,) if erased is None else (grey, erased)
    parts = by_band("around", labels, RING[1], _greys_around, *images)
    histogram = np.sum([ground for _, ground in parts], axis=0)
    bare = int(histogram.sum())
    ground = float(np.searchsorted(np.cumsum(histogram), bare / 2)) if bare >= LEAST_GROUND * labels.size else np.nan
    around = np.zeros((len(ids), 256), np.int32)  # how many pixels of each ring have each grey
    for (part_ids, greys, counts), _ in parts:
        around[np.searchsorted(ids, part_ids), greys] += counts
    until = np.cumsum(around, axis=1)
    counts = until[:, -1]
    # The two greys in the middle are the first ones up to which there are as many pixels.
    middle = [(until <= place[:, None]).sum(1) for place in (np.maximum(counts - 1, 0) // 2, counts // 2)]
    median = (middle[0] + middle[1]) / 2
    return np.where(counts >= FEWEST, median, ground), bare


class _Greys(NamedTuple):
    """How many pixels (k,) of the ring of an outline, by its id (k,), have a grey (k,)."""

    ids: NDArray[np.int32]
    greys: NDArray[np.uint8]
    counts: NDArray[np.int32]


def _greys_around(
    band: Band, grey: NDArray[np.uint8], erased: NDArray[np.bool_] | None = None
) -> tuple[_Greys, NDArray[np.int64]]:
    """The greys of the rings in a band, and how many bare pixels of it have each grey (256,)."""
    labels, grey = band.labels, grey[band.rows]
    if erased is not None:  # as one more object, the first, so that a pixel around it and another belongs to the other
        labels = np.where(labels > 0, labels + 1, erased.astype(np.int32))
    owner = largest_within(labels, RING[1])[band.rows]
    ring = (owner > 0) & ~largest_within(labels > 0, RING[0])[band.rows]
    numbers = 256 * (owner[ring].astype(np.intp) - (1 if erased is None else 2)) + grey[ring]
    counts = np.bincount(numbers[numbers >= 0], minlength=256 * len(band.ids))
    places = np.flatnonzero(counts)
    greys = _Greys(band.ids[places // 256], (places % 256).astype(np.uint8), counts[places].astype(np.int32))
    return greys, np.bincount(grey[labels[band.rows] == 0], minlength=256)


def rings(
    labels: NDArray[np.int32], near: int, far: int
) -> Iterator[tuple[NDArray[np.int32], slice, NDArray[np.bool_]]]:
    """Bare pixels more than `near` and at most `far` px from an outline, counted along rows, columns and diagonals.

    Yields, some rows at a time, the outline (k,) to which each belongs, the rows, and where in these the pixels are.
    All rings of a large image at once would take gigabytes. A pixel between outlines belongs to the last of them.
    """
    for part, rows, band in overlapping_bands(labels, far):
        owner = largest_within(part, far)[rows]
        ring = (owner > 0) & ~largest_within(part > 0, near)[rows]
        yield owner[ring], band, ring


def overlapping_bands(labels: NDArray[np.int32], margin: int) -> Iterator[tuple[NDArray[np.int32], slice, slice]]:
    """The rows of labels (H, W), some at a time: these with up to `margin` more above and below them, where they lie
    among these, and where in the image."""
    step = max(margin, BAND // labels.shape[1])
    for top in range(0, len(labels), step):
        above = min(top, margin)
        yield labels[top - above : top + step + margin], slice(above, above + step), slice(top, top + step)


def largest_within(values: NDArray[Any], reach: int) -> NDArray[Any]:
    """(H, W) the largest of the values (H, W), whole numbers from 0 on, up to `reach` px away along rows, columns and
    diagonals."""
    import cv2

    kind = np.min_scalar_type(int(values.max(initial=0)))
    # OpenCV knows no whole numbers of 32 bits; these are exact in 64 bits of a float.
    narrow = values.astype(kind if kind.itemsize <= 2 else np.float64)
    square = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return cv2.dilate(narrow, square).astype(values.dtype)
