"""The uncertainty budget of the median and of the fraction from 1 to 100 nm, after JCGM 100:2008 (GUM).

Each contribution is given as a standard uncertainty of both answers: relative for the median, absolute for the
fraction. The known contributions add in quadrature (GUM 5.1.2) and are expanded by k = 2. An unknown contribution is
never taken as zero: it is named beside the sum. One exception: unresolved contacts of a sample are left out unless
they are known of every image.
docs/method/uncertainty.md has the definitions and an example.

For an error common to all sizes, such as that of the scale, the uncertainty of the fraction is its root mean square
change over the distribution of that error (JCGM 101:2008, propagation of distributions): sizes that lie close together
pass 100 nm all at once, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import exp, hypot, log, sqrt
from typing import Any, Literal, NamedTuple

import numpy as np

from ..flags import Flag
from ..micrograph.types import Calibration
from .bootstrap import median_interval, undefined
from .budget_table import ANSWERS, COVERAGE, UNRESOLVED, uncertainty_name
from .distribution import Edge, Floats, WeightedSizes, effective_number, nano_share, quantile
from .drawn import LEAST_END, Z95
from .fractions import DEVIATES, nano_fraction, shares_if_scaled, wilson
from .quantities import ALL_DIGITS, Value, decimals_beside, end_words, readable, significant, uncapital
from .results import Budget, Contribution, Uncertainty
from .table import Table

ERROR = "median_error"  # per cent, of a card's scores
OWN = "as scored by its owner"  # the split of a score on somebody's own truth masks
SCALE = ("calibration_reading", "calibration_instrument")
HIDDEN = "unresolved_contacts"
WRONG = {"merges": "merged", "splits": "split"}  # per cent, too
OUTLINED = "the outlines alone"  # without what they may be instead, of an expected distribution
SHARED = "Mean over the images, weighted by their numbers of particles. All images share this error."


class Effect(NamedTuple):
    """Standard uncertainties of both answers, relative and absolute; None where not known."""

    median: float | None = None
    fraction_100nm: float | None = None


@dataclass(frozen=True)
class Evidence:
    """What a budget needs besides the sizes and their calibration.

    scores: from the cards of the models that were used. repeatability: of the median, relative; None if not provided.
    thresholds: for several images, the number of particles and the effect of the threshold of each image. operators: as
    repeatability, between people who outline the same image. draws: median and fraction of each of several draws
    of the image, drawn by the probabilities of its cuts; None where no network made the outlines. unresolved: as
    thresholds, of unresolved contacts. outline_error: of median and share as in `ParticleOptions`, not from the scores.
    """

    scores: Sequence[Mapping[str, Any]] = ()
    repeatability: float | None = None
    thresholds: Sequence[tuple[int, Effect]] = ()
    operators: float | None = None
    draws: Sequence[tuple[float, float]] | None = None
    unresolved: Sequence[tuple[int, Effect]] = ()
    outline_error: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditions:
    """What is known of a result beside its tables of objects: what is counted, the scale, other outlines.

    Statistics, the uncertainty budget and the nano card are computed from the tables and from this.

    size: column of the sizes. counted: see `filters.MEASURANDS`. screened: whether the objects are judged as
        nanomaterials, with a budget; only particles are.
    edge: the border correction. filter: whether the filter was on: with it particles count from a
        smallest length, without it from a smallest area (`nano.Terms`).
    pieces: of each table, what its outlines may be instead (`possible`), where the sizes are an expected distribution.
    alternatives: judged tables of the same image under other settings, by name, for the sensitivity of the nano card.
        Those named "threshold ..." also give the effect of the threshold in the budget.
    calibration: the tables', for its uncertainty. evidence: for the budget.
    obstacle: what the user must do before any verdict, and a short reason; with `doubt` set it replaces any verdict,
        else only a decided one.
    tilt: degrees of a tilt that the settings corrected for, 0 for none.
    seed: of all draws.
    """

    size: str = "min_feret"
    counted: Literal["seen", "all", ""] = ""
    screened: bool = True
    edge: Edge = "exclude"
    filter: bool = False
    calibration: Calibration = field(default_factory=Calibration.absent)
    pieces: Sequence[Table | None] = ()
    alternatives: Mapping[str, Table] = field(default_factory=dict)
    evidence: Evidence = Evidence()
    obstacle: Flag | None = None
    tilt: float = 0.0
    seed: int = 0

    @property
    def uncertainty(self) -> float:
        """Relative standard uncertainty of the calibration, 0 if not known."""
        return self.calibration.standard_uncertainty or 0.0

    @property
    def has_instrument_uncertainty(self) -> bool:
        """Whether the accuracy of the magnification is given, not only the rounding of the scale."""
        return self.calibration.instrument_uncertainty is not None


DEFAULT = Conditions()


@dataclass(frozen=True, eq=False)
class Case:
    """The input of the contributions. variants: see `nano.variants_of`. pixel: nm, of the coarsest image. counted: see
    `nano.Terms`. intervals: of both answers, 95 %, from sampling and scale, for the fraction also from fields."""

    variants: Mapping[str, WeightedSizes]
    conditions: Conditions
    pixel: float
    counted: str = ""
    intervals: Mapping[str, Sequence[float] | None] = field(default_factory=dict)

    @property
    def sizes(self) -> WeightedSizes:
        return next(iter(self.variants.values()))

    @property
    def answers(self) -> tuple[float, float]:
        return _answers(self.sizes)

    def if_scaled(self, u: float | None) -> Effect:
        """The effect of a relative standard uncertainty common to all sizes."""
        if u is None:
            return Effect()
        return Effect(u, self._change(np.exp(u * DEVIATES)))

    def if_shifted(self, by: float) -> Effect:
        """The effect of an error common to all sizes, equally likely from -√3·by to +√3·by nm: its SD is `by`."""
        evenly = np.linspace(-1, 1, len(DEVIATES) + 1)
        return Effect(by / self.answers[0], self._change(np.ones(1), by * sqrt(3) * (evenly[1:] + evenly[:-1]) / 2))

    def _change(self, factors: Floats, shifts: Floats | float = 0.0) -> float:
        """The root mean square change of the fraction."""
        return float(np.sqrt(((shares_if_scaled(self.sizes, factors, shifts) - self.answers[1]) ** 2).mean()))


def budget(case: Case) -> Budget | None:
    """The budget; None for sizes in pixels or no sizes."""
    if case.sizes.unit == "px" or not len(case.sizes):
        return None
    rows = [row for make in CONTRIBUTIONS if (row := make(case))]
    median, fraction = case.answers
    counted = f"{ANSWERS['fraction_100nm']}, of particles{case.counted}:"
    return Budget(
        coverage_factor=COVERAGE,
        rows=rows,
        median=_total(rows, "median", median, ANSWERS["median"], case),
        fraction_100nm=_total(rows, "fraction_100nm", fraction, counted, case),
    )


def _contribution(name: str, title: str, source: str, remedy: str, effect: Effect) -> Contribution:
    """remedy: what would reduce it."""
    median, fraction = effect
    return Contribution(name=name, title=title, source=source, remedy=remedy, median=median, fraction_100nm=fraction)


def effect(budget: Mapping[str, Any] | None, name: str) -> Effect:
    """The effect of a contribution in a stored budget; an empty one if there is no budget."""
    rows = (row for row in (budget or {}).get("rows", ()) if row["name"] == name)
    return next((Effect(row["median"], row["fraction_100nm"]) for row in rows), Effect())


def _answers(sizes: WeightedSizes) -> tuple[float, float]:
    weights = sizes.weights["number"]
    return quantile(sizes.size, weights, 0.5), nano_share(sizes.size, weights)


def _total(
    rows: Sequence[Contribution], answer: Literal["median", "fraction_100nm"], value: float, title: str, case: Case
) -> Uncertainty:
    """The sum of the known rows; resolution is always known, so there is a largest."""
    parts = [(u, row) for row in rows if (u := row[answer]) is not None]
    without = [row["title"] for row in rows if row[answer] is None]
    total = sqrt(sum(u**2 for u, _ in parts))
    _, largest = max(parts, key=lambda part: part[0])
    ends = _ends(rows, answer, value, case)
    span = "without a useful 95 % interval"
    factor, unit = (1.0, "nm") if answer == "median" else (100.0, "%")
    low, high = (None, None) if ends is None else (factor * ends[0], factor * ends[1])
    estimate = readable(Value(factor * value, low, high, unit))
    number = significant(estimate.value)
    if estimate.low is not None and estimate.high is not None:
        finest, write = (None, end_words) if unit == "nm" else (0, partial(significant, digits=ALL_DIGITS))
        places = decimals_beside(estimate.value or 0.0, estimate.low, estimate.high, finest)
        number, start, end = (write(at or 0.0, places=places) for at in (estimate.value, estimate.low, estimate.high))
        span = f"{start} to {end} {estimate.unit} with the {uncertainty_name(without)}"
    reduce = f" The largest part is {uncapital(largest['title'])}. To reduce it: {largest['remedy']}" if ends else ""
    unknown = "Not included, because not known" if ends else "Not known"
    missing = f" {unknown}: {'; '.join(map(uncapital, without))}." if without else ""
    return Uncertainty(
        value=value,
        standard=total if ends else None,
        expanded=COVERAGE * total if ends else None,
        ends=ends,
        without=without,
        largest=largest["name"],
        sentence=f"{title} {number} {estimate.unit}, {span}.{missing}{reduce}",
    )


def _ends(
    rows: Sequence[Contribution], answer: Literal["median", "fraction_100nm"], value: float, case: Case
) -> list[float] | None:
    """The range of an answer with all known contributions; None where sampling is not known.

    Few particles make the interval of an answer lopsided. So each side adds, in quadrature, the reach of the interval
    there and the contributions that are not in it. The range is never narrower than the interval. Contributions to the
    median are relative, so they add in ln(size): else its lower end would come too near to zero, below what the
    fraction under that size allows.
    """
    interval = case.intervals.get(answer)
    if interval is None:
        return None
    inside = {*SCALE, "sampling_within", "sampling_between"}
    off = [COVERAGE * (row[answer] or 0.0) for row in rows if row["name"] not in inside]
    if answer == "median":
        low, high = (COVERAGE / Z95 * abs(log(max(end, LEAST_END * value) / value)) for end in interval)
        return [value * exp(-hypot(low, *off)), value * exp(hypot(high, *off))]
    low, high = (COVERAGE / Z95 * abs(value - end) for end in interval)
    return [max(0.0, value - hypot(low, *off)), min(1.0, value + hypot(high, *off))]


def _rounding(case: Case) -> Contribution:
    u = case.conditions.calibration.relative_uncertainty
    return _contribution(
        "calibration_reading",
        "Reading and rounding of the scale",
        "Rounding of the number in the file or as typed, or the ends of the measured line."
        if u is not None
        else "Not known: nothing says how exactly the scale was read.",
        "give the scale with more digits, or draw along a longer bar.",
        case.if_scaled(u),
    )


def _instrument(case: Case) -> Contribution:
    calibration = case.conditions.calibration
    u, note = calibration.instrument_uncertainty, calibration.instrument_note
    return _contribution(
        "calibration_instrument",
        "Calibration of the microscope itself",
        f"As provided{f' ({note})' if note else ''}."
        if u is not None
        else "Not provided; image files do not contain it.",
        "measure a certified grating at this magnification.",
        case.if_scaled(u),
    )


def _tilt(case: Case) -> Contribution | None:
    """None where no tilt was corrected for."""
    if not case.conditions.tilt:
        return None
    return _contribution(
        "tilt",
        "Tilt of the specimen",
        f"Not known: sizes were corrected for {case.conditions.tilt:.3g}°, but not how exactly this is the angle at"
        " which the specimen lies.",
        "take the image without a tilt.",
        Effect(),
    )


def _threshold(case: Case) -> Contribution:
    """One image: the larger change with the threshold 0.1 lower or higher, as half width of a rectangular distribution
    (GUM 4.3.7). Several: the mean over the images, weighted by number, as all images share the error."""
    others = [
        _answers(variant) for name, variant in case.variants.items() if name.startswith("threshold") and len(variant)
    ]
    median, fraction = _answers(case.variants.get(OUTLINED, case.sizes))
    effect, source = Effect(), "Not known: there are no outlines at other thresholds."
    if others:
        source = "Larger change when the threshold is 0.1 lower or higher (rectangular distribution, divided by √3)."
        effect = Effect(
            max(abs(other[0] / median - 1) for other in others) / sqrt(3),
            max(abs(other[1] - fraction) for other in others) / sqrt(3),
        )
    elif shared := _mean_of(case.conditions.evidence.thresholds):
        source, effect = SHARED, shared
    remedy = "take images of higher contrast, or choose the threshold on outlined images of this kind."
    return _contribution("threshold", "Threshold of the model", source, remedy, effect)


def _mean_of(effects: Sequence[tuple[int, Effect]]) -> Effect | None:
    """Of the images of a sample, weighted by their particles; None unless it is known of all of them."""
    if not effects or any(None in effect for _, effect in effects):
        return None
    counts = [count for count, _ in effects]
    return Effect(*np.average([effect for _, effect in effects], axis=0, weights=counts).tolist())


def _unresolved(case: Case) -> Contribution | None:
    """How much the answers differ between draws of what the outlines may be (`possible`): the spread of the cuts and of
    the error of their probabilities. None unless a network made the outlines, of a sample those of every image."""
    evidence = case.conditions.evidence
    effect, source = _mean_of(evidence.unresolved), SHARED
    if evidence.draws is not None:
        median, fraction = case.answers
        off = np.array([(log(one / median), other - fraction) for one, other in evidence.draws] or [(0.0, 0.0)])
        effect = Effect(*np.sqrt((off**2).mean(0)).tolist())
        source = (
            f"Root mean square change over {len(evidence.draws)} random draws. In each, every possible cut"
            " is made or not, by its probability; the probabilities vary by their own error."
            if off.any()
            else "No outline has possible cuts that nobody has decided."
        )
    if effect is None:
        return None
    remedy = "disperse the particles better, or correct the outlines: a dashed line shows where one may be two."
    return _contribution(HIDDEN, UNRESOLVED, source, remedy, effect)


def _segmentation(case: Case) -> Contribution:
    """The error of an image's median that was fitted to the coverage of images with truth. Without that fit, and of an
    owner's own truth masks: the root mean square error of the median over the labelled data in the card, because nobody
    knows which of these the image resembles. The sizes of this image give the effect on the fraction."""
    evidence = case.conditions.evidence
    with_error = [score for score in evidence.scores if isinstance(score.get(ERROR), int | float)]
    of_owner = [score for score in with_error if score.get("split") == OWN]
    scores = of_owner or with_error
    u = sqrt(sum(entry[ERROR] ** 2 for entry in scores) / len(scores)) / 100 if scores else None
    listed = "; ".join(_score_words(entry) for entry in scores)
    source = "Not known: the model's card states no error of the median, or another tool made the outlines."
    effect = case.if_scaled(u)
    if evidence.outline_error is not None and not of_owner:
        median, share = evidence.outline_error
        p = (case.answers[1] * case.sizes.number + 1) / (case.sizes.number + 2)  # of few, none may be by chance
        effect = Effect(median, share * sqrt(p * (1 - p)))
        source = "Fitted to images whose true outlines are known: in 90 % of them the total holds the truth."
    elif scores:
        masks = "your own truth masks" if of_owner else "labelled images"
        source = f"Root mean square error of the median on {masks}, from the model's card: {listed}."
    remedy = "measure outlines that were corrected by hand, or fine-tune the model on outlined images of this kind."
    return _contribution("segmentation", "Segmentation (merged, split, missed)", source, remedy, effect)


def _score_words(score: Mapping[str, Any]) -> str:
    shares = [f"{score[name]:.3g} % {word}" for name, word in WRONG.items() if name in score]
    beside = f" ({', '.join(shares)})" if shares else ""
    return f"{str(score.get('data', '')).split(',')[0]} {score[ERROR]:+.1f} %{beside}"


def _resolution(case: Case) -> Contribution:
    """All diameters share an error of up to one pixel: a rectangular distribution one pixel wide."""
    return _contribution(
        "resolution",
        "Resolution (size of a pixel)",
        f"Outlines follow whole pixels of {case.pixel:.3g} nm; the median is {case.answers[0] / case.pixel:.3g} px. All"
        " diameters share an error of up to one pixel (rectangular distribution, divided by √12).",
        "take images at a higher magnification.",
        case.if_shifted(case.pixel / sqrt(12)),
    )


def _within(case: Case) -> Contribution:
    effect = _by_particle(case.sizes)
    return _contribution(
        "sampling_within",
        "Sampling of particles",
        f"{len(case.sizes):,} particles; interval between order statistics, and Wilson's interval."
        if effect.median is not None
        else f"Wilson's interval of the fraction. Of the median not known: {undefined(case.sizes)}",
        "count more particles.",
        effect,
    )


def _between(case: Case) -> Contribution | None:
    """How both answers vary between fields, as measured between images; None of too few images to show it."""
    if not case.sizes.by_image:
        return None
    inside, between, images = _by_particle(case.sizes), nano_fraction(case.sizes), case.sizes.images
    whole = Effect(_of_interval(case.sizes), None if between is None else (between.high - between.low) / 2 / Z95)
    parts = [
        None if within is None or all_ is None else sqrt(max(all_**2 - within**2, 0.0))
        for within, all_ in zip(inside, whole, strict=True)
    ]
    source = (
        f"How much {images} images differ beyond the sampling of particles (intervals by image, mean of both ends)."
    )
    if None in parts:
        few = f"{images} images differ too much, or have too few particles, to predict the next one."
        term = "median" if parts[0] is None else "fraction"
        source = f"Not known: {few}" if parts == [None, None] else f"{source} Of the {term} not known: {few}"
    title, remedy = "Variation of the size between fields", "take images of more fields."
    return _contribution("sampling_between", title, source, remedy, Effect(*parts))


def _repeatability(case: Case) -> Contribution:
    return _contribution(
        "repeatability",
        "Repeatability",
        "As provided." if case.conditions.evidence.repeatability is not None else "Not provided.",
        "prepare and measure more specimens, and report their mean.",
        case.if_scaled(case.conditions.evidence.repeatability),
    )


def _operators(case: Case) -> Contribution | None:
    """None where it is not provided: of outlines that a network made alone it is no contribution."""
    if case.conditions.evidence.operators is None:
        return None
    source = "As provided: difference of the median between people who outlined the same image."
    remedy = "agree on what is outlined, and let several people outline each image."
    return _contribution(
        "operators", "Operator (who outlines)", source, remedy, case.if_scaled(case.conditions.evidence.operators)
    )


CONTRIBUTIONS: tuple[Callable[[Case], Contribution | None], ...] = (
    *(_rounding, _instrument, _tilt, _threshold, _segmentation, _unresolved, _resolution, _within, _between),
    *(_repeatability, _operators),
)


def _by_particle(sizes: WeightedSizes) -> Effect:
    """From the sampling of particles alone, as if all came from one image."""
    alone = replace(sizes, image=None)
    n = effective_number(alone.weights["number"])
    low, high = wilson(nano_share(alone.size, alone.weights["number"]) * n, n)
    return Effect(_of_interval(alone), (high - low) / 2 / Z95)


def _of_interval(sizes: WeightedSizes) -> float | None:
    """Relative standard uncertainty of the median from sampling alone: half the width of its interval over 1.96."""
    limits = None if undefined(sizes) else median_interval(sizes, np.random.default_rng(0), 0.0, any_width=True)
    return None if limits is None else (limits[1] - limits[0]) / 2 / Z95 / _answers(sizes)[0]
