"""The nano card: the fraction that the EC Recommendation 2022/C 229/01 asks for, a verdict, and how firm it is.

A screening aid: it counts minimum Feret diameters in a two-dimensional image, which stand for the smallest external
dimension of the constituent particles. It is no certificate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from math import ceil, exp
from typing import Any

from .advice import more_images, rounded_up
from .distribution import Edge, Sizes
from .filters import RESOLVED_PX, set_aside
from .fraction import NANO_NM, Fraction, nano_fraction, share_between
from .student import Z95
from .table import Table

THRESHOLD = 0.5
ASSUMED = 0.02  # relative uncertainty of a calibration of which none is known, for the sensitivity only
MOST = 100_000  # particles; asking for more is no advice
PARTICLES, IMAGES = "particles", "images"
OTHERS = " Other images may decide."
LIMIT = "minimum Feret diameter from 1 to 100 nm"


def nano_card(
    variants: Mapping[str, Sizes], *, uncertainty: float | None, unchecked: bool, pixel: float | None
) -> dict[str, Any] | None:
    """The card as plain JSON types, None without particles.

    variants: the sizes by what was done differently, those that the verdict is about first. uncertainty: of the
    calibration, relative. unchecked: whether the calibration is a mere default. pixel: nm, of the coarsest image, None
    where there is no calibration.
    """
    sizes = next(iter(variants.values()))
    found = nano_fraction(sizes, uncertainty or 0.0)
    if found is None or pixel is None:
        return _uncalibrated(len(sizes)) if len(sizes) else None
    sensitivity = list(_sensitivity(variants))
    verdict, decides = _verdict(sizes, found, uncertainty or 0.0, pixel, unchecked)
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
    u = uncertainty or ASSUMED
    other: Edge = "exclude" if edge == "weight" else "weight"
    found = {
        "as analysed": Sizes.of(*tables, edge=edge),
        f"filter {'off' if filter else 'on'}": Sizes.of(*(set_aside(each, not filter) for each in tables), edge=edge),
    }
    found |= {name.replace("-", "−"): Sizes.of(each, edge=edge) for name, each in (alternatives or {}).items()}
    if tables[0].unit == "nm":
        found[f"calibration −{100 * u:.2g} %"] = Sizes.of(*(_scaled(each, 1 - u) for each in tables), edge=edge)
        found[f"calibration +{100 * u:.2g} %"] = Sizes.of(*(_scaled(each, 1 + u) for each in tables), edge=edge)
    found["edges weighted" if other == "weight" else "edges excluded"] = Sizes.of(*tables, edge=other)
    return found


def _scaled(table: Table, factor: float) -> Table:
    return table.rescaled((table.nm_per_pixel or 1.0) * factor)


def _uncalibrated(n: int) -> dict[str, Any]:
    return {
        "fraction": None,
        "low": None,
        "high": None,
        "n": n,
        "threshold": THRESHOLD,
        "verdict": "not calibrated",
        "sentence": "Without a calibration nothing can be said about 100 nm.",
        "decides": "The size of a pixel: type the image's width, or draw a line on its scale bar.",
        "sensitivity": [],
    }


def _verdict(sizes: Sizes, found: Fraction, uncertainty: float, pixel: float, unchecked: bool) -> tuple[str, str]:
    """The verdict in a word, and what would decide it, "" where it is decided."""
    if pixel * RESOLVED_PX > NANO_NM:
        return "undecided", (
            f"A higher magnification: 100 nm is {NANO_NM / pixel:.1f} px here, and sizes under {RESOLVED_PX:g} px are"
            " not resolved."
        )
    if unchecked:
        return "undecided", "The image's true width: the default of 7520 nm was not checked."
    word = _word(found)
    if word != "undecided":
        return word, ""
    certain = nano_fraction(sizes) or found
    if _word(certain) != "undecided":
        return word, "A better calibration: with a certain one the interval would exclude 50 %."
    more, things = _more(certain, sizes.images)
    if more is None:
        return word, f"Hardly more {things}: the fraction is too near 50 %.{'' if things == IMAGES else OTHERS}"
    ends = [share_between(sizes.size * exp(z * uncertainty), sizes.weights["number"]) for z in (-Z95, Z95)]
    also = " and a better calibration" if min(ends) < THRESHOLD <= max(ends) else ""
    counted = things.removesuffix("s") if more == 1 else things
    return word, f"About {more:,} more {counted}{also}, if the fraction stays as it is."


def _more(found: Fraction, images: int) -> tuple[int | None, str]:
    """How many more of what would decide: of a sample whole images count, as the particles of one are alike."""
    if images > 1:
        return images_to_decide(found, images), IMAGES
    return particles_to_decide(found), PARTICLES


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


def _sensitivity(variants: Mapping[str, Sizes]) -> Iterator[dict[str, Any]]:
    for name, sizes in variants.items():
        found = nano_fraction(sizes)
        if found is not None:
            yield {"name": name, **asdict(found)}
