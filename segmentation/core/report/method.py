"""The methods paragraph of a result for a paper, and its references. Its sentences are in the
template method.j2."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from ..flags import is_unusable
from ..labels.particles.options import EVEN_PROBABILITY
from ..labels.particles.outline import least_confidence
from ..labels.segmentation import MASKS
from ..measure.objects.filters import ALWAYS, FILTER_REASONS
from ..measure.pooling import WHY_LEFT_OUT
from ..measure.quantities import COLUMNS, MEDIAN_TERM, OF
from ..measure.results import BY_PARTICLE, Statistics
from ..measure.uncertainty.cautions import NAMES_BY_NUMBER, REPORTED_FIGURES, cautions
from ..measure.uncertainty.resampling import REPEATS
from ..micrograph.types import common_calibration
from ..sample import AnalysisRecord, Member, SampleAnalysis
from .entries import known_number
from .facts import edge_of, model_words
from .figures.charts import Distribution
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
REFERENCES_OF_SEVERAL = (  # further references for several images
    "S. Weerahandi, Exact Statistical Methods for Data Analysis, Springer, 1995.",
    "D. B. Rubin, The Bayesian bootstrap, Ann. Stat. 9 (1981) 130-134.",
)
MIRRORED = {"on": "mean over the image and three mirrored forms of it", "off": "without mirrored forms"}
WEIGHTED = "; each of the others is weighted by the inverse of its probability not to touch it"
REFERENCE_OF_EDGES = (
    "R. E. Miles, On the elimination of edge effects in planar sampling, in: Stochastic Geometry, Wiley, 1974."
)
WILSON = "Wilson's method"
EFFECTIVE_COUNT = ", with the number of particles that the differences between the images leave"
TEMPLATE = Path(__file__).with_suffix(".j2")


@cache
def _template() -> Template:
    return Environment(undefined=StrictUndefined, finalize=lambda value: "" if value is None else value).from_string(
        TEMPLATE.read_text()
    )


def methods_paragraph(sample: SampleAnalysis) -> str:
    """A paragraph of about ten lines on how the numbers of a result were found."""
    task, statistics = sample.task, sample.pooled
    members = [member for _, member in sample.counted]
    single_image = members[0] if sample.analysis is not None else None  # the member of a single image
    left_out = Counter(statistics.set_aside if statistics else {})
    left_out.update({str(reason): 0 for reason in (*ALWAYS, *FILTER_REASONS) if sample.filter})
    included, missing = _uncertainties_of_scale(sample)
    distribution, summary = Distribution.of(sample), Summary.of(sample)
    with_interval = {entry.name for entry in summary.answer_sizes if entry.ends}  # cautions are only about these
    cautioned = [name for name in REPORTED_FIGURES if NAMES_BY_NUMBER.get(name, name) in with_interval]
    law = WILSON if statistics and statistics.interval_basis == BY_PARTICLE else WILSON + EFFECTIVE_COUNT
    has_weights = task.size and any(edge_of(sample, member) == "weight" for member in members)
    words = _template().render(
        single_image=single_image,
        median=MEDIAN_TERM,
        thing=task.thing,
        things=task.things,
        Things=task.title,
        version=version(),
        counted_images=len(members),
        images=len(sample.images),
        left_out_images=left_out_words(sample),
        interval_note=sample.interval_note,
        scale_words=scale_range(sample.calibration["low"], sample.calibration["high"]),
        tool_words=_tool(sample),
        removed_outlines=list(_dropped_outlines(members)),
        check_words=corrected_words(single_image.record.used)
        if single_image
        else corrected_images_words(sample.corrected),
        is_screened=statistics is not None and statistics.screened,
        tilt_range=_angle_range([member.tilt for member in members if member.tilt]),
        measurand=summary.measurand,
        statistics=statistics,
        left_out_reasons=counts_words(left_out),
        size_name=COLUMNS[statistics.size].label if statistics else "",
        interval_method=law if statistics and statistics.fraction_low is not None else "",
        draws=f"{REPEATS:,}",
        has_few=summary.has_few,
        interval_contents=summary.contents_of(summary.caption_numbers),
        has_lengths=statistics is None
        and any(entry.ends and known_number(entry.name.partition(OF)[0]).power for entry in summary.caption_numbers),
        weighting_words=WEIGHTED if has_weights else "",
        included_of_scale=included,
        unknown_parts=summary.unknown_parts,
        is_unusable=is_unusable(sample.flags),
        missing_of_scale=missing,
        cautions=cautions(distribution.sizes, cautioned) if distribution else [],
        **_facts_of_finding(sample, members, single_image),
    )
    return " ".join(words.split())


def _angle_range(degrees: Sequence[float]) -> str:
    """The smallest and the largest of some angles in words, such as "30 to 45°"; "" for none."""
    least, greatest = (f"{end:.3g}" for end in (min(degrees, default=0.0), max(degrees, default=0.0)))
    return "" if not degrees else f"{least}°" if least == greatest else f"{least} to {greatest}°"


def references(statistics: Statistics) -> list[str]:
    """The references for the methods paragraph and the numbers of a result."""
    several = [] if statistics.interval_basis == BY_PARTICLE else [*REFERENCES_OF_SEVERAL]
    return [*REFERENCES, *several, *([REFERENCE_OF_EDGES] if statistics.edge == "weight" else [])]


def _facts_of_finding(sample: SampleAnalysis, members: list[Member], single_image: Member | None) -> dict[str, Any]:
    """Values for method.j2 on how the outlines were found. For several images: only values that all
    images share."""
    records = [member.record for member in members]
    sentences = {
        sample.task.method.format(**_values(record))
        for record in records
        if all(entry.is_by_model for entry in records)
    }
    values: dict[str, Any] = {"network_sentence": sentences.pop() if len(sentences) == 1 else ""}
    values |= {
        "image_words": "",
        "by_model": True,
        "data_bar": None,
        "flips": False,
        "second_scale": 1.0,
        "larger_words": "",
    }
    if single_image is None:
        return values
    record, pixel = single_image.record, single_image.calibration.nm_per_pixel
    size = scale_range(pixel, pixel) + (f", {single_image.calibration.source.words}" if pixel else "")
    image = f"{one_line(single_image.name, 60)}, {record.width} × {record.height} px, {size}"
    if not record.is_by_model:
        parts = filter(None, (imported_words(record.used), image))
        return {**values, "by_model": False, "image_words": "; ".join(parts)}
    second = record.used.second_scale
    values |= {"flips": record.settings.get("flips"), "second_scale": second}
    values |= {"larger_words": f"{second:.3g} times as large"}
    return {**values, "image_words": image, "data_bar": record.data_bar}


def _values(record: AnalysisRecord) -> dict[str, Any]:
    """Values for the sentence `Task.method`: the settings; for "auto" the values that were used."""
    values = {**record.settings, **{name: value for name, value in record.used.entries.items() if value is not None}}
    scale = values.get("scale", 1)
    resampled = f"image resampled by a factor of {scale:.3g}; " if isinstance(scale, float) and scale != 1 else ""
    return values | {"mirrored": MIRRORED.get(values.get("mirrored", ""), ""), "resampled": resampled}


def _tool(sample: SampleAnalysis) -> str:
    """The software and its models, such as "with DeepSegm 2.0.0 (model particles 1.0, sha256
    ...)"."""
    cards = sample.models
    if {card["name"] for card in cards} == {MASKS}:
        return f"by another tool, measured with {version()}"
    model_names = ", ".join(map(model_words, cards))
    return f"with {version()}" + (f" (model {model_names})" if model_names else "")


def _dropped_outlines(members: list[Member]) -> Iterator[dict[str, Any]]:
    """For each least confidence: how many outlines below it were removed, and in how many
    images."""
    counts: Counter[float] = Counter()
    images: Counter[float] = Counter()
    for record in (member.record for member in members):
        if dropped := record.used.dropped:
            least = least_confidence(record.used.expected, record.card.get("options", {}))
            counts[least] += dropped
            images[least] += 1
    for least, count in sorted(counts.items()):
        yield {
            "outlines": count,
            "images": images[least],
            "least": f"{100 * least:.0f} %",
            "even": least == EVEN_PROBABILITY,
        }


def _uncertainties_of_scale(sample: SampleAnalysis) -> tuple[list[str], list[str]]:
    """(included, missing): the uncertainties of the scale that the intervals include, and those
    that they do not include, in words.

    If the images have several scales, the least certain one counts.
    """
    calibrations = [member.calibration for _, member in sample.counted]
    if not calibrations:
        return [], []
    common = common_calibration(calibrations)
    rounding = common.relative_uncertainty
    parts = [] if rounding is None else [f"the rounding of the scale ({rounding_words(common)})"]
    missing = ["the unknown rounding of the scale"] if rounding is None else []
    words = "the calibration uncertainty of the microscope"
    if common.instrument_uncertainty:
        parts.append(f"{words} ({instrument_words(common)})")
    else:
        has_some = any(calibration.instrument_uncertainty for calibration in calibrations)
        missing.append(f"{words} (not known{' for all of them' if has_some else ''})")
    return parts, missing


def left_out_words(sample: SampleAnalysis) -> str:
    """Why images of a sample are left out, such as "left out: 1 not analysed"; "" if none is."""
    left_out = [image.left_out or WHY_LEFT_OUT.get(image.excluded, "") for image in sample.images if image.excluded]
    count_by_reason = Counter({"by the user": 0, "waiting for a yes": 0, "not analysed": 0})  # the first ones in order
    count_by_reason.update(filter(None, left_out))
    reasons = ", ".join(f"{number} {reason}" for reason, number in count_by_reason.items() if number)
    return f"left out: {reasons}" if left_out else ""
