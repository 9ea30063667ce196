"""The nano card: the fraction that the EC Recommendation 2022/C 229/01 asks for, a verdict, and how firm it is.

A screening aid: it counts minimum Feret diameters in a two-dimensional image, which stand for the smallest external
dimension of the constituent particles. It is no certificate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import ceil, exp, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from .convergence import more_images, rounded_up
from .distribution import Edge, Floats, Sizes, effective_number
from .drawn import Z95, t95
from .filters import RESOLVED_PX, set_aside
from .table import Table

THRESHOLD = 0.5
LEAST_DOUBT = 0.001  # less is the rounding of a tag, which changes nothing
ASSUMED = 0.02  # relative uncertainty of a calibration of which none is known, for the sensitivity only
MOST = 100_000  # particles; asking for more is no advice
PARTICLES, IMAGES = "particles", "images"
OTHERS = " Other images may decide."
LIMIT = "minimum Feret diameter from 1 to 100 nm"
NANO_NM = 100.0
LEAST_NM = 1.0
SCORES = 180  # so that 2.5 and 97.5 % are the middles of two of them


def nano_card(
    variants: Mapping[str, Sizes], *, uncertainty: float | None, pixel: float | None
) -> dict[str, Any] | None:
    """The card as plain JSON types, None without particles or calibration.

    variants: the sizes by what was done differently, those that the verdict is about first. uncertainty: of the
    calibration, relative. pixel: nm, of the coarsest image, None where there is no calibration.
    """
    sizes = next(iter(variants.values()))
    found = nano_fraction(sizes, uncertainty or 0.0)
    if found is None or pixel is None:
        return None
    others = ((name, nano_fraction(each)) for name, each in variants.items())
    sensitivity = [{"name": name, **asdict(other)} for name, other in others if other is not None]
    verdict, decides = _verdict(sizes, found, uncertainty or 0.0, pixel)
    return {
        **asdict(found),
        "threshold": THRESHOLD,
        "verdict": verdict,
        "sentence": _sentence(found, verdict) + _doubt(verdict, sensitivity),
        "decides": decides,
        "sensitivity": sensitivity,
    }


def variants_of(
    *tables: Table,
    edge: Edge,
    filter: bool,
    uncertainty: float | None,
    alternatives: Mapping[str, Table] | None = None,
) -> dict[str, Sizes]:
    """The sizes of judged tables, first as they are and then under other settings, by name.

    alternatives: judged tables of the same image under other settings, by name.
    """
    u = uncertainty if uncertainty and uncertainty >= LEAST_DOUBT else ASSUMED
    other: Edge = "exclude" if edge == "weight" else "weight"
    found = {
        "as analysed": Sizes.of(*tables, edge=edge),
        f"filter {'off' if filter else 'on'}": Sizes.of(*(set_aside(each, not filter) for each in tables), edge=edge),
    }
    found |= {name.replace("-", "−"): Sizes.of(each, edge=edge) for name, each in (alternatives or {}).items()}
    if tables[0].unit == "nm":
        for sign, factor in (("−", 1 - u), ("+", 1 + u)):
            scaled = (each.rescaled((each.nm_per_pixel or 1.0) * factor) for each in tables)
            found[f"calibration {sign}{100 * u:.2g} %"] = Sizes.of(*scaled, edge=edge)
    found["edges weighted" if other == "weight" else "edges excluded"] = Sizes.of(*tables, edge=other)
    return found


def _verdict(sizes: Sizes, found: Fraction, uncertainty: float, pixel: float) -> tuple[str, str]:
    """The verdict in a word, and what would decide it, "" where it is decided."""
    if pixel * RESOLVED_PX > NANO_NM:
        return "undecided", (
            f"A higher magnification: 100 nm is {NANO_NM / pixel:.1f} px here, and sizes under {RESOLVED_PX:g} px are"
            " not resolved."
        )
    word = _word(found)
    if word != "undecided":
        return word, ""
    certain = nano_fraction(sizes) or found
    if _word(certain) != "undecided":
        return word, "A better calibration: with a certain one the interval would exclude 50 %."
    # Of a sample whole images count, as the particles of one are alike.
    by_image = sizes.images > 1
    things = IMAGES if by_image else PARTICLES
    more = images_to_decide(certain, sizes.images) if by_image else particles_to_decide(certain)
    if more is None:
        return word, f"Hardly more {things}: the fraction is too near 50 %.{'' if things == IMAGES else OTHERS}"
    ends = [share_between(sizes.size * exp(z * uncertainty), sizes.weights["number"]) for z in (-Z95, Z95)]
    also = " and a better calibration" if min(ends) < THRESHOLD <= max(ends) else ""
    counted = things.removesuffix("s") if more == 1 else things
    return word, f"About {more:,} more {counted}{also}, if the fraction stays as it is."


def _word(found: Fraction) -> str:
    return "above" if found.low >= THRESHOLD else "below" if found.high < THRESHOLD else "undecided"


def particles_to_decide(found: Fraction) -> int | None:
    """About how many more particles would bring the interval off the threshold; None for more than MOST."""
    off = abs(found.fraction - THRESHOLD)
    if off == 0:
        return None
    # The distance to the limit that lies beyond the threshold falls with the root of the number.
    more = ceil(found.n * max((_reach(found) / off) ** 2, 1.0)) - found.n
    return None if more > MOST else rounded_up(max(more, 1))


def images_to_decide(found: Fraction, images: int) -> int | None:
    """About how many more images would bring the interval by image off the threshold; None where hardly any would."""
    off = abs(found.fraction - THRESHOLD)
    more = more_images(images, _reach(found), off) if off else None
    return None if more is None else max(more, 1)


def _reach(found: Fraction) -> float:
    """From the fraction to the limit of its interval that lies beyond the threshold."""
    return found.fraction - found.low if found.fraction > THRESHOLD else found.high - found.fraction


def _sentence(found: Fraction, verdict: str) -> str:
    share = f"{100 * found.fraction:.1f} % of {found.n:,} particles ({100 * found.low:.1f} to {100 * found.high:.1f} %)"
    tail = {
        "above": "at or above the threshold of 50 % by number",
        "below": "below the threshold of 50 % by number",
        "undecided": "which does not decide whether 50 % by number is reached",
    }[verdict]
    return f"{share} have a {LIMIT}: {tail}. A screening aid, not a certificate."


def _doubt(verdict: str, sensitivity: list[dict[str, Any]]) -> str:
    """What else the answer hangs on, where a setting alone would move the fraction across the threshold."""
    if verdict == "undecided":
        return ""
    other = [row["name"] for row in sensitivity if (row["fraction"] >= THRESHOLD) != (verdict == "above")]
    return f" It would be the other way with: {', '.join(other)}." if other else ""


def wilson(successes: float, n: float, z: float = Z95) -> tuple[float, float]:
    """The 95 % interval of a fraction after Wilson (1927); n must be positive."""
    p, z2 = successes / n, z**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    low = 0.0 if successes == 0 else centre - half
    return low, 1.0 if successes == n else centre + half


@dataclass(frozen=True)
class Fraction:
    """A fraction by number with its 95 % interval; n: particles it was counted from."""

    fraction: float
    low: float
    high: float
    n: int


def nano_fraction(sizes: Sizes, uncertainty: float = 0.0) -> Fraction | None:
    """Fraction by number of sizes from 1 to 100 nm; None in pixels or without particles.

    The interval is Wilson's for the effective number of particles. With an uncertainty u of the calibration it is the
    middle 95 % of what Wilson's formula gives at SCORES normal deviates, each for the fractions at SCORES draws of
    the calibration exp(N(0, u)); without one that is Wilson's own interval.
    """
    if sizes.unit != "nm" or not len(sizes):
        return None
    weights = sizes.weights["number"]
    n, z = _trials(sizes)
    share = share_between(sizes.size, weights)
    if not uncertainty:
        low, high = wilson(share * n, n, z)
        return Fraction(share, low, high, len(sizes))
    normal = NormalDist()
    scores = np.array([normal.inv_cdf((i + 0.5) / SCORES) for i in range(SCORES)])  # in the middles of equal parts
    shares = np.array([share_between(sizes.size * exp(uncertainty * score), weights) for score in scores])
    limits = _score_limits(shares[:, None], n, scores * z / Z95)
    low, high = np.clip(np.quantile(limits, (0.025, 0.975)), 0, 1).tolist()
    # The grid is finite: it must not make a doubtful calibration look better than a certain one.
    surely = wilson(share * n, n, z)
    return Fraction(share, min(low, surely[0]), max(high, surely[1]), len(sizes))


def share_between(size: Floats, weights: Floats) -> float:
    """The share of the weights whose sizes are 1 to 100 nm; going to nanometres and back may cost the last digit."""
    slack = 1 + 1e-12
    inside = (size <= NANO_NM * slack) & (size >= LEAST_NM / slack)
    return min(float(weights[inside].sum() / weights.sum()), 1.0)


def _score_limits(p: Floats, n: float, z: Floats) -> Floats:
    """Wilson's lower (z < 0) or upper (z > 0) limit at each deviate."""
    root = np.sqrt(np.maximum(p * (1 - p) / n + z**2 / (4 * n * n), 0))
    return np.asarray((p + z**2 / (2 * n) + z * root) / (1 + z**2 / n), np.float64)


def _trials(sizes: Sizes) -> tuple[float, float]:
    """How many independent particles the fraction counts as much as, and the deviate of its 95 % interval.

    Particles of one image are alike, so of several images it is what the variance between the images' shares allows,
    never more than the effective number of particles.
    """
    weights = sizes.weights["number"]
    n = effective_number(weights)
    image, images = sizes.image_numbers, sizes.images
    if images < 2:
        return n, Z95
    share = share_between(sizes.size, weights)
    inside = (sizes.size <= NANO_NM) & (sizes.size >= LEAST_NM)
    off = np.bincount(image, weights * (inside - share)) / weights.sum()
    variance = float((off**2).sum()) * images / (images - 1)
    if variance > 0:
        n = min(n, share * (1 - share) / variance)
    return max(n, 1.0), t95(images - 1)
