"""The figures of one size distribution, by number, by area or by volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .bins import NANO_NM
from .quantities import NUMBERS, Unit
from .results import FIGURES
from .table import Table

Floats = NDArray[np.float64]
Weighting = Literal["number", "area", "volume"]
Edge = Literal["exclude", "weight"]
Figures = dict[str, float | None]

POWER: dict[Weighting, int] = {"number": 0, "area": 2, "volume": 3}  # of the ECD
WEIGHTINGS: tuple[Weighting, ...] = tuple(POWER)
DIMENSIONLESS = tuple(name for name in FIGURES if not NUMBERS[name].power)
TENTHS = {"d10": 0.1, "d50": 0.5, "d90": 0.9}
LEAST_NM = 1.0
MODE_GRID = 256
MODE_GROUPS = 2048
SAME = 1e-9  # relative; sizes that differ by less are equal
# Fewer images say what holds in them alone: two may be alike by chance, and Student's t of two (12.7) says nothing.
FEWEST_IMAGES = 3


@dataclass(frozen=True, eq=False)
class WeightedSizes:
    """The sizes of n kept objects in ascending order, and other data for the statistics.

    weights: by weighting, (n,) each: the edge weight (1 unless the edges are weighted), times 1, the projected area,
        or the volume of the sphere of that area (ECD cubed), scaled to a mean of 1.
    ecd: (n,). image: (n,) int64, the image of each particle; None if there is only one image. number: how many
    particles there are; of an expected distribution (`possible`) the sum of the probabilities.
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
        """The kept particles of the tables of one or several images, all in the unit of the first table.

        by: the measure used as size. pieces: of each table, what its outlines may be instead (`possible`); with them
        outlines and pieces weigh as much as their probability.
        """
        known = [table for table in (*tables, *pieces) if table is not None]
        places = [*range(len(tables)), *(at for at, table in enumerate(pieces) if table is not None)]
        size, ecd = (np.concatenate([table.length(name)[table.kept] for table in known]) for name in (by, "ecd"))

        probability = number_weights(known, probabilities=bool(pieces))
        number = round(float(probability.sum()))
        base = number_weights(known, edge, probabilities=bool(pieces))
        image = np.repeat(places, [int(table.kept.sum()) for table in known])
        if pieces and not base.all():  # what is surely divided
            size, ecd, base, image = size[base > 0], ecd[base > 0], base[base > 0], image[base > 0]
        order = np.argsort(size, kind="stable")
        size, ecd, base, image = size[order], ecd[order], base[order], image[order]
        weights = {way: base * ecd**power for way, power in POWER.items()}
        weights = {way: weight / weight.mean() if len(weight) else weight for way, weight in weights.items()}
        return cls(tables[0].unit, size, ecd, weights, image if len(tables) > 1 else None, number)

    @property
    def images(self) -> int:
        """How many images the particles come from."""
        return 1 if self.image is None else len(np.unique(self.image))

    @property
    def by_image(self) -> bool:
        """Whether the images are enough to show how places of the material differ."""
        return self.images >= FEWEST_IMAGES

    @property
    def image_numbers(self) -> NDArray[np.int64]:
        """(n,) from 0 on, without gaps: the image of each particle."""
        if self.image is None:
            return np.zeros(len(self), np.int64)
        return np.unique(self.image, return_inverse=True)[1].astype(np.int64)

    def at(self, index: NDArray[Any]) -> WeightedSizes:
        """Some of the particles, or all in another order: index as numpy takes it."""
        weights = {way: weight[index] for way, weight in self.weights.items()}
        image = None if self.image is None else self.image[index]
        return WeightedSizes(self.unit, self.size[index], self.ecd[index], weights, image, len(self.size[index]))

    def by_ecd(self) -> WeightedSizes:
        """The same particles with the ECD as their size."""
        ordered = self.at(np.argsort(self.ecd, kind="stable"))
        return replace(ordered, size=ordered.ecd)


def is_nano(size: Floats) -> NDArray[np.bool_]:
    """(n,) whether each size is 1 to 100 nm; with a tolerance, as converting units may change the last digit."""
    slack = 1 + 1e-12
    return np.asarray((size <= NANO_NM * slack) & (size >= LEAST_NM / slack), np.bool_)


def nano_share(size: Floats, weights: Floats) -> float:
    """The share of the weights whose sizes are 1 to 100 nm."""
    return min(float(weights[is_nano(size)].sum() / weights.sum()), 1.0)


def known_or_one(tables: Sequence[Table], name: str) -> Floats:
    """A weight of all objects in the tables, (n,): 1 where it is not known, as of one that touches the frame."""
    joined = np.concatenate([np.zeros(0), *(table[name] for table in tables)])
    return np.asarray(np.nan_to_num(joined, nan=1.0), np.float64)


def number_weights(tables: Sequence[Table], edge: Edge = "exclude", *, probabilities: bool = False) -> Floats:
    """(n,) the weight by number of each kept particle of the tables: its edge weight, if edges are weighted, times its
    probability, if these count. Either is 1 where it is not known, as of a kept particle that touches the frame."""
    names = [*(["chance"] if probabilities else []), *(["edge_weight"] if edge == "weight" else [])]
    weights = np.ones(sum(int(table.kept.sum()) for table in tables))
    kept = np.concatenate([np.zeros(0, np.bool_), *(table.kept for table in tables)])
    for name in names:
        weights = weights * known_or_one(tables, name)[kept]
    return np.asarray(weights, np.float64)


def effective_number(weights: Floats) -> float:
    """The number of equally weighted particles with the same information (Kish 1965): (sum w)^2 / sum w^2."""
    return float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0


def effective_particles(sizes: WeightedSizes, way: Weighting) -> float:
    """The effective number of particles by number, area or volume: the smaller of two numbers, because a sample without
    the few large particles looks better than it is. One is counted in the sample. The other follows from a log-normal
    law with the sample's spread: n exp(-(power SD of ln ECD)^2)."""
    n = effective_number(sizes.weights["number"])
    logs, weights = np.log(sizes.ecd), sizes.weights["number"]
    variance = float(np.average((logs - np.average(logs, weights=weights)) ** 2, weights=weights))
    return min(effective_number(sizes.weights[way]), n * float(np.exp(-variance * POWER[way] ** 2)))


def places(weights: Floats) -> Floats:
    """The place 0..1 of each of n >= 2 sorted sizes in the distribution: i / (n - 1) if all weights are equal."""
    total = np.cumsum(weights) - weights / 2
    return np.asarray((total - total[0]) / (total[-1] - total[0]), np.float64)


def quantiles(size: Floats, weights: Floats, at: Floats | tuple[float, ...]) -> Floats:
    """Quantiles of sorted sizes, linear between the sizes' places: as numpy's if all weights are equal."""
    if len(size) == 1:
        return np.repeat(size, len(at))
    return np.asarray(np.interp(at, places(weights), size), np.float64)


def quantile(size: Floats, weights: Floats, at: float) -> float:
    return float(quantiles(size, weights, (at,))[0])


def reached(size: Floats, weights: Floats, at: Floats | tuple[float, ...]) -> Floats:
    """The sorted sizes at which the summed weights reach the shares `at` (cumulative definition of ISO 9276-2).
    There is no interpolation, because a few large particles may carry most of the amount."""
    shares = np.cumsum(weights) / weights.sum()
    return size[np.minimum(np.searchsorted(shares, np.asarray(at) - SAME), len(size) - 1)]


def figures(size: Floats, weights: Floats, way: Weighting = "number") -> Figures:
    """All FIGURES of sorted sizes (n,); None if undefined: all for n = 0; spread, D10 and D90 for n = 1.

    D10, D50 and D90 by area and volume use the cumulative definition; by number they are interpolated linearly.
    """
    if not len(size):
        return dict.fromkeys(FIGURES)
    mean, sd = mean_and_deviation(size, weights)
    log_mean, log_sd = mean_and_deviation(np.log(size), weights)
    at = tuple(TENTHS.values())
    tenths = dict(zip(TENTHS, (quantiles if way == "number" else reached)(size, weights, at).tolist(), strict=True))
    return {
        "mean": mean,
        "sd": sd,
        **{name: value if len(size) > 1 or name == "d50" else None for name, value in tenths.items()},
        "span": None if sd is None else (tenths["d90"] - tenths["d10"]) / tenths["d50"],
        "mode": None if sd is None else mode(size, weights),
        "geometric_mean": float(np.exp(log_mean)),
        "geometric_sd": None if log_sd is None else float(np.exp(log_sd)),
    }


def mean_and_deviation(values: Floats, weights: Floats) -> tuple[float, float | None]:
    """Weighted mean and standard deviation. The denominator of the variance is n - 1 for equal weights, otherwise the
    effective number of particles minus one; None if that is zero."""
    total = weights.sum()
    mean = float((weights * values).sum() / total)
    free = total - (weights**2).sum() / total
    if len(values) < 2 or free <= SAME * total:
        return mean, None
    return mean, float(np.sqrt((weights * (values - mean) ** 2).sum() / free))


def bandwidth(logs: Floats, weights: Floats) -> float:
    """Silverman's (1986) kernel width for sorted ln(size): 0.9 min(SD, IQR / 1.34) n^(-1/5), n the effective number;
    0 if all sizes are equal."""
    _, sd = mean_and_deviation(logs, weights)
    low, high = quantiles(logs, weights, (0.25, 0.75)).tolist()
    if sd is None or logs[-1] - logs[0] <= SAME:
        return 0.0
    spread = min(sd, (high - low) / 1.34) or sd
    return float(0.9 * spread * effective_number(weights) ** -0.2)


def mode_grid(logs: Floats, width: float) -> Floats:
    """The (MODE_GRID,) values of ln(size) at which the density is computed."""
    return np.linspace(logs[0] - width, logs[-1] + width, MODE_GRID)


def kernel(logs: Floats, grid: Floats, width: float) -> Floats:
    """(n, g): the contribution of each particle to the density by SIZE at each point of the grid."""
    return np.asarray(np.exp(-0.5 * ((logs[:, None] - grid) / width) ** 2 - grid), np.float64)


def mode(size: Floats, weights: Floats) -> float:
    """Where the density by size is highest: a Gaussian kernel on ln(size), turned into a density by size."""
    logs = np.log(size)
    width = bandwidth(logs, weights)
    if not width:
        return float(size[0])
    if len(size) > MODE_GROUPS:  # neighbours far nearer to each other than the kernel is wide
        starts = np.arange(MODE_GROUPS) * len(size) // MODE_GROUPS
        together = np.add.reduceat(weights, starts)
        logs, weights = np.add.reduceat(weights * logs, starts) / together, together
    grid = mode_grid(logs, width)
    return float(np.exp(peak(grid, (weights @ kernel(logs, grid, width))[None])[0]))


def peak(grid: Floats, density: Floats) -> Floats:
    """(b,) where on the grid each of (b, g) densities is highest, between its points by the parabola through three."""
    top = np.clip(density.argmax(1), 1, len(grid) - 2)
    row = np.arange(len(density))
    before, middle, after = (density[row, top + step] for step in (-1, 0, 1))
    curve = before - 2 * middle + after
    shift = np.where(curve < 0, (before - after) / np.where(curve < 0, 2 * curve, 1), 0.0)
    return np.asarray(grid[top] + np.clip(shift, -1, 1) * (grid[1] - grid[0]), np.float64)
