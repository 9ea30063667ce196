"""The uncertainty budget of the median and of the fraction from 1 to 100 nm, after JCGM 100:2008 (GUM).

The median and the fraction are called the answers. Each contribution is given as a standard
uncertainty of both answers: relative for the median, absolute for the fraction. The known
contributions add in quadrature (GUM 5.1.2); the sum is multiplied by the coverage factor k = 2. An
unknown contribution is not taken as zero, but named beside the sum. One exception: unresolved
contacts of a sample are left out of the budget unless they are known for every image.
docs/method/uncertainty.md has the definitions and an example.

For an error common to all sizes, such as that of the scale, the uncertainty of the fraction is its
root mean square change over the distribution of that error (propagation of distributions, JCGM
101:2008). The reason: sizes close together all become smaller than 100 nm at once, or none does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import exp, hypot, log, sqrt
from typing import Any, Literal, NamedTuple

import numpy as np

from ...flags import Flag
from ...micrograph.types import Calibration
from ..quantities import ALL_DIGITS, MEDIAN_TERM, Value, decimals_beside, end_words, readable, significant, uncapital
from ..results import Budget, Contribution, Uncertainty
from ..sizes.distribution import Edge, Floats, WeightedSizes, effective_number, nano_share, quantile
from ..table import Table
from .bootstrap import median_interval, why_no_intervals
from .budget_table import ANSWERS, COVERAGE, UNRESOLVED, uncertainty_name
from .figure_draws import LEAST_END, Z95
from .fractions import DEVIATES, nano_fraction, shares_if_scaled, wilson

# Entries of a score in a model's card, in per cent.
MEDIAN_ERROR = "median_error"
ERROR_RATES = {"merges": "merged", "splits": "split"}
SCORED_BY_OWNER = "as scored by its owner"  # the split of a score on a person's own truth masks
# Names of contributions.
SCALE = ("calibration_reading", "calibration_instrument")
UNRESOLVED_CONTACTS = "unresolved_contacts"
EDGE_ERROR_PX = 0.45  # docs/method/accuracy.md, Edges
OUTLINES_ALONE = "the outlines alone"  # name of a variant: the sizes of outlines without possible pieces
MEAN_OVER_IMAGES = "Mean over the images, weighted by their numbers of particles. All images share this error."


class Effect(NamedTuple):
    """Standard uncertainties of both answers: of the median relative, of the fraction absolute;
    None if not known."""

    median: float | None = None
    fraction_100nm: float | None = None


@dataclass(frozen=True)
class Evidence:
    """What a budget needs besides the sizes and their calibration.

    scores: from the cards of the models that made the outlines.
    repeatability: of the median, relative; None if not provided.
    repeatability_source: how it was determined; "" if not stated.
    thresholds: for several images: the number of particles of each, and the effect of its threshold.
    operators: relative standard uncertainty of the median between people who outline the same image.
    draws: median and fraction in several random draws; each draw decides which possible cuts are right
        (`possible_pieces.sampled_answers`); None if no network made the outlines.
    unresolved: as thresholds, but the effect of unresolved contacts.
    outline_error: of median and fraction, see `ParticleOptions`; it replaces the errors in the scores.
    """

    scores: Sequence[Mapping[str, Any]] = ()
    repeatability: float | None = None
    thresholds: Sequence[tuple[int, Effect]] = ()
    operators: float | None = None
    draws: Sequence[tuple[float, float]] | None = None
    unresolved: Sequence[tuple[int, Effect]] = ()
    outline_error: tuple[float, float] | None = None
    repeatability_source: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditions:
    """Everything that statistics, uncertainty budget and nano card need besides the tables of
    objects.

    size: name of the column of sizes. counted: the measurand, see `filters.MEASURANDS`.
    screened: whether the objects are judged as nanomaterials, with a budget; only particles are.
    edge: the border correction.
    filter: whether the filter was on: with it particles are counted from a smallest length on, without it from a
        smallest area on (`nano.Terms`).
    pieces: for each table the table of its possible pieces (`possible_pieces`), or None.
    alternatives: judged tables of the same image under other settings, by name, for the sensitivity of the nano card.
        Those named "threshold ..." also give the effect of the threshold in the budget.
    calibration: of the tables, for its uncertainty.
    evidence: for the budget.
    obstacle: what a person must do before a verdict, and a short reason. It replaces a verdict, and with `doubt` set
        also the reason why there is none.
    tilt: degrees of a tilt that the settings corrected for, 0 for none.
    seed: of all random draws.
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


DEFAULT_CONDITIONS = Conditions()


@dataclass(frozen=True, eq=False)
class Case:
    """The input of the functions that compute the contributions.

    variants: see `nano.variants_of`. pixel: nm, the largest of all images. counted_words: see
    `nano.Terms`. intervals: the 95 % intervals of both answers by name, from sampling and scale;
    the interval of the fraction also from the differences between fields.
    """

    variants: Mapping[str, WeightedSizes]
    conditions: Conditions
    pixel: float
    counted_words: str = ""
    intervals: Mapping[str, Sequence[float] | None] = field(default_factory=dict)

    @property
    def sizes(self) -> WeightedSizes:
        """The sizes as analysed."""
        return next(iter(self.variants.values()))

    @property
    def answers(self) -> tuple[float, float]:
        """The median, and the fraction from 1 to 100 nm."""
        return _answers(self.sizes)

    def effect_of_scaling(self, u: float | None) -> Effect:
        """The effect of a relative standard uncertainty u that is common to all sizes."""
        if u is None:
            return Effect()
        return Effect(u, self._change(np.exp(u * DEVIATES)))

    def effect_of_shift(self, sd: float) -> Effect:
        """The effect of an error that is common to all sizes, with a rectangular distribution of
        the SD `sd` in nm."""
        edges = np.linspace(-1, 1, len(DEVIATES) + 1)
        shifts = sd * sqrt(3) * (edges[1:] + edges[:-1]) / 2
        return Effect(sd / self.answers[0], self._change(np.ones(1), shifts))

    def _change(self, factors: Floats, shifts: Floats | float = 0.0) -> float:
        """The root mean square change of the fraction if sizes are multiplied by `factors`, and
        `shifts` nm are added."""
        return float(np.sqrt(((shares_if_scaled(self.sizes, factors, shifts) - self.answers[1]) ** 2).mean()))


def budget(case: Case) -> Budget | None:
    """The budget; None for sizes in pixels, or without sizes."""
    if case.sizes.unit == "px" or not len(case.sizes):
        return None
    rows = [row for make in CONTRIBUTIONS if (row := make(case))]
    median, fraction = case.answers
    fraction_title = f"{ANSWERS['fraction_100nm']}, of particles{case.counted_words}:"
    return Budget(
        coverage_factor=COVERAGE,
        rows=rows,
        median=_total(rows, "median", median, ANSWERS["median"], case),
        fraction_100nm=_total(rows, "fraction_100nm", fraction, fraction_title, case),
    )


def _contribution(name: str, title: str, source: str, remedy: str, effect: Effect) -> Contribution:
    """One line of the budget. remedy: what would reduce it."""
    median, fraction = effect
    return Contribution(name=name, title=title, source=source, remedy=remedy, median=median, fraction_100nm=fraction)


def effect(budget: Mapping[str, Any] | None, name: str) -> Effect:
    """The effect of the contribution `name` in a stored budget; without values if the budget or the
    line is missing."""
    rows = (row for row in (budget or {}).get("rows", ()) if row["name"] == name)
    return next((Effect(row["median"], row["fraction_100nm"]) for row in rows), Effect())


def _answers(sizes: WeightedSizes) -> tuple[float, float]:
    """Median and fraction from 1 to 100 nm."""
    weights = sizes.weights["number"]
    return quantile(sizes.size, weights, 0.5), nano_share(sizes.size, weights)


def _total(
    rows: Sequence[Contribution], answer: Literal["median", "fraction_100nm"], value: float, title: str, case: Case
) -> Uncertainty:
    """One answer with its total uncertainty. value: the answer. title: the beginning of the sentence."""
    parts = [(u, row) for row in rows if (u := row[answer]) is not None]  # never empty: resolution is known
    without = [row["title"] for row in rows if row[answer] is None]
    total = sqrt(sum(u**2 for u, _ in parts))
    _, largest = max(parts, key=lambda part: part[0])
    ends = _ends(rows, answer, value, case)
    interval_words = "without a useful 95 % interval"
    factor, unit = (1.0, "nm") if answer == "median" else (100.0, "%")
    low, high = (None, None) if ends is None else (factor * ends[0], factor * ends[1])
    estimate = readable(Value(factor * value, low, high, unit))
    number = significant(estimate.value)
    if estimate.low is not None and estimate.high is not None:
        finest, as_text = (None, end_words) if unit == "nm" else (0, partial(significant, digits=ALL_DIGITS))
        places = decimals_beside(estimate.value or 0.0, estimate.low, estimate.high, finest)
        number, start, end = (
            as_text(value or 0.0, places=places) for value in (estimate.value, estimate.low, estimate.high)
        )
        interval_words = f"{start} to {end} {estimate.unit} with the {uncertainty_name(without)}"
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
        sentence=f"{title} {number} {estimate.unit}, {interval_words}.{missing}{reduce}",
    )


def _ends(
    rows: Sequence[Contribution], answer: Literal["median", "fraction_100nm"], value: float, case: Case
) -> list[float] | None:
    """The ends of the 95 % interval of an answer with all known contributions; None if the answer
    has no interval from sampling.

    With few particles that interval is not symmetric. So for each end two things add in quadrature:
    its distance from the answer, and the contributions that are not in the interval. Contributions
    to the median are relative, so they add in ln(size): otherwise the lower end would be too near
    to zero.
    """
    interval = case.intervals.get(answer)
    if interval is None:
        return None
    in_interval = {*SCALE, "sampling_within", "sampling_between"}
    others = [COVERAGE * (row[answer] or 0.0) for row in rows if row["name"] not in in_interval]
    if answer == "median":
        low, high = (COVERAGE / Z95 * abs(log(max(end, LEAST_END * value) / value)) for end in interval)
        return [value * exp(-hypot(low, *others)), value * exp(hypot(high, *others))]
    low, high = (COVERAGE / Z95 * abs(value - end) for end in interval)
    return [max(0.0, value - hypot(low, *others)), min(1.0, value + hypot(high, *others))]


# Each function below gives one line of the budget, or None if the contribution does not apply.


def _rounding(case: Case) -> Contribution:
    u = case.conditions.calibration.relative_uncertainty
    return _contribution(
        "calibration_reading",
        "Reading and rounding of the scale",
        "Rounding of the number in the file or as typed, or the ends of the measured line."
        if u is not None
        else "Not known: nothing says how exactly the scale was read.",
        "give the scale with more digits, or draw along a longer bar.",
        case.effect_of_scaling(u),
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
        case.effect_of_scaling(u),
    )


def _tilt(case: Case) -> Contribution | None:
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
    """For one image: the larger change with a threshold 0.1 lower or higher, as the half width of a
    rectangular distribution (GUM 4.3.7). For several images: the mean of their effects, because all
    images share the error."""
    others = [
        _answers(variant) for name, variant in case.variants.items() if name.startswith("threshold") and len(variant)
    ]
    median, fraction = _answers(case.variants.get(OUTLINES_ALONE, case.sizes))
    effect, source = Effect(), "Not known: there are no outlines at other thresholds."
    if others:
        source = "Larger change when the threshold is 0.1 lower or higher (rectangular distribution, divided by √3)."
        effect = Effect(
            max(abs(other[0] / median - 1) for other in others) / sqrt(3),
            max(abs(other[1] - fraction) for other in others) / sqrt(3),
        )
    elif mean := _mean_of(case.conditions.evidence.thresholds):
        source, effect = MEAN_OVER_IMAGES, mean
    remedy = "take images of higher contrast, or choose the threshold on outlined images of this kind."
    return _contribution("threshold", "Threshold of the model", source, remedy, effect)


def _mean_of(effects: Sequence[tuple[int, Effect]]) -> Effect | None:
    """The mean of the effects of a sample's images, weighted by their numbers of particles; None
    unless all are known."""
    if not effects or any(None in effect for _, effect in effects):
        return None
    counts = [count for count, _ in effects]
    return Effect(*np.average([effect for _, effect in effects], axis=0, weights=counts).tolist())


def _unresolved(case: Case) -> Contribution | None:
    """How much the answers differ between random draws, which decide what possible cuts are right
    (`possible_pieces`). None unless a network made the outlines of all images."""
    evidence = case.conditions.evidence
    effect, source = _mean_of(evidence.unresolved), MEAN_OVER_IMAGES
    if evidence.draws is not None:
        median, fraction = case.answers
        changes = [(log(drawn_median / median), share - fraction) for drawn_median, share in evidence.draws]
        off = np.array(changes or [(0.0, 0.0)])
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
    return _contribution(UNRESOLVED_CONTACTS, UNRESOLVED, source, remedy, effect)


def _segmentation(case: Case) -> Contribution:
    """The error of the outlines. If the evidence has an `outline_error`, and the model's owner has not
    scored the model on own truth masks, it is the `outline_error`. Otherwise it is the root mean
    square error of the median over the labelled data in the model's card, because nobody knows
    which of these the image resembles; its effect on the fraction follows from this image's sizes."""
    evidence = case.conditions.evidence
    with_error = [score for score in evidence.scores if isinstance(score.get(MEDIAN_ERROR), int | float)]
    of_owner = [score for score in with_error if score.get("split") == SCORED_BY_OWNER]
    scores = of_owner or with_error
    u = sqrt(sum(entry[MEDIAN_ERROR] ** 2 for entry in scores) / len(scores)) / 100 if scores else None
    listed = "; ".join(_score_words(entry) for entry in scores)
    source = f"Not known: the model's card states no error of the {MEDIAN_TERM}, or another tool made the outlines."
    effect = case.effect_of_scaling(u)
    if evidence.outline_error is not None and not of_owner:
        median, share = evidence.outline_error
        p = (case.answers[1] * case.sizes.number + 1) / (case.sizes.number + 2)  # not 0 if none of few is nano
        effect = Effect(median, share * sqrt(p * (1 - p)))
        source = (
            "Fitted to images whose true outlines are known: in 90 % of them the interval with the total uncertainty"
            " contains the true value."
        )
    elif scores:
        masks = "your own truth masks" if of_owner else "labelled images"
        source = f"Root mean square error of the {MEDIAN_TERM} on {masks}, from the model's card: {listed}."
    remedy = "measure outlines that were corrected by hand, or fine-tune the model on outlined images of this kind."
    return _contribution("segmentation", "Segmentation (merged, split, missed)", source, remedy, effect)


def _score_words(score: Mapping[str, Any]) -> str:
    """A score in words: the data, the error of the median, and how many particles were merged or
    split."""
    shares = [f"{score[name]:.3g} % {word}" for name, word in ERROR_RATES.items() if name in score]
    rates = f" ({', '.join(shares)})" if shares else ""
    return f"{str(score.get('data', '')).split(',')[0]} {score[MEDIAN_ERROR]:+.1f} %{rates}"


def _resolution(case: Case) -> Contribution:
    """All diameters share the error with which the edge of a particle is found between the pixels."""
    return _contribution(
        "resolution",
        "Resolution (size of a pixel)",
        f"A pixel is {case.pixel:.3g} nm wide; the {MEDIAN_TERM} is {case.answers[0] / case.pixel:.3g} px. Of drawn"
        f" shapes of 8 to 80 px the minimum Feret diameter is wrong by {EDGE_ERROR_PX:g} px (root mean square).",
        "take images at a higher magnification.",
        case.effect_of_shift(case.pixel * EDGE_ERROR_PX),
    )


def _within(case: Case) -> Contribution:
    effect = _by_particle(case.sizes)
    return _contribution(
        "sampling_within",
        "Sampling of particles",
        f"{len(case.sizes):,} particles; interval between order statistics, and Wilson's interval."
        if effect.median is not None
        else f"Wilson's interval of the fraction. Of the {MEDIAN_TERM} not known: {why_no_intervals(case.sizes)}",
        "count more particles.",
        effect,
    )


def _between(case: Case) -> Contribution | None:
    """How both answers vary between fields of view, as measured between images; None with too few
    images."""
    if not case.sizes.by_image:
        return None
    within, between, images = _by_particle(case.sizes), nano_fraction(case.sizes), case.sizes.images
    whole = Effect(_median_uncertainty(case.sizes), None if between is None else (between.high - between.low) / 2 / Z95)
    parts = [
        None if inner is None or total is None else sqrt(max(total**2 - inner**2, 0.0))
        for inner, total in zip(within, whole, strict=True)
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
    evidence = case.conditions.evidence
    provided = f"As provided: {evidence.repeatability_source}" if evidence.repeatability_source else "As provided"
    return _contribution(
        "repeatability",
        "Repeatability",
        "Not provided." if evidence.repeatability is None else f"{provided.rstrip('.')}.",
        "prepare and measure more specimens, and report their mean.",
        case.effect_of_scaling(evidence.repeatability),
    )


def _operators(case: Case) -> Contribution | None:
    """None if it is not provided: it does not apply to outlines that a network made alone."""
    if case.conditions.evidence.operators is None:
        return None
    source = f"As provided: difference of the {MEDIAN_TERM} between people who outlined the same image."
    remedy = "agree on what is outlined, and let several people outline each image."
    return _contribution(
        "operators",
        "Operator (who outlines)",
        source,
        remedy,
        case.effect_of_scaling(case.conditions.evidence.operators),
    )


CONTRIBUTIONS: tuple[Callable[[Case], Contribution | None], ...] = (
    *(_rounding, _instrument, _tilt, _threshold, _segmentation, _unresolved, _resolution, _within, _between),
    *(_repeatability, _operators),
)


def _by_particle(sizes: WeightedSizes) -> Effect:
    """The effect of the sampling of particles, as if all came from one image."""
    as_one = replace(sizes, image=None)
    n = effective_number(as_one.weights["number"])
    low, high = wilson(nano_share(as_one.size, as_one.weights["number"]) * n, n)
    return Effect(_median_uncertainty(as_one), (high - low) / 2 / Z95)


def _median_uncertainty(sizes: WeightedSizes) -> float | None:
    """The relative standard uncertainty of the median from sampling: half the width of its
    interval, divided by 1.96."""
    limits = None if why_no_intervals(sizes) else median_interval(sizes, np.random.default_rng(0), 0.0, any_width=True)
    return None if limits is None else (limits[1] - limits[0]) / 2 / Z95 / _answers(sizes)[0]
