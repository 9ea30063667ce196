"""`report.pdf`: what was found in one image, on some five pages, or in a sample of several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from reportlab.platypus import Flowable

from ..flags import shorts
from ..measure.quantities import Value, number, significant
from ..micrograph.types import SOURCES
from ..sample import SampleAnalysis, SampleImage
from . import sections
from .charts import Distribution
from .context import Context
from .document import (
    HALF,
    LEAD,
    SMALL,
    TITLE,
    WARNING,
    abreast,
    chart,
    facts,
    facts_abreast,
    heading,
    picture,
    space,
    table,
    words,
    write,
)
from .entries import Entry, answers
from .exports.result import versions
from .facts import REPORTED, common, differing, lines, model_label, reported, text
from .images import MOST_ABREAST, draw_by_image
from .lengths import in_readable_unit
from .method import CITATION, left_out_words, method, references
from .micrographs import micrographs
from .panels import PANELS
from .summary import Summary
from .wording import calibration_words, corrected_images_words, in_hundredths, one_line, scale_range

TALLEST = 235.0
MOST_FACTS = 16  # of an instrument
MEDIANS = (6.8, 2.6)
LONGEST = 600  # characters of what one image has of its own


def write_report(context: Context, file: Path | BinaryIO) -> None:
    """Write the report as PDF, with the checksums of the files written so far."""
    sample = context.sample
    of = one_line(sample.name, 80 if sample.analysis else 70)
    title = f"{sample.task.things.capitalize()} in {'' if sample.analysis else 'sample '}{of}"
    write(file, title, list(_story(context)), context.filing.made)


def _story(context: Context) -> Iterator[Flowable]:
    sample, distribution = in_readable_unit(context.sample), context.distribution
    summary = Summary.of(sample)
    yield words(one_line(sample.name), TITLE)
    yield words(_scale(sample), LEAD)
    if dates := " · ".join(_dates(context)):
        yield words(dates, SMALL)
    if warnings := shorts(sample.flags):
        yield words(f"Warning: {'; '.join(warnings)}. The notes say more.", WARNING)
    yield space(4)
    yield from _pictures(context)
    refused = sample.analysis is not None and sample.analysis.refused
    if not refused and not sample.task.screened and sample.quantities:
        intervals = any(value.low is not None for value in sample.quantities.values())
        yield heading(f"Numbers{', with 95 % intervals' if intervals else ''}")
        yield facts([(each.term, each.words) for each in answers(sample.quantities, every=True)])
    if not refused and distribution is not None:
        yield from _numbers(distribution, summary)
    if sample.analysis is None:
        yield from _images(sample)
        yield from micrographs(sample)
    if not refused and sample.pooled is not None:
        yield from sections.set_aside(summary)
        yield from sections.shape(summary)
    yield from sections.notes(sample.flags)
    yield from sections.signatures(context.signatures)
    yield heading("Operator, preparation and sampling, as typed")
    yield facts(list(reported(sample)))
    yield heading("Method")
    yield words(method(sample))
    yield words(f"Cite: {CITATION}")
    if sample.pooled is not None:
        yield words("References: " + " ".join(references(sample.pooled)), SMALL)
    yield from _how(sample)
    yield from _models(sample)
    inputs = [(one_line(image.name, 40), image.sha256 or "–") for image in sample.images]
    known = [(name, context.sums[name]) for name in context.holds if name in context.sums]
    yield heading("Versions and checksums (SHA-256)")
    yield words(", ".join(f"{name} {value}" for name, value in versions().items()), SMALL)
    yield table(("File", "SHA-256"), known, (1, 2.4), numbers_from=2, small=True)
    yield table(("Image", "SHA-256"), inputs, (1, 2.4), numbers_from=2, small=True)


def _dates(context: Context) -> Iterator[str]:
    """When the result was made and the images were taken, by whom, and where the result is."""
    if context.filing.date:
        yield f"Analysed {context.filing.date}"
    shared = common(context.sample)
    yield f"Acquired {shared.get(('instrument', 'date'), 'on a day that its file does not say')}"
    if operator := shared.get(("report", REPORTED["operator"])):
        yield f"Operator {operator}"
    if context.filing.address:
        yield context.filing.address


def _scale(sample: SampleAnalysis) -> str:
    if sample.analysis is not None:
        rows, columns = sample.analysis.micrograph.shape
        return f"{columns} × {rows} px, {calibration_words(sample.analysis.calibration)}"
    low, high = sample.calibration["low"], sample.calibration["high"]
    counted = len(sample.counted)
    count = f"{counted} image{'' if counted == 1 else 's'}"
    remarks = (left_out_words(sample), corrected_images_words(sample.corrected))
    tail = "".join(f". {each}" for each in remarks if each)
    ways = ", ".join(f"{number} {SOURCES[source]}" for source, number in sample.calibration["sources"].items())
    return f"{count}, {scale_range(low, high)}{'' if low is None else f' ({ways})'}{tail}"


def _pictures(context: Context) -> Iterator[Flowable]:
    """The first and the last of the task's panels that are pictures for the report; of an image of another kind only
    the image."""
    panels = [(context.panel(name), PANELS[name].caption) for name in context.sample.task.panels]
    pictures = [(content, caption) for content, caption in panels if content is not None and caption]
    analysis = context.sample.analysis
    if analysis is not None and analysis.refused:
        yield picture(pictures[0][0], HALF, TALLEST)
    elif pictures:
        ends = (pictures[0], pictures[-1])
        yield abreast(*(picture(content, HALF, TALLEST) for content, _ in ends))
        yield words("Left: {}. Right: {}.".format(*(caption for _, caption in ends)), SMALL)
        yield space(4)


def _numbers(distribution: Distribution, summary: Summary) -> Iterator[Flowable]:
    if not summary.kept:
        yield words(f"{distribution.size_words}.", LEAD)
        return
    parts = list(filter(None, (sections.key_numbers(summary), sections.nano_card(summary))))
    yield from [abreast(*parts)] if len(parts) > 1 else parts[0]
    yield space(4)
    yield from sections.distribution(distribution, summary)
    yield from sections.sensitivity(distribution.statistics)
    yield from sections.budget(summary)
    yield from sections.recommendation(distribution.statistics)


def _how(sample: SampleAnalysis) -> Iterator[Flowable]:
    """Scale, settings and instrument: what all pooled images share, then what each has of its own."""
    yield heading("Calibration, settings, instrument")
    rows = list(lines(common(sample)))
    instrument = [line for line in rows if line[0].startswith("Instrument: ")]
    shared = [line for line in rows if line not in instrument] + instrument[:MOST_FACTS]
    known = [(one_line(name, 60), one_line(value, 100)) for name, value in shared]
    if known:
        yield facts_abreast(known)
    own = differing(sample)
    if own:
        yield space(4)
        yield words("What differs between images, and the facts of images that are left out:", SMALL)
        known = [(one_line(image.name, 40), one_line(text(each), LONGEST)) for image, each in own]
        yield table(("Image", "Own facts"), known, (1, 3.4), numbers_from=2, small=True)


def _models(sample: SampleAnalysis) -> Iterator[Flowable]:
    yield heading("Model")
    for card in sample.models:
        yield facts([("Model", model_label(card)), *sections.model(card)])
        yield words(sections.scores(card), SMALL)
        yield space(4)


def _images(sample: SampleAnalysis) -> Iterator[Flowable]:
    yield heading("Images")
    if sample.pooled is None or not sample.task.screened:
        yield from _numbers_of_images(sample)
        return
    between = sample.between
    if between is not None:
        yield words(
            f"{100 * between['share']:.0f} % of the variance of ln(size) is between the images (standard deviation"
            f" {significant(between['sd'])})."
        )
    yield words(
        "Median of each image with its 95 % interval by particle. Dashed: all images together. Red: see the remark.",
        SMALL,
    )
    yield chart(lambda ax: draw_by_image(ax, sample, "median"), 0.25, MEDIANS)
    rows = [
        [
            one_line(image.name, 60),
            "–" if image.n is None else f"{image.n:,}",
            "–" if image.n_set_aside is None else f"{image.n_set_aside:,}",
            Entry("median", "", Value(image.median, image.low, image.high)).words,
            _remark(image),
        ]
        for image in sample.images
    ]
    head = ("Image", "Kept", "Set aside", f"Median ({sample.pooled.unit}) and 95 % interval", "Remark")
    yield table(head, rows, (2, 0.6, 0.6, 1.5, 2.2))


def _remark(image: SampleImage) -> str:
    return "; ".join(filter(None, (image.excluded or image.outlier, image.warning)))


def _numbers_of_images(sample: SampleAnalysis) -> Iterator[Flowable]:
    """Of a kind of analysis that is not screened: what tells the images apart; images.csv has all numbers."""
    names = sample.headline_quantities[:MOST_ABREAST]
    yield words(
        "Each image with its own 95 % interval. Dashed and shaded: all images together. Red: see the remark.", SMALL
    )
    for name in names:
        yield chart(lambda ax, name=name: draw_by_image(ax, sample, name), 0.25, MEDIANS)  # type: ignore[misc]
    every = [[in_hundredths(name, each) for each in sample.by_image(name)] for name in names]
    columns = [[Entry("", "", replace(each, unit="")).words for each in column] for column in every]
    rows = [
        [one_line(image.name, 40), *numbers, _remark(image)]
        for image, *numbers in zip(sample.images, *columns, strict=True)
    ]
    units = [in_hundredths(name, sample.quantities[name]).unit for name in names]
    heads = [
        f"{number(name).title} ({unit})" if unit else number(name).title
        for name, unit in zip(names, units, strict=True)
    ]
    yield table(("Image", *heads, "Remark"), rows, (1.4, *[1.3] * len(names), 1.2), small=len(names) > 1)
