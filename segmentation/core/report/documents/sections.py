"""The sections of `report.pdf` and of its annex, such as the uncertainty budget or the examples.
`pages` joins them; each function returns the parts of one section."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
from reportlab.platypus import Flowable

from ...flags import Flag, is_unusable
from ...labels.segmentation import MASKS
from ...measure.objects.filters import BY_HAND, LEAST_CONFIDENCE, SURE_CONFIDENCE
from ...measure.quantities import MEDIAN_TERM, Value, readable, significant
from ...measure.results import Statistics
from ...measure.review.examples import TITLES, extremes, sure_ones
from ...measure.sizes.distribution import WeightedSizes, quantile
from ...measure.sizes.fitting import FAIR_DISTANCE, GOOD_DISTANCE, SIGNIFICANCE
from ...measure.uncertainty.budget_table import ANSWERS
from ...network.card_entries import FIGURES as SCORES
from ...sample import SampleAnalysis, SampleImage
from ...tasks.base import Task
from ..figures.charts import Distribution, draw_contributions, draw_convergence, draw_cumulative
from ..figures.figure import as_png
from ..figures.picture import magnified_object
from ..signatures import PrintedSignature, coverage, digests
from ..summary import Summary
from ..wording import capital, decided_words, one_line, short_names
from .document import (
    GAP,
    HALF_WIDTH,
    SMALL,
    TITLE,
    WIDTH,
    FlexiblePart,
    chart,
    facts_in_two_halves,
    facts_table,
    heading,
    paragraph,
    picture,
    side_by_side,
    space,
    table,
    together,
)
from .guideline import GUIDELINE, NOTE, TO_GIVE, Form

MOST_WARNING_LINES, MOST_ENTRIES = 12, 8  # of warnings; of the scores, the data and the limits of a model, each
GOOD_FIT = (
    f"Good: p (Lilliefors 1967) is at least {SIGNIFICANCE:g}, or the distance of the cumulative curves at most"
    f" {GOOD_DISTANCE:g}; fair: at most {FAIR_DISTANCE:g}."
)
SENSITIVITY = {  # part of the name of a setting: a sentence that explains it
    "doubtful": f" Doubtful: confidence under {100 * LEAST_CONFIDENCE:.0f} %.",
    "edges weighted": " Edges weighted: particles likely to touch the frame get more weight (Miles, Lantuéjoul).",
}
# Points: height of the texts around the picture of an example, and least height of the picture.
EXAMPLE_WORDS, LEAST_EXAMPLE = 44.0, 60.0
EXAMPLE_SIDE = 200  # px of the picture of an example
SCORED = "TP: found and true, FP: found but not true, FN: true but not found. "
# Small pictures of a sample's images in the annex. More than MOST_MICROGRAPHS would make a file too large to send.
MOST_MICROGRAPHS, PER_ROW = 48, 3
GREATEST_MICROGRAPH_HEIGHT = 130.0  # points
NAME_LETTERS = 45  # of a name below a picture
# Larger pictures of its images on the first page.
MOST_ON_FIRST_PAGE = 6
LEAST_FIRST_HEIGHT, CAPTION_HEIGHT = 150.0, 28.0  # points: of all these pictures together, of the text below one
LARGE_ENOUGH = 0.75  # of the greatest possible picture width: layouts with smaller pictures are not used
BUDGET = (
    f"Standard uncertainties: of the {MEDIAN_TERM} in per cent, of the fraction in percentage points. They"
    " include neither what is not known nor particles too small to count."
)


def nano_card(summary: Summary) -> list[Flowable]:
    """The verdict on the share from 1 to 100 nm and its reasons; nothing if sizes are in px or a
    pixel is too large."""
    nano = summary.nano
    if nano is None:
        return []
    sentences = (decided_words(nano), nano["sentence"], nano["asked"])
    return [
        heading("Nanomaterial screening (2022/C 229/01)"),
        paragraph(" ".join(filter(None, map(capital, sentences)))),
    ]


def distribution(sizes: Distribution, summary: Summary) -> list[Flowable]:
    """Cumulative curves, convergence and all numbers; instead of curves the single sizes if there
    are few."""
    statistics, things = sizes.statistics, sizes.task.things
    if sizes.has_few_sizes:
        return [paragraph(f"{sizes.size_words}."), *numbers(summary)]
    charts: list[Flowable] = [chart(lambda ax: draw_cumulative(ax, sizes), 0.17)]
    sentence = "Share of all up to each size."
    if statistics.convergence is not None and len(statistics.convergence["n"]) > 1:
        charts.append(chart(lambda ax: draw_convergence(ax, statistics, things), 0.15))
        curve = f"{MEDIAN_TERM} of the first ones in random order, 95 % interval ({summary.convergence_holds})"
        sentence = f"Left: s{sentence[1:]} Right: {curve}."
    return [
        heading("Size distribution"),
        together(side_by_side(*charts), paragraph(f"{sentence} {summary.enough}", SMALL)),
        *(paragraph(note, SMALL) for note in (*summary.weighted_notes, *statistics.cautions, summary.without_interval)),
        paragraph(" ".join(filter(None, (summary.fit, summary.fit and GOOD_FIT, summary.weighting_line))), SMALL),
        *numbers(summary),
    ]


def numbers(summary: Summary) -> Iterator[Flowable]:
    """All numbers, as in the sheet "Details" of the XLSX file, without the counts of left out
    objects, which `left_out` has."""
    for group, entries in groupby(summary.all_numbers(), lambda entry: entry.group):
        if group == "left out":
            continue
        yield heading(capital(group))
        yield facts_in_two_halves(
            [(entry.term, entry.words) for entry in entries if entry.text or entry.number.value is not None]
        )


def sensitivity(summary: Summary) -> list[Flowable]:
    """A table: how other settings and calibrations change the fraction from 1 to 100 nm; nothing
    without it."""
    nano = summary.nano
    if nano is None or not nano["sensitivity"]:
        return []
    names = " ".join(line["name"] for line in nano["sensitivity"])
    meanings = "".join(meaning for part, meaning in SENSITIVITY.items() if part in names)
    lines = [[line["name"], f"{100 * line['fraction']:.1f} %", f"{line['n']:,}"] for line in nano["sensitivity"]]
    return [
        heading("How settings change the fraction"),
        table(["Setting", "1 to 100 nm", "N"], lines, (1.5, 1, 1)),
        paragraph(f"Each line changes one setting.{meanings}", SMALL),
    ]


def budget(summary: Summary) -> list[Flowable]:
    """The uncertainty budget of the main numbers; nothing if sizes are in pixels."""
    content = summary.budget
    if content is None:
        return []
    heads = {**ANSWERS, "fraction_100nm": "1 to 100 nm"}
    widths = (1.5, 3, 0.6, 0.7)[: 2 + len(content.names)]
    return [
        heading("Uncertainty budget (JCGM 100:2008, GUM)"),
        table(
            ["Contribution", "Source", *(heads[name] for name in content.names)],
            [[title, source, *effects] for title, source, effects in content.rows],
            widths,
            2,
        ),
        *(paragraph(sentence) for sentence in content.sentences),
        paragraph(BUDGET, SMALL),
    ]


def uncertainty(summary: Summary) -> Iterator[Flowable]:
    """The known contributions to the uncertainty of the main numbers, as bars."""
    headlines = [entry for entry in summary.headlines if entry.parts]
    if not headlines:
        return
    inches = HALF_WIDTH / 72, 0.15 + 0.32 * max(len(headline.parts) for headline in headlines)
    charts: list[Flowable | list[Flowable]] = [
        [
            paragraph(f"{headline.term}: {headline.words}"),
            chart(partial(draw_contributions, entry=headline), 0.54, inches, bottom_inches=0.05),
        ]
        for headline in headlines
    ]
    yield heading("Uncertainty")
    yield side_by_side(*charts)
    notes = dict.fromkeys(headline.ends_line for headline in headlines)
    yield paragraph(" ".join(filter(None, ["Bars: standard uncertainties.", *notes, summary.unknown_parts])), SMALL)


def examples(sample: SampleAnalysis, height: float) -> list[Flowable]:
    """Pictures of the smallest, the median and the largest object whose outline is surely right,
    with their sizes.

    Surely right: `examples.sure_ones`. height: the free height in points. Nothing if the height is too
    small or there are fewer than three such objects.
    """
    assert sample.analysis is not None and sample.task.size is not None
    table, picture_height = sample.members[0].sized, height - EXAMPLE_WORDS
    lengths = table.length(sample.task.size)
    sizes = WeightedSizes.of(table, edge=sample.analysis.settings.measurement.border_correction, by=sample.task.size)
    is_sure = sure_ones(table)
    if picture_height < LEAST_EXAMPLE or not len(sizes) or "label" not in table.columns:
        return []
    rows = extremes(lengths, is_sure, quantile(sizes.size, sizes.weights["number"], 0.5)) or ()
    cells: list[Flowable | list[Flowable]] = []
    for title, row in zip(TITLES, rows, strict=False):
        size = readable(Value(float(lengths[row]), unit=table.unit))
        number = "" if is_unusable(sample.flags) else f": {significant(size.value)} {size.unit}"
        pixels = magnified_object(sample.analysis, int(table["label"][row]), EXAMPLE_SIDE)
        if pixels is not None:
            cells.append(
                [
                    picture(as_png(pixels), WIDTH / 3 - GAP, picture_height),
                    space(3),
                    paragraph(f"{title.capitalize()}{number}", SMALL),
                ]
            )
    probabilities, confirmed = (
        table["confidence"][table.kept],
        table.columns.get(BY_HAND, np.zeros(len(table)))[table.kept],
    )
    condition = f" of a confidence of {100 * SURE_CONFIDENCE:g} % or more" if np.isfinite(probabilities).any() else ""
    condition += ", or confirmed" if condition and (confirmed == 1).any() else ""
    head = heading(f"The smallest, the {MEDIAN_TERM} and the largest {sample.task.thing}{condition}")
    return [head, side_by_side(*cells)] if len(cells) == 3 else []


def recommendation(statistics: Statistics) -> list[Flowable]:
    """The points of the EC recommendation, and what an image can say of each; nothing if nothing
    was screened."""
    if statistics.recommendation is None or statistics.nano is None:
        return []
    return [
        heading("EC Recommendation 2022/C 229/01, point by point"),
        facts_table([(point["title"], point["said"]) for point in statistics.recommendation["points"]]),
    ]


def guideline(form: Form) -> Iterator[Flowable]:
    """The report form of OECD TG 125 (`guideline.form_of`): a table for each section."""
    yield paragraph("Report form for OECD Test Guideline 125", TITLE)
    yield paragraph(f"{GUIDELINE}. {NOTE}", SMALL)
    for title, items in form:
        yield heading(title)
        lines = [(item.title, item.value or f"– {TO_GIVE} –", item.source) for item in items]
        yield table(("Entry", "Value", "Source"), lines, (1.3, 3, 0.55), numbers_from=3)


def left_out(summary: Summary) -> list[Flowable]:
    """How many objects were left out, and what each reason means."""
    head = heading("Left out")
    if not summary.set_aside:
        return [head, paragraph(f"No {summary.thing} was left out.")]
    lines = [[line.reason, f"{line.count:,}", line.definition] for line in summary.set_aside]
    flowable = table(["Reason", summary.things.capitalize(), "Meaning"], lines, (1.1, 0.5, 3), numbers_from=3)
    return [head, flowable, *([paragraph(summary.without_filter, SMALL)] if summary.without_filter else [])]


def notes(flags: Sequence[Flag]) -> list[Flowable]:
    """All warnings and notes, MOST_WARNING_LINES at most."""
    if not flags:
        return []
    lines = [paragraph(f"• {flag}") for flag in flags[:MOST_WARNING_LINES]]
    if len(flags) > MOST_WARNING_LINES:
        lines.append(paragraph(f"… and {len(flags) - MOST_WARNING_LINES} more in result.json."))
    return [heading("Notes"), *lines]


def signatures(printed: Sequence[PrintedSignature]) -> list[Flowable]:
    """Who signed the result, when and with which meaning, and the checksums of the signed content.
    Without signatures: lines to sign by hand.
    """
    if not printed:
        return [space(18), table((), [("\u00a0",) * 3, ("Name", "Date", "Signature")], (2, 1, 2), numbers_from=3)]
    lines = [
        [signature.meaning.capitalize(), signature.name, signature.account + signature.by_maker, signature.time]
        for signature in printed
    ]
    return [
        table(("Meaning", "Name", "Account", "Time"), lines, (0.8, 1.8, 1.2, 1.4), numbers_from=4),
        table(("Signed", "SHA-256"), digests(printed), (1, 3.2), numbers_from=2),
        paragraph(coverage(printed), SMALL),
    ]


def model(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and values from the card of a model; nothing if the outlines are a mask of another
    tool."""
    if card.get("name") == MASKS:
        return
    yield "SHA-256 of the weights", card.get("sha256", "")
    if card.get("summary"):
        yield "What for", card["summary"]
    for source in card.get("data", ())[:MOST_ENTRIES]:
        yield "Trained on", one_line(f"{source.get('title', '')} ({source.get('licence', 'no licence stated')})", 700)
    for score in card.get("scores", ())[:MOST_ENTRIES]:
        numbers_text = ", ".join(
            _score_text(name, value) for name, value in score.items() if isinstance(value, int | float)
        )
        yield "Score", one_line(f"{score.get('data', '')}: {numbers_text}", 300)
    for limit in card.get("limits", ())[:MOST_ENTRIES]:
        yield "Limit", one_line(limit, 200)


def scores(card: Mapping[str, Any]) -> str:
    """Explanations of the scores on the card of a model; "" without scores."""
    names = [name for name in SCORES if any(name in score for score in card.get("scores", ())[:MOST_ENTRIES])]
    return SCORED + " ".join(f"{SCORES[name][0]}: {SCORES[name][1]}" for name in names) if names else ""


def _score_text(name: str, value: float) -> str:
    """A score with its name, such as "Dice 0.97" or "Merged 6.8 %"."""
    title = SCORES.get(name, (capital(name.replace("_", " ")),))[0]
    is_share = ", %" in title
    return f"{title.partition(', %')[0]} {value:g} %" if is_share else f"{title} {value:g}"


def first_micrographs(sample: SampleAnalysis) -> Iterator[Flowable | FlexiblePart]:
    """The first images of a sample that count (or, if none counts, its first images), as large as
    the page permits.

    Nothing if no image has a picture.
    """
    pictures = _pictures([image for image in sample.images if not (sample.counted and image.excluded)], sample.task)
    if not pictures:
        return
    unit_picture = picture(pictures[0][0], 1, 1)
    shape = unit_picture.drawWidth / unit_picture.drawHeight
    count = min(len(pictures), MOST_ON_FIRST_PAGE)

    def fill(height: float) -> list[Flowable]:
        # Height and width of a picture for each possible number of columns.
        heights = {columns: height / -(-count // columns) - CAPTION_HEIGHT for columns in range(1, count + 1)}
        widths = {columns: min(WIDTH / columns - GAP, shape * heights[columns]) for columns in heights}
        wide_enough = [columns for columns in heights if widths[columns] >= LARGE_ENOUGH * max(widths.values())]
        columns = max(wide_enough, key=lambda columns: (-(-count % columns), columns))  # with the fewest empty cells
        return list(_rows(pictures[:count], columns, heights[columns]))

    yield paragraph(_title(sample, count, len(pictures)), SMALL)
    yield space(3)
    yield FlexiblePart(fill, LEAST_FIRST_HEIGHT)


def micrographs(sample: SampleAnalysis) -> Iterator[Flowable]:
    """The images of a sample as rows of small pictures above their names; nothing if no image has a
    picture."""
    pictures = _pictures(sample.images, sample.task)
    head: list[Flowable] = [
        heading("Micrographs"),
        paragraph(_title(sample, MOST_MICROGRAPHS, len(pictures)), SMALL),
        space(3),
    ]
    for row in _rows(pictures[:MOST_MICROGRAPHS], PER_ROW, GREATEST_MICROGRAPH_HEIGHT):
        yield together(*head, row)
        head = []


def _title(sample: SampleAnalysis, shown: int, total: int) -> str:
    """The title above small pictures. shown, total: how many images are shown, and how many there
    are."""
    overlay = ", classes in colours" if sample.task.semantic else ", with the outlines of the objects"
    extent = f" The first {shown} of {total} images." if total > shown else ""
    return f"{'Images' if total > 1 else 'The image'} as analysed{overlay if sample.counted else ''}.{extent}"


def _pictures(images: Sequence[SampleImage], task: Task) -> list[tuple[bytes, str]]:
    """The picture files of the images that have one, each with the words below it."""
    with_picture = [(image, image.member.picture) for image in images if image.member and image.member.picture]
    names, pictures = short_names([image.name for image, _ in with_picture], NAME_LETTERS), []
    for (image, content), name in zip(with_picture, names, strict=True):
        count = image.counts[0] or 0
        count_words = "" if task.semantic else f"{count:,} counted" if task.screened else task.count(count)
        pictures.append((content, ": ".join(filter(None, (name, "not counted" if image.excluded else count_words)))))
    return pictures


def _rows(pictures: Sequence[tuple[bytes, str]], columns: int, height: float) -> Iterator[Flowable]:
    """Rows of pictures, each above its words. columns: pictures per row. high: greatest height of
    one in points."""
    for begin in range(0, len(pictures), columns):
        cells: list[Flowable | list[Flowable]] = [
            [picture(content, WIDTH / columns - GAP, height), space(3), paragraph(line, SMALL), space(5)]
            for content, line in pictures[begin : begin + columns]
        ]
        yield from [side_by_side(*cells, *([] for _ in range(columns - len(cells))))] if columns > 1 else cells[0]
