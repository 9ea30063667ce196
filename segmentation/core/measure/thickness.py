"""The thickness of a layer that runs through an image, measured along normals to its middle line.

A micrograph of a cross-section is measured so by hand (ISO 1463:2021, ASTM B487): at many places, each perpendicular to
the layer. The middle line is the mean place of the layer's pixels across its length, smoothed over a
part of the thickness, so that rough sides do not turn the normals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import hypot

import numpy as np
from numpy.typing import NDArray

from .drawn import Z95, t95
from .pooled_fields import jackknife_error
from .quantities import Value

LARGE = 0.1  # of the largest piece of the layer: smaller pieces are no part of it
SMALLEST = 100  # px of a layer
LONG = 1.5  # times longer than thick (by standard deviations) is the least that has a length and a thickness
STEP = 0.5  # px between samples along a normal; edges are placed between two
SMOOTH = 0.25  # mean thicknesses, SD of the Gaussian that smooths the middle line
REACH = 3.0  # mean thicknesses on either side of the middle line that is looked along for its edges
MOST = 1000  # places
FEWEST = 8  # places
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
OF_ONE = ("min", "max")  # of one place, so without an interval


@dataclass(frozen=True, eq=False)
class Profile:
    """The thickness at n places along a layer.

    thickness: (n,) px, NaN where it would leave the frame, where the layer is interrupted, or where it would cross what
    is to be ignored. step: px between two places along the middle line. ends: (n, 2, 2) rows and columns of both ends
    of each. start, line: px of the middle line before the first place, and of the whole of it.
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
        return self.thickness[np.isfinite(self.thickness)]

    @property
    def length(self) -> float:
        """px of the middle line along which it is measured."""
        return len(self.finite) * self.step

    @property
    def is_across(self) -> bool:
        """Whether the layer runs across the image rather than down."""
        down, across = np.abs(self.ends[:, 1] - self.ends[:, 0]).sum(0)
        return bool(down >= across)


def measure_layer(inside: NDArray[np.bool_], ignored: NDArray[np.bool_] | None = None) -> Profile | None:
    """The thickness along a layer (H, W); None where nothing in it is long enough to have a thickness. ignored: (H, W)
    where it is not measured; the middle line still runs through it."""
    layer = whole_layer(inside)
    places = np.argwhere(layer).astype(float)
    if len(places) < SMALLEST:
        return None
    middle = places.mean(0)
    spreads, axes = np.linalg.eigh(np.cov((places - middle).T))
    along, across = axes[:, 1], axes[:, 0]
    if spreads[1] < LONG**2 * spreads[0]:
        return None
    framed = np.any((places == 0) | (places == np.array(layer.shape) - 1), axis=1)
    line, start = _middle_line((places - middle) @ along, (places - middle) @ across, framed)
    if len(line) < FEWEST:
        return None
    arc = np.r_[0, np.cumsum(np.hypot(1, np.diff(line)))]  # px along the line up to each of its points
    step = max(1.0, arc[-1] / MOST)
    mean_thickness = len(places) / arc[-1]
    # Within half a thickness of its ends the line has too little beside it to be smooth.
    arc_of_places = np.arange((mean_thickness + step) / 2, arc[-1] - mean_thickness / 2, step)
    at = np.interp(arc_of_places, arc, np.arange(len(line)))  # px along the axis
    height, slope = (np.interp(at, np.arange(len(line)), curve) for curve in (line, np.gradient(line)))
    centres = middle + (start + at)[:, None] * along + height[:, None] * across
    normals = (across - slope[:, None] * along) / np.hypot(1, slope)[:, None]
    sides = np.stack([_depth(layer, centres, side * normals, REACH * mean_thickness) for side in (-1, 1)])
    ends = np.stack([centres - sides[0][:, None] * normals, centres + sides[1][:, None] * normals], axis=1)
    thickness = sides.sum(0)
    if ignored is not None:
        thickness = np.where(_crosses(ends, ignored), np.nan, thickness)
    profile = Profile(thickness, step, ends, mean_thickness / 2, float(arc[-1]))
    return profile if len(profile.finite) >= FEWEST else None


def whole_layer(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The large pieces of a layer (H, W), their holes filled: pores within the layer are part of its thickness.

    Pieces beside the line of the largest one are left out: they are something else that looks like the layer.
    """
    from scipy import ndimage

    pieces, _ = ndimage.label(inside)
    areas = np.bincount(pieces.ravel())
    areas[0] = 0
    large = (areas > 0) & (areas >= LARGE * areas.max())
    if large.sum() > 1:
        large &= _in_line(pieces, int(areas.argmax()))
    filled: NDArray[np.bool_] = ndimage.binary_fill_holes(large[pieces])
    return filled


def _in_line(pieces: NDArray[np.int32], largest: int) -> NDArray[np.bool_]:
    """(n,): which labels of `pieces` (H, W) lie in line with the largest one, to within its own width across."""
    places = np.argwhere(pieces == largest).astype(float)
    middle = places.mean(0)
    across = np.linalg.eigh(np.cov((places - middle).T))[1][:, 0]
    off = (places - middle) @ across
    places = np.argwhere(pieces)
    labels = pieces[pieces > 0]
    count = np.maximum(np.bincount(labels), 1)
    distance = np.bincount(labels, (places - middle) @ across) / count
    low, high = off.min(), off.max()
    width: NDArray[np.float64] = high - low
    is_in_line: NDArray[np.bool_] = (distance > low - width / 2) & (distance < high + width / 2)
    return is_in_line


def _middle_line(along: Floats, across: Floats, framed: NDArray[np.bool_]) -> tuple[Floats, float]:
    """The mean place across of the pixels at each px along (n,), smoothed, and where the first lies.

    It reaches as far as all of the layer is in view: where pixels are `framed`, the frame may have cut one side off.
    """
    from scipy.ndimage import gaussian_filter1d

    start = float(np.floor(along.min()))
    bins = np.floor(along - start).astype(np.int64)
    count = np.bincount(bins)
    filled = np.flatnonzero((count > 0) & (np.bincount(bins, framed) == 0))
    if not len(filled):
        return np.empty(0), start
    line = np.interp(np.arange(filled[0], filled[-1] + 1), filled, np.bincount(bins, across)[filled] / count[filled])
    start += float(filled[0])
    sigma = max(2.0, SMOOTH * len(along) / len(count))
    pad = min(len(line) - 1, round(4 * sigma))
    longer = np.pad(line, pad, mode="reflect", reflect_type="odd")  # so that its ends keep their slope
    return gaussian_filter1d(longer, sigma)[pad : pad + len(line)], start + 0.5


def _depth(layer: NDArray[np.bool_], centres: Floats, normals: Floats, reach: float) -> Floats:
    """(n,) px from each centre (n, 2) to where the layer ends along its normal; NaN where it does not begin at the
    centre, or where the frame comes first."""
    from scipy.ndimage import map_coordinates

    steps = np.arange(0, reach + STEP, STEP)
    depths = np.full(len(centres), np.nan)
    picture, last = layer.astype(np.float32), np.array(layer.shape)[:, None, None] - 1
    for part in np.array_split(np.arange(len(centres)), max(1, len(centres) * len(steps) // 2**20)):
        places = centres[part].T[:, :, None] + normals[part].T[:, :, None] * steps
        values = map_coordinates(picture, places, order=1, mode="nearest")
        framed: NDArray[np.bool_] = np.any((places < 0) | (places > last), axis=0)
        step = (values < 0.5).argmax(1)  # 0 where it begins outside, or nowhere ends
        rows = np.arange(len(part))
        at, before = values[rows, step], values[rows, np.maximum(step - 1, 0)]
        ended = (step > 0) & ~framed[rows, step]
        edge = STEP * (step - (0.5 - at) / np.where(before > at, before - at, 1))
        depths[part] = np.where(ended, edge, np.nan)
    return depths


def _crosses(ends: Floats, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n,) whether the lines between ends (n, 2, 2), rows and columns, meet a pixel of a mask (H, W), sampled in steps
    of STEP; False of one without ends."""
    known = np.isfinite(ends).all((1, 2))
    start, last = ends[known, 0], ends[known, 1]
    longest = float(np.hypot(*(last - start).T).max(initial=0))
    along = np.linspace(0, 1, int(longest / STEP) + 2)[:, None, None]
    places = np.rint(start + along * (last - start)).astype(int)
    rows, columns = (np.clip(places[..., axis], 0, side - 1) for axis, side in enumerate(mask.shape))
    crossed = np.zeros(len(ends), bool)
    crossed[known] = mask[rows, columns].any(0)
    return crossed


def independent_lengths(values: Floats) -> float:
    """How many independent lengths the values (n,) in their order are worth: n over the integral of their
    autocorrelation to its first zero (Bartlett 1946)."""
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
    """FIGURES of the thickness in px with their 95 % intervals.

    An interval is Student's; its standard error is that of the jackknife over independent lengths of the layer (Tukey
    1958), to which the relative standard uncertainty of the scale is added in squares. It says how well the layer of
    this image is known, not how other places differ. OF_ONE have none, nor has any with under FEWEST_LENGTHS lengths.
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
        name: Value(value, max(0.0, value - half), value + half) if name not in OF_ONE and half > 0 else Value(value)
        for name, value, half in zip(values, values.values(), halves.values(), strict=True)
    }
