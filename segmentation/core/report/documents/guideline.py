"""The report form of OECD Test Guideline 125, filled in from a result. Entries that no result has
are left to the laboratory.

The entries follow public descriptions of the guideline and of its standards (docs/use/exports.md
names them), not the text of the guideline. The form therefore does not state compliance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from ...flags import short_forms
from ...measure.objects.filters import RESOLVED_PX, SLIP_PX
from ...measure.quantities import COLUMNS, MEDIAN_TERM, NUMBERS
from ...measure.shape.descriptors import measures_of
from ...measure.sizes.bins import NANO_NM
from ...measure.uncertainty.budget_table import ANSWERS
from ...sample import SampleAnalysis
from ...tasks.base import Granulometry
from ..facts import INSTRUMENT, NOT_SAME, REPORTED, changed_settings, common_facts, model_words, typed_texts
from ..filing import Filing
from ..method import left_out_words
from ..signatures import PrintedSignature
from ..summary import Summary
from ..wording import (
    CITATION,
    agreement_words,
    capital,
    corrected_images_words,
    corrected_words,
    counted_from,
    counts_words,
    decided_words,
    one_line,
    scale_range,
    smallest_counted,
    version,
)

Source = Literal["result", "image file", "laboratory"]
FORMAT = "deepsegm-oecd-tg125/1"  # stored in the JSON file
GUIDELINE = "OECD Test Guideline 125, Nanomaterial particle size and size distribution of nanomaterials (30 June 2022)"
TO_GIVE = "to be given by the laboratory"
NOTE = (
    "This form follows public descriptions of the guideline, not its text: compare it with that before you file it."
    f" The laboratory fills in by hand what is “{TO_GIVE}”, and states whether the study followed the guideline."
)
MOST_VALUES = 6  # different values of the images of a sample that one entry lists
NONE_COUNTED = "not defined: nothing was counted"
NOT_KNOWN = "not known: see the warnings"
# Numbers in the form; the last only if nanomaterials are screened.
FIGURES = ("d10", "d50", "d90", "mean", "sd", "ecd_median")


class FormEntry(NamedTuple):
    """One entry of the form. value: "" if the laboratory has to give it. source: where the value
    comes from."""

    title: str
    value: str
    source: Source


Form = list[tuple[str, list[FormEntry]]]


def form_of(sample: SampleAnalysis, filing: Filing, signatures: Sequence[PrintedSignature] = ()) -> Form:
    """The sections of the form: their titles and their entries.

    sample: from `in_readable_unit`, of a kind of analysis with `granulometry`. signatures: of the
    result.
    """
    summary, kind = Summary.of(sample), sample.task.granulometry
    assert kind is not None
    return [
        ("Study", list(_study(sample, filing, signatures))),
        ("Material and specimen", list(_material(sample, filing, summary, kind.objects))),
        ("Instrument and images", list(_instrument(sample, summary, kind.smallest))),
        ("Calibration and traceability", list(_calibration(sample))),
        ("Image analysis", list(_image_analysis(sample, summary))),
        ("Measurand", list(_measurand(sample, summary, kind))),
        ("Size distribution by number", list(_sizes(sample, summary))),
        ("Uncertainty", list(_uncertainty(sample, summary))),
        ("Deviations", [_typed(sample, "deviations")]),
    ]


def as_dict(form: Form) -> dict[str, Any]:
    """The form in plain JSON types. "value" is null if the laboratory has to give it."""
    sections = [
        {
            "title": title,
            "entries": [{"title": item.title, "value": item.value or None, "source": item.source} for item in items],
        }
        for title, items in form
    ]
    missing = [item.title for _, items in form for item in items if not item.value]
    head = {"format": FORMAT, "guideline": GUIDELINE, "note": NOTE, "software": version(), "cite": CITATION}
    return {**head, "to_be_given_by_the_laboratory": missing, "sections": sections}


def _study(sample: SampleAnalysis, filing: Filing, signatures: Sequence[PrintedSignature]) -> Iterator[FormEntry]:
    yield FormEntry("Statement of the method and of its compliance", "", "laboratory")
    yield _typed(sample, "laboratory")
    operator, orcid = _typed(sample, "operator"), _typed(sample, "orcid").value
    yield operator._replace(value=", ORCID ".join(filter(None, (operator.value, orcid))))
    yield _from_file(sample, "date", "Images acquired")
    yield FormEntry("Images analysed", filing.date, "result")
    yield FormEntry("Software", version(), "result")
    signed = "; ".join(
        f"{signature.meaning} by {signature.name}{signature.by_maker}, {signature.time}" for signature in signatures
    )
    yield FormEntry("Signature", signed, "result" if signed else "laboratory")


def _material(sample: SampleAnalysis, filing: Filing, summary: Summary, objects: str) -> Iterator[FormEntry]:
    yield _typed(sample, "material")
    yield FormEntry("Sample or image", one_line(filing.sample or sample.name), "result")
    yield _typed(sample, "preparation")
    yield _typed(sample, "sampling_plan", "Sampling plan: how representative, number of specimens")
    question = "Particles spherical, or fibres (the guideline has methods for these)"
    yield FormEntry(question, capital(objects), "result" if objects else "laboratory")
    if not objects:
        shape = next((entry for entry in summary.shape if entry.term == COLUMNS["aspect_ratio"].title), None)
        spread = [] if shape is None else [f"{capital(entry.term)} {entry.value}" for entry in shape.cells]
        yield FormEntry("Aspect ratio, minimum by maximum Feret diameter", ", ".join(spread) or NONE_COUNTED, "result")
        yield FormEntry("Touching particles", summary.groups or NONE_COUNTED, "result")


def _instrument(sample: SampleAnalysis, summary: Summary, smallest: str) -> Iterator[FormEntry]:
    typed_item = _typed(sample, "microscope")
    file_item = _from_file(sample, "instrument", "Microscope, and whether SEM or TEM")
    yield typed_item._replace(title=file_item.title) if typed_item.value else file_item
    for name in ("voltage_kv", "detector", "magnification", "working_distance_mm"):
        yield _from_file(sample, name, capital(INSTRUMENT.get(name, name)))
    yield FormEntry("Images", "; ".join(filter(None, (sample.extent, left_out_words(sample)))), "result")
    shared = common_facts(sample)
    size = [shared.get(("image", f"{side} (px)")) for side in ("width", "height")]
    yield FormEntry("Size of an image", f"{size[0]} × {size[1]} px" if all(size) else NOT_SAME, "result")
    low, high = sample.calibration["low"], sample.calibration["high"]
    across = f"; 100 nm are {NANO_NM / high:.1f} px" if high else ""
    yield FormEntry("Size of a pixel", f"{scale_range(low, high)}{across}", "result")
    limit = f"{RESOLVED_PX:g} px across" if sample.filter else f"{SLIP_PX:g} px in area; the filter was off"
    smallest = smallest or smallest_counted(summary.nano)
    yield FormEntry(f"Smallest {summary.thing} that is counted", smallest or limit, "result")
    agreement = agreement_words(sample.between) or "not known from one image: pool images of several fields"
    yield FormEntry("Agreement between images", agreement, "result")


def _calibration(sample: SampleAnalysis) -> Iterator[FormEntry]:
    ways = [f"{way.words} ({count} images)" for way, count in sample.calibration["sources"].items()]
    shared = common_facts(sample)
    detail = shared.get(("calibration", "detail"), "")
    is_alone = sample.analysis is not None
    source = sample.analysis.calibration.source.words if sample.analysis is not None else ", ".join(ways)
    yield FormEntry("Source of the scale", f"{source}{f' ({detail})' if detail and is_alone else ''}", "result")
    words = "uncertainty of reading and rounding (95 %)"
    yield FormEntry(capital(words), str(shared.get(("calibration", words), NOT_SAME)), "result")
    is_known = any(member.calibration.instrument_uncertainty for _, member in sample.counted)
    words = "uncertainty of the microscope (95 %)"
    value = str(shared.get(("calibration", words), NOT_SAME)) if is_known else ""
    yield FormEntry("Uncertainty (95 %) of the magnification and its certificate", value, "laboratory")
    yield _typed(sample, "grating", "Standard that makes it traceable, with date")


def _image_analysis(sample: SampleAnalysis, summary: Summary) -> Iterator[FormEntry]:
    yield FormEntry("Outlines found by", "; ".join(filter(None, map(model_words, sample.models))), "result")
    settings = "; ".join(f"{title}: {value}" for title, value in changed_settings(sample)) or "all at their defaults"
    yield FormEntry("Settings", settings, "result")
    members = [member for _, member in sample.counted]
    corrected = corrected_words(members[0].record.used) if len(members) == 1 else ""
    words = corrected or corrected_images_words(sample.corrected)
    yield FormEntry("Outlines checked by a person", words or "none was corrected or confirmed", "result")
    set_aside = summary.statistics.set_aside if summary.statistics else {}
    yield FormEntry("Left out, by reason", counts_words(set_aside) or "none", "result")
    yield FormEntry(f"{capital(summary.things)} at the frame", summary.edge_line or "counted", "result")
    yield FormEntry("Warnings", "; ".join(short_forms(sample.flags)) or "none", "result")


def _measurand(sample: SampleAnalysis, summary: Summary, kind: Granulometry) -> Iterator[FormEntry]:
    yield FormEntry("Descriptor", f"{summary.size.title}. {summary.size.definition}", "result")
    yield FormEntry("Why this one", kind.why, "result")
    table = sample.task.table
    others = ", ".join(COLUMNS[name].label for name in kind.also or measures_of(summary.size.name)[1:])
    description = (
        f"{others}: one line a {summary.thing} in {table}.csv, so that width and length of a fibre stay together."
    )
    yield FormEntry("Also measured", capital(description), "result")


def _sizes(sample: SampleAnalysis, summary: Summary) -> Iterator[FormEntry]:
    nano = summary.nano
    counts = f"{summary.kept:,}; {summary.set_aside_count:,} left out"
    yield FormEntry(f"{capital(summary.things)} counted", counts, "result")
    for name in FIGURES if sample.task.screened else FIGURES[:-1]:
        words = summary.by_number(name).words if summary.kept else NONE_COUNTED
        yield FormEntry(f"{NUMBERS[name].title} (95 % interval)", words, "result")
    for entry in map(summary.with_basis, summary.quantities):
        if entry.name not in (sample.task.things, *sample.task.figures):
            title = f"{entry.term} (95 % interval)" if entry.ends else entry.term
            yield FormEntry(title, NOT_KNOWN if entry.number.value is None else entry.words, "result")
    if summary.fit:
        yield FormEntry("Law", summary.fit, "result")
    if nano is not None:
        share = f"{summary.by_number('fraction_100nm').words} of the particles{counted_from(nano)}"
        yield FormEntry("Fraction from 1 to 100 nm", share, "result")
        yield FormEntry("Screening after 2022/C 229/01", capital(decided_words(nano)), "result")
    enough = " ".join(filter(None, (nano["asked"] if nano else "", summary.enough)))
    yield FormEntry(f"Whether these are enough {summary.things}", enough or NOT_KNOWN, "result")
    files = f"histogram and cumulative curve in the report, every {summary.thing} in {sample.task.table}.csv"
    yield FormEntry("Distribution", files, "result")


def _uncertainty(sample: SampleAnalysis, summary: Summary) -> Iterator[FormEntry]:
    budget = summary.budget
    no_budget = "not known: without a scale, or nothing counted"
    if not sample.task.screened:
        no_budget = f"not known: there is no budget for {summary.things}"
    sentences = budget.sentences if budget else [no_budget]
    for title, sentence in zip(ANSWERS.values(), sentences, strict=False):
        yield FormEntry(f"{title}: uncertainty", sentence, "result")
    yield FormEntry("What the intervals include", summary.interval_line or NONE_COUNTED, "result")
    settings = [member.record.settings for _, member in sample.counted]
    for name, title in (
        ("repeatability", "Repeatability between specimens"),
        ("between_operators", "Difference between operators"),
    ):
        values = {setting.get(name) for setting in settings}
        value = values.pop() if len(values) == 1 else None
        yield FormEntry(
            title, "" if value is None else f"{value:g} % of the {MEDIAN_TERM}, standard deviation", "laboratory"
        )


def _typed(sample: SampleAnalysis, name: str, title: str = "") -> FormEntry:
    """The entry with the text that the laboratory typed for this setting."""
    return FormEntry(title or REPORTED[name], typed_texts(sample)[name], "laboratory")


def _from_file(sample: SampleAnalysis, name: str, title: str) -> FormEntry:
    """The entry with the instrument's data in the image files; the laboratory gives it if the files
    have none. name: of the data."""
    values_in_files = [
        value for _, member in sample.counted if (value := member.record.instrument.get(name)) not in (None, "")
    ]
    texts = dict.fromkeys(f"{value:g}" if isinstance(value, float) else str(value) for value in values_in_files)
    text = "; ".join(texts) if len(texts) <= MOST_VALUES else f"{NOT_SAME}: see the annex, or images in result.json"
    return FormEntry(title, one_line(text, 300), "image file" if text else "laboratory")
