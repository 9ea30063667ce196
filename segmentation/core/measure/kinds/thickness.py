"""Measures the thickness of a layer that crosses an image, along normals to its middle line.

ISO 1463:2021 and ASTM B487 describe this for measuring a cross-section by hand: at many places,
each at a right angle to the layer. The middle line is the mean position of the layer's pixels
across it, at each px along it. The line is smoothed over a part of the thickness, so that rough
sides do not turn the normals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import hypot

import numpy as np
from numpy.typing import NDArray

from ..quantities import Value
from ..uncertainty.figure_draws import Z95, t95
from ..uncertainty.pooled_fields import jackknife_error

LARGE_REGION = 0.1  # times the area of the layer's largest region; smaller regions are left out
LEAST_AREA = 100  # px of a layer
LEAST_RATIO = 1.5  # length / thickness of a layer, as standard deviations of its pixels
STEP = 0.5  # px between samples along a normal; an edge is interpolated between two samples
SMOOTHING = 0.25  # in mean thicknesses: SD of the Gaussian that smooths the middle line
REACH = 3.0  # in mean thicknesses: how far from the middle line the edges are searched
FEWEST_PLACES, MOST_PLACES = 8, 1000  # where the thickness is measured
FEWEST_LENGTHS, MOST_LENGTHS = 3, 16  # independent lengths: fewer give no interval, more add nothing
Floats = NDArray[np.float64]
FIGURES: Mapping[str, Callable[[Floats], float]] = {
    "mean": lambda values: float(values.mean()),
    "sd": lambda values: float(values.std(ddof=1)),
    "min": lambda values: float(values.min()),
    "d10": lambda values: float(np.quantile(values, 0.1)),
    "median": lambda values: float(np.median(values)),
    "d90": lambda values: float(np.quantile(values, 0.9)),
    "max": lambda values: float(values.max()),
}
EXTREMES = ("min", "max")  # each is the thickness at one place, so it has no interval


@dataclass(frozen=True, eq=False)
class Profile:
    """The thickness at n places along a layer.

    thickness: (n,) px, NaN where the normal leaves the frame or crosses a region to ignore, and
    where the layer is interrupted. step: px between two places along the middle line. ends: (n, 2,
    2) both ends of each normal, where it meets the layer's edges: row and column. start: px of the
    middle line before the first place. line: its whole length in px.
    """

    thickness: Floats
    step: float
    ends: Floats
    start: float = 0.0
    line: float = 0.0

    @property
    def along(self) -> Floats:
        """(n,) px of the middle line from its beginning to each place."""
        return np.asarray(self.start + (np.arange(len(self.thickness)) + 0.5) * self.step, np.float64)

    @property
    def finite(self) -> Floats:
        """The thickness in px at all places where it is known."""
        return self.thickness[np.isfinite(self.thickness)]

    @property
    def length(self) -> float:
        """The length of the middle line, in px, along which the thickness is known."""
        return len(self.finite) * self.step

    @property
    def is_across(self) -> bool:
        """Whether the layer runs across the image rather than down."""
        down, across = np.abs(self.ends[:, 1] - self.ends[:, 0]).sum(0)
        return bool(down >= across)


def measure_layer(inside: NDArray[np.bool_], ignored: NDArray[np.bool_] | None = None) -> Profile | None:
    """The thickness along a layer; None if the layer is too small, or not long enough to have a
    direction.

    inside: (H, W) the pixels of the layer. ignored: (H, W) where it is not measured; the middle
    line still runs through these pixels.
    """
    layer = whole_layer(inside)
    places = np.argwhere(layer).astype(float)
    if len(places) < LEAST_AREA:
        return None
    middle = places.mean(0)
    spreads, axes = np.linalg.eigh(np.cov((places - middle).T))
    along, across = axes[:, 1], axes[:, 0]
    if spreads[1] < LEAST_RATIO**2 * spreads[0]:
        return None
    is_at_frame = np.any((places == 0) | (places == np.array(layer.shape) - 1), axis=1)
    line, start = _middle_line((places - middle) @ along, (places - middle) @ across, is_at_frame)
    if len(line) < FEWEST_PLACES:
        return None
    arc = np.r_[0, np.cumsum(np.hypot(1, np.diff(line)))]  # px along the line up to each of its points
    step = max(1.0, arc[-1] / MOST_PLACES)
    mean_thickness = len(places) / arc[-1]
    # Nearer to its ends than half a thickness the line cannot be smoothed well.
    arc_of_places = np.arange((mean_thickness + step) / 2, arc[-1] - mean_thickness / 2, step)
    index = np.interp(arc_of_places, arc, np.arange(len(line)))  # px along the axis
    height, slope = (np.interp(index, np.arange(len(line)), curve) for curve in (line, np.gradient(line)))
    centres = middle + (start + index)[:, None] * along + height[:, None] * across
    normals = (across - slope[:, None] * along) / np.hypot(1, slope)[:, None]
    sides = np.stack([_depth(layer, centres, side * normals, REACH * mean_thickness) for side in (-1, 1)])
    ends = np.stack([centres - sides[0][:, None] * normals, centres + sides[1][:, None] * normals], axis=1)
    thickness = sides.sum(0)
    if ignored is not None:
        thickness = np.where(_crosses(ends, ignored), np.nan, thickness)
    profile = Profile(thickness, step, ends, mean_thickness / 2, float(arc[-1]))
    return profile if len(profile.finite) >= FEWEST_PLACES else None


def whole_layer(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(H, W) the layer without its small regions and with its holes filled, because pores within
    the layer are part of its thickness.

    A region that does not lie in line with the largest one is left out: it is something else that
    looks like the layer.
    """
    from scipy import ndimage

    regions, _ = ndimage.label(inside)
    areas = np.bincount(regions.ravel())
    areas[0] = 0
    is_large = (areas > 0) & (areas >= LARGE_REGION * areas.max())
    if is_large.sum() > 1:
        is_large &= _in_line(regions, int(areas.argmax()))
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(is_large[regions])
    return filled


def _in_line(regions: NDArray[np.int32], largest: int) -> NDArray[np.bool_]:
    """(n,) whether each label of `regions` (H, W) lies in line with the largest region: its mean
    position across the length of the largest region differs by no more than the width of this."""
    places = np.argwhere(regions == largest).astype(float)
    middle = places.mean(0)
    across = np.linalg.eigh(np.cov((places - middle).T))[1][:, 0]
    off = (places - middle) @ across
    places = np.argwhere(regions)
    labels = regions[regions > 0]
    count = np.maximum(np.bincount(labels), 1)
    distance = np.bincount(labels, (places - middle) @ across) / count
    low, high = off.min(), off.max()
    width: NDArray[np.float64] = high - low
    is_in_line: NDArray[np.bool_] = (distance > low - width / 2) & (distance < high + width / 2)
    return is_in_line


def _middle_line(along: Floats, across: Floats, is_at_frame: NDArray[np.bool_]) -> tuple[Floats, float]:
    """The middle line: its position across the layer at each px along it, smoothed, and the
    position along the layer where it begins.

    along, across: (n,) positions of the layer's pixels in px. is_at_frame: (n,) whether each
    touches the frame: there one side of the layer may be cut off, so the line ends before.
    """
    from scipy.ndimage import gaussian_filter1d

    start = float(np.floor(along.min()))
    bins = np.floor(along - start).astype(np.int64)
    count = np.bincount(bins)
    filled = np.flatnonzero((count > 0) & (np.bincount(bins, is_at_frame) == 0))
    if not len(filled):
        return np.empty(0), start
    line = np.interp(np.arange(filled[0], filled[-1] + 1), filled, np.bincount(bins, across)[filled] / count[filled])
    start += float(filled[0])
    sigma = max(2.0, SMOOTHING * len(along) / len(count))
    pad = min(len(line) - 1, round(4 * sigma))
    longer = np.pad(line, pad, mode="reflect", reflect_type="odd")  # so that smoothing keeps the slope at the ends
    return gaussian_filter1d(longer, sigma)[pad : pad + len(line)], start + 0.5


def _depth(layer: NDArray[np.bool_], centres: Floats, normals: Floats, reach: float) -> Floats:
    """(n,) px from each centre (n, 2) along its normal (n, 2) to the edge of the layer; NaN if the
    centre is not in the layer, or if there is no edge before the frame or within `reach` px."""
    from scipy.ndimage import map_coordinates

    steps = np.arange(0, reach + STEP, STEP)
    depths = np.full(len(centres), np.nan)
    picture, last = layer.astype(np.float32), np.array(layer.shape)[:, None, None] - 1
    for part in np.array_split(np.arange(len(centres)), max(1, len(centres) * len(steps) // 2**20)):
        places = centres[part].T[:, :, None] + normals[part].T[:, :, None] * steps
        values = map_coordinates(picture, places, order=1, mode="nearest")
        is_outside: NDArray[np.bool_] = np.any((places < 0) | (places > last), axis=0)
        step = (values < 0.5).argmax(1)  # the first sample outside; 0 also where all are inside
        rows = np.arange(len(part))
        after, before = values[rows, step], values[rows, np.maximum(step - 1, 0)]
        has_edge = (step > 0) & ~is_outside[rows, step]
        edge = STEP * (step - (0.5 - after) / np.where(before > after, before - after, 1))
        depths[part] = np.where(has_edge, edge, np.nan)
    return depths


def _crosses(ends: Floats, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n,) whether each line between two ends (n, 2, 2), rows and columns, meets a pixel of the
    mask (H, W); False for NaN ends. The lines are sampled in steps of at most STEP px."""
    has_ends = np.isfinite(ends).all((1, 2))
    start, last = ends[has_ends, 0], ends[has_ends, 1]
    longest = float(np.hypot(*(last - start).T).max(initial=0))
    along = np.linspace(0, 1, int(longest / STEP) + 2)[:, None, None]
    places = np.rint(start + along * (last - start)).astype(int)
    rows, columns = (np.clip(places[..., axis], 0, side - 1) for axis, side in enumerate(mask.shape))
    crossed = np.zeros(len(ends), bool)
    crossed[has_ends] = mask[rows, columns].any(0)
    return crossed


def independent_lengths(values: Floats) -> float:
    """How many independent values would be as certain as the values (n,), which are in order along a
    layer: n divided by the integral of their autocorrelation up to its first zero (Bartlett
    1946)."""
    off = values - values.mean()
    size = len(off)
    if not off.any():
        return float(size)
    spectrum = np.abs(np.fft.rfft(off, 2 * size)) ** 2
    correlation = np.fft.irfft(spectrum)[:size] / (off @ off)
    ends = np.flatnonzero(correlation <= 0)
    until = int(ends[0]) if len(ends) else size
    return size / (1 + 2 * float(correlation[1:until].sum()))


def figures(profile: Profile, uncertainty: float = 0.0) -> dict[str, Value]:
    """The FIGURES of the thickness in px by name, with their 95 % intervals.

    uncertainty: relative, standard, of the scale. An interval is Student's. Its standard error is
    the error by the jackknife over independent lengths of the layer (Tukey 1958), plus the error of
    the scale in quadrature. It shows how well the layer is known in this image, not how other places differ.
    EXTREMES have no interval, and with under FEWEST_LENGTHS independent lengths no figure has one.
    """
    thickness = profile.finite
    values = {name: figure(thickness) for name, figure in FIGURES.items()}
    lengths = int(min(independent_lengths(thickness), MOST_LENGTHS, len(thickness) // 2))
    if lengths < FEWEST_LENGTHS:
        return {name: Value(value) for name, value in values.items()}
    parts = np.array_split(np.arange(len(thickness)), lengths)
    without = np.array([[figure(np.delete(thickness, part)) for figure in FIGURES.values()] for part in parts])
    errors = dict(zip(FIGURES, jackknife_error(without).tolist(), strict=True))
    halves = {name: hypot(t95(lengths - 1) * errors[name], Z95 * uncertainty * values[name]) for name in values}
    return {
        name: Value(value, max(0.0, value - half), value + half) if name not in EXTREMES and half > 0 else Value(value)
        for name, value, half in zip(values, values.values(), halves.values(), strict=True)
    }
