"""The nano card of a result: the fraction from 1 to 100 nm that the EC Recommendation 2022/C 229/01
asks for, the verdict whether this is half or more, and how sure it is.

The card helps to screen materials; it is no certificate. It counts minimum Feret diameters in a
two-dimensional image, which approximate the smallest external dimension of the particles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp

import numpy as np

from ...micrograph.types import LEAST_UNCERTAINTY
from ..objects.filters import (
    FOR_SIZE,
    LEAST_CONFIDENCE,
    MEASURANDS,
    RESOLVED_PX,
    SLIP_PX,
    Reason,
    judge,
    judged_without,
    with_doubtful,
    with_reasons_lifted,
    without_doubtful,
)
from ..quantities import DOUBTFUL_FRACTIONS, significant, uncapital
from ..results import MATERIAL, Budget, Nano, Sensitivity, Verdict
from ..sizes.bins import LEAST_JUDGED, NANO_NM
from ..sizes.distribution import EQUAL_WITHIN, Edge, WeightedSizes, mean_and_deviation, nano_share
from ..table import Table
from ..uncertainty.budget import OUTLINES_ALONE, UNRESOLVED_CONTACTS, Conditions
from ..uncertainty.convergence import FEASIBLE_IMAGES, more_images, rounded_up
from ..uncertainty.figure_draws import Z95
from ..uncertainty.fractions import Fraction, missed_fields, nano_fraction

THRESHOLD = 0.5  # fraction from which on a material is a nanomaterial
# Relative errors of the magnification, for the sensitivity, if its accuracy is not given.
ASSUMED_ERRORS = (0.01, 0.02, 0.05)
LIKELY_ERROR = 0.02  # of the magnification, plausible for a microscope that nobody checked
MOST_PARTICLES = 100_000  # advice to count more would be useless
MEAN_WITHIN = 0.05  # relative half width of the mean's interval, for the number of particles after ISO 13322-1
SMALL_COUNTED = "small outlines also counted"
OTHERS = " Images of other places may decide."
INCLUDES = "the interval includes 50 %"


@dataclass(frozen=True)
class Terms:
    """The input of a verdict besides the sizes.

    pixel: nm, the largest of all images; None without a calibration. mixed: whether the images have
    different pixel sizes, so that the smallest counted length differs between them.
    """

    conditions: Conditions
    pixel: float | None = None
    mixed: bool = False

    @property
    def least_nm(self) -> float | None:
        """The smallest size that is counted, if all images share it; without the filter an area decides."""
        return (self.pixel or 0.0) * RESOLVED_PX if self.conditions.filter and not self.mixed else None

    @property
    def counted_words(self) -> str:
        """The smallest size that is counted, in words such as " of 25 nm and more"."""
        return f" of {self._limit} and more{'' if self.conditions.filter else ' in area'}"

    @property
    def smaller_words(self) -> str:
        """The sizes that are not counted, in words such as "under 25 nm"."""
        return f"under {self._limit}{'' if self.conditions.filter else ' in area'}"

    @property
    def _limit(self) -> str:
        if self.least_nm is not None:
            return f"{significant(self.least_nm, 3)} nm"
        return f"{RESOLVED_PX if self.conditions.filter else SLIP_PX:g} px"

    def fraction(self, sizes: WeightedSizes) -> Fraction | None:
        """`nano_fraction` of the sizes; None if a pixel is larger than 100 nm, because nothing so
        small can be seen."""
        if self.pixel is not None and self.pixel > NANO_NM:
            return None
        return nano_fraction(sizes, self.conditions.uncertainty)


def nano_card(variants: Mapping[str, WeightedSizes], terms: Terms, uncertainties: Budget | None = None) -> Nano | None:
    """The card; None without particles or calibration.

    variants: see `variants_of`. uncertainties: the budget of the analysed sizes.
    """
    sizes = next(iter(variants.values()))
    fraction = terms.fraction(sizes)
    if fraction is None or terms.pixel is None:
        return None
    others = ((name, nano_fraction(sizes_of)) for name, sizes_of in variants.items())
    sensitivity = [
        Sensitivity(name=name, fraction=other.fraction, low=other.low, high=other.high, n=other.n)
        for name, other in others
        if other is not None
    ]
    verdict, reason, decides = _verdict(variants, fraction, terms)
    if uncertainties:
        verdict, reason, decides = _under_total(verdict, reason, decides, uncertainties)
    opposite = [row["name"] for row in sensitivity if (row["fraction"] >= THRESHOLD) != (verdict == "above")]
    doubt = f" The verdict would change with: {', '.join(opposite)}." if opposite else ""
    return Nano(
        fraction=fraction.fraction,
        low=fraction.low,
        high=fraction.high,
        n=fraction.n,
        threshold=THRESHOLD,
        least_nm=terms.least_nm,
        verdict=verdict,
        reason=reason,
        sentence=_sentence(fraction, sizes, terms, verdict)
        + (doubt if verdict != "undecided" else "")
        + _accuracy(verdict, variants, terms)
        + doubtful_words(*doubtful_fractions(variants, terms).values()),
        decides=decides,
        asked=needed_particles(sizes),
        sensitivity=sensitivity,
    )


def _under_total(verdict: Verdict, reason: str, decides: str, uncertainties: Budget) -> tuple[Verdict, str, str]:
    """Verdict, reason and what would decide, as from `_verdict`, after the total uncertainty if it is
    known: a verdict stays only if the whole interval lies on one side of the threshold."""
    total = uncertainties["fraction_100nm"]
    if not total["ends"]:
        return verdict, reason, decides
    low, high = total["ends"]
    remedies = {row["name"]: f"{row['remedy'][:1].upper()}{row['remedy'][1:]}" for row in uncertainties["rows"]}
    if verdict != "undecided" and low < THRESHOLD <= high:
        title = next(row["title"] for row in uncertainties["rows"] if row["name"] == total["largest"])
        largest = f"The largest uncertainty is {uncapital(title)}."
        return "undecided", INCLUDES, f"{remedies[total['largest']]} {largest}"
    if reason == INCLUDES and UNRESOLVED_CONTACTS in (total["largest"], uncertainties["median"]["largest"]):
        decides = (
            f"{remedies[UNRESOLVED_CONTACTS]} Counting more would not show small particles that larger outlines hide."
        )
    return verdict, reason, decides


def variants_of(tables: Sequence[Table], conditions: Conditions) -> dict[str, WeightedSizes]:
    """The sizes of judged tables by the name of the variant: first "as analysed", then with other
    settings. The names are stored, and pages show them."""
    edge, filter = conditions.edge, conditions.filter
    other: Edge = "exclude" if edge == "weight" else "weight"
    switched = [judge(table, not filter) for table in tables]
    variants = {
        "as analysed": WeightedSizes.of(*tables, edge=edge, pieces=conditions.pieces),
        f"filter {'off' if filter else 'on'}": WeightedSizes.of(*switched, edge=edge),
    }
    if conditions.pieces:
        variants[OUTLINES_ALONE] = WeightedSizes.of(*tables, edge=edge)
    count = sum(int(table.kept.sum()) for table in tables)
    with_small = [with_reasons_lifted(table, FOR_SIZE) for table in tables]
    if sum(int(table.kept.sum()) for table in with_small) > count:
        variants[SMALL_COUNTED] = WeightedSizes.of(*with_small, edge=edge)
    with_and_without = (
        [with_doubtful(table, filter) for table in tables],
        [without_doubtful(table) for table in tables],
    )
    for name, others in zip(DOUBTFUL_FRACTIONS.values(), with_and_without, strict=True):
        if sum(int(table.kept.sum()) for table in others) != count:
            variants[name] = WeightedSizes.of(*others, edge=edge)
    faint = [judged_without(table, filter, Reason.FAINT, Reason.GAP) for table in tables]
    if any(judged is not table for judged, table in zip(faint, tables, strict=True)):
        variants["with faint outlines"] = WeightedSizes.of(*faint, edge=edge)
    variants |= {
        name.replace("-", "−"): WeightedSizes.of(others_table, edge=edge)
        for name, others_table in conditions.alternatives.items()
    }
    if tables[0].unit == "nm":
        errors = set() if conditions.has_instrument_uncertainty else set(ASSUMED_ERRORS)
        errors |= {conditions.uncertainty} if conditions.uncertainty >= LEAST_UNCERTAINTY else set()
        for off in (sign * error for error in sorted(errors) for sign in (-1, 1)):
            scaled = (table.rescaled((table.nm_per_pixel or 1.0) * (1 + off)) for table in tables)
            variants[calibration_name(off)] = WeightedSizes.of(*scaled, edge=edge)
    variants["edges weighted" if other == "weight" else "edges excluded"] = WeightedSizes.of(*tables, edge=other)
    return variants


def calibration_name(off: float) -> str:
    """The name of the variant with pixels (1 + off) times as large, such as "calibration −2 %"."""
    return f"calibration {'−' if off < 0 else '+'}{100 * abs(off):.2g} %"


def _verdict(variants: Mapping[str, WeightedSizes], fraction: Fraction, terms: Terms) -> tuple[Verdict, str, str]:
    """The verdict, a short reason why it is undecided, and a sentence on what would decide it; the last
    two are "" for a decided verdict."""
    pixel = terms.pixel or 0.0
    if pixel * RESOLVED_PX > NANO_NM:
        too_coarse = f"100 nm is only {NANO_NM / pixel:.1f} px"
        return (
            "undecided",
            too_coarse,
            f"A higher magnification: {too_coarse} here. Sizes under {RESOLVED_PX:g} px are not resolved.",
        )
    too_few, more_needed = f"{fraction.n} of at least {LEAST_JUDGED} particles", ""
    if fraction.n < LEAST_JUDGED:
        more_needed = f"At least {LEAST_JUDGED} particles ({fraction.n} here)."
    if (obstacle := terms.conditions.obstacle) and obstacle.doubt:
        return "undecided", obstacle.short, f"{obstacle.text} {more_needed}".strip()
    if more_needed:
        return "undecided", too_few, more_needed
    word, with_small = _word(fraction), terms.fraction(variants.get(SMALL_COUNTED, variants["as analysed"]))
    if word != "undecided" and with_small is not None and _word(with_small) != word:
        small = with_small.n - fraction.n
        outlines = "1 small outline" if small == 1 else f"{small:,} small outlines"
        return (
            "undecided",
            f"{outlines} may decide otherwise",
            f"A higher magnification: {outlines} {'was' if small == 1 else 'were'} left out ({terms.smaller_words}). If"
            f" all are particles, {100 * with_small.fraction:.1f} % are from 1 to 100 nm.",
        )
    size = variants["as analysed"].size
    if size[-1] - size[0] <= EQUAL_WITHIN * size[-1]:
        equal = "Measured outlines: all sizes here are equal, which no real specimen shows."
        return "undecided", "all sizes are equal", equal
    if obstacle and word != "undecided":
        return "undecided", obstacle.short, obstacle.text
    if word == "undecided":
        return word, INCLUDES, _deciding(variants["as analysed"], terms)
    return word, "", ""


def _deciding(sizes: WeightedSizes, terms: Terms) -> str:
    """A sentence on what would move the interval away from the threshold: a better calibration, or
    more particles or images."""
    certain = nano_fraction(sizes)
    assert certain is not None
    if _word(certain) != "undecided":
        return "A better calibration: with an exact scale the interval would exclude 50 %."
    # In a sample whole images count, because the particles of one image resemble each other.
    by_image = sizes.by_image
    thing = "image" if by_image else "particle"
    more = images_to_decide(certain, sizes.images) if by_image else particles_to_decide(certain)
    if more is None:
        why = " for images that differ so much." if by_image else f".{OTHERS}"
        return f"More {thing}s would hardly help: the fraction is too close to 50 %{why}"
    uncertainty = terms.conditions.uncertainty
    ends = [nano_share(sizes.size * exp(z * uncertainty), sizes.weights["number"]) for z in (-Z95, Z95)]
    also = " and a better calibration" if min(ends) < THRESHOLD <= max(ends) else ""
    counted = thing if more == 1 else f"{thing}s"
    return f"About {more:,} more {counted}{also}, if the fraction stays as it is."


def needed_particles(sizes: WeightedSizes) -> str:
    """A sentence on how many particles ISO 13322-1 requires: this number gives the mean of a log-normal
    law by number to within MEAN_WITHIN (Masuda and Iinoya, J. Chem. Eng. Japan 4, 60, 1971). "" if
    not defined."""
    _, spread = mean_and_deviation(np.log(sizes.size), sizes.weights["number"])
    if spread is None or spread < EQUAL_WITHIN:
        return ""
    number = rounded_up(ceil(Z95**2 * spread**2 * (1 + spread**2 / 2) / MEAN_WITHIN**2))
    images = "1 image" if sizes.images < 2 else f"{sizes.images} images"
    return (
        f"For the mean within {100 * MEAN_WITHIN:g} %, ISO 13322-1 asks for about {number:,} particles; there are"
        f" {len(sizes):,} in {images}."
    )


def _word(fraction: Fraction) -> Verdict:
    """The side of the threshold on which the interval lies."""
    return "above" if fraction.low >= THRESHOLD else "below" if fraction.high < THRESHOLD else "undecided"


def particles_to_decide(fraction: Fraction) -> int | None:
    """About how many more particles would move the interval away from the threshold; None if more
    than MOST_PARTICLES."""
    off = abs(fraction.fraction - THRESHOLD)
    if off == 0:
        return None
    # The distance to the end beyond the threshold falls with the root of the number.
    more = ceil(fraction.n * max((_reach(fraction) / off) ** 2, 1.0)) - fraction.n
    return None if more > MOST_PARTICLES else rounded_up(max(more, 1))


def images_to_decide(fraction: Fraction, images: int) -> int | None:
    """About how many more images would move the interval by image away from the threshold; None if
    more than FEASIBLE_IMAGES. images: their number now."""
    off = abs(fraction.fraction - THRESHOLD)
    more = more_images(images, _reach(fraction), off) if off else None
    return None if more is None or more > FEASIBLE_IMAGES else max(more, 1)


def _reach(fraction: Fraction) -> float:
    """The distance from the fraction to the end of its interval on the side of the threshold."""
    return fraction.fraction - fraction.low if fraction.fraction > THRESHOLD else fraction.high - fraction.fraction


def _sentence(fraction: Fraction, sizes: WeightedSizes, terms: Terms, verdict: str) -> str:
    """The sentences with the fraction and what it is valid for."""
    counted = "1 particle" if fraction.n == 1 else f"{fraction.n:,} particles"
    if words := MEASURANDS[terms.conditions.counted]:
        counted += f" ({words})"
    missed = _missed_fields_sentence(fraction, verdict, sizes.images)
    share = f"{100 * fraction.fraction:.1f} % of {counted}{terms.counted_words} are from 1 to 100 nm"
    where = "."
    if not sizes.by_image:  # other places of the material need images
        where = f" in {'this picture' if sizes.images < 2 else 'these pictures'}. {MATERIAL}"
    return f"{share}{where}{missed} A screening, not a certificate."


def _missed_fields_sentence(fraction: Fraction, verdict: str, images: int) -> str:
    """A sentence about fields of view that few images may miss; "" where they change nothing."""
    interval = missed_fields(fraction, images)
    if interval is None or [f"{end:.2f}" for end in interval[1:]] == [f"{fraction.low:.2f}", f"{fraction.high:.2f}"]:
        return ""
    share, low, high = (100 * part for part in interval)
    ends = ", and the verdict could change" if verdict != "undecided" and low < 100 * THRESHOLD <= high else ""
    return (
        f" {images} images can miss up to {share:.0f} % of the specimen. If that part is different, the fraction could"
        f" be {low:.0f} to {high:.0f} %{ends}."
    )


def doubtful_fractions(variants: Mapping[str, WeightedSizes], terms: Terms) -> dict[str, Fraction | None]:
    """The fraction with and without outlines of low confidence, by the names of DOUBTFUL_FRACTIONS."""
    as_analysed = next(iter(variants.values()))
    return {name: terms.fraction(variants.get(variant, as_analysed)) for name, variant in DOUBTFUL_FRACTIONS.items()}


def doubtful_words(including: Fraction | None, leaving_out: Fraction | None) -> str:
    """A sentence that gives the fraction with and without doubtful outlines; "" if they are
    equal."""
    if including is None or leaving_out is None or including.n == leaving_out.n:
        return ""
    with_them, without = (f"{100 * part.fraction:.1f} %" for part in (including, leaving_out))
    if with_them == without:
        return ""
    count = including.n - leaving_out.n
    outlines = (
        f"{count:,} doubtful outline{'' if count == 1 else 's'} (confidence under {100 * LEAST_CONFIDENCE:.0f} %)"
    )
    return f" With {outlines} the fraction is {with_them}, without {'it' if count == 1 else 'them'} {without}."


def _accuracy(verdict: str, variants: Mapping[str, WeightedSizes], terms: Terms) -> str:
    """A sentence if the accuracy of the magnification is not given and LIKELY_ERROR would change
    the verdict, else ""."""
    if verdict == "undecided" or terms.conditions.has_instrument_uncertainty:
        return ""
    off = [variants[name] for name in map(calibration_name, (-LIKELY_ERROR, LIKELY_ERROR)) if name in variants]
    if all(fraction is None or _word(fraction) == verdict for fraction in map(terms.fraction, off)):
        return ""
    return (
        f" An error of {100 * LIKELY_ERROR:g} % in the magnification would change this verdict. Enter its uncertainty"
        " from the certificate."
    )
