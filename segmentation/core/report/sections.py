"""The parts of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from reportlab.platypus import Flowable

from ..flags import Flag
from ..labels.segmentation import MASKS
from ..measure.filters import LEAST_CONFIDENCE
from ..measure.fitting import CHANCE, CLOSE, NEAR
from ..measure.quantities import COLUMNS, NUMBERS
from ..measure.results import Statistics
from ..network.card_entries import FIGURES as SCORES
from .charts import Distribution, draw_convergence, draw_cumulative, draw_parts, draw_sensitivity
from .document import (
    HALF,
    SMALL,
    abreast,
    chart,
    facts,
    heading,
    space,
    table,
    together,
    words,
)
from .signatures import MEANING, Signed, digests
from .summary import WEIGHTINGS, Summary
from .wording import capital, one_line, per_cent, share_interval

MOST_LINES = 12
MOST_SCORES = 8
SENSITIVITY = (0.6, 0.115)  # inches in all and for each row
NO_FIT = "No log-normal law was fitted: there are too few {things}, or all sizes are equal."
GOOD_FIT = (
    f"Good: p (Lilliefors 1967) is at least {CHANCE:g}, or the distance of the cumulative curves at most {CLOSE:g};"
    f" fair: at most {NEAR:g}."
)
CONVERGENCE = (
    "Right: median of the first {things} in random order, with its 95 % interval; dotted: the wanted precision."
)
SENSITIVITY_WORDS = (
    "Each line changes one setting. These intervals include sampling only. Doubtful: confidence under"
    f" {100 * LEAST_CONFIDENCE:.0f} %. Without pixel corners: sizes from the pixels' centres, as corners stick out by"
    " up to 0.7 px. Edges weighted: particles likely to touch the frame get more weight (Miles, Lantuéjoul)."
)
SCORED = "TP: found and true, FP: found but not true, FN: true but not found. "
NO_SHAPE_INTERVALS = " We give no intervals for these."
BUDGET = (
    "Standard uncertainties: of the median in per cent, of the fraction in percentage points. Known contributions add"
    " in quadrature; unknown ones are not in the sum. The intervals above include only sampling and the scale, and for"
    " the fraction in one image the assumed variation between fields. Particles too small to count are not in the sum;"
    " the verdict treats them as a bound."
)
BUDGET_OF_MEDIAN = (
    "Standard uncertainties in per cent of the median. Known contributions add in quadrature; unknown ones are not in"
    " the sum. The intervals above include only sampling and the scale."
)


def nano_card(summary: Summary) -> list[Flowable]:
    """What the verdict on the share from 1 to 100 nm rests on; nothing in pixels, or where a pixel is wider."""
    nano = summary.nano
    if nano is None:
        return []
    decides = [f"What would decide it: {nano['decides']}"] if nano["decides"] else []
    sentences = (summary.verdict + ".", nano["sentence"], *decides, nano["asked"])
    return [heading("Nanomaterial screening (2022/C 229/01)"), words(" ".join(filter(None, map(capital, sentences))))]


def distribution(drawn: Distribution, summary: Summary) -> list[Flowable]:
    """Histogram, cumulative curves, convergence, and every figure by number, area and volume; few sizes as they are."""
    statistics = drawn.statistics
    if drawn.few:
        return [words(f"{drawn.size_words}.")]
    charts: list[Flowable] = [chart(lambda ax: draw_cumulative(ax, drawn), 0.17)]
    curve = statistics.convergence is not None and len(statistics.convergence["n"]) > 1
    if curve:
        charts.append(chart(lambda ax: draw_convergence(ax, statistics, drawn.task.things), 0.15))
    beside = f" {CONVERGENCE.format(things=_counted(statistics, drawn.task.things))}" * curve
    definitions = (f"{term}: {definition}" for term, definition in _definitions(summary))
    return [
        heading("Size distribution"),
        _weighted(summary),
        *(words(note, SMALL) for note in summary.weighted_notes),
        words(f"{summary.fit or NO_FIT.format(things=summary.things)} {GOOD_FIT}", SMALL),
        words(" ".join([*definitions, summary.weighting_line]), SMALL),
        space(4),
        together(
            abreast(*charts),
            words(f"Left: share of all up to each size.{beside} {summary.enough}", SMALL),
        ),
    ]


def _counted(statistics: Statistics, things: str) -> str:
    return "images" if statistics.convergence and statistics.convergence.get("by") == "image" else things


def _definitions(summary: Summary) -> Iterator[tuple[str, str]]:
    """Of what its name does not explain."""
    for quantity in dict.fromkeys((summary.size, COLUMNS["ecd"], NUMBERS["span"], NUMBERS["geometric_sd"])):
        yield quantity.title, quantity.definition


def _weighted(summary: Summary) -> Flowable:
    statistics = summary.statistics
    assert statistics is not None
    head = [f"{summary.size.title} ({statistics.unit})", *WEIGHTINGS.values()]
    lines = []
    for line in summary.weighted:
        bare = (replace(each, number=replace(each.number, unit="")) for each in line.cells)
        no_unit = "" if line.cells[0].number.unit else " (no unit)"
        lines.append([f"{line.term}{no_unit}", *(each.words for each in bare)])
    lines += [[each.term, each.words, "", ""] for each in summary.sizes if each.name == "ecd_median"]
    return table(head, lines, (1.5, 1, 1, 1))


def sensitivity(statistics: Statistics) -> list[Flowable]:
    """How settings and calibration change the fraction."""
    if statistics.nano is None or not statistics.nano["sensitivity"]:
        return []
    lines = [
        [
            line["name"],
            per_cent(line["fraction"]),
            share_interval(line["low"], line["high"]),
            f"{line['n']:,}",
        ]
        for line in statistics.nano["sensitivity"]
    ]
    tall = SENSITIVITY[0] + SENSITIVITY[1] * len(lines)
    numbers = table(["Setting", "1 to 100 nm", "95 %, sampling", "N"], lines, (1.5, 1.05, 1.6, 0.6), width=HALF)
    return [
        together(
            heading("How settings change the fraction"),
            abreast(numbers, chart(lambda ax: draw_sensitivity(ax, statistics), 0.43, (HALF / 72, tall))),
            words(SENSITIVITY_WORDS, SMALL),
        )
    ]


def budget(summary: Summary) -> list[Flowable]:
    """The uncertainty budget of both answers; nothing if sizes are in pixels."""
    stored = summary.budget
    if stored is None:
        return []
    heads = {"median": "Median", "fraction_100nm": "1 to 100 nm"}
    widths = (1.5, 3, 0.6, 0.7)[: 2 + len(stored.answers)]
    return [
        heading("Uncertainty budget (JCGM 100:2008, GUM)"),
        table(
            ["Contribution", "Source", *(heads[name] for name in stored.answers)],
            [[title, source, *effects] for title, source, effects in stored.rows],
            widths,
            2,
        ),
        *(words(sentence) for sentence in stored.sentences),
        words(BUDGET if summary.nano else BUDGET_OF_MEDIAN, SMALL),
    ]


def uncertainty(summary: Summary) -> Iterator[Flowable]:
    """The known contributions to the uncertainty of the answers, as bars."""
    answers = [each for each in summary.headlines if each.parts]
    if not answers:
        return
    tall = 0.5 + 0.2 * max(len(each.parts) for each in answers)
    drawn: list[Flowable | list[Flowable]] = [
        [
            words(f"{each.term}: {each.value} {each.unit} ({each.whole or each.interval})"),
            chart(partial(draw_parts, answer=each), 0.52, (HALF / 72, tall)),
        ]
        for each in answers
    ]
    yield heading("Uncertainty")
    yield abreast(*drawn)
    yield words(f"Standard uncertainties; twice their sum in quadrature is the total.{summary.unknown_parts}", SMALL)


def recommendation(statistics: Statistics) -> list[Flowable]:
    """What an image can say of each point of the recommendation."""
    if statistics.recommendation is None or statistics.nano is None:
        return []
    return [
        heading("EC Recommendation 2022/C 229/01, point by point"),
        facts([(point["title"], point["said"]) for point in statistics.recommendation["points"]]),
    ]


def left_out(summary: Summary) -> list[Flowable]:
    """How many objects were left out, and what each reason means."""
    head = heading("Left out")
    if not summary.set_aside:
        return [head, words(f"No {summary.thing} was left out.")]
    lines = [[each.reason, f"{each.count:,}", each.definition] for each in summary.set_aside]
    made = table(["Reason", summary.things.capitalize(), "Meaning"], lines, (1.1, 0.5, 3), numbers_from=3)
    return [head, made, *([words(summary.without_filter, SMALL)] if summary.without_filter else [])]


def shape(summary: Summary) -> list[Flowable]:
    """Descriptors of shape (ISO 9276-6) and groups of touching objects."""
    descriptors = summary.shape
    if not descriptors:
        return []
    lines = [
        [label, *(line.cells[place].value for line in descriptors)]
        for place, label in enumerate(("D10", "median", "D90"))
        if descriptors[0].cells[place].text
    ]
    return [
        together(
            heading("Shape and agglomeration" if summary.groups else "Shape"),
            table(["", *(line.term for line in descriptors)], lines, (0.6, *[1] * len(descriptors))),
            words(" ".join(f"{line.term}: {line.definition}" for line in descriptors) + NO_SHAPE_INTERVALS, SMALL),
            words(summary.groups),
        )
    ]


def notes(flags: Sequence[Flag]) -> list[Flowable]:
    """Warnings and what reading the file found."""
    if not flags:
        return []
    shown = [words(f"• {flag}") for flag in flags[:MOST_LINES]]
    if len(flags) > MOST_LINES:
        shown.append(words(f"… and {len(flags) - MOST_LINES} more in result.json."))
    return [heading("Notes"), *shown]


def signatures(signed: Sequence[Signed]) -> list[Flowable]:
    """Who signed the result, when and as what, and the checksums of what was signed; without, lines to sign by hand."""
    if not signed:
        return [table((), [("\u00a0",) * 3, ("Name", "Date", "Signature")], (2, 1, 2), numbers_from=3)]
    lines = [[each.meaning.capitalize(), each.name, each.account, each.time] for each in signed]
    return [
        table(("Meaning", "Name", "Account", "Time"), lines, (0.8, 1.8, 1.2, 1.4), numbers_from=4),
        table(("Signed", "SHA-256"), digests(signed), (1, 2.4), numbers_from=2, small=True),
        words(MEANING, SMALL),
    ]


def model(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The card of a model at the time of use, as names and values; nothing for masks of other tools."""
    if card.get("name") == MASKS:
        return
    yield "SHA-256 of the weights", card.get("sha256", "")
    if card.get("summary"):
        yield "What for", card["summary"]
    for source in card.get("data", ())[:MOST_SCORES]:
        yield "Trained on", one_line(f"{source.get('title', '')} ({source.get('licence', 'no licence stated')})", 700)
    for score in card.get("scores", ())[:MOST_SCORES]:
        figures = ", ".join(_scored(name, value) for name, value in score.items() if isinstance(value, int | float))
        yield "Score", one_line(f"{score.get('data', '')}: {figures}", 300)
    for limit in card.get("limits", ())[:MOST_SCORES]:
        yield "Limit", one_line(limit, 200)


def scores(card: Mapping[str, Any]) -> str:
    """What the scores of a model are; "" without any."""
    known = [name for name in SCORES if any(name in score for score in card.get("scores", ())[:MOST_SCORES])]
    return SCORED + " ".join(f"{SCORES[name][0]}: {SCORES[name][1]}" for name in known) if known else ""


def _scored(name: str, value: float) -> str:
    """Such as "Dice 0.97" and "Merged 6.8 %"."""
    title, *per_cent_of = SCORES.get(name, (name,))[0].split(", %")
    return f"{title} {value:g}{' %' * len(per_cent_of)}"
