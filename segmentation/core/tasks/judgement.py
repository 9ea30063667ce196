"""One place judges a picture as a whole: whether numbers are given, and which warnings stand beside them.

Each signal says which number it moves, and by which share of it. All stand among the flags of a result, the gravest
first; two are shown beside the numbers (`flags.beside_numbers`). A signal that leaves no ground for a number withholds
it (`groundless`). Which single outlines count is judged in `measure.filters`, in one order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..flags import ADVICE, NO_NUMBERS, NO_PARTICLES, WRONG, Flag, ranked
from ..labels.options import EVEN, MOSTLY
from ..labels.segmentation import MASKS, NONE_IN_MASK, Segmentation
from ..measure.filters import Reason
from ..measure.fused import fused_share
from ..measure.table import Table, column_name
from ..micrograph.colours import CHANNELS, COLOURS, MANY, MAP
from ..micrograph.noise import counts_a_pixel
from ..micrograph.types import Micrograph
from ..micrograph.vendors.facts import MARKS
from ..network.likeness import ENTRY
from ..network.scale_search import CLEAR
from ..settings import MeasurementSettings
from .file_signals import file_signals

UNLIKE = 1.0  # times the distance that a card allows
SEVERAL = 10  # sure outlines, from which on the picture shows them
# Outlines are surely right from these numbers and expected shares of right ones on: nine of 16 EMPS pictures and crops
# that resemble other kinds, two of 79 pictures of other kinds (gamma prime), and 8 of 316 crops that resemble them.
# From 100 on: 9 of 16 composed beds resemble alloys or grains and have 0.825 to 0.884 (72 to 89 % are right); of 29
# pictures of grains, alloys and steel those with 100 outlines or more have 0.80 at most.
SURELY = (100, 0.82), (SEVERAL, 0.88), (3, 0.95)
EVIDENT = "evident"  # in `Segmentation.used`, where the outlines alone show that the picture is of their kind
LEFT_OUT = 0.25  # share of the outlines that rules leave out, above which it is said
FEWEST_SPECKS = 30  # too small ones, under which they are not worth a word
SURE = 0.8  # probability of being right of a sure outline
# Expected share of right outlines, under which numbers have no ground; where more were removed than are left, SURE. Of
# 409 micrographs 1 has less, of 24 grey photographs in which something counts 15.
GROUND = 0.65
DRAWN = 0.8  # share of one grey from which a picture is a drawing; of 122 EMPS micrographs two have most: 0.62, 0.16
AROUND, LOOKED_AT = 5, 1024  # px of a neighbourhood that has one grey; px of each side that are looked at
FEW_LARGE, WIDE = 5, 1 / 3  # so few outlines, with such a width as a share of the shorter side, are doubtful
WITHHELD = "{why}, so nothing was measured." + ADVICE
MEASURED = "{why}. Its outlines were measured because somebody asked for it."
NONE_FOUND = "No {things} were found. Perhaps the image shows none, or the model does not know such {things}."
TO_CHECK = "the outlines are to be checked"
FUSED = "The outlines are ragged and touch along most of their rims, as those of fused particles do"
# Of seven drawn lumps that are named, 13 to 41 % of the primary particles in sight have an outline.
MISSED = 0.6
CROSS = "Straight objects cross here, and the particles are pieces of them"
UNKNOWN = 0.25  # share of the numbers that a warning is taken to move where nothing says how much
MOVED = 0.05  # change of the median or D10 from which on it matters which of two edges counts
EXPERIMENTAL = "Experimental"  # first word of the summary of a model's card, whose first limit says why
CORRECTED = "A person corrected these outlines. Before that the software had a doubt ({doubt})."


def is_out_of_domain(segmentation: Segmentation) -> bool:
    """Whether the image is unlike the training images of the model.

    It is, if it clearly looks like the images of a model of another task. If the card describes its own images
    (network.likeness), it is also if it is too far from these or clearly looks like the images of any other model.
    Many sure outlines overrule all of these, and outlines that only such a picture has.
    """
    used, provenance = segmentation.used, segmentation.provenance
    if are_surely_right(segmentation) or used.get(EVIDENT):
        return False
    knows_its_images, other = ENTRY in provenance.card.get("options", {}), used.get("resembles", {})
    is_of_another = bool(other) and (knows_its_images or other["task"] != provenance.task)
    return used.get("unlike", 0.0) >= UNLIKE or is_of_another


def are_surely_right(segmentation: Segmentation) -> bool:
    """Whether there are several outlines and the model, which knows its probabilities, expects almost all right."""
    is_calibrated = bool(segmentation.provenance.card.get("options", {}).get("confidence"))
    number, expected = len(segmentation), segmentation.used.get("expected", 0.0)
    return is_calibrated and any(number >= fewest and expected >= least for fewest, least in SURELY)


def are_many_sure(confidence: NDArray[np.float32]) -> bool:
    """Whether outlines (n,) are many and nearly all right. The expected share of an image says nothing of these where
    it also counts what was removed, such as the gaps between close-packed particles."""
    fewest, least = SURELY[1]
    return len(confidence) >= fewest and float(confidence.mean()) >= least


def groundless(micrograph: Micrograph, segmentation: Segmentation) -> str:
    """Why there is no ground for a number, the beginning of a sentence; "" where there is one, or where a person
    corrected the outlines."""
    provenance = segmentation.provenance
    if provenance.edits or not len(segmentation) or provenance.card.get("name") == MASKS:
        return ""
    return next(filter(None, (signal(micrograph, segmentation) for signal in GROUNDLESS)), "")


def withheld(micrograph: Micrograph, segmentation: Segmentation, settings: MeasurementSettings) -> bool:
    """Whether no numbers are given: there is no ground for them, and the settings do not ask for them all the same."""
    return not settings.measure_unlike and bool(groundless(micrograph, segmentation))


def _of_another_kind(micrograph: Micrograph, segmentation: Segmentation) -> str:
    """Of an image that is out of the model's domain."""
    if not is_out_of_domain(segmentation):
        return ""
    other = segmentation.used.get("resembles")
    if other and other.get("crossing"):
        return CROSS
    if other:  # by texture alone, which noise has, too
        return f"This image looks like the training images of {other['title']}"
    return f"This image is unlike the training images of {segmentation.provenance.card.get('title', 'the model')}"


def _in_colour(micrograph: Micrograph, segmentation: Segmentation) -> str:
    """Of a picture in colour all over that no scale of colours made from grey. No outlines overrule this: a photograph
    of coins shows sure ones."""
    kind = micrograph.metadata.get(COLOURS)
    if kind == MAP:
        return f"This is a map of elements ({micrograph.metadata[CHANNELS]}), where single counts look like particles"
    if kind == MANY:
        return "This picture is in many colours, as photographs and charts are, but no electron micrograph"
    return ""


def _of_fused_particles(micrograph: Micrograph, segmentation: Segmentation) -> str:
    """Of primary particles that grew together, where the model itself expects that many outlines are wrong."""
    if segmentation.used.get("expected", 1.0) >= MOSTLY or not fused_share(segmentation):
        return ""
    return f"{FUSED}, and the model was never checked on these"


def _mostly_wrong(micrograph: Micrograph, segmentation: Segmentation) -> str:
    """Of outlines that the model, which knows its probabilities, expects to be wrong too often, or of which it removed
    more than it left: grey photographs, text and noise look like this."""
    options, used = segmentation.provenance.card.get("options", {}), segmentation.used
    knows = bool(options.get("confidence")) and options.get("noise", EVEN) > 0
    if not knows or are_many_sure(segmentation.confidence):
        return ""
    expected, dropped = used.get("expected", 1.0), used.get("dropped", 0)
    if expected >= GROUND and (dropped <= len(segmentation) or expected >= SURE):
        return ""
    right = f"only about {100 * expected:.0f} % of the outlines are probably right"
    return f"Perhaps this is no micrograph of particles: {right}"


GROUNDLESS = (_in_colour, _of_another_kind, _of_fused_particles, _mostly_wrong)


def without_numbers(table: Table) -> Table:
    """The table with all its objects set aside, because the image is out of the domain."""
    return table.judged(np.full(len(table), str(Reason.UNLIKE)))


def judged(
    micrograph: Micrograph,
    segmentation: Segmentation,
    table: Table,
    settings: MeasurementSettings,
    things: str,
    doubts: Iterable[Flag],
) -> tuple[Flag, ...]:
    """The flags of a result: the warnings, the gravest first, and the notes.

    things: the task's word for several objects. doubts: the task's own flags. The gravest warning of outlines that a
    person corrected is a note; what the file or the picture puts in doubt is not mended by corrections.
    """
    if not len(segmentation):
        none = NONE_IN_MASK if segmentation.provenance.model == MASKS else NONE_FOUND
        doubts = tuple(doubts) or (Flag(none.format(things=things), f"No {things} found"),)
    raised, card = list(warnings(micrograph, segmentation, table, settings)), segmentation.provenance.card
    has_numbers = not withheld(micrograph, segmentation, settings)
    if has_numbers:  # of others nothing is to be doubted
        raised += doubts
    if has_numbers and len(segmentation) and card.get("summary", "").startswith(EXPERIMENTAL):
        why = " ".join([f"The model {card['title']} is experimental.", *card.get("limits", ())[:1]])
        raised.append(Flag.doubtful(why, "The model is experimental", by=UNKNOWN))
    of_file = list(file_signals(micrograph, settings))
    doubtful, notes = ranked(flag for flag in raised if flag.doubt), [flag for flag in raised if not flag.doubt]
    if doubtful and segmentation.provenance.edits:
        sentence = doubtful[0].short
        notes, doubtful = [Flag(CORRECTED.format(doubt=sentence[0].lower() + sentence[1:])), *notes], []
    return *ranked([*(flag for flag in of_file if flag.doubt), *doubtful]), *notes, *(f for f in of_file if not f.doubt)


def warnings(
    micrograph: Micrograph, segmentation: Segmentation, table: Table, settings: MeasurementSettings
) -> Iterator[Flag]:
    """The notes of an import, then all that can be said against a picture and its outlines."""
    used, card = segmentation.used, segmentation.provenance.card
    yield from map(Flag, used.get("imported", {}).get("notes", ()))
    if used.get(MARKS):
        yield _on_marks(int((table.reasons == Reason.MARKED).sum()))
    if card.get("name") == MASKS:
        return
    if why := groundless(micrograph, segmentation):
        if withheld(micrograph, segmentation, settings):
            yield Flag.doubtful(WITHHELD.format(why=why), NO_NUMBERS, moves="all", by=1.0)
            return
        yield Flag(MEASURED.format(why=why))
    if (flat := _flat_share(micrograph.pixels[: segmentation.rows])) >= DRAWN:
        yield Flag.doubtful(
            f"{100 * flat:.0f} % of this image has exactly the same grey value. Drawings, plots and text look like"
            " this, micrographs almost never. Is it the right file?",
            "Hardly a micrograph, most of it has one grey value",
            moves="all",
            by=1.0,
        )
    if noise := segmentation.used.get("noise"):
        counts = counts_a_pixel(micrograph)
        noise_words = f"about {counts:.2g} counts a pixel" if counts else f"its noise is {noise:.1f} times its contrast"
        yield Flag.doubtful(
            f"The picture is very noisy: {noise_words}. The outlines were found in a smoothed copy, so small and faint"
            " objects may be missing. Average more frames, or count for longer.",
            f"Very noisy, {noise_words}",
            by=UNKNOWN,
        )
    if not why:
        yield from _likeness(segmentation)
    yield from _two_edges(segmentation)
    if "expected" in used and fused_share(segmentation):
        yield Flag.doubtful(
            f"{FUSED}. The probability to be right was learnt on separate particles. It is not known how many of these"
            " outlines are one primary particle, and how many primary particles have none.",
            "Fused particles: how many are right is not known",
            moves="count",
            by=MISSED,
        )
    yield from _outlines(segmentation, table)


def _two_edges(segmentation: Segmentation) -> Iterator[Flag]:
    """That particles show one edge around another, and which of both the outlines follow."""
    edges = segmentation.used.get("concentric")
    if not edges:
        return
    seen = f"Many particles show a core in a shell that is {edges['ratio']:.1f} times as wide: one edge around another"
    chosen = segmentation.provenance.settings.get("edge", "auto") != "auto"
    if chosen or edges["shift"] < MOVED:
        follow = "outer edge" if edges["cores"] < EVEN else "inner edge"
        yield Flag(f"{seen}. Nearly all outlines follow the {follow}{', as chosen' if chosen else ''}.")
        return
    cores = "All" if edges["cores"] == 1 else f"Of the outlines of these, {100 * edges['cores']:.0f} %"
    yield Flag.doubtful(
        f"{seen}. {cores} follow the inner edge, so these sizes are those of cores. Let all outlines follow the outer"
        " edge, or all the inner one.",
        "Outlines follow the inner of two edges" if edges["cores"] == 1 else "Some outlines follow an inner edge",
        moves="sizes",
        by=edges["shift"],
    )


def _on_marks(count: int) -> Flag:
    """The note of a picture with writing or drawing, with the number of outlines that lie on it."""
    lie = {0: "No outline lies", 1: "1 outline lies"}.get(count, f"{count:,} outlines lie")
    text = f"Something is written or drawn on the picture, which is no part of the specimen. {lie} on it"
    ends = {0: ".", 1: " and does not count."}.get(count, " and do not count.")
    return Flag(text + ends, reason=str(Reason.MARKED) if count else "")


def _flat_share(pixels: NDArray[Any]) -> float:
    """Share (0 to 1) of the middle of a picture (H, W) whose neighbourhood has exactly one grey value: it is small in a
    micrograph, which has noise everywhere. 0 where it cannot reach DRAWN."""
    from scipy import ndimage

    rows, columns = (slice(max(0, (n - LOOKED_AT) // 2), (n + LOOKED_AT) // 2) for n in pixels.shape[:2])
    middle = pixels[rows, columns]
    # A flat pixel has the grey of the next one, unless it is the last of its row.
    equal_pairs = np.count_nonzero(middle[:, 1:] == middle[:, :-1]) + len(middle)
    if equal_pairs < DRAWN * middle.size or not middle.size:
        return 0.0
    return float(np.mean(ndimage.maximum_filter(middle, AROUND) == ndimage.minimum_filter(middle, AROUND)))


def doubtful_outlines(
    micrograph: Micrograph, segmentation: Segmentation, table: Table, settings: MeasurementSettings
) -> Flag | None:
    """What must be done before a verdict where a warning stands beside the numbers; None of corrected outlines."""
    if segmentation.provenance.edits:
        return None
    doubts = ranked(flag for flag in warnings(micrograph, segmentation, table, settings) if flag.doubt)
    return next((Flag.doubtful(f"A check of the outlines. {flag.text}", TO_CHECK) for flag in doubts), None)


def unseen_specks(segmentation: Segmentation, counted: int) -> Flag | None:
    """The warning that no fewer specks than particles were too small for the working scale, None without them.

    Such a picture needs two magnifications, and its number fractions are those of the coarse particles alone.
    """
    specks = segmentation.used.get("specks", {})
    if not specks or segmentation.provenance.edits or specks["count"] < max(counted, FEWEST_SPECKS):
        return None
    limit = f"{specks['below']:.0f} px"
    return Flag.doubtful(
        f"The numbers are those of {counted:,} mostly larger particles. The image shows about {specks['count']:,}"
        f" specks below {limit}, and most of them were missed. To measure them, use a higher magnification or a larger"
        " zoom for the model.",
        f"Most specks below {limit} were missed",
        moves="count",
        by=specks["count"] / (specks["count"] + counted),
    )


def _likeness(segmentation: Segmentation) -> Iterator[Flag]:
    """Warnings of an image that is unlike the training images."""
    used, title = segmentation.used, segmentation.provenance.card.get("title", "")
    sure = are_surely_right(segmentation)
    other = used.get("resembles", {})
    if crossing := other.get("crossing"):
        yield Flag.doubtful(
            f"{CROSS}. Analyse it as {other['title'].lower()}, which are followed through their crossings.",
            "Objects cross; particles are pieces",
            moves="count",
            by=max(UNKNOWN, crossing),
        )
    elif other and (not sure or other.get("recognised")):
        yield Flag.doubtful(
            f"This image resembles the training images of {other['title']} more than those of {title}. If"
            " it shows the same material, use the other model.",
            "Looks like the images of another model",
            by=UNKNOWN,
        )
    elif (used.get("unfamiliar") and not sure) or (used.get(EVIDENT) and used.get("unlike", 0.0) >= UNLIKE):
        compare = " Compare the outlines with the image." if len(segmentation) else ""
        text = f"This image is unlike all training images of {title}.{compare}"
        yield Flag.doubtful(text, "Unusual picture", by=UNKNOWN)
    elif base := used.get("unlike_own"):
        yield Flag.doubtful(
            f"{title} was fine-tuned on {base['images']} images unlike this one. Its base model ({base['began_with']})"
            " may do better. Compare the two.",
            "Unusual picture for the fine-tuned model",
            by=UNKNOWN,
        )


def _outlines(segmentation: Segmentation, table: Table) -> Iterator[Flag]:
    """Warnings of outlines that are probably wrong, by the model's own calibrated expectation."""
    used, count = segmentation.used, len(segmentation)
    expected, dropped = used.get("expected", 1.0), used.get("dropped", 0)
    share = f"{100 * expected:.0f} %"
    has_few_sure = bool((segmentation.confidence >= SURE).sum() < SEVERAL)
    is_left_sure = expected < EVEN and are_many_sure(segmentation.confidence)
    if beside := used.get("beside"):
        kept, other = int(table.kept.sum()), beside["polarity"]
        yield Flag(
            f"{kept:,} {used['polarity']} objects count; read as {other} ones, about {beside['count']:,} do. Compare"
            f" both, and choose {other} if these are right."
        )
    if small := used.get("small"):
        yield Flag.doubtful(
            f"The model {small['title']} sees about {small['count']:,} small objects that these outlines leave out,"
            " such as particles on a support. Choose it if these are what you measure.",
            f"About {small['count']:,} small objects are left out",
            moves="count",
            by=small["count"] / (small["count"] + count),
        )
    if dropped and expected < EVEN and has_few_sure:
        removed = "We removed 1 outline that was" if dropped == 1 else f"We removed {dropped:,} outlines that were"
        remain = {0: "none remains.", 1: "1 remains."}.get(count, f"{count:,} remain.")
        yield Flag.doubtful(
            "This image is unlike the micrographs that the model learnt from. Perhaps it shows no particles, or is no"
            f" micrograph. {removed} probably wrong; {remain}",
            NO_PARTICLES,
            ids=_least_certain(table, round((1 - expected) * count)),
            moves="all",
            by=1.0,
        )
    elif count and expected < MOSTLY and not is_left_sure and not fused_share(segmentation):
        yield Flag.doubtful(
            f"Only about {share} of these outlines are probably right, as measured on test images. Check"
            " the least certain ones before you use the sizes.",
            f"{WRONG}, about {share} are right" if expected < EVEN else f"Only about {share} are probably right",
            ids=_least_certain(table, round((1 - expected) * count)),
            moves="count",
            by=1 - expected,
        )
    elif count and used.get("clarity", 1.0) < CLEAR and has_few_sure:
        yield Flag.doubtful(
            "Nothing in this image is clearly a particle. Check the outlines before you use the sizes.",
            "Nothing is clearly a particle",
            by=UNKNOWN,
        )
    if specks := unseen_specks(segmentation, int(table.kept.sum())):
        yield specks
    yield from _left_out(table)
    width = table.rescaled(None).columns.get("min_feret_px")
    if width is not None and "expected" in used:
        wide = table.kept & (width > WIDE * min(segmentation.rows, segmentation.labels.shape[1]))
        wide &= table["confidence"] < SURE  # of 52 held-out micrographs of EMPS 8 show few large particles, all sure
        if 0 < table.kept.sum() <= FEW_LARGE and 2 * wide.sum() > table.kept.sum():
            yield Flag.doubtful(
                "Few outlines were found, and they are wider than a third of the image. Each may be a part of the"
                " specimen or of its holder. Check that they are particles.",
                "Few and very large outlines",
                ids=tuple(table["label"].astype(int)[wide].tolist()),
                moves="count",
                by=float(wide.sum() / table.kept.sum()),
            )


def _left_out(table: Table) -> Iterator[Flag]:
    """The warning that rules left out more than LEFT_OUT of the outlines, without those at the frame, in regions that a
    person drew, and those that a person decided on."""
    rules = [str(reason) for reason in Reason if reason not in (Reason.FRAME, Reason.IGNORED, Reason.UNLIKE)]
    is_judged = table.kept | np.isin(table.reasons, rules)
    numbers = {reason: int((table.reasons == reason).sum()) for reason in rules}
    count, total = sum(numbers.values()), int(is_judged.sum())
    if total < SEVERAL or count <= LEFT_OUT * total:
        return
    main_reason = max(numbers, key=lambda reason: numbers[reason])
    medians = [_median(table, chosen) for chosen in (is_judged, table.kept)]
    effect = "" if None in medians else " With them the median is {} {unit}, without them {} {unit}."
    effect = effect.format(*(f"{median:.3g}" for median in medians if median is not None), unit=table.unit)
    yield Flag.doubtful(
        f"{count:,} of {total:,} outlines are left out, most of them as “{main_reason}”.{effect} Look at them, and"
        " count those that are right.",
        f"{100 * count / total:.0f} % of the outlines are left out",
        moves="count",
        by=count / total,
        reason=main_reason,
    )


def _median(table: Table, chosen: NDArray[np.bool_]) -> float | None:
    """The median minimum Feret diameter of the whole ones among the chosen (n,) objects, in the table's unit. None if
    there is none, or if it was not measured."""
    sizes = table.columns.get(column_name("min_feret", table.unit), np.full(len(table), np.nan))
    sizes = sizes[chosen & ~table["touches_frame"].astype(bool)]
    return float(np.median(sizes)) if len(sizes) and not np.isnan(sizes).any() else None


def _least_certain(table: Table, count: int) -> tuple[int, ...]:
    """The labels of so many outlines that count, those of the lowest confidence first."""
    counted = np.flatnonzero(table.kept)
    least = counted[np.argsort(table["confidence"][counted], kind="stable")][:count]
    return tuple(table["label"][least].astype(int).tolist())
