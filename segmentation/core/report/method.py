"""What was done, in the words of a paper's methods section, and how to cite it."""

from __future__ import annotations

from collections.abc import Iterator

from segmentation import __version__

from ..analysis import Analysis
from ..measure.bootstrap import REPEATS
from ..measure.filters import ALWAYS, Reason
from ..measure.statistics import Statistics
from ..micrograph.types import Calibration
from ..sample import Sample
from .wording import MASKS, SOURCES, model_words, one_line, significant

CITATION = f"DeepSegm, version {__version__}. Software for outlining and measuring particles in electron micrographs."
REFERENCES = (
    "ISO 13322-1:2014, Particle size analysis - Image analysis methods - Part 1: Static image analysis methods.",
    "ISO 9276-6:2008, Representation of results of particle size analysis - Part 6: Descriptive and quantitative"
    " representation of particle shape and morphology.",
    "ISO 19749:2021, Nanotechnologies - Measurements of particle size and shape distributions by scanning electron"
    " microscopy; ISO 21363:2020, the same by transmission electron microscopy.",
    "Commission Recommendation of 10 June 2022 on the definition of nanomaterial (2022/C 229/01).",
    "E. B. Wilson, Probable inference, the law of succession, and statistical inference, J. Am. Stat. Assoc. 22"
    " (1927) 209-212.",
    "B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap, Chapman & Hall, 1993.",
)
EDGES = "R. E. Miles, On the elimination of edge effects in planar sampling, in: Stochastic Geometry, Wiley, 1974."


def method(analysis: Analysis) -> str:
    """One paragraph that can go into a paper as it is."""
    return " ".join(_sentences(analysis))


def references(found: Statistics) -> list[str]:
    """What the method rests on, as the paragraph and the numbers need it."""
    return [*REFERENCES, EDGES] if found.edge == "weight" else list(REFERENCES)


def _sentences(analysis: Analysis) -> Iterator[str]:
    rows, columns = analysis.micrograph.shape
    used, found = analysis.segmentation, analysis.statistics
    image = f"{one_line(analysis.micrograph.name, 60)}, {columns} × {rows} px, {_pixel_size(analysis.calibration)}"
    if used.model == MASKS:
        yield f"Particles were outlined by another tool ({image}) and measured with DeepSegm {__version__}."
        yield from after_outlining(found, analysis.recipe.filter)
        return
    yield (
        f"Particles in one electron micrograph ({image}) were outlined with DeepSegm {__version__} (model"
        f" {model_words(analysis)})."
    )
    if used.rows < rows:
        yield f"The data bar, from row {used.rows}, was left out."
    yield (
        "A convolutional network gave for every pixel the probability that it belongs to a particle and its relative"
        f" distance from that particle's edge; {used.polarity} particles were taken where the probability exceeded"
        f" {used.threshold:.3g}, and touching ones were separated by the distance."
    )
    if analysis.recipe.flips:
        yield "The maps are means over the image and its mirror images."
    yield from after_outlining(found, analysis.recipe.filter)


def after_outlining(found: Statistics, filter: bool) -> Iterator[str]:
    """How outlines became numbers: the same for one image and for a sample."""
    reasons = [str(reason) for reason in (tuple(Reason) if filter else ALWAYS)]
    edge = (
        "the others being weighted by the inverse of their chance to touch no frame"
        if found.edge == "weight"
        else "no correction being made for them"
    )
    yield (
        f"Outlines were set aside for these reasons: {', '.join(reasons)}; of those that touch the frame it is not"
        f" known how large they are, {edge}."
    )
    yield (
        f"The size of a particle is its minimum Feret diameter, taken with rotating calipers on the hull of its pixels'"
        f" corners; {found.n_kept:,} particles were kept and {found.n_set_aside:,} set aside."
    )
    yield _uncertainty(found)


def _uncertainty(found: Statistics) -> str:
    if found.interval_note:
        return f"Intervals are not given: {found.interval_note[:1].lower()}{found.interval_note[1:]}"
    known = found.relative_uncertainty
    calibration = (
        f"include the relative standard uncertainty of the calibration, {100 * known:.2g} %"
        if known
        else "do not include an uncertainty of the calibration, as none is known"
    )
    return (
        f"Intervals are 95 % intervals by resampling ({REPEATS:,} draws, {found.interval_basis}), for fractions after"
        f" Wilson, and {calibration}."
    )


def _pixel_size(calibration: Calibration) -> str:
    if calibration.nm_per_pixel is None:
        return "not calibrated"
    return f"{significant(calibration.nm_per_pixel)} nm per pixel, {SOURCES[calibration.source]}"


def sample_method(sample: Sample) -> str:
    """The paragraph for a sample of several images."""
    found, low, high = sample.pooled, sample.calibration["low"], sample.calibration["high"]
    scale = "not calibrated" if low is None else f"{significant(low)} nm per pixel"
    if low is not None and high != low:
        scale = f"{significant(low)} to {significant(high)} nm per pixel"
    counted = sum(not row["excluded"] for row in found.images)
    return " ".join(
        [
            f"Particles in {counted} electron micrographs of one specimen ({scale}) were outlined with DeepSegm"
            f" {__version__} and pooled.",
            *after_outlining(found, found.without_filter is not None),
        ]
    )
