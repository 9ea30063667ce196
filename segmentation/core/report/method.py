"""What was done, in the words of a paper's methods section, and how to cite it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from segmentation import __version__

from ..analysis import Analysis
from ..labels.outline import EVEN, HOPELESS
from ..labels.segmentation import MASKS
from ..measure.bootstrap import REPEATS
from ..measure.filters import ALWAYS, Reason
from ..measure.statistics import Statistics
from ..micrograph.types import Calibration
from ..sample import BY_USER, FAILED, Found, Sample
from .sections import model_label
from .wording import SOURCES, model_words, one_line, settings, significant

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


def chosen(analysis: Analysis) -> dict[str, str]:
    """Every setting that changes the numbers, "auto" replaced by what was used: the same in every file."""
    by_model = analysis.segmentation.provenance.model != MASKS
    flips = {"mirror images averaged": on_off(_flips(analysis))} if by_model else {}
    edges = "weighted" if analysis.statistics.edge == "weight" else "excluded"
    return {**{name: str(value) for name, value in settings(analysis).items()}, **flips, "edges": edges}


def _flips(analysis: Analysis) -> bool:
    return bool(analysis.segmentation.provenance.settings.get("flips"))


def on_off(setting: bool) -> str:
    return "on" if setting else "off"


def _sentences(analysis: Analysis) -> Iterator[str]:
    rows, columns = analysis.micrograph.shape
    used, found = analysis.segmentation, analysis.statistics
    image = f"{one_line(analysis.micrograph.name, 60)}, {columns} × {rows} px, {_pixel_size(analysis.calibration)}"
    if used.provenance.model == MASKS:
        yield f"Particles were outlined by another tool ({image}) and measured with DeepSegm {__version__}."
        yield from after_outlining(found, analysis.settings.measurement.filter)
        return
    yield (
        f"Particles in one electron micrograph ({image}) were outlined with DeepSegm {__version__} (model"
        f" {model_words(analysis)})."
    )
    if used.rows < rows:
        yield f"The data bar, from row {used.rows}, was left out."
    yield (
        "A convolutional network gave for every pixel the probability that it belongs to a particle and its relative"
        f" distance from that particle's edge; {used.used['polarity']} particles were taken where the probability"
        f" exceeded {used.used['threshold']:.3g}, and touching ones were separated by the distance."
    )
    yield from _showings(_flips(analysis), used.used["closer"])
    yield from _dropped([Found.of(analysis)])
    yield from after_outlining(found, analysis.settings.measurement.filter)


def _dropped(images: Iterable[Found]) -> Iterator[str]:
    """How many outlines the files do not show, by the limit that they were under."""
    counts: Counter[float] = Counter()
    for image in images:
        counts[EVEN if image.expected < EVEN else HOPELESS] += image.dropped
    for least, count in sorted(counts.items()):
        if count:
            outlines = "outline was" if count == 1 else "outlines were"
            yield f"{count:,} {outlines} left out whose calibrated chance of being right is under {100 * least:.0f} %."


def _showings(flips: bool, closer: float) -> Iterator[str]:
    """Over which forms of the image the maps were averaged, where it was more than one."""
    larger = f"{closer:.3g} times as large"
    if flips:
        yield f"The maps are means over the image and its mirror images{f', also {larger}' * (closer > 1)}."
    elif closer > 1:
        yield f"The maps are means over the image and its mirror image, {larger}."


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
    counted = len(sample.counted)
    one = counted == 1
    left_out = left_out_words(sample)
    return " ".join(
        [
            f"Particles in {counted} electron micrograph{'' if one else 's'} of one specimen ({scale}) were outlined"
            f" {_with(sample)} and pooled.",
            *([f"{left_out}."] if left_out else []),
            *_dropped(member.found for _, member in sample.counted),
            *after_outlining(found, sample.filter),
        ]
    )


def _with(sample: Sample) -> str:
    if {name for name, _ in sample.models} == {MASKS}:
        return f"by another tool, measured with DeepSegm {__version__}"
    named = ", ".join(f"{model_label(name, sha256)} (sha256 {sha256[:8]})" for name, sha256 in sample.models)
    return f"with DeepSegm {__version__}" + (f" (model {named})" if named else "")


def left_out_words(sample: Sample) -> str:
    """How many images of a sample are not in its numbers, and why; "" where all are."""
    left_out = [image.excluded for image in sample.images if image.excluded]
    failed = sum(reason.startswith(FAILED) for reason in left_out)
    by_user = left_out.count(BY_USER)
    others = len(left_out) - failed - by_user
    why = {"excluded by the user": by_user, "not analysed": failed, "without a calibration": others}
    said = ", ".join(f"{number} {reason}" for reason, number in why.items() if number)
    count = len(left_out)
    return f"{count} image{' is' if count == 1 else 's are'} left out: {said}" if count else ""
