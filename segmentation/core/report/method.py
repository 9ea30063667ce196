"""What was done, in the words of a paper's methods section, and how to cite it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from ..flags import is_unusable
from ..labels.options import EVEN
from ..labels.outline import least_confidence
from ..labels.segmentation import MASKS
from ..measure.cautions import LISTED, MEDIAN, cautions
from ..measure.filters import ALWAYS, FILTERED
from ..measure.pooling import WHY
from ..measure.quantities import COLUMNS, OF
from ..measure.resampling import REPEATS
from ..measure.results import BY_PARTICLE, Statistics
from ..micrograph.types import common_calibration
from ..sample import BY_USER, FAILED, WAITS, AnalysisRecord, Member, SampleAnalysis
from .charts import Distribution
from .entries import known_number
from .facts import edge_of, model_words
from .summary import Summary
from .wording import (
    corrected_images_words,
    corrected_words,
    counts_words,
    imported_words,
    instrument_words,
    one_line,
    rounding_words,
    scale_range,
    version,
)

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
IMAGES = (  # of the method for several images
    "S. Weerahandi, Exact Statistical Methods for Data Analysis, Springer, 1995.",
    "D. B. Rubin, The Bayesian bootstrap, Ann. Stat. 9 (1981) 130-134.",
)
MIRRORED = {"on": "mean over the image and three mirrored forms of it", "off": "without mirrored forms"}
WEIGHTED = "; each of the others is weighted by the inverse of its probability not to touch it"
EDGES = "R. E. Miles, On the elimination of edge effects in planar sampling, in: Stochastic Geometry, Wiley, 1974."
WILSON, LEFT = "Wilson's method", ", with the number of particles that the differences between the images leave"
WORDS = Path(__file__).with_suffix(".j2")


@cache
def _template() -> Template:
    return Environment(undefined=StrictUndefined, finalize=lambda value: "" if value is None else value).from_string(
        WORDS.read_text()
    )


def method(sample: SampleAnalysis) -> str:
    """One paragraph of some ten lines that can go into a paper as it is; its words are in method.j2."""
    task, statistics = sample.task, sample.pooled
    members = [member for _, member in sample.counted]
    alone = members[0] if sample.analysis is not None else None
    left_out = Counter(statistics.set_aside if statistics else {})
    left_out.update({str(reason): 0 for reason in (*ALWAYS, *FILTERED) if sample.filter})
    included, missing = _of_the_scale(sample)
    drawn, summary = Distribution.of(sample), Summary.of(sample)
    printed = {entry.name for entry in summary.answer_sizes if entry.ends}  # a caution names no other interval
    law = WILSON if statistics and statistics.interval_basis == BY_PARTICLE else WILSON + LEFT
    words = _template().render(
        alone=alone,
        thing=task.thing,
        things=task.things,
        Things=task.title,
        version=version(),
        counted=len(members),
        images=len(sample.images),
        left_out=left_out_words(sample),
        note=sample.interval_note,
        scale=scale_range(sample.calibration["low"], sample.calibration["high"]),
        tool=_tool(sample),
        dropped=list(_dropped_outlines(members)),
        checked=corrected_words(alone.record.used) if alone else corrected_images_words(sample.corrected),
        screened=statistics is not None and statistics.screened,
        tilt=_range([member.tilt for member in members if member.tilt]),
        measurand=summary.measurand,
        statistics=statistics,
        reasons=counts_words(left_out),
        size=COLUMNS[statistics.size].label if statistics else "",
        law=law if statistics and statistics.fraction_low is not None else "",
        draws=f"{REPEATS:,}",
        few=summary.has_few,
        given=summary.contents_of(summary.caption_numbers),
        has_lengths=statistics is None
        and any(entry.ends and known_number(entry.name.partition(OF)[0]).power for entry in summary.caption_numbers),
        weighted=WEIGHTED if task.size and any(edge_of(sample, member) == "weight" for member in members) else "",
        known=included,
        unknown=summary.unknown_parts,
        unusable=is_unusable(sample.flags),
        missing=missing,
        cautions=cautions(drawn.sizes, [name for name in LISTED if MEDIAN.get(name, name) in printed]) if drawn else [],
        **_facts_of_finding(sample, members, alone),
    )
    return " ".join(words.split())


def _range(degrees: Sequence[float]) -> str:
    """The least and the greatest of some angles; "" of none."""
    least, greatest = (f"{end:.3g}" for end in (min(degrees, default=0.0), max(degrees, default=0.0)))
    return "" if not degrees else f"{least}°" if least == greatest else f"{least} to {greatest}°"


def references(statistics: Statistics) -> list[str]:
    """What the method rests on, as the paragraph and the numbers need it."""
    several = [] if statistics.interval_basis == BY_PARTICLE else [*IMAGES]
    return [*REFERENCES, *several, *([EDGES] if statistics.edge == "weight" else [])]


def _facts_of_finding(sample: SampleAnalysis, members: list[Member], alone: Member | None) -> dict[str, Any]:
    """How the outlines of one image were found; of several images what is the same for all."""
    records = [member.record for member in members]
    ways = {
        sample.task.method.format(**_values(record)) for record in records if all(entry.by_model for entry in records)
    }
    words: dict[str, Any] = {"network": ways.pop() if len(ways) == 1 else "", "image": "", "by_model": True}
    words |= {"data_bar": None, "flips": False, "second": 1.0, "larger": ""}
    if alone is None:
        return words
    record, pixel = alone.record, alone.calibration.nm_per_pixel
    size = scale_range(pixel, pixel) + (f", {alone.calibration.source.words}" if pixel else "")
    image = f"{one_line(alone.name, 60)}, {record.width} × {record.height} px, {size}"
    if not record.by_model:
        return {**words, "by_model": False, "image": "; ".join(filter(None, (imported_words(record.used), image)))}
    second = record.used.get("second_scale", 1.0)
    averaged = {"flips": record.settings.get("flips"), "second": second, "larger": f"{second:.3g} times as large"}
    return {**words, "image": image, "data_bar": record.data_bar, **averaged}


def _values(record: AnalysisRecord) -> dict[str, Any]:
    """What stands in the task's sentence: settings, and the values that these left open."""
    values = {**record.settings, **{name: value for name, value in record.used.items() if value is not None}}
    scale = values.get("scale", 1)
    resampled = f"image resampled by a factor of {scale:.3g}; " if isinstance(scale, float) and scale != 1 else ""
    return values | {"mirrored": MIRRORED.get(values.get("mirrored", ""), ""), "resampled": resampled}


def _tool(sample: SampleAnalysis) -> str:
    cards = sample.models
    if {card["name"] for card in cards} == {MASKS}:
        return f"by another tool, measured with {version()}"
    named = ", ".join(map(model_words, cards))
    return f"with {version()}" + (f" (model {named})" if named else "")


def _dropped_outlines(members: list[Member]) -> Iterator[dict[str, Any]]:
    """How many outlines were dropped from the files, by the limit, and in how many images."""
    counts: Counter[float] = Counter()
    images: Counter[float] = Counter()
    for record in (member.record for member in members):
        if dropped := record.used.get("dropped", 0):
            least = least_confidence(record.used.get("expected", 1.0), record.card.get("options", {}))
            counts[least] += dropped
            images[least] += 1
    for least, count in sorted(counts.items()):
        yield {"outlines": count, "images": images[least], "least": f"{100 * least:.0f} %", "even": least == EVEN}


def _of_the_scale(sample: SampleAnalysis) -> tuple[list[str], list[str]]:
    """In words, which uncertainties of the scale are in the intervals, and which are not: those of the least certain
    scale."""
    calibrations = [member.calibration for _, member in sample.counted]
    if not calibrations:
        return [], []
    used = common_calibration(calibrations)
    read = used.relative_uncertainty
    parts = [] if read is None else [f"the rounding of the scale ({rounding_words(used)})"]
    missing = ["the unknown rounding of the scale"] if read is None else []
    words = "the calibration uncertainty of the microscope"
    if used.instrument_uncertainty:
        parts.append(f"{words} ({instrument_words(used)})")
    else:
        has_some = any(calibration.instrument_uncertainty for calibration in calibrations)
        missing.append(f"{words} (not known{' for all of them' if has_some else ''})")
    return parts, missing


def left_out_words(sample: SampleAnalysis) -> str:
    """Why images of a sample are not in its numbers: "left out: 1 not analysed"; "" where all are."""
    left_out = [image.excluded for image in sample.images if image.excluded]
    why = Counter({"by the user": left_out.count(BY_USER)})
    why["waiting for a yes"] = sum(reason.startswith(WAITS) for reason in left_out)
    why["not analysed"] = sum(reason.startswith(FAILED) for reason in left_out)
    why.update(WHY[reason] for reason in left_out if reason in WHY)
    reasons = ", ".join(f"{number} {reason}" for reason, number in why.items() if number)
    return f"left out: {reasons}" if left_out else ""
