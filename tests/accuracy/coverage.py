"""How often the 95 % intervals hold the truth: samples of known log-normal distributions, of
other laws, and of known images.

python -m tests.accuracy.coverage [--samples 1000] [--quick]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from math import erf, exp, log, sqrt
from statistics import NormalDist

import numpy as np
from scipy import stats

from segmentation.core.measure.bootstrap import intervals
from segmentation.core.measure.distribution import WEIGHTINGS, Sizes, figures
from segmentation.core.measure.fractions import nano_fraction

MEDIAN = 110.0
NUMBERS = (30, 100, 300)
SPREADS = (1.2, 1.5, 1.8)
Z90 = NormalDist().inv_cdf(0.9)
POWER = {"number": 0, "area": 2, "volume": 3}
NAMES = ("mean", "sd", "d10", "d50", "d90", "span", "mode", "geometric_mean", "geometric_sd")


def truth(way: str, gsd: float, median: float = MEDIAN) -> dict[str, float]:
    """The figures of a log-normal distribution by number, area or volume (Hatch and Choate 1929)."""
    s = log(gsd)
    middle = median * exp(POWER[way] * s * s)
    d10, d90 = middle * exp(-Z90 * s), middle * exp(Z90 * s)
    mean = middle * exp(s * s / 2)
    return {
        "mean": mean,
        "sd": mean * sqrt(exp(s * s) - 1),
        "d10": d10,
        "d50": middle,
        "d90": d90,
        "span": (d90 - d10) / middle,
        "mode": middle * exp(-s * s),
        "geometric_mean": middle,
        "geometric_sd": gsd,
        "fraction": 0.5 * (1 + erf(log(100 / median) / s / sqrt(2))),
    }


def sizes_of(values: np.ndarray, image: np.ndarray | None = None) -> Sizes:
    """Spheres of these diameters."""
    order = np.argsort(values, kind="stable")
    size = values[order]
    weights = {way: size**power / (size**power).mean() for way, power in POWER.items()}
    return Sizes("nm", size, size, weights, None if image is None else image[order])


def hits(sizes: Sizes, goal: dict[str, dict[str, float]], seed: int, u: float) -> dict[tuple[str, str], float]:
    """(weighting, name) -> 1 where the interval holds the truth, 0 where it does not, NaN where there is none."""
    rng = np.random.default_rng(seed)
    found = {way: figures(sizes.size, sizes.weights[way], way) for way in WEIGHTINGS}
    limits = intervals(sizes, found, rng, u)
    said = {(way, name): _holds(limits[way][name], goal[way][name]) for way in WEIGHTINGS for name in NAMES}
    nano = nano_fraction(sizes, u)
    said["number", "fraction"] = _holds([nano.low, nano.high], goal["number"]["fraction"])
    return said


def _holds(limits: list[float] | None, value: float) -> float:
    return float("nan") if limits is None else float(limits[0] <= value <= limits[1])


def simulate(
    n: int, gsd: float, samples: int, *, u: float = 0.0, images: int = 1, between: float = 1.0
) -> dict[tuple[str, str], tuple[float, float]]:
    """(weighting, name) -> share of the intervals that hold the truth, and share of samples that have one.

    u: relative uncertainty of the calibration, which is off by as much in each sample. images: n particles in each,
    their medians spread by the geometric standard deviation `between`.
    """
    goal = {way: truth(way, exp(sqrt(log(gsd) ** 2 + log(between) ** 2))) for way in POWER}
    results = []
    for i in range(samples):
        rng = np.random.default_rng([n, round(100 * gsd), images, i])
        shift = rng.normal(0, log(between), images) if images > 1 else np.zeros(1)
        image = np.repeat(np.arange(images), n)
        values = np.exp(log(MEDIAN) + shift[image] + log(gsd) * rng.standard_normal(n * images))
        values *= exp(-u * rng.standard_normal())
        results.append(hits(sizes_of(values, image if images > 1 else None), goal, i, u))
    return _shares(results)


def _shares(results: list[dict[tuple[str, str], float]]) -> dict[tuple[str, str], tuple[float, float]]:
    shares = {}
    for key in results[0]:
        column = np.array([each[key] for each in results])
        known = ~np.isnan(column)
        shares[key] = (float(column[known].mean()) if known.any() else float("nan"), float(known.mean()))
    return shares


def lines(samples: int, numbers: tuple[int, ...] = NUMBERS, spreads: tuple[float, ...] = SPREADS) -> Iterator[str]:
    """A table in Markdown, one row for each weighting and figure."""
    cases = [(n, gsd) for n in numbers for gsd in spreads]
    found = [simulate(n, gsd, samples) for n, gsd in cases]
    yield "| by | figure | " + " | ".join(f"n {n}, GSD {gsd}" for n, gsd in cases) + " |"
    yield "|---|---" + "|---" * len(cases) + "|"
    for way, name in found[0]:
        if any(each[way, name][1] for each in found):  # by area and volume so few particles have no interval
            yield f"| {way} | {name} | " + " | ".join(_cell(*each[way, name]) for each in found) + " |"


def _cell(share: float, known: float) -> str:
    if known < 0.05:
        return "–"
    return f"{100 * share:.1f}" + ("" if known > 0.995 else f" ({100 * known:.0f})")


def image_lines(samples: int) -> Iterator[str]:
    cases = [(3, 60, 1.15), (5, 60, 1.15), (10, 60, 1.15), (20, 60, 1.15), (20, 60, 1.0)]
    found = [simulate(n, 1.5, samples, images=images, between=between) for images, n, between in cases]
    heads = (f"{images} images, {n} each, between {between}" for images, n, between in cases)
    yield "| figure by number | " + " | ".join(heads) + " |"
    yield "|---" + "|---" * len(cases) + "|"
    for way, name in found[0]:
        if way == "number":
            yield f"| {name} | " + " | ".join(_cell(*each[way, name]) for each in found) + " |"


def _mixed(share: np.ndarray) -> np.ndarray:
    """90 % about 60 nm and 10 % about 240 nm."""
    size = np.geomspace(20, 1000, 100_000)
    below = 0.9 * stats.lognorm.cdf(size, log(1.2), scale=60) + 0.1 * stats.lognorm.cdf(size, log(1.2), scale=240)
    return np.interp(share, below, size)


# Name -> the size under which a share of the particles lies, with a median near MEDIAN.
LAWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "log-normal, GSD 1.5": lambda share: stats.lognorm.ppf(share, log(1.5), scale=MEDIAN),
    "normal, SD 30 %": lambda share: stats.norm.ppf(share, MEDIAN, 0.3 * MEDIAN).clip(5),
    "Weibull, shape 2.5": lambda share: stats.weibull_min.ppf(share, 2.5, scale=MEDIAN / log(2) ** 0.4),
    "uniform, 40 to 180 nm": lambda share: 40 + 140 * share,
    "bimodal, 90 and 10 %": _mixed,
}


def of_law(law: str, n: int, samples: int) -> dict[tuple[str, str], tuple[float, float]]:
    """As `simulate`, of any of LAWS; the mode, of which some have none, is left out."""
    share = (np.arange(400_000) + 0.5) / 400_000
    population = sizes_of(LAWS[law](share))
    goal = {way: {**figures(population.size, population.weights[way], way), "mode": float("nan")} for way in WEIGHTINGS}
    goal["number"]["fraction"] = float((population.size <= 100).mean())
    drawn = (np.random.default_rng([n, i, 7]).random(n) for i in range(samples))
    return _shares([hits(sizes_of(LAWS[law](each)), goal, i, 0.0) for i, each in enumerate(drawn)])


def law_lines(samples: int, numbers: tuple[int, ...] = (15, 30, 100, 300)) -> Iterator[str]:
    cases = [(law, n) for law in LAWS for n in numbers]
    found = [of_law(law, n, samples) for law, n in cases]
    yield "| law | n | " + " | ".join(f"{name}" for way, name in found[0] if way == "number" and name != "mode") + " |"
    yield "|---" * (len([1 for way, name in found[0] if way == "number" and name != "mode"]) + 2) + "|"
    for (law, n), shares in zip(cases, found, strict=True):
        cells = (_cell(*value) for (way, name), value in shares.items() if way == "number" and name != "mode")
        yield f"| {law} | {n} | " + " | ".join(cells) + " |"


def calibration_lines(samples: int) -> Iterator[str]:
    found = [simulate(n, 1.5, samples, u=0.03) for n in NUMBERS]
    yield "| figure by number | " + " | ".join(f"n {n}, GSD 1.5, calibration 3 %" for n in NUMBERS) + " |"
    yield "|---" + "|---" * len(found) + "|"
    for way, name in found[0]:
        if way == "number":
            yield f"| {name} | " + " | ".join(_cell(*each[way, name]) for each in found) + " |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--part", choices=("particles", "images", "calibration", "laws"), default="particles")
    given = parser.parse_args()
    parts = {"particles": lines, "images": image_lines, "calibration": calibration_lines, "laws": law_lines}
    for line in parts[given.part](given.samples):
        print(line, flush=True)


if __name__ == "__main__":
    main()
