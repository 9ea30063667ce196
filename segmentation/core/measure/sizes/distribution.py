"""A size distribution as weighted sizes, and its figures (mean, percentiles, mode, ...) by number,
area or volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..quantities import NUMBERS, Unit
from ..results import FIGURES
from ..table import Table
from .bins import NANO_NM

Floats = NDArray[np.float64]
Weighting = Literal["number", "area", "volume"]
Edge = Literal["exclude", "weight"]
Figures = dict[str, float | None]

# Power of the ECD in the weight of a particle.
POWER: dict[Weighting, int] = {"number": 0, "area": 2, "volume": 3}
WEIGHTINGS: tuple[Weighting, ...] = tuple(POWER)
DIMENSIONLESS = tuple(name for name in FIGURES if not NUMBERS[name].power)
DECILES = {"d10": 0.1, "d50": 0.5, "d90": 0.9}
LEAST_NM = 1.0  # lower limit of the nanoscale
MODE_GRID = 256  # sizes at which a density is computed to find its mode
MODE_GROUPS = 2048  # of particles; more particles than this are grouped to find the mode
EQUAL_WITHIN = 1e-9  # relative difference up to which two sizes are equal
# For intervals that show how images differ. Two images may be equal by chance, and Student's t for
# two, 12.7, gives intervals too wide to be useful.
FEWEST_IMAGES = 3


@dataclass(frozen=True, eq=False)
class WeightedSizes:
    """The sizes of n counted objects in ascending order, and other data for the statistics.

    unit: of size and ecd. size, ecd: (n,).
    weights: by weighting, (n,) each, with a mean of 1. A weight is the product of the object's border correction (1
        unless edges are weighted), its probability, and POWER of its ECD.
    image: (n,) int64, the image of each object; None if there is only one image.
    number: how many objects there are; with possible pieces (`possible_pieces`) the rounded sum of the probabilities.
    """

    unit: Unit
    size: Floats
    ecd: Floats
    weights: dict[Weighting, Floats]
    image: NDArray[np.int64] | None = None
    number: int = 0

    def __len__(self) -> int:
        return len(self.size)

    @classmethod
    def of(
        cls, *tables: Table, edge: Edge, by: str = "min_feret", pieces: Sequence[Table | None] = ()
    ) -> WeightedSizes:
        """The counted objects in the tables of one image or of several, which have one unit.

        edge: the border correction. by: the measure that is the size. pieces: for each table the
        table of its possible pieces (`possible_pieces`), or None; with them, outlines and pieces are
        weighted by their probabilities.
        """
        all_tables = [table for table in (*tables, *pieces) if table is not None]
        images = [*range(len(tables)), *(image for image, table in enumerate(pieces) if table is not None)]
        size, ecd = (np.concatenate([table.length(name)[table.kept] for table in all_tables]) for name in (by, "ecd"))

        probability = number_weights(all_tables, probabilities=bool(pieces))
        number = round(float(probability.sum()))
        base = number_weights(all_tables, edge, probabilities=bool(pieces))
        image = np.repeat(images, [int(table.kept.sum()) for table in all_tables])
        if pieces and not base.all():  # an outline that is surely divided has the weight 0
            size, ecd, base, image = size[base > 0], ecd[base > 0], base[base > 0], image[base > 0]
        order = np.argsort(size, kind="stable")
        size, ecd, base, image = size[order], ecd[order], base[order], image[order]
        weights = {}
        for weighting, power in POWER.items():
            weight = base * ecd**power
            weights[weighting] = weight / weight.mean() if len(weight) else weight
        return cls(tables[0].unit, size, ecd, weights, image if len(tables) > 1 else None, number)

    @property
    def images(self) -> int:
        """How many images the objects come from."""
        return 1 if self.image is None else len(np.unique(self.image))

    @property
    def by_image(self) -> bool:
        """Whether there are enough images to show how places of the material differ."""
        return self.images >= FEWEST_IMAGES

    @property
    def image_numbers(self) -> NDArray[np.int64]:
        """(n,) the image of each object, numbered from 0 on without gaps."""
        if self.image is None:
            return np.zeros(len(self), np.int64)
        return np.unique(self.image, return_inverse=True)[1].astype(np.int64)

    def at(self, index: NDArray[Any]) -> WeightedSizes:
        """Some of the objects, or all in another order. index: into (n,), as numpy takes it."""
        weights = {weighting: weight[index] for weighting, weight in self.weights.items()}
        image = None if self.image is None else self.image[index]
        return WeightedSizes(self.unit, self.size[index], self.ecd[index], weights, image, len(self.size[index]))

    def by_ecd(self) -> WeightedSizes:
        """The same objects with the ECD as their size."""
        ordered = self.at(np.argsort(self.ecd, kind="stable"))
        return replace(ordered, size=ordered.ecd)


def is_nano(size: Floats) -> NDArray[np.bool_]:
    """(n,) whether each size in nm is from 1 to 100 nm."""
    tolerance = 1 + 1e-12  # converting units may change the last digit
    return np.asarray((size <= NANO_NM * tolerance) & (size >= LEAST_NM / tolerance), np.bool_)


def nano_share(size: Floats, weights: Floats) -> float:
    """The share of the weights (n,) that belong to sizes (n,) from 1 to 100 nm."""
    return min(float(weights[is_nano(size)].sum() / weights.sum()), 1.0)


def known_or_one(tables: Sequence[Table], name: str) -> Floats:
    """(n,) the column `name`, a weight, of all objects in the tables; 1 where it is not known, such
    as for an object that touches the frame."""
    joined = np.concatenate([np.zeros(0), *(table[name] for table in tables)])
    return np.asarray(np.nan_to_num(joined, nan=1.0), np.float64)


def number_weights(tables: Sequence[Table], edge: Edge = "exclude", *, probabilities: bool = False) -> Floats:
    """(n,) the weights by number of the counted objects of the tables: the edge weight, if edges
    are weighted, times the probability, if probabilities are used. Both are 1 where they are not
    known."""
    names = [*(["chance"] if probabilities else []), *(["edge_weight"] if edge == "weight" else [])]
    weights = np.ones(sum(int(table.kept.sum()) for table in tables))
    kept = np.concatenate([np.zeros(0, np.bool_), *(table.kept for table in tables)])
    for name in names:
        weights = weights * known_or_one(tables, name)[kept]
    return np.asarray(weights, np.float64)


def effective_number(weights: Floats) -> float:
    """The number of equally weighted particles with the same statistical precision as particles with
    the weights w (n,): (sum w)² / sum w² (Kish 1965)."""
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def effective_particles(sizes: WeightedSizes, weighting: Weighting) -> float:
    """The effective number of particles by a weighting: the smaller of two numbers, because
    a sample that lacks the few large particles seems better than it is. One is the number of the
    sample (`effective_number`). The other is the number of a log-normal law with the sample's spread: n
    exp(-(POWER × SD of ln ECD)²)."""
    n = effective_number(sizes.weights["number"])
    logs, weights = np.log(sizes.ecd), sizes.weights["number"]
    variance = float(np.average((logs - np.average(logs, weights=weights)) ** 2, weights=weights))
    return min(effective_number(sizes.weights[weighting]), n * float(np.exp(-variance * POWER[weighting] ** 2)))


def positions(weights: Floats) -> Floats:
    """(n,) the position from 0 to 1 of each of n >= 2 sorted sizes in the distribution: i / (n - 1)
    if all weights (n,) are equal."""
    total = np.cumsum(weights) - weights / 2
    return np.asarray((total - total[0]) / (total[-1] - total[0]), np.float64)


def quantiles(size: Floats, weights: Floats, shares: Floats | tuple[float, ...]) -> Floats:
    """The quantiles (k,) of sorted sizes (n,) at the shares (k,), interpolated between the sizes'
    positions. If all weights are equal, these are the quantiles of numpy."""
    if len(size) == 1:
        return np.repeat(size, len(shares))
    return np.asarray(np.interp(shares, positions(weights), size), np.float64)


def quantile(size: Floats, weights: Floats, share: float) -> float:
    """One quantile, see `quantiles`."""
    return float(quantiles(size, weights, (share,))[0])


def cumulative_quantiles(size: Floats, weights: Floats, shares: Floats | tuple[float, ...]) -> Floats:
    """The sorted sizes at which the cumulative weight reaches the shares (k,), as ISO 9276-2
    defines them. There is no interpolation, because a few large particles may have most of the
    weight."""
    cumulative = np.cumsum(weights) / weights.sum()
    return size[np.minimum(np.searchsorted(cumulative, np.asarray(shares) - EQUAL_WITHIN), len(size) - 1)]


def figures(size: Floats, weights: Floats, weighting: Weighting = "number") -> Figures:
    """All FIGURES of sorted sizes (n,) by name. None if undefined: all for n = 0; spread, D10 and
    D90 for n = 1.

    D10, D50 and D90 by area and volume are `cumulative_quantiles`, by number `quantiles`.
    """
    if not len(size):
        return dict.fromkeys(FIGURES)
    mean, sd = mean_and_deviation(size, weights)
    log_mean, log_sd = mean_and_deviation(np.log(size), weights)
    quantiles_of = quantiles if weighting == "number" else cumulative_quantiles
    deciles = dict(zip(DECILES, quantiles_of(size, weights, tuple(DECILES.values())).tolist(), strict=True))
    return {
        "mean": mean,
        "sd": sd,
        **{name: value if len(size) > 1 or name == "d50" else None for name, value in deciles.items()},
        "span": None if sd is None else (deciles["d90"] - deciles["d10"]) / deciles["d50"],
        "mode": None if sd is None else mode(size, weights),
        "geometric_mean": float(np.exp(log_mean)),
        "geometric_sd": None if log_sd is None else float(np.exp(log_sd)),
    }


def mean_and_deviation(values: Floats, weights: Floats) -> tuple[float, float | None]:
    """Weighted mean and standard deviation of values (n,). The denominator of the variance is the
    effective number of particles minus one, which is n - 1 for equal weights; the standard
    deviation is None if this is zero."""
    total = weights.sum()
    mean = float((weights * values).sum() / total)
    denominator = total - (weights**2).sum() / total
    if len(values) < 2 or denominator <= EQUAL_WITHIN * total:
        return mean, None
    return mean, float(np.sqrt((weights * (values - mean) ** 2).sum() / denominator))


def bandwidth(logs: Floats, weights: Floats) -> float:
    """The kernel width for sorted ln(size) after Silverman (1986): 0.9 min(SD, interquartile range
    / 1.34) n^(-1/5), with the effective number n; 0 if all sizes are equal."""
    _, sd = mean_and_deviation(logs, weights)
    low, high = quantiles(logs, weights, (0.25, 0.75)).tolist()
    if sd is None or logs[-1] - logs[0] <= EQUAL_WITHIN:
        return 0.0
    spread = min(sd, (high - low) / 1.34) or sd
    return float(0.9 * spread * effective_number(weights) ** -0.2)


def mode_grid(logs: Floats, width: float) -> Floats:
    """(MODE_GRID,) the values of ln(size) at which the density is computed, for sorted logarithms
    and a kernel width."""
    return np.linspace(logs[0] - width, logs[-1] + width, MODE_GRID)


def kernel(logs: Floats, grid: Floats, width: float) -> Floats:
    """(n, g) the contribution of each particle to the density by size (not by its logarithm) at
    each point of the grid (g,) of ln(size)."""
    return np.asarray(np.exp(-0.5 * ((logs[:, None] - grid) / width) ** 2 - grid), np.float64)


def mode(size: Floats, weights: Floats) -> float:
    """The size at which the density is highest. The density of ln(size) is estimated with a
    Gaussian kernel, and converted into a density by size."""
    logs = np.log(size)
    width = bandwidth(logs, weights)
    if not width:
        return float(size[0])
    if len(size) > MODE_GROUPS:  # neighbours in size are put together: they differ by much less than the kernel
        starts = np.arange(MODE_GROUPS) * len(size) // MODE_GROUPS
        group_weights = np.add.reduceat(weights, starts)
        logs, weights = np.add.reduceat(weights * logs, starts) / group_weights, group_weights
    grid = mode_grid(logs, width)
    return float(np.exp(peak(grid, (weights @ kernel(logs, grid, width))[None])[0]))


def peak(grid: Floats, density: Floats) -> Floats:
    """(b,) where on the grid (g,) each of the densities (b, g) is highest; the parabola through three
    points interpolates between the points of the grid."""
    top = np.clip(density.argmax(1), 1, len(grid) - 2)
    row = np.arange(len(density))
    before, middle, after = (density[row, top + step] for step in (-1, 0, 1))
    curve = before - 2 * middle + after
    shift = np.where(curve < 0, (before - after) / np.where(curve < 0, 2 * curve, 1), 0.0)
    return np.asarray(grid[top] + np.clip(shift, -1, 1) * (grid[1] - grid[0]), np.float64)
