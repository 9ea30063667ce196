"""How the objects of an image are arranged: distances to nearest neighbours, pair correlation,
alignment.

Distances and pair correlation are compared with chance: with random pictures of the same objects
(`placement`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from ...micrograph.types import Calibration
from ..fields import BLOCKS, FEWEST_OBJECTS, block_of, ratio, value_over_blocks
from ..quantities import Unit, Value, nanometre_in, readable, significant
from ..results import Alignment, Arrangement, Neighbours, Pairs, Range
from ..sizes.distribution import FEWEST_IMAGES, Floats, quantile
from ..table import Table
from ..uncertainty.figure_draws import with_scale_uncertainty
from .neighbours import centres, is_neighbour
from .placement import as_rods, place_rods

FEWEST_TESTED = 20  # objects in a comparison with chance
# To bound the time, only a rectangle around the middle of an image with more objects is compared. It
# would contain so many if they were evenly spread.
MOST_TESTED = 1000
RANDOM_PICTURES, FEWER_PICTURES = 99, 39  # random pictures: with the image itself 100 or 40, of which 5 % are 5 or 2
MANY_OBJECTS = 100  # with more, there are FEWER_PICTURES random pictures
# A mean distance is 1 / sqrt(density).
KERNEL_HALF_WIDTH = 0.15  # of the kernel, in mean distances (Stoyan and Stoyan 1994: 0.1 to 0.2)
STEPS_PER_HALF_WIDTH = 8  # distances of the pair correlation in one half width
STORED_STEP = 2  # every second distance is stored, to keep the row of the database small
LONGEST_DISTANCE = 5.0  # longest distance, in mean distances; at most a quarter of the field
# The comparison begins at the distance where random pictures have this part of the mean density of
# neighbours. Objects at shorter distances would overlap.
LEAST_RANDOM_DENSITY = 0.1
LARGEST_AXIS_RATIO = 0.8  # short / long axis; rounder objects have no direction
OPEN_AN_IMAGE = "Open an image to compare its pattern with chance."
NEAR_LEAST = 1.5  # times the least distance compared; a range that begins before is called "below" its end
Frame = tuple[float, float]  # width and height


class Field(NamedTuple):
    """Centres of objects in a rectangle. points: (n, 2) x and y in px from its corner. frame: its
    size in px."""

    points: Floats
    frame: Frame


def image_arrangement(
    table: Table, frame: tuple[int, int], calibration: Calibration, seed: int, things: str
) -> Arrangement | None:
    """The arrangement of the counted objects of one image; None with fewer than FEWEST_OBJECTS that do not
    touch the frame.

    table: with the columns of `neighbours`. frame: width and height of the analysed area in px.
    seed: of the random pictures. things: the plural word for the objects.
    """
    px, pixel = table.rescaled(None), table.nm_per_pixel or 1.0
    if int(px.whole.sum()) < FEWEST_OBJECTS:
        return None
    scale = calibration.standard_uncertainty or 0.0
    pairs, chance_means = compare_with_chance(px, frame, np.random.default_rng(seed))
    distances = {
        name: neighbour_distances([certain_distances(table, f"neighbour_{name}", frame)], [frame], scale)
        for name in ("distance", "gap")
    }
    if chance_means:
        low, middle, high = np.quantile(chance_means, [0.025, 0.5, 0.975]) * pixel
        distances["distance"] |= {"chance": float(middle), "chance_low": float(low), "chance_high": float(high)}
    if pairs:
        pairs = pairs | {
            "r": [distance * pixel for distance in pairs["r"]],
            "ranges": [band | {"low": band["low"] * pixel, "high": band["high"] * pixel} for band in pairs["ranges"]],
        }
    words = comparison_sentence(pairs, table.unit, things)
    if pairs:  # fewer points, with four digits, are enough for a curve
        curves = {name: pairs[name][::STORED_STEP] for name in ("r", "g", "chance", "low", "high")}
        pairs |= {name: [float(f"{value:.4g}") for value in curve] for name, curve in curves.items()}  # type: ignore[typeddict-item]
    return Arrangement(
        unit=table.unit,
        n=int(px.whole.sum()),
        centre=distances["distance"],
        edge=distances["gap"],
        pairs=pairs,
        alignment=alignment(px, frame),
        sentence=words,
    )


def pooled_arrangement(
    tables: Sequence[Table], frames: Sequence[tuple[int, int]], calibration: Calibration
) -> Arrangement | None:
    """The distances to nearest neighbours in all counted images together; from FEWEST_IMAGES images
    on their intervals contain how the images differ. None if no object has a certain neighbour.

    tables, frames: of each image, see `image_arrangement`.
    """
    centre, edge = (
        neighbour_distances(
            [certain_distances(table, name, frame) for table, frame in zip(tables, frames, strict=True)],
            frames,
            calibration.standard_uncertainty or 0.0,
        )
        for name in ("neighbour_distance", "neighbour_gap")
    )
    n, unit = sum(int(table.whole.sum()) for table in tables), tables[0].unit
    arrangement = Arrangement(
        unit=unit, n=n, centre=centre, edge=edge, pairs=None, alignment=None, sentence=OPEN_AN_IMAGE
    )
    return arrangement if centre["n"] else None


# ---- nearest neighbours ---------------------------------------------------------------------------


class CertainDistances(NamedTuple):
    """The n objects whose nearest neighbour is certain. distance: (n,) in the unit of the table.
    weight: (n,). points: (n, 2) their centres in px."""

    distance: Floats
    weight: Floats
    points: Floats

    @property
    def sums(self) -> Floats:
        """(2,) the sum of the weighted distances, and the sum of the weights."""
        return np.array([(self.weight * self.distance).sum(), self.weight.sum()])


def certain_distances(table: Table, column: str, frame: tuple[int, int]) -> CertainDistances:
    """The objects whose distance in the column `column` is certain: no nearer neighbour can lie
    outside the frame, because the frame is farther away. Each is weighted by the inverse of the
    probability that its distance is certain (Hanisch 1984). For distances from edge to edge the
    distance to the frame is measured from the object's bounding box, not from its centre.
    """
    px = table.rescaled(None)
    distance, middles = px.length(column), centres(px)
    axes = [(frame[0], "left", "right"), (frame[1], "top", "bottom")]
    is_edge_to_edge = column == "neighbour_gap"
    margins, free_areas = np.full(len(px), np.inf), np.ones(len(px))
    for axis, (side, start, last) in enumerate(axes):
        low, high = (px[f"bbox_{end}_px"] if is_edge_to_edge else middles[:, axis] for end in (start, last))
        margins = np.minimum(margins, np.minimum(low, side - high))
        free_areas *= np.maximum(side - (high - low) - 2 * distance, 0.0)
    is_certain = px.whole & (distance <= margins) & (free_areas > 0)
    weight = frame[0] * frame[1] / free_areas[is_certain]
    return CertainDistances(distance[is_certain] * (table.nm_per_pixel or 1.0), weight, middles[is_certain])


def neighbour_distances(
    images: Sequence[CertainDistances], frames: Sequence[tuple[int, int]], scale: float
) -> Neighbours:
    """Mean and median distance to the nearest neighbour over all images. The interval of the mean
    comes from `value_over_blocks`: over the images, or with fewer than FEWEST_IMAGES over the blocks of
    all images.

    frames: of each image. scale: relative standard uncertainty of the scale, which the interval
    includes.
    """
    distance, weight = (np.concatenate([getattr(image, name) for image in images]) for name in ("distance", "weight"))
    if not len(distance):
        return Neighbours(n=0, mean=None, low=None, high=None, median=None)
    if sum(len(image.distance) > 0 for image in images) >= FEWEST_IMAGES:
        sums = np.array([image.sums for image in images])
    else:
        framed = zip(images, frames, strict=True)
        sums = np.concatenate(
            [_by_block(image.points, frame, image.weight * image.distance, image.weight) for image, frame in framed]
        )
    mean = with_scale_uncertainty(value_over_blocks(lambda parts: ratio(parts[0], parts[1]), sums), scale, 1)
    has_enough = len(distance) >= FEWEST_OBJECTS
    ascending = np.argsort(distance)
    return Neighbours(
        n=len(distance),
        mean=mean.value,
        low=mean.low if has_enough else None,
        high=mean.high if has_enough else None,
        median=quantile(distance[ascending], weight[ascending], 0.5),
    )


def _by_block(points: Floats, frame: tuple[int, int], *amounts: Floats) -> Floats:
    """(BLOCKS², k) for each of k amounts (n,), its sum over the points (n, 2) in each block of the
    frame."""
    blocks = block_of(points[:, 1], points[:, 0], frame[::-1])
    return np.stack([np.bincount(blocks, amount, BLOCKS**2) for amount in amounts], axis=1).astype(float)


def mean_distance(field: Field) -> float:
    """The mean distance in px between the centres of nearest neighbours, weighted as in
    `certain_distances`; NaN if no distance is certain."""
    points, frame = field
    distance = cKDTree(points).query(points, k=2)[0][:, 1]
    margins = np.minimum(points, np.asarray(frame) - points).min(1)
    free_areas = np.prod(np.maximum(np.asarray(frame) - 2 * distance[:, None], 0.0), axis=1)
    is_certain = (distance <= margins) & (free_areas > 0)
    if not is_certain.any():
        return float("nan")
    return float(np.average(distance[is_certain], weights=1 / free_areas[is_certain]))


# ---- the pair correlation, and chance -------------------------------------------------------------


def pair_correlation(field: Field, r: Floats, half_width: float) -> Floats:
    """The pair correlation g (m,) at equally spaced distances r (m,) in px: how many pairs of
    centres have this distance, relative to independent random points of the same density.

    The kernel is Epanechnikov's with the half width `half_width` in px; edges are corrected by
    translation (Ohser 1983). Each pair is divided by its own distance (Guan 2007), so that g is
    unbiased.
    """
    points, frame = field
    n, step = len(points), r[1] - r[0]
    pairs = cKDTree(points).query_pairs(r[-1] + half_width, output_type="ndarray")
    offsets = np.abs(points[pairs[:, 0]] - points[pairs[:, 1]])
    distance = np.hypot(*offsets.T)
    shared = np.prod(np.asarray(frame) - offsets, axis=1)
    weight = 2 / (2 * np.pi * np.maximum(distance, 1e-6) * shared)
    reach = int(np.ceil(half_width / step))
    edges = r[0] + step * (np.arange(-reach, len(r) + reach + 1) - 0.5)
    sums = np.histogram(distance, edges, weights=weight)[0]
    u = step * np.arange(-reach, reach + 1) / half_width
    kernel = np.maximum(1 - u**2, 0.0)
    squared_density = n * (n - 1) / (frame[0] * frame[1]) ** 2
    return np.asarray(np.convolve(sums, kernel / (kernel.sum() * step), "valid") / squared_density, np.float64)


def compare_with_chance(
    px: Table, frame: tuple[int, int], rng: np.random.Generator
) -> tuple[Pairs | None, list[float]]:
    """The pair correlation of an image with the envelope of random pictures, lengths in px, and the
    mean distance to the nearest neighbour in each random picture. None and [] with too few objects,
    or without room to place them.

    px: the table in px. frame: width and height of the analysed area in px.
    """
    px, (width, height) = _around_middle(px, frame)
    is_present, middles = is_neighbour(px), centres(px)
    margin = float(np.quantile(px.length("max_feret")[is_present], 0.9)) / 2 if is_present.any() else 0.0
    inner = (width - 2 * margin, height - 2 * margin)

    def field(points: Floats) -> Field:
        """The centres at least half a large object away from the frame. Nearer objects may be cut
        off."""
        inside = ((points >= margin) & (points <= (width - margin, height - margin))).all(1)
        return Field(points[inside] - margin, inner)

    observed = field(middles[is_present])
    if min(inner) <= 0 or len(observed.points) < FEWEST_TESTED:
        return None, []
    spacing = np.sqrt(inner[0] * inner[1] / len(observed.points))
    half_width = KERNEL_HALF_WIDTH * spacing
    r = np.arange(half_width, min(LONGEST_DISTANCE * spacing, min(inner) / 4), half_width / STEPS_PER_HALF_WIDTH)
    sizes = (px.length(name)[is_present] for name in ("area", "min_feret", "max_feret"))
    times = RANDOM_PICTURES if is_present.sum() <= MANY_OBJECTS else FEWER_PICTURES
    placements = place_rods(*as_rods(*sizes), (width, height), times, rng)
    if placements is None or len(r) < STEPS_PER_HALF_WIDTH:
        return None, []
    fields = [placement for placement in map(field, placements) if len(placement.points) > 1]
    g = pair_correlation(observed, r, half_width)
    chance = np.stack([pair_correlation(placement, r, half_width) for placement in fields])
    return envelope(r, g, chance), [mean for placement in fields if np.isfinite(mean := mean_distance(placement))]


def envelope(r: Floats, g: Floats, chance: Floats) -> Pairs:
    """The pair correlation g (m,) of an image at the distances r (m,), compared with the pair
    correlations `chance` (times, m) of the random pictures.

    The envelope is global: 95 % of the random pictures lie inside at all distances (studentised
    maximum absolute deviation, Myllymäki et al. 2017). p: of the test with this envelope.
    """
    curves = np.vstack([g, chance])
    mean_chance = chance.mean(0)
    is_possible = np.logical_or.accumulate(mean_chance >= LEAST_RANDOM_DENSITY)
    spread = np.sqrt(curves.var(0, ddof=1)) + 1e-9
    deviations = np.where(is_possible, np.abs(curves - curves.mean(0)) / spread, 0.0).max(1)
    p = float((deviations >= deviations[0]).mean())
    half_widths = np.sort(deviations)[-int(np.floor(0.05 * len(deviations))) - 1] * spread
    low, high = np.maximum(curves.mean(0) - half_widths, 0.0), curves.mean(0) + half_widths
    side = np.where(is_possible & (g > high), 1, np.where(is_possible & (g < low), -1, 0)) if p <= 0.05 else 0 * r
    starts = np.flatnonzero(np.diff(side, prepend=0)).tolist()
    ranges = [
        Range(low=float(r[start]), high=float(r[end - 1]), side="more" if side[start] > 0 else "fewer")
        for start, end in pairwise([*starts, len(r)])
        if side[start]
    ]
    return Pairs(
        r=r.tolist(),
        g=g.tolist(),
        chance=mean_chance.tolist(),
        low=low.tolist(),
        high=high.tolist(),
        p=p,
        ranges=ranges,
    )


def _around_middle(px: Table, frame: tuple[int, int]) -> tuple[Table, Frame]:
    """The objects in a rectangle around the middle, with centres in px from its corner, and the
    size of the rectangle; the whole image with up to MOST_TESTED objects. If objects are clustered,
    the rectangle may have more of them."""
    share = min(1.0, np.sqrt(MOST_TESTED / max(1, int(is_neighbour(px).sum()))))
    if share == 1:
        return px, frame
    start = (1 - share) / 2 * np.asarray(frame)
    positions = centres(px) - start
    is_inside = ((positions >= 0) & (positions <= share * np.asarray(frame))).all(1)
    columns = {**px.columns, "centroid_x_px": positions[:, 0] - 0.5, "centroid_y_px": positions[:, 1] - 0.5}
    return Table({name: values[is_inside] for name, values in columns.items()}), (share * frame[0], share * frame[1])


def comparison_sentence(pairs: Pairs | None, unit: Unit, things: str) -> str:
    """The result of the comparison with chance in a sentence. unit: of the lengths in `pairs`."""
    if pairs is None:
        return f"Not compared with chance: there are too few {things}, or they fill too much of the image."
    if not pairs["ranges"]:
        return f"The {things} lie as if placed at random without overlap: no clusters, no even spacing."
    first_band, farthest = pairs["ranges"][0], pairs["r"][-1]
    words = [_range_words(band, pairs, unit) for band in pairs["ranges"][:2]]
    if first_band["side"] == "fewer":
        return f"More evenly spaced than chance: {' and '.join(words)}."
    is_everywhere = first_band["high"] >= farthest
    end = ", the longest distance compared. So their number per area differs within the image" if is_everywhere else ""
    return f"More clustered than chance: {words[0]}{end}."


def _range_words(band: Range, pairs: Pairs, unit: Unit) -> str:
    """A range in words, such as "more neighbours below 300 nm"."""
    high = readable(Value(band["high"], unit=unit))
    end = f"{significant(high.value, 2)} {high.unit}"
    least = next(r for r, chance in zip(pairs["r"], pairs["chance"], strict=True) if chance >= LEAST_RANDOM_DENSITY)
    if band["low"] <= NEAR_LEAST * least:
        return f"{band['side']} neighbours below {end}"
    start = band["low"] * nanometre_in(high.unit)
    return f"{band['side']} neighbours at {significant(start, 2)} to {end}"


# ---- alignment ------------------------------------------------------------------------------------


def alignment(px: Table, frame: tuple[int, int]) -> Alignment | None:
    """The nematic order parameter |mean exp(2 i angle)| of the elongated objects, with its interval
    over blocks of the image, Rayleigh's test, and the common direction; None with fewer than FEWEST_OBJECTS
    elongated objects. px, frame: see `compare_with_chance`."""
    is_long = px.whole & (px["ellipse_ratio"] < LARGEST_AXIS_RATIO)
    n = int(is_long.sum())
    if n < FEWEST_OBJECTS:
        return None
    doubled_angles, middles = 2 * np.radians(px["orientation"][is_long]), centres(px)[is_long]
    sums = _by_block(middles, frame, np.cos(doubled_angles), np.sin(doubled_angles), np.ones(n))
    order = value_over_blocks(lambda parts: ratio(float(np.hypot(parts[0], parts[1])), parts[2]), sums, highest=1.0)
    total, value = n * (order.value or 0.0), order.value or 0.0
    p_value = float(np.exp(np.sqrt(1 + 4 * n + 4 * (n**2 - total**2)) - (1 + 2 * n)))
    return Alignment(
        n=n,
        order=value,
        low=order.low,
        high=order.high,
        p=min(p_value, 1.0),
        direction=float(np.degrees(np.angle(complex(*sums.sum(0)[:2]))) / 2 % 180),
    )
