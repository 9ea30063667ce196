"""Writes `report.pdf`: two pages on an image or a sample, and `report-annex.pdf`, which adds an
annex with all details."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from matplotlib.axes import Axes
from reportlab.platypus import Flowable, PageBreak

from ...analysis import ExportedObjects
from ...flags import is_unusable
from ...measure.quantities import Value, number, readable, significant
from ...sample import SampleAnalysis
from ..context import Context
from ..entries import Entry
from ..exports.result import versions
from ..facts import (
    acquisition_dates,
    changed_settings,
    common_facts,
    differing_facts,
    fact_rows,
    facts_line,
    model_label,
    texts_for_report,
    typed_texts,
)
from ..figures.charts import draw_histogram
from ..figures.figure import chart_sheet, picture_sheet
from ..figures.images import (
    NAME_LETTERS_ALONE,
    charted_names,
    draw_by_image,
    has_interval_band,
    has_red_points,
    has_several_values,
    interval_sentence,
)
from ..figures.panels import PANELS, draw_panel
from ..method import methods_paragraph, references
from ..summary import Summary
from ..tables.images_table import columns_of_images
from ..wording import (
    CITATION,
    agreement_words,
    calibration_words,
    capital,
    corrected_images_words,
    counts_words,
    doubt_line,
    one_line,
    sample_scale,
    uncapital,
)
from . import sections
from .conformity_page import statement_of
from .document import (
    LEAD,
    NUMBER,
    SMALL,
    STYLES,
    TITLE,
    WIDTH,
    Chart,
    FlexiblePart,
    facts_in_two_halves,
    facts_table,
    heading,
    page,
    paragraph,
    side_by_side,
    space,
    table,
    write,
)
from .guideline import form_of
from .sections import first_micrographs, micrographs

# Heights in points.
LEAST_PICTURE, LEAST_CHART, GREATEST_CHART = 150.0, 180.0, 330.0
GREATEST_EXAMPLES = 220.0  # of the pictures of the smallest, the median and the largest object

MOST_INSTRUMENT_LINES = 16
NAMES_SHARE = 0.3  # of the width of a chart, for the names of images at its left
LONGEST_FACTS = 600  # characters of the facts of one image that differ from the others
MOST_CHOICES = 5  # decisions of people about images, on the first page of a sample


def write_report(context: Context, file: Path | BinaryIO, *, annex: bool = False) -> None:
    """Write the report as PDF. annex: whether to add the annex, which has checksums of the files
    written so far."""
    sample = context.sample
    name = one_line(sample.name, 80 if sample.analysis else 70)
    title = f"{sample.task.title} in {'' if sample.analysis else 'sample '}{name}"
    annex_parts = _annex(context, sample.in_readable_unit()) if annex else ()
    write(file, title, [*context.report, *annex_parts], context.filing.created, context.filing.number)


def two_pages(context: Context) -> list[Flowable]:
    """The two pages of the report without its annex; both PDFs use them."""
    readable = context.sample.in_readable_unit()
    summary = Summary.of(readable)
    return [
        page(*_first_page(context, readable, summary)),
        PageBreak(),
        page(*_second_page(context, readable, summary)),
    ]


def _first_page(context: Context, sample: SampleAnalysis, summary: Summary) -> Iterator[Flowable | FlexiblePart]:
    """The first page: the gravest warnings, the picture, the main numbers, and a chart."""
    yield paragraph(one_line(sample.name), TITLE)
    yield space(3)
    yield facts_in_two_halves(list(_facts_of_result(context, sample)))
    yield space(5)
    for notice in summary.first_notices(sample.flags, pooled=sample.analysis is None):
        sentence = notice.headline if notice.doubt else notice.text  # a note is shown in full, only here
        yield paragraph(f"{notice.level}: {sentence}", STYLES[notice.level])
        yield paragraph(notice.text if notice.doubt else "", SMALL)
    yield space(6)
    yield from _picture(context)
    if _has_no_numbers(sample):
        return
    yield from _headlines(sample, summary)
    distribution = context.distribution
    if distribution is not None and distribution.has_few_sizes:
        yield paragraph(f"{distribution.size_words}.", LEAD)
    elif distribution is not None:
        yield _chart(lambda ax: draw_histogram(ax, distribution))
    elif sample.analysis is None:
        yield from _charts_of_images(sample, _charted_before_annex(sample))
    else:
        for name in sample.task.panels:
            if not PANELS[name].picture and name != "quantities":
                yield _chart(partial(draw_panel, name, drawing=context.drawing, letter=""))


def _chart(
    draw: Callable[[Axes], None], highest: float = GREATEST_CHART, least: float = LEAST_CHART, **margins: float
) -> FlexiblePart:
    """A chart as wide as the page. Its height is the free height, from `least` to `highest`
    points."""
    return FlexiblePart(lambda height: [Chart(chart_sheet(draw, (WIDTH / 72, height / 72), **margins))], least, highest)


def _has_no_numbers(sample: SampleAnalysis) -> bool:
    """Whether there is nothing to report: the image is of another kind, or no image of the sample
    counts."""
    return not sample.counted if sample.analysis is None else sample.analysis.refused


def _facts_of_result(context: Context, sample: SampleAnalysis) -> Iterator[tuple[str, str]]:
    """Names and values: size and scale, dates, operator, sample, address of the result."""
    if sample.analysis is not None:
        rows, columns = sample.analysis.micrograph.shape
        yield "Image", f"{columns} × {rows} px"
        yield "Scale", calibration_words(sample.analysis.calibration)
    else:
        yield "Images", sample.extent
        yield "Scale", sample_scale(sample.calibration, sample.common_calibration)
    if context.filing.date:
        yield "Analysed", context.filing.date
    no_date = "the file has no date" if sample.analysis else "the files have no date"
    yield "Acquired", acquisition_dates(sample) or no_date
    if operator := typed_texts(sample)["operator"]:
        yield "Operator", operator
    if context.filing.sample:
        yield "Sample", one_line(context.filing.sample, 60)
    if context.filing.address:
        yield "Result", context.filing.address
    if corrected := corrected_images_words(sample.corrected):
        yield "Corrected", corrected
    if choices := [f"{image.name}: {image.choice}" for image in sample.images if image.choice]:
        more = len(choices) - MOST_CHOICES
        further = [f"And {more} more in images.csv."] if more > 0 else []
        yield "Chosen by people", one_line(" ".join([*choices[:MOST_CHOICES], *further]), 1000)


def _picture(context: Context) -> Iterator[Flowable | FlexiblePart]:
    """A large picture. For one image: the panel with its outlines, or only the image if it is of
    another kind. For a sample: its first images with their outlines."""
    sample = context.sample
    names = [name for name in sample.task.panels if PANELS[name].caption]
    if sample.analysis is None:
        yield from first_micrographs(sample)
    elif names:
        name = names[0] if sample.analysis.refused else names[-1]
        panel = PANELS["image" if sample.analysis.refused else name]
        draw = partial(picture_sheet, name, context.drawing, WIDTH)
        yield FlexiblePart(lambda height: [Chart(draw(height))], LEAST_PICTURE)
        yield space(3)
        counts = counts_words(sample.pooled.set_aside) if sample.pooled else ""
        legend = f"; {panel.left_out}: left out ({counts})" if counts and panel.left_out else ""
        is_dashed = name == "doubts" and ExportedObjects.of(sample.analysis).touches_frame.any()
        legend = f" (dashed: cut by the edge){legend}" if is_dashed else legend
        columns, pixel = sample.analysis.micrograph.shape[1], sample.analysis.calibration.nm_per_pixel
        width = readable(Value(None if is_unusable(sample.flags) else pixel and columns * pixel, unit="nm"))
        width_words = f" The image is {significant(width.value)} {width.unit} wide." if width.value else ""
        yield paragraph(f"{capital(panel.caption)}{legend}.{width_words}", SMALL)
        yield space(4)


def _headlines(sample: SampleAnalysis, summary: Summary) -> Iterator[Flowable]:
    """The main numbers and intervals, the same as at the top of a result's page."""
    agreement = agreement_words(sample.between)
    left_out = f"{summary.set_aside_count:,} left out" if summary.set_aside_count else ""
    if sample.task.screened and summary.statistics is not None:
        count, things = sample.task.count(summary.kept).split(" ", 1)
        counts = [paragraph(count, NUMBER), paragraph(f"{things} counted", LEAD), paragraph(left_out, SMALL)]
        yield side_by_side(counts, *map(_large_number, summary.headlines))
        if summary.headlines and summary.headlines[0].total and not summary.unsure:
            yield paragraph("The intervals include the uncertainty as far as it is known (page 2).", SMALL)
        yield paragraph(f"{agreement} {summary.no_interval}".strip())
        if summary.headlines and summary.nano and summary.nano["decides"]:
            yield paragraph(f"What would decide the verdict: {uncapital(summary.nano['decides'])}")
    elif summary.leading:
        main, *others = map(_large_number, summary.leading)
        yield side_by_side([*main, paragraph(left_out, SMALL)], *others)
        yield paragraph(f"{agreement} {summary.interval_note}".strip())


def _large_number(entry: Entry) -> list[Flowable]:
    """A number in large letters, its term and its interval, one under another."""
    # A sentence below all numbers says what a total uncertainty includes.
    ends, includes = entry.interval, "" if entry.total else entry.contents_without_total
    if entry.reported.low is not None:
        ends = ", ".join(filter(None, (f"95 % interval {ends} {entry.unit}".strip(), includes)))
    ends = "; ".join(filter(None, (entry.outlines_note, ends)))
    term_line = " · ".join(filter(None, (entry.term, entry.note)))
    return [paragraph(f"{entry.value} {entry.unit}", NUMBER), paragraph(term_line, LEAD), paragraph(ends, SMALL)]


def _second_page(context: Context, sample: SampleAnalysis, summary: Summary) -> Iterator[Flowable | FlexiblePart]:
    """The second page: the warnings again, all main numbers, method, settings, uncertainty,
    examples, signature."""
    for notice in summary.first_notices(sample.flags, pooled=sample.analysis is None):
        yield paragraph(f"{notice.level}: {notice.headline}" if notice.doubt else "", STYLES[notice.level])
    if numbers := summary.main_numbers:
        has_ends = any(entry.ends for entry in numbers)
        yield heading("Numbers; 95 % intervals are in brackets" if has_ends else "Numbers")
        yield facts_in_two_halves([(entry.term, f"{entry.words}; {entry.note}".strip("; ")) for entry in numbers])
        yield paragraph(f"{summary.contents_of(numbers)} {summary.main_without_interval}".strip(), SMALL)
    if not _has_no_numbers(sample):
        yield heading("Method")
        yield paragraph(methods_paragraph(sample), SMALL)
        yield paragraph(f"Cite: {CITATION}", SMALL)
    if sample.analysis is None and context.distribution is not None:
        yield from _charts_of_images(sample, _charted_before_annex(sample))
    if sample.method:
        yield heading("Method of the laboratory")
        yield paragraph(" ".join((f"{sample.method.title}.", *sample.method.remarks)))
    if limits := statement_of(context, Summary.of(context.sample, readable=False)):
        yield heading("Limits")
        rows = (f"{row.requirement}: {row.verdict.lower()}." for row in limits.rows)
        yield paragraph(" ".join((limits.headline, *rows, limits.specification.agreement)))
    yield heading("Settings that differ from the default")
    settings = list(changed_settings(sample))
    yield facts_table(settings) if settings else paragraph("None.")
    yield from sections.uncertainty(summary)
    if sample.analysis is not None:
        yield paragraph(doubt_line(sample.analysis.calibration) if sample.analysis.calibration.is_known else "", SMALL)
    if sample.analysis is not None and sample.task.size and not sample.analysis.refused:
        yield FlexiblePart(partial(sections.examples, sample), 0.0, GREATEST_EXAMPLES)
    yield heading("Signature")
    yield from sections.signatures(context.signatures)


def _annex(context: Context, sample: SampleAnalysis) -> Iterator[Flowable]:
    """All details behind the two pages, from the size distribution to checksums and the form of
    OECD TG 125."""
    yield PageBreak()
    summary, has_numbers, distribution = Summary.of(sample), not _has_no_numbers(sample), context.distribution
    yield paragraph("Annex", TITLE)
    yield from sections.notes(sample.flags)
    if has_numbers and distribution is not None and summary.kept:
        yield from sections.nano_card(summary)
        yield from sections.distribution(distribution, summary)
        yield from sections.sensitivity(summary)
        yield from sections.budget(summary)
        yield from sections.recommendation(distribution.statistics)
    if sample.analysis is None:
        yield from _images(sample)
        yield from micrographs(sample)
    if has_numbers and sample.pooled is not None:
        yield from sections.left_out(summary)
    if report_texts := list(texts_for_report(sample)):
        yield heading("As typed by the laboratory")
        yield facts_table(report_texts)
    if sample.pooled is not None:
        yield heading("References of the method")
        yield paragraph(" ".join(references(sample.pooled)), SMALL)
    yield from _settings_and_scale(sample)
    yield heading("Model")
    for card in sample.models:
        yield facts_table([("Model", model_label(card)), *sections.model(card)])
        yield paragraph(sections.scores(card), SMALL)
        yield space(4)
    inputs = [(one_line(image.name, 40), image.sha256 or "–") for image in sample.images]
    sums = [(name, context.checksums[name]) for name in context.contents if name in context.checksums]
    yield heading("Versions and checksums (SHA-256)")
    yield paragraph(", ".join(f"{name} {value}" for name, value in versions().items()), SMALL)
    yield table(("File", "SHA-256"), [*inputs, *sums], (1, 3.1), numbers_from=2)
    if sample.task.granulometry and has_numbers:
        yield PageBreak()
        yield from sections.guideline(form_of(sample, context.filing, context.signatures))


def _settings_and_scale(sample: SampleAnalysis) -> Iterator[Flowable]:
    """Scale, settings and instrument: first the facts that all pooled images share, then those that
    differ."""
    yield heading("Calibration, settings, instrument")
    rows = list(fact_rows(common_facts(sample)))
    instrument = [line for line in rows if line[0].startswith("Instrument: ")]
    shared = [line for line in rows if line not in instrument] + instrument[:MOST_INSTRUMENT_LINES]
    if shared:
        yield facts_in_two_halves([(one_line(name, 60), one_line(value, 100)) for name, value in shared])
    if facts_of_images := differing_facts(sample):
        yield paragraph("What differs between images, and the facts of images that are left out:", SMALL)
        lines = [
            (one_line(image.name, 40), one_line(facts_line(image_facts), LONGEST_FACTS))
            for image, image_facts in facts_of_images
        ]
        yield table(("Image", "Own facts"), lines, (1, 3.4), numbers_from=2)


def _images(sample: SampleAnalysis) -> Iterator[Flowable]:
    """The images of a sample: charts and a table of their numbers."""
    yield heading("Images")
    if agreement := agreement_words(sample.between):
        yield paragraph(agreement)
    names = charted_names(sample)
    for part in _charts_of_images(sample, [name for name in names if name not in _charted_before_annex(sample)]):
        yield from part.fill(part.least) if isinstance(part, FlexiblePart) else [part]
    columns = dict(columns_of_images(sample, names))
    widths = [{"Image": 1.6, "Remark": 1.6}.get(head, 1.3 if "(" in head else 0.6) for head in columns]
    cells = [[one_line(entry.words, 300) for entry in column] for column in columns.values()]
    yield table(list(columns), list(zip(*cells, strict=True)), widths)
    if sample.task.screened and (line := interval_sentence(sample, "median")):
        yield paragraph(line.replace("Lines:", "In brackets:"), SMALL)


def _charted_before_annex(sample: SampleAnalysis) -> list[str]:
    """The names of the numbers whose charts are on page 1 or 2 already; the annex has the
    others."""
    return ["median"] if sample.task.screened else sample.headline_quantities[: 1 if sample.pooled else 2]


def _charts_of_images(sample: SampleAnalysis, names: Iterable[str]) -> Iterator[Flowable | FlexiblePart]:
    """For each number of `names` that several images have: a line of text, and below it the chart
    of all images."""
    for name in filter(sample.quantities.__contains__, names):
        if has_several_values(sample, name):
            red = "; red: left out, or unlike the others" if has_red_points(sample, [name]) else ""
            band = ", shaded: its 95 % interval" if has_interval_band(sample, name) else ""
            line = f"{number(name).title} of each image; dashed: all together{band}{red}."
            yield paragraph(f"{line} {interval_sentence(sample, name)}", SMALL)
            draw = partial(draw_by_image, sample=sample, name=name, letters=NAME_LETTERS_ALONE)
            images = len(sample.images)  # each image needs a line of the chart
            highest, least = min(GREATEST_CHART, 80.0 + 35 * images), min(LEAST_CHART, 45.0 + 15 * images)
            yield _chart(draw, highest, least, left=NAMES_SHARE)
