"""What was done, in the words of a paper's methods section, and how to cite it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from segmentation import __version__

from ..labels.options import EVEN
from ..labels.outline import least_chance
from ..labels.segmentation import MASKS
from ..measure.filters import ALWAYS, BY_IMAGE, FILTERED, LEAST_CONFIDENCE
from ..measure.pooling import WHY
from ..measure.quantities import COLUMNS
from ..measure.resampling import REPEATS
from ..measure.results import PER_IMAGE, Statistics
from ..micrograph.types import SOURCES
from ..sample import BY_USER, FAILED, AnalysisRecord, Member, SampleAnalysis, common_calibration
from .facts import edge_of, model_words
from .wording import (
    corrected_images_words,
    corrected_words,
    doubt_words,
    imported_words,
    instrument_words,
    one_line,
    per_cent,
    scale_range,
)

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
    "H. W. Lilliefors, On the Kolmogorov-Smirnov test for normality, J. Am. Stat. Assoc. 62 (1967) 399-402.",
    "H. Masuda, K. Iinoya, Theoretical study of the scatter of experimental data due to particle-size distribution, J."
    " Chem. Eng. Japan 4 (1971) 60-66.",
    "JCGM 100:2008, Guide to the expression of uncertainty in measurement (GUM).",
    "W. Wohlleben et al., Reliable nanomaterial classification of powders using the volume-specific surface area"
    " method, J. Nanopart. Res. 19 (2017) 61.",
    "B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap, Chapman & Hall, 1993.",
)
TOGETHER = (
    "For all images together, numbers per area are means weighted by the analysed area, and sizes are those of all"
    " objects. The other 95 % intervals are Student's t from the jackknife over the images (for fractions of equal"
    " images: ASTM E562). They show how the images differ, not how wrong the model is."
)
IMAGES = (
    "S. Weerahandi, Exact Statistical Methods for Data Analysis, Springer, 1995.",
    "D. B. Rubin, The Bayesian bootstrap, Ann. Stat. 9 (1981) 130-134.",
)
BLOCKS = "The 95 % intervals are Student's t from the jackknife over blocks of the image."
WEIGHTED = "; the others are weighted by the inverse of their chance to touch no frame"
EDGES = "R. E. Miles, On the elimination of edge effects in planar sampling, in: Stochastic Geometry, Wiley, 1974."


def method(sample: SampleAnalysis) -> str:
    """One paragraph that can go into a paper as it is."""
    return " ".join(_sentences(sample))


def references(statistics: Statistics) -> list[str]:
    """What the method rests on, as the paragraph and the numbers need it."""
    several = [] if statistics.interval_basis == PER_IMAGE else [*IMAGES]
    return [*REFERENCES, *several, *([EDGES] if statistics.edge == "weight" else [])]


def _sentences(sample: SampleAnalysis) -> Iterator[str]:
    members = [member for _, member in sample.counted]
    alone = members[0] if sample.analysis is not None else None
    yield _outlined(sample, alone)
    left_out = left_out_words(sample)
    if left_out:
        yield f"{left_out}."
    if alone is not None and alone.record.by_model:
        yield from _segmented(sample, alone.record)
    elif alone is None and all(member.record.by_model for member in members):
        ways = {sample.task.method.format(**_known(member.record)) for member in members}
        yield from ways if len(ways) == 1 else ()
    yield from _dropped(members)
    checked = corrected_words(alone.record.used) if alone else corrected_images_words(sample.corrected)
    if checked:
        yield f"Outlines were checked by a person ({checked})."
    if sample.pooled is not None and sample.pooled.screened:
        yield from _after_outlining(sample, sample.pooled)
        return
    if alone is not None and any(value.low is not None for value in alone.quantities.values()) and sample.task.semantic:
        yield BLOCKS
    if sample.task.size and any(edge_of(sample, member) == "weight" for member in members):
        yield f"Sizes leave out what touches the frame{WEIGHTED}."
    if sample.pooled is not None:
        yield f"The size of a {sample.task.thing} is its {COLUMNS[sample.pooled.size].label}."
        yield from _intervals(sample, sample.pooled)
    if len(members) > 1:
        yield f"{TOGETHER} They {_included(sample)}; fractions, counts and what follows from a scale do not."


def _outlined(sample: SampleAnalysis, alone: Member | None) -> str:
    things = sample.task.things.capitalize()
    if alone is not None:
        pixel = alone.calibration.nm_per_pixel
        size = scale_range(pixel, pixel) + (f", {SOURCES[alone.calibration.source]}" if pixel else "")
        image = f"{one_line(alone.name, 60)}, {alone.record.width} × {alone.record.height} px, {size}"
        if not alone.record.by_model:
            source = "; ".join(filter(None, (imported_words(alone.record.used), image)))
            return f"{things} were outlined by another tool ({source}) and measured with DeepSegm {__version__}."
        return f"{things} in one electron micrograph ({image}) were outlined {_with(sample)}."
    scale = scale_range(sample.calibration["low"], sample.calibration["high"])
    counted = len(sample.counted)
    images = f"{counted} electron micrograph{'' if counted == 1 else 's'}"
    return f"{things} in {images} of one specimen ({scale}) were outlined {_with(sample)} and pooled."


def _with(sample: SampleAnalysis) -> str:
    cards = sample.models
    if {card["name"] for card in cards} == {MASKS}:
        return f"by another tool, measured with DeepSegm {__version__}"
    named = ", ".join(map(model_words, cards))
    return f"with DeepSegm {__version__}" + (f" (model {named})" if named else "")


def _segmented(sample: SampleAnalysis, record: AnalysisRecord) -> Iterator[str]:
    """How a network's maps became outlines, of one image."""
    if record.data_bar is not None:
        yield f"The data bar, from row {record.data_bar}, was left out."
    if sample.task.method:
        yield sample.task.method.format(**record.used)
    second = record.used.get("second_scale", 1.0)
    larger = f"{second:.3g} times as large"
    if record.settings.get("flips"):
        yield f"The maps are averaged over all four mirrored forms of the image{f', also {larger}' * (second > 1)}."
    elif second > 1:
        yield f"The maps are averaged over two showings: the image, and one of its mirrored forms {larger}."


def _known(record: AnalysisRecord) -> dict[str, Any]:
    """The used values, or the requested settings where these are sufficient."""
    return {name: value for name, value in {**record.settings, **record.used}.items() if value is not None}


def _dropped(members: list[Member]) -> Iterator[str]:
    """How many outlines were dropped from the files, by the limit, and in how many images."""
    counts: Counter[float] = Counter()
    images: Counter[float] = Counter()
    for record in (member.record for member in members):
        if dropped := record.used.get("dropped", 0):
            least = least_chance(record.used.get("expected", 1.0), record.card.get("options", {}))
            counts[least] += dropped
            images[least] += 1
    for least, count in sorted(counts.items()):
        outlines = "outline was" if count == 1 else "outlines were"
        of = f"In {'one image' if images[least] == 1 else f'{images[least]} images'}, "
        why = " (where most outlines of an image are more likely wrong than right)" if least == EVEN else ""
        yield (
            f"{of if len(members) > 1 else ''}{count:,} {outlines} removed, with a calibrated chance of being right"
            f" under {100 * least:.0f} %{why}."
        )


def _after_outlining(sample: SampleAnalysis, statistics: Statistics) -> Iterator[str]:
    """How outlines became numbers."""
    judged = (*(FILTERED if sample.filter else ALWAYS), *(each for each in BY_IMAGE if each in statistics.set_aside))
    reasons = [str(reason) for reason in judged]
    edge = WEIGHTED if statistics.edge == "weight" else ", without a correction"
    yield f"Outlines were set aside for these reasons: {', '.join(reasons)}."
    yield f"Sizes leave out what touches the frame{edge}."
    count = statistics.n_kept
    kept = f"1 {sample.task.thing} was" if count == 1 else f"{count:,} {sample.task.things} were"
    yield (
        f"The size of a {sample.task.thing} is its minimum Feret diameter, taken with rotating calipers on the hull of"
        f" its pixels' corners; {kept} kept and {statistics.n_set_aside:,} set aside."
    )
    both = statistics.fraction_100nm_with_doubtful, statistics.fraction_100nm_without_doubtful
    if None not in both and both[0] != both[1]:
        yield (
            f"The share from 1 to 100 nm is {per_cent(both[0])} with and {per_cent(both[1])} without outlines of a"
            f" calibrated chance under {100 * LEAST_CONFIDENCE:.0f} %."
        )
    yield from _intervals(sample, statistics)


def _intervals(sample: SampleAnalysis, statistics: Statistics) -> Iterator[str]:
    """How the intervals of the distribution were found, or why there are none."""
    if statistics.interval_note:
        yield f"There are no intervals of sizes: {statistics.interval_note[:1].lower()}{statistics.interval_note[1:]}"
    law = "the beta-binomial law and the fractions of the images"
    if statistics.interval_basis == PER_IMAGE:
        spread = sample.members[0].record.settings.get("field_spread")
        law = "Wilson's method" + (f", assuming that sizes differ by {spread:g} % between fields" if spread else "")
    if statistics.interval_note:
        if statistics.fraction_low is not None:
            yield f"The fraction has a 95 % interval by {law}. It {_included(sample, 'includes', 'does')}."
        return
    fractions = f", for fractions by {law}" if statistics.fraction_low is not None else ""
    yield (
        f"The 95 % intervals are by resampling ({REPEATS:,} draws, {statistics.interval_basis}, the same draws for the"
        f" same files){fractions}. They {_included(sample)}."
    )
    yield from statistics.cautions


def _included(sample: SampleAnalysis, include: str = "include", do: str = "do") -> str:
    """The relative standard uncertainties of the scale in the intervals: those of the least certain scale."""
    calibrations = [member.calibration for _, member in sample.counted]
    used = common_calibration(calibrations)
    read = used.relative_uncertainty
    known = [] if read is None else [f"the rounding of the scale ({doubt_words(read)})"]
    missing = ["the unknown rounding of the scale"] if read is None else []
    own = "the microscope's own calibration uncertainty"
    if used.instrument_uncertainty:
        known.append(f"{own}, {instrument_words(used)}")
    else:
        some = any(each.instrument_uncertainty for each in calibrations)
        missing.append(f"{own}, which was not provided{' for all of them' if some else ''}")
    parts = [f"{include} {' and '.join(known)}"] if known else []
    return ", but ".join([*parts, *([f"{do} not include {' or '.join(missing)}"] if missing else [])])


def left_out_words(sample: SampleAnalysis) -> str:
    """How many images of a sample are not in its numbers, and why; "" where all are."""
    left_out = [image.excluded for image in sample.images if image.excluded]
    why = Counter({"excluded by the user": left_out.count(BY_USER)})
    why["not analysed"] = sum(reason.startswith(FAILED) for reason in left_out)
    why.update(WHY[reason] for reason in left_out if reason in WHY)
    reasons = ", ".join(f"{number} {reason}" for reason, number in why.items() if number)
    count = len(left_out)
    return f"{count} image{' is' if count == 1 else 's are'} left out: {reasons}" if count else ""
