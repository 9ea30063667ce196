"""Counts how often the 95 % intervals contain the true value, for samples of known laws, of one image and of several.

python -m tools.accuracy coverage laws calibration weighted images fractions
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from math import log
from typing import NamedTuple
from zlib import crc32

import numpy as np
from scipy import stats

from segmentation.core.measure.sizes.distribution import POWER, WEIGHTINGS, WeightedSizes, Weighting, figures
from segmentation.core.measure.uncertainty.bootstrap import intervals
from segmentation.core.measure.uncertainty.cautions import doubted_figures
from segmentation.core.measure.uncertainty.fractions import Fraction, missed_fields, nano_fraction

MEDIAN = 110.0
NAMES = ("mean", "sd", "d10", "d50", "d90", "span", "mode", "geometric_mean", "geometric_sd")
COLUMNS = (*NAMES, "fraction_100nm")
HEADS = {"fraction_100nm": "fraction"}
NO_MODE = tuple(name for name in COLUMNS if name != "mode")  # some of the laws have none
POPULATION = 400_000
Truth = dict[str, float]


class Share(NamedTuple):
    """Shares from 0 to 1. held: of the intervals that contain the true value. known: of the samples that have an
    interval. doubted: of the intervals that the product itself calls perhaps too narrow."""

    held: float
    known: float
    doubted: float

    def __str__(self) -> str:
        if self.known < 0.05:
            return "–"
        many = "" if self.known > 0.995 else f" ({100 * self.known:.0f})"
        return f"{100 * self.held:.1f}{'*' if self.doubted >= 0.9 else ''}{many}"


Shares = dict[str, Share]
Hits = dict[Weighting, dict[str, tuple[float, bool]]]


def sizes_of(values: np.ndarray, image: np.ndarray | None = None) -> WeightedSizes:
    """Sizes of spheres with these diameters (n,), in nm. image: the number of the image of each, for several images."""
    order = np.argsort(values, kind="stable")
    size = values[order]
    weights = {way: size**power / (size**power).mean() for way, power in POWER.items()}
    return WeightedSizes("nm", size, size, weights, None if image is None else image[order])


def log_normal(gsd: float, median: float = MEDIAN) -> Callable[[np.ndarray], np.ndarray]:
    return lambda share: stats.lognorm.ppf(share, log(gsd), scale=median)


def _mixed(share: np.ndarray) -> np.ndarray:
    """90 % about 60 nm and 10 % about 240 nm."""
    size = np.geomspace(20, 1000, 100_000)
    below = 0.9 * stats.lognorm.cdf(size, log(1.2), scale=60) + 0.1 * stats.lognorm.cdf(size, log(1.2), scale=240)
    return np.interp(share, below, size)


# The quantile function of each law by its name: share -> size in nm. All medians are near MEDIAN.
LAWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "log-normal, GSD 1.5": log_normal(1.5),
    "normal, SD 30 %": lambda share: stats.norm.ppf(share, MEDIAN, 0.3 * MEDIAN).clip(5),
    "Weibull, shape 2.5": lambda share: stats.weibull_min.ppf(share, 2.5, scale=MEDIAN / log(2) ** 0.4),
    "uniform, 40 to 180 nm": lambda share: 40 + 140 * share,
    "bimodal, 90 and 10 %": _mixed,
}


@dataclass(frozen=True)
class Images:
    """A specimen whose images differ: the sizes of an image are those of a law, times a factor of the image,
    exp(N(0, ln between)).

    images: their number. count: particles of an image, times (its factor)^follows, times a random number of a gamma law
    with the relative SD `uneven`.
    """

    images: int
    between: float
    law: str = "log-normal, GSD 1.5"
    follows: float = 0.0
    uneven: float = 0.0
    count: int = 60

    @property
    def name(self) -> str:
        rule = {0.0: "alike", -2.0: "fall with size²", 2.0: "rise with size²"}[self.follows]
        return f"{self.images} | {self.between:g} | {self.law} | {'uneven, SD 70 %' if self.uneven else rule}"

    def draw(self, rng: np.random.Generator, images: int) -> tuple[np.ndarray, np.ndarray]:
        """Sizes (n,) and the image of each."""
        off = log(self.between) * rng.standard_normal(images)
        level = rng.gamma(self.uneven**-2, self.uneven**2, images) if self.uneven else np.ones(images)
        counts = np.maximum(np.rint(self.count * level * np.exp(self.follows * off)), 5).astype(int)
        image = np.repeat(np.arange(images), counts)
        share = rng.random(len(image))
        if self.law == "log-normal, GSD 1.5":  # of a table, which is far faster
            return np.exp(off[image] + log(MEDIAN) + log(1.5) * stats.norm.ppf(share)), image
        return LAWS[self.law](share) * np.exp(off[image]), image


CASES = (
    *(Images(m, between) for m, between in ((3, 1.3), (5, 1.3), (10, 1.3), (3, 1.15), (5, 1.15), (20, 1.15))),
    *(Images(m, 1.0) for m in (5, 20)),
    *(Images(5, 1.3, law) for law in list(LAWS)[1:]),
    *(Images(10, 1.15, law) for law in list(LAWS)[1:]),
    *(Images(m, 1.3, follows=follows) for m in (3, 5, 10) for follows in (-2.0, 2.0)),
    *(Images(m, 1.3, uneven=0.7) for m in (5, 10)),
)
LARGE_IMAGES = (("log-normal, GSD 1.5", 1000), *((law, 4000) for law in LAWS))  # fewer have no such intervals
LARGE_SAMPLES = (
    *(Images(5, between, count=400) for between in (1.15, 1.3)),
    *(Images(20, 1.15, law, count=200) for law in ("log-normal, GSD 1.5", "normal, SD 30 %", "bimodal, 90 and 10 %")),
    Images(20, 1.3, count=200),
)


def truths(values: np.ndarray) -> dict[Weighting, Truth]:
    """The figures of a whole population."""
    sizes = sizes_of(values)
    estimates = {way: figures(sizes.size, sizes.weights[way], way) for way in WEIGHTINGS}
    inside = {"fraction_100nm": float((values <= 100).mean())}
    return {
        way: {name: float(estimate[name] or np.nan) for name in NAMES} | inside for way, estimate in estimates.items()
    }


def hits(sizes: WeightedSizes, goals: dict[Weighting, Truth], seed: int, u: float = 0.0) -> Hits:
    """For each weighting and figure: 1 if the interval contains the true value, 0 if not, NaN without an interval; and
    whether the product doubts the interval. u: relative uncertainty of the calibration."""
    estimates = {way: figures(sizes.size, sizes.weights[way], way) for way in WEIGHTINGS}
    limits = intervals(sizes, estimates, np.random.default_rng(seed), u)
    nano = nano_fraction(sizes, u)
    unsure = {name for names, _ in doubted_figures(sizes) for name in names}
    ends = {way: {**limits[way], "fraction_100nm": [nano.low, nano.high]} for way in WEIGHTINGS}
    return {
        way: {name: (_holds(ends[way][name], goals[way][name]), name in unsure) for name in COLUMNS}
        for way in WEIGHTINGS
    }


def _holds(limits: list[float] | None, value: float) -> float:
    return float("nan") if limits is None else float(limits[0] <= value <= limits[1])


def _shares(results: list[Hits]) -> dict[Weighting, Shares]:
    return {way: {name: _share([result[way][name] for result in results]) for name in COLUMNS} for way in WEIGHTINGS}


def _share(outcomes: list[tuple[float, bool]]) -> Share:
    held, unsure = np.array(outcomes, float).T
    defined = ~np.isnan(held)
    share = float(held[defined].mean()) if defined.any() else float("nan")
    return Share(share, float(defined.mean()), float(unsure[defined].mean()) if defined.any() else 0.0)


def shares_of_law(
    law: Callable[[np.ndarray], np.ndarray], n: int, samples: int, u: float = 0.0
) -> dict[Weighting, Shares]:
    """The shares for samples of one image with n particles. u: relative uncertainty of the calibration, whose random
    error is that large."""
    goals = truths(law((np.arange(POPULATION) + 0.5) / POPULATION))
    results = []
    for i in range(samples):
        rng = np.random.default_rng([n, i, 7])
        values = law(rng.random(n)) * np.exp(-u * rng.standard_normal())
        results.append(hits(sizes_of(values), goals, i, u))
    return _shares(results)


def shares_of_images(case: Images, samples: int) -> dict[Weighting, Shares]:
    goals = truths(case.draw(np.random.default_rng(1), 1_200_000 // case.count)[0])
    drawn = (case.draw(np.random.default_rng([crc32(case.name.encode()), i]), case.images) for i in range(samples))
    return _shares([hits(sizes_of(*sample), goals, i) for i, sample in enumerate(drawn)])


def _table(heads: str, rows: Iterator[tuple[str, Shares]], columns: tuple[str, ...] = COLUMNS) -> Iterator[str]:
    yield f"| {heads} | {' | '.join(HEADS.get(name, name) for name in columns)} |"
    yield "|---" * (heads.count("|") + 1 + len(columns)) + "|"
    for head, shares in rows:
        yield f"| {head} | {' | '.join(str(shares[name]) for name in columns)} |"


def lines(samples: int) -> Iterator[str]:
    """Tables in Markdown, one row for each case."""
    cases = [(gsd, n) for gsd in (1.2, 1.5, 1.8) for n in (30, 100, 300)]
    return _table(
        "GSD | n", ((f"{gsd} | {n}", shares_of_law(log_normal(gsd), n, samples)["number"]) for gsd, n in cases)
    )


def law_lines(samples: int, numbers: tuple[int, ...] = (15, 30, 100, 300)) -> Iterator[str]:
    cases = [(law, n) for law in LAWS for n in numbers]
    return _table(
        "law | n", ((f"{law} | {n}", shares_of_law(LAWS[law], n, samples)["number"]) for law, n in cases), NO_MODE
    )


def calibration_lines(samples: int) -> Iterator[str]:
    rows = ((str(n), shares_of_law(log_normal(1.5), n, samples, 0.03)["number"]) for n in (30, 100, 300))
    return _table("n", rows)


def image_lines(samples: int) -> Iterator[str]:
    rows = ((case.name, shares_of_images(case, samples)["number"]) for case in CASES)
    return _table("images | between | law | counts", rows, NO_MODE)


def weighted_lines(samples: int) -> Iterator[str]:
    """By area and volume, one image and several."""
    alone = ((f"1 | – | {law} | {n}", shares_of_law(LAWS[law], n, samples)) for law, n in LARGE_IMAGES)
    several = (
        (f"{case.images} | {case.between:g} | {case.law} | {case.images * case.count}", shares_of_images(case, samples))
        for case in LARGE_SAMPLES
    )
    rows = ((f"{name} | {way}", row[way]) for name, row in chain(alone, several) for way in ("area", "volume"))
    return _table("images | between | law | n | by", rows, tuple(name for name in NO_MODE if name in NAMES))


def fraction_of(inside: np.ndarray, count: int) -> Fraction:
    """The share of small particles with its interval. inside: (images,) how many of the `count` particles of each image
    are from 1 to 100 nm."""
    small = inside[:, None] > np.arange(count)
    image = np.repeat(range(len(inside)), count) if len(inside) > 1 else None
    return nano_fraction(sizes_of(np.where(small, 50.0, 200.0).ravel(), image))


@dataclass(frozen=True)
class RareFields:
    """A specimen of which one field in `one_in` is of another kind: `rare_share` is the share of its particles
    from 1 to 100 nm, `other_share` that of the others'."""

    one_in: int
    rare_share: float
    other_share: float = 0.0
    count: int = 60

    def covered(self, images: int, samples: int) -> tuple[float, float]:
        """How often the interval contains the true share; and how often the interval with the note on missed
        fields does."""
        goal = (self.rare_share + (self.one_in - 1) * self.other_share) / self.one_in
        held = []
        for i in range(samples):
            rng = np.random.default_rng([images, self.one_in, i])
            share = np.where(rng.random(images) < 1 / self.one_in, self.rare_share, self.other_share)
            fraction = fraction_of(rng.binomial(self.count, share), self.count)
            _, low, high = missed_fields(fraction, images)
            held.append((fraction.low <= goal <= fraction.high, low <= goal <= high))
        alone, with_note = np.mean(held, axis=0)
        return float(alone), float(with_note)


RARE_FIELDS = (
    *(RareFields(10, rare_share) for rare_share in (0.3, 0.5, 1.0)),
    *(RareFields(5, rare_share) for rare_share in (0.5, 1.0)),
    *(RareFields(10, 0.5, 0.02), RareFields(10, 1.0, 0.02), RareFields(20, 1.0, 0.02), RareFields(10, 1.0, 0.1)),
    *(
        RareFields(10, 1.0, 0.3),
        RareFields(10, 0.0, 0.7),
        RareFields(3, 1.0, 0.1),
        RareFields(3, 1.0, 0.3),
        RareFields(2, 0.85, 0.05),
    ),
    *(RareFields(4, 1.0), RareFields(3, 1.0)),
)


def fraction_lines(samples: int, numbers: tuple[int, ...] = (3, 4, 5, 6, 10, 20)) -> Iterator[str]:
    yield f"| one field in | of its particles | of the others' | {' | '.join(f'{m} images' for m in numbers)} |"
    yield "|---" * (3 + len(numbers)) + "|"
    for case in RARE_FIELDS:
        shares = (case.covered(m, samples) for m in numbers)
        cells = " | ".join(f"{100 * alone:.1f} ({100 * with_note:.0f})" for alone, with_note in shares)
        yield f"| {case.one_in} | {100 * case.rare_share:g} % | {100 * case.other_share:g} % | {cells} |"


def width_and_coverage(share: float, count: int, images: int, samples: int) -> tuple[float, float]:
    """For images that all have this true share of small particles: the median width of the intervals, and how often
    they contain the share."""
    rng = np.random.default_rng([images, count, round(1000 * share)])
    drawn = [fraction_of(rng.binomial(count, share, images), count) for _ in range(samples)]
    width = float(np.median([fraction.high - fraction.low for fraction in drawn]))
    return width, float(np.mean([fraction.low <= share <= fraction.high for fraction in drawn]))


def alike_lines(samples: int, numbers: tuple[int, ...] = (1, 3, 4, 6, 10)) -> Iterator[str]:
    yield f"| small | particles of an image | {' | '.join(f'images: {m}' for m in numbers)} |"
    yield "|---" * (2 + len(numbers)) + "|"
    for share in (0.01, 0.5, 0.99):
        for count in (30, 100, 300):
            widths = (width_and_coverage(share, count, m, samples) for m in numbers)
            cells = " | ".join(f"{100 * width:.0f} ({100 * held:.0f})" for width, held in widths)
            yield f"| {100 * share:g} % | {count} | {cells} |"
