"""The parts of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reportlab.platypus import Flowable

from ..flags import Flag
from ..labels.segmentation import MASKS
from ..measure.budget_table import answers_of, lines, said
from ..measure.convergence import more_images_words
from ..measure.distribution import FIGURES
from ..measure.filters import LEAST_CONFIDENCE, Reason
from ..measure.fitting import CHANCE, CLOSE, NEAR, chance_words
from ..measure.quantities import COLUMNS, NUMBERS, significant
from ..measure.statistics import PER_IMAGE, Statistics
from ..network.card_entries import FIGURES as SCORES
from ..sample import SampleAnalysis
from .charts import Distribution, draw_convergence, draw_cumulative, draw_histogram, draw_sensitivity
from .document import (
    HALF,
    LEAD,
    SMALL,
    WIDTH,
    Chart,
    abreast,
    chart,
    facts,
    heading,
    space,
    table,
    together,
    words,
)
from .figure import drawn_alone
from .numbers import WEIGHTINGS, pair
from .wording import counted_from, interval, one_line, per_cent

MOST_LINES = 12
MOST_SCORES = 8
HISTOGRAM = (WIDTH / 72, 2.8)
SENSITIVITY = (0.6, 0.115)  # inches in all and for each row
VERDICTS = {"above": "above 50 %", "below": "below 50 %", "undecided": "undecided"}
WEIGHTED = (
    "By number all sizes have the same weight; by area, the weight of the projected area; by volume, of the sphere of"
    " that area. Some spreads by area and volume have no interval, because they depend on the few largest sizes."
)
SENSITIVITY_WORDS = (
    "Each line changes one setting. These intervals include sampling only. Doubtful: confidence under"
    f" {100 * LEAST_CONFIDENCE:.0f} %. Without pixel corners: sizes from the pixels' centres, as corners stick out by"
    " up to 0.7 px. Edges weighted: each particle counts by the inverse of its chance to touch no frame (Miles,"
    " Lantuéjoul)."
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


def too_few(found: Statistics, things: str) -> str:
    """Names what is too few for a useful interval."""
    return f"too few {things if found.interval_basis == PER_IMAGE else 'images'}"


def key_numbers(found: Statistics, things: str) -> list[Flowable]:
    """The numbers that most readers look for, with their intervals."""
    unit = found.unit
    limits = found.intervals
    note = found.interval_note
    missing = "" if note else too_few(found, things)
    resampled = things if found.interval_basis == PER_IMAGE else "images"
    lines = [(f"Whole {things}", f"{found.n_kept:,}")]
    if found.screened:
        lines = [(things.capitalize(), f"{found.n_kept:,} kept, {found.n_set_aside:,} set aside")]
    for name in ("median", "mean", "sd", "d10", "d90") if found.n_kept > 1 else ("median",):
        lines.append((NUMBERS[name].title, interval(getattr(found, name), pair(limits[name]), unit, missing)))
    basis = (
        f"Without intervals: {note}"
        if note
        else f"In brackets: 95 % interval, by resampling the {resampled}. {_whole(found)}"
    )
    said = (words(sentence, SMALL) for sentence in (basis, *found.cautions))
    return [heading(f"{found.title}, by number"), facts(lines, HALF if found.nano else WIDTH), *said]


def _whole(found: Statistics) -> str:
    """The expanded uncertainty of the median from its whole budget; the interval includes fewer contributions."""
    if found.budget is None:
        return ""
    expanded = said(found.budget["median"]["expanded"])
    return f"The whole budget gives the median ± {expanded} (see Uncertainty budget)."


def nano_card(found: Statistics, things: str) -> list[Flowable]:
    """The share from 1 to 100 nm; nothing in pixels, or where a pixel is wider than 100 nm."""
    nano = found.nano
    if nano is None:
        return []
    head = heading("Nanomaterial screening (2022/C 229/01)")
    counted = f"{things}{counted_from(nano)}"
    why = f" ({nano['reason']})" if nano["reason"] else ""
    verdict = f"{per_cent(nano['fraction'])} of the {counted} are from 1 to 100 nm: {VERDICTS[nano['verdict']]}{why}"
    parts: list[Flowable] = [head, words(verdict, LEAD), space(2), words(nano["sentence"])]
    if nano["decides"]:
        parts.append(words(f"What would decide it: {nano['decides']}"))
    if nano["asked"]:
        parts.append(words(nano["asked"], SMALL))
    return parts


def distribution(shown: Distribution) -> list[Flowable]:
    """Histogram, cumulative curves, convergence, and every figure by number, area and volume; few sizes as they are."""
    found = shown.found
    if shown.few:
        return [words(f"{shown.size_words}.")]
    charts: list[Flowable] = [chart(lambda ax: draw_cumulative(ax, shown), 0.17)]
    if found.convergence is not None and len(found.convergence["n"]) > 1:
        charts.append(chart(lambda ax: draw_convergence(ax, found, shown.task.things), 0.15))
    return [
        Chart(drawn_alone(lambda ax: draw_histogram(ax, shown), HISTOGRAM)),
        heading("Size distribution"),
        _weighted(found, shown.task.things),
        *(words(note, SMALL) for note in dict.fromkeys(each["note"] for each in found.weighted.values()) if note),
        words(_fit(found, shown.task.things), SMALL),
        words(f"{' '.join(_definitions(found))} {WEIGHTED}", SMALL),
        space(4),
        together(
            abreast(*charts),
            words(f"Left: share of all up to each size. {_convergence(found, shown.task.things)}", SMALL),
        ),
    ]


def _definitions(found: Statistics) -> Iterator[str]:
    """Of what its name does not explain."""
    columns = dict.fromkeys((found.size, "ecd"))
    for quantity in (*(COLUMNS[name] for name in columns), *(NUMBERS[name] for name in ("span", "geometric_sd"))):
        yield f"{quantity.title}: {quantity.definition}"


def _weighted(found: Statistics, things: str) -> Flowable:
    head = [f"{found.title} ({found.unit})", *WEIGHTINGS.values()]
    lines = []
    few = {"number": too_few(found, things)}  # by area and volume some figures never have an interval
    for name in FIGURES:
        cells = [
            interval(each[name], pair(each["intervals"][name]), "", "" if each["note"] else few.get(by, ""))
            for by, each in ((by, found.weighted[by]) for by in WEIGHTINGS)
        ]
        lines.append([NUMBERS[name].label + ("" if NUMBERS[name].power else " (no unit)"), *cells])
    if found.size != "ecd":
        ecd = interval(found.ecd_median, pair(found.intervals["ecd_median"]), "")
        lines.append([NUMBERS["ecd_median"].label, ecd, "", ""])
    return table(head, lines, (1.5, 1, 1, 1))


def _convergence(found: Statistics, things: str) -> str:
    line = found.convergence
    if line is None:
        return ""
    if line.get("by") == "image":
        right = "Right: median of the first images in random order, with its 95 % interval by image; "
        told = right if len(line["n"]) > 1 else ""
        said = f"{told}{more_images_words(line['more'], line['wanted'], found.relative_uncertainty)} (dotted)."
        return said[:1].upper() + said[1:]
    said = f"Right: median of the first {things} in random order, with its 95 % interval by sampling alone"
    if line["more"] is None:
        return f"{said}."
    wanted = f"±{100 * line['wanted']:g} % (dotted)"
    if line["more"]:
        return f"{said}. About {line['more']:,} more {things} would give {wanted}."
    return f"{said}. There are enough {things} for {wanted}."


def _fit(found: Statistics, things: str) -> str:
    fit = found.fit
    if fit is None:
        return f"No log-normal law was fitted: there are too few {things}, or all sizes are equal."
    return (
        f"Log-normal fit: median {significant(fit['median'])} {found.unit}, geometric standard deviation"
        f" {significant(fit['gsd'])}; a {fit['word']} fit (greatest distance {fit['ks']:.3f},"
        f" {chance_words(fit['p'])}). Good: p (Lilliefors 1967) is at least {CHANCE:g}, or the distance of the"
        f" cumulative curves at most {CLOSE:g}; fair: at most {NEAR:g}."
    )


def sensitivity(found: Statistics) -> list[Flowable]:
    """How settings and calibration change the fraction."""
    if found.nano is None or not found.nano["sensitivity"]:
        return []
    lines = [
        [
            line["name"],
            per_cent(line["fraction"]),
            f"{per_cent(line['low'])} to {per_cent(line['high'])}",
            f"{line['n']:,}",
        ]
        for line in found.nano["sensitivity"]
    ]
    tall = SENSITIVITY[0] + SENSITIVITY[1] * len(lines)
    numbers = table(["Setting", "1 to 100 nm", "95 % interval", "N"], lines, (1.5, 1.05, 1.6, 0.6), width=HALF)
    return [
        together(
            heading("How settings change the fraction"),
            abreast(numbers, chart(lambda ax: draw_sensitivity(ax, found), 0.43, (HALF / 72, tall))),
            words(SENSITIVITY_WORDS, SMALL),
        )
    ]


def budget(found: Statistics) -> list[Flowable]:
    """The uncertainty budget of both answers; nothing if sizes are in pixels."""
    told, names = found.budget, answers_of(found.nano)
    if told is None:
        return []
    heads = {"median": "Median", "fraction_100nm": "1 to 100 nm"}
    widths = (1.5, 3, 0.6, 0.7)[: 2 + len(names)]
    shown = [
        [title, source, *map(said, effects, names)]  # as many as there are answers
        for title, source, *effects in lines(told)
    ]
    return [
        heading("Uncertainty budget (JCGM 100:2008, GUM)"),
        table(["Contribution", "Source", *(heads[name] for name in names)], shown, widths, 2),
        *(words(told[answer]["sentence"]) for answer in names),
        words(BUDGET if found.nano else BUDGET_OF_MEDIAN, SMALL),
    ]


def recommendation(found: Statistics) -> list[Flowable]:
    """What an image can say of each point of the recommendation."""
    if found.recommendation is None or found.nano is None:
        return []
    return [
        heading("EC Recommendation 2022/C 229/01, point by point"),
        facts([(point["title"], point["said"]) for point in found.recommendation["points"]]),
    ]


def set_aside(sample: SampleAnalysis, found: Statistics) -> list[Flowable]:
    """How many objects were set aside, and what each reason means."""
    task = sample.task
    if not found.set_aside:
        return [heading("Set aside"), words(f"No {task.thing} was set aside.")]
    known = {str(reason): reason.definition for reason in Reason}
    lines = [[reason, f"{count:,}", known.get(reason, "")] for reason, count in found.set_aside.items()]
    made = table(["Reason", task.things.capitalize(), "Meaning"], lines, (1.1, 0.5, 3), numbers_from=3)
    without = found.without_filter
    more = []
    if without is not None:
        fraction = (
            "" if without["fraction_100nm"] is None else f", {per_cent(without['fraction_100nm'])} from 1 to 100 nm"
        )
        more = [
            words(
                f"Without the filter: {without['n']:,} {task.things}, median {significant(without['median'])}"
                f" {found.unit}{fraction}.",
                SMALL,
            )
        ]
    return [heading("Set aside"), made, *more]


def shape(found: Statistics, things: str) -> list[Flowable]:
    """Descriptors of shape (ISO 9276-6) and groups of touching objects."""
    if not found.shape:
        return []
    known = [COLUMNS[name] for name in found.shape]
    head = ["", *(each.label for each in known)]
    lines = [
        [label, *(f"{values[of]:.3f}" for values in found.shape.values())]
        for of, label in (("median", "median"), ("d10", "D10"), ("d90", "D90"))
        if all(of in values for values in found.shape.values())
    ]
    groups = found.agglomerates
    said = ""
    if groups:
        said = (
            f"Primary {things} {found.n_kept:,}: {groups['singles']:,} touch no other,"
            f" {groups['primaries_in_groups']:,} lie in {groups['groups']:,} groups of touching ones, the largest of"
            f" {groups['largest']:,}."
        )
    return [
        together(
            heading("Shape and agglomeration" if groups else "Shape"),
            table(head, lines, (0.6, *[1] * len(found.shape))),
            words(" ".join(f"{each.title}: {each.definition}" for each in known) + NO_SHAPE_INTERVALS, SMALL),
            words(said),
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
    if card.get("scores"):
        known = (name for name in SCORES if any(name in score for score in card["scores"][:MOST_SCORES]))
        yield "What the scores are", SCORED + " ".join(f"{SCORES[name][0]}: {SCORES[name][1]}" for name in known)


def _scored(name: str, value: float) -> str:
    """Such as "Dice 0.97" and "Merged 6.8 %"."""
    title, *per_cent_of = SCORES.get(name, (name,))[0].split(", %")
    return f"{title} {value:g}{' %' * len(per_cent_of)}"
