"""Counts how often the nano card (the judgement as nanomaterial) judges constructed specimens correctly, in 200
simulated acquisitions of each.

An acquisition is a random table without an image: fields of the specimen, particles of each field, outlines with errors
of up to half a pixel, and a calibration with an error of its uncertainty. Particles that are too small for the
pixel size are left out as in an analysis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import hypot, log

import numpy as np
from scipy.stats import norm

from segmentation.core.measure.nano.card import Terms, nano_card, variants_of
from segmentation.core.measure.objects.filters import judge
from segmentation.core.measure.quantities import COLUMNS
from segmentation.core.measure.table import Table
from segmentation.core.measure.uncertainty.budget import Conditions
from segmentation.core.micrograph.types import Calibration

ACQUISITIONS = 200
UNCERTAINTY = 0.01
Field = Callable[[np.random.Generator, int], np.ndarray]


@dataclass(frozen=True)
class Specimen:
    """A constructed specimen.

    right: the verdicts that are right, also "undecided" where nothing can be told. wrong: the verdict that its true
    fraction excludes. field: draws the sizes (nm) of n particles of a field. pixel: nm.
    """

    name: str
    right: tuple[str, ...]
    wrong: str
    field: Field
    images: int = 6
    particles: int = 100
    pixel: float = 3.0

    def verdict(self, seed: int) -> str:
        """The verdict for one acquisition, with the filter on."""
        rng = np.random.default_rng([len(self.name), seed])
        used = self.pixel * np.exp(-UNCERTAINTY * rng.standard_normal())
        tables = [self._acquired(self.field(rng, self.particles), used, rng) for _ in range(self.images)]
        calibration = Calibration(used, "typed", instrument_uncertainty=UNCERTAINTY)
        conditions = Conditions(filter=True, calibration=calibration)
        card = nano_card(variants_of(tables, conditions), Terms(conditions, self.pixel))
        return "undecided" if card is None else str(card["verdict"])

    def _acquired(self, sizes: np.ndarray, used: float, rng: np.random.Generator) -> Table:
        width = np.maximum(sizes / self.pixel + rng.uniform(-0.5, 0.5, len(sizes)), 1.0)
        columns = {name: np.ones(len(width)) for name in COLUMNS if name not in ("class", "area_fraction")}
        columns |= {"min_feret": width, "ecd": width, "area": np.rint(width**2 * np.pi / 4)}
        columns |= {"touches_frame": np.zeros(len(width), bool), "kept": np.ones(len(width), bool)}
        return judge(Table.of_pixels({**columns, "reason": np.full(len(width), "", "U40")}, used), True)


def _fields(median: float, gsd: float = 1.4, between: float = 0.1) -> Field:
    """Fields with log-normal sizes. median: nm. gsd: geometric SD. between: SD of ln(median) between fields."""

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        return np.asarray(np.exp(log(median) + between * rng.standard_normal() + log(gsd) * rng.standard_normal(n)))

    return draw


def _unresolved(rng: np.random.Generator, n: int) -> np.ndarray:
    """Three quarters of 15 nm, the rest about 220 nm."""
    return np.where(rng.random(n) < 0.75, 15.0, _fields(220.0)(rng, n))


def _patchy(rng: np.random.Generator, n: int) -> np.ndarray:
    """Of two kinds of field: 45 % hold 85 % small particles, the others 5 %; 41 % of all are small."""
    share = 0.85 if rng.random() < 0.45 else 0.05
    return np.where(rng.random(n) < share, _fields(60.0)(rng, n), _fields(250.0)(rng, n))


SPECIMENS = (
    Specimen("clearly nano: median 60 nm", ("above",), "below", _fields(60.0)),
    Specimen("clearly not: median 200 nm", ("below",), "above", _fields(200.0)),
    Specimen("borderline: 49 % from 1 to 100 nm", ("undecided",), "above", _fields(100.9)),
    Specimen("under-resolved: 75 % of 15 nm, 7.5 nm per pixel", ("undecided",), "below", _unresolved, pixel=7.5),
    Specimen("heterogeneous: fields of 85 % and of 5 %, 41 % in all", ("undecided", "below"), "above", _patchy),
)


# Of two kinds of field, near one half: median (nm) of the smaller, of the larger, and the share of the smaller.
OF_TWO_KINDS = (
    (80, 130, 1 / 2), (70, 150, 1 / 2), (40, 200, 1 / 2), (60, 180, 2 / 5), (50, 120, 1 / 3), (50, 115, 1 / 4),
)  # fmt: skip
IMAGES = (3, 5, 8, 12, 20)


def _of_two_kinds(small: float, large: float, share: float) -> Field:
    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        return _fields(small if rng.random() < share else large)(rng, n)

    return draw


def true_fraction(median: float, gsd: float = 1.4, between: float = 0.1) -> float:
    """The share of sizes up to 100 nm among the sizes that `_fields` draws."""
    return float(norm.cdf(log(100 / median) / hypot(log(gsd), between)))


def verdicts(specimen: Specimen, acquisitions: int = ACQUISITIONS) -> Counter[str]:
    return Counter(specimen.verdict(seed) for seed in range(acquisitions))


def lines() -> Iterator[str]:
    yield "| specimen | right | above | below | undecided | right | wrong and firm |"
    yield "|---|---|---|---|---|---|---|"
    for specimen in SPECIMENS:
        counts = verdicts(specimen)
        cells = " | ".join(str(counts[word]) for word in ("above", "below", "undecided"))
        right = sum(counts[word] for word in specimen.right)
        shares = (f"{100 * number / ACQUISITIONS:.1f} %" for number in (right, counts[specimen.wrong]))
        yield f"| {specimen.name} | {' or '.join(specimen.right)} | {cells} | {' | '.join(shares)} |"


def lines_of_two_kinds() -> Iterator[str]:
    yield f"| fields | in truth | {' | '.join(f'{count} images' for count in IMAGES)} |"
    yield "|---|---|" + "---|" * len(IMAGES)
    for small, large, share in OF_TWO_KINDS:
        truth = share * true_fraction(small) + (1 - share) * true_fraction(large)
        wrong, name = "above" if truth < 0.5 else "below", f"{share:.0%} of {small} nm, the others of {large} nm"
        field = _of_two_kinds(small, large, share)
        specimens = (Specimen(name, ("undecided",), wrong, field, images=count) for count in IMAGES)
        cells = " | ".join(f"{100 * verdicts(specimen)[wrong] / ACQUISITIONS:.1f} %" for specimen in specimens)
        yield f"| {name} | {100 * truth:.1f} % | {cells} |"
