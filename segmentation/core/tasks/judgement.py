"""Judges a picture and its outlines as a whole: whether numbers are given, and which warnings a result has.

Each warning (`Flag`) states which numbers are in doubt (moves), and by which share (by). The flags of a result are in
the order of their gravity; two are shown beside the numbers (`flags.beside_numbers`). If there is a reason against
numbers (`why_no_numbers`), none are given. `measure.filters` decides which single outlines count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..flags import ADVICE, NO_NUMBERS, NO_PARTICLES, WRONG, Flag, ranked
from ..labels.particles.options import EVEN_PROBABILITY, LEAST_EXPECTED
from ..labels.segmentation import MASKS, NONE_IN_MASK, Segmentation
from ..measure.objects.filters import Reason
from ..measure.quantities import MEDIAN_TERM
from ..measure.shape.fused_particles import fused_share
from ..measure.table import Table, column_name
from ..micrograph.colours import CHANNELS, COLOURS, MANY, MAP
from ..micrograph.noise import counts_per_pixel
from ..micrograph.pages import SIGNS_OF_PANELS
from ..micrograph.types import Micrograph
from ..network.likeness import LIKENESS
from ..network.scale_search import LEAST_CLARITY
from ..settings import MeasurementSettings
from .file_signals import file_signals

# "Expected" is the expected share of right outlines: the mean of their probabilities (`Outlines.expected`).
UNLIKE = 1.0  # distance from the training images, divided by the limit in the card (`relative_distance`)
FEWEST_SURE = 10  # sure outlines; a picture with so many surely shows particles
# Outlines are surely right if there are at least so many, and so high a share is expected to be right. This holds for
# nine of 16 EMPS pictures and crops that resemble other kinds, for two of 79 pictures of other kinds (gamma prime), and
# for 8 of 316 crops that resemble them. Of pictures with 100 outlines or more: 9 of 16 composed beds resemble alloys or
# grains and have 0.825 to 0.884 (72 to 89 % are right); 29 pictures of grains, alloys and steel have 0.80 at most.
SURELY_RIGHT = (100, 0.82), (FEWEST_SURE, 0.88), (3, 0.95)
EVIDENT = "evident"  # stored in `Segmentation.used`: True if the outlines alone prove that the picture is of their kind
MOST_LEFT_OUT = 0.25  # share of the outlines; if rules leave out more, a warning says so
FEWEST_SPECKS = 30  # specks too small to be outlined; fewer are not mentioned
SURE_PROBABILITY = 0.8  # probability of being right; an outline with more is sure
# Expected share of right outlines; with less no numbers are given. If more outlines were dropped than remain,
# SURE_PROBABILITY is needed. Of 409 micrographs 1 has less, of 24 grey photographs with counted outlines 15.
LEAST_RIGHT_SHARE = 0.65
# Share of pixels in areas of exactly one grey; a picture with more is a drawing. Of 122 EMPS micrographs the two with
# the most have 0.62 and 0.16.
DRAWING_SHARE = 0.8
# Sides of the area with one grey, and of the picture's middle that is searched for it.
FLAT_SIDE_PX, MIDDLE_PX = 5, 1024
# So few outlines are doubtful if they are wider than this share of the image's shorter side.
FEW_OUTLINES, WIDE_SHARE = 5, 1 / 3
WITHHELD = "{why}, so nothing was measured." + ADVICE
MEASURED = "{why}. Its outlines were measured because somebody asked for it."
NONE_FOUND = "No {things} were found. Perhaps the image shows none, or the model does not know such {things}."
TO_CHECK = "the outlines are to be checked"
FUSED_WORDS = "The outlines are ragged and touch along most of their rims, as those of fused particles do"
# Share of the primary particles that have no outline: in seven drawn lumps of fused particles 13 to 41 % have one.
FUSED_MISSED = 0.6
CROSSING_WORDS = "Straight objects cross here, and the particles are pieces of them"
UNKNOWN_SHARE = 0.25  # share of the numbers that is assumed to be in doubt if it is not known
# Relative change of the median or D10, from which it matters which of two edges the outlines follow.
LEAST_SHIFT = 0.05
EXPERIMENTAL = "Experimental"  # the first word of the summary on the card of an experimental model
CORRECTED = "A person corrected these outlines. Before that the software had a doubt ({doubt})."

# Outlines that hold several particles get a warning if they are at least so many, and this share; with more than the
# share MANY_SEVERAL there is neither a verdict, nor D90, nor the share up to 100 nm.
FEWEST_SEVERAL, LEAST_SEVERAL, MANY_SEVERAL = 3, 0.03, 1 / 3
# Particles with a waist look like two. So outlines are taken for several particles only in a picture in which others
# were parted or joined, and if they are at most so many times as many: of 45 micrographs none gets the warning then.
MOST_BY_RESOLVED = 3


def is_out_of_domain(segmentation: Segmentation) -> bool:
    """Whether the image is unlike the training images of the model.

    True if it clearly looks like the images of a model of another task. If the card describes its training images
    (network.likeness), also if it is too far from these, or clearly looks like the images of any other model. False if
    many outlines are surely right, or if the outlines prove the kind of picture (EVIDENT).
    """
    used, provenance = segmentation.used, segmentation.provenance
    if are_surely_right(segmentation) or used.get(EVIDENT):
        return False
    knows_its_images, other = LIKENESS in provenance.card.get("options", {}), used.get("resembles", {})
    is_of_another = bool(other) and (knows_its_images or other["task"] != provenance.task)
    return used.get("unlike", 0.0) >= UNLIKE or is_of_another


def are_surely_right(segmentation: Segmentation) -> bool:
    """Whether there are several outlines, and the model expects that almost all are right (SURELY_RIGHT). False
    for models without calibrated probabilities."""
    is_calibrated = bool(segmentation.provenance.card.get("options", {}).get("confidence"))
    number, expected = len(segmentation), segmentation.used.get("expected", 0.0)
    return is_calibrated and any(number >= fewest and expected >= least for fewest, least in SURELY_RIGHT)


def are_many_sure(confidence: NDArray[np.float32]) -> bool:
    """Whether there are many outlines, and nearly all are probably right, by their confidence (n,). The expected share
    of the image may be low nevertheless, if it includes dropped outlines, such as gaps between close-packed particles.
    """
    fewest, least = SURELY_RIGHT[1]
    return len(confidence) >= fewest and float(confidence.mean()) >= least


def why_no_numbers(micrograph: Micrograph, segmentation: Segmentation) -> str:
    """The reason why a picture gives no numbers, as the beginning of a sentence; "" if there is none, or if a person
    has corrected the outlines."""
    provenance = segmentation.provenance
    if provenance.edits or not len(segmentation) or provenance.card.get("name") == MASKS:
        return ""
    return next(filter(None, (reason_of(micrograph, segmentation) for reason_of in REASONS_FOR_NO_NUMBERS)), "")


def are_numbers_withheld(micrograph: Micrograph, segmentation: Segmentation, settings: MeasurementSettings) -> bool:
    """Whether no numbers are given: there is a reason against them, and the settings do not ask for them."""
    return not settings.measure_unlike and bool(why_no_numbers(micrograph, segmentation))


# Each of the following functions returns one reason why no numbers are given, or "".


def _of_another_kind(micrograph: Micrograph, segmentation: Segmentation) -> str:
    """The image is unlike the training images of the model."""
    if not is_out_of_domain(segmentation):
        return ""
    other = segmentation.used.get("resembles")
    if other and other.get("crossing"):
        kind = other["title"].lower()
        return f"This picture shows {kind}: straight objects that cross, and the particles are pieces of them"
    if other:  # this judges the texture alone
        return f"This image looks like the training images of {other['title']}"
    return f"This image is unlike the training images of {segmentation.provenance.card.get('title', 'the model')}"


def _in_colour(micrograph: Micrograph, segmentation: Segmentation) -> str:
    """The picture is in colours that do not stand for grey values. Sure outlines do not matter here: a photograph of
    coins has them, too."""
    kind = micrograph.metadata.get(COLOURS)
    if kind == MAP:
        return f"This is a map of elements ({micrograph.metadata[CHANNELS]}), where single counts look like particles"
    if kind == MANY:
        return "This picture is in many colours, as photographs and charts are, but no electron micrograph"
    return ""


def _of_fused_particles(micrograph: Micrograph, segmentation: Segmentation) -> str:
    """The picture shows primary particles that grew together, and the model expects that many outlines are wrong."""
    if segmentation.used.get("expected", 1.0) >= LEAST_EXPECTED or not fused_share(segmentation):
        return ""
    return f"{FUSED_WORDS}, and the model was never checked on these"


def _mostly_wrong(micrograph: Micrograph, segmentation: Segmentation) -> str:
    """The model expects that too many outlines are wrong, or it has dropped more than remain and is not sure of these.
    Grey photographs, text and noise look like this. Models without calibrated probabilities give ""."""
    options, used = segmentation.provenance.card.get("options", {}), segmentation.used
    is_calibrated = bool(options.get("confidence")) and options.get("noise", EVEN_PROBABILITY) > 0
    if not is_calibrated or are_many_sure(segmentation.confidence):
        return ""
    expected, dropped = used.get("expected", 1.0), used.get("dropped", 0)
    if expected >= LEAST_RIGHT_SHARE and (dropped <= len(segmentation) or expected >= SURE_PROBABILITY):
        return ""
    return (
        "Perhaps this is no micrograph of particles: only about"
        f" {100 * expected:.0f} % of the outlines are probably right"
    )


REASONS_FOR_NO_NUMBERS = (_in_colour, _of_another_kind, _of_fused_particles, _mostly_wrong)


def without_numbers(table: Table) -> Table:
    """The table with all objects left out, because numbers are withheld."""
    return table.judged(np.full(len(table), str(Reason.UNLIKE)))


def result_flags(
    micrograph: Micrograph,
    segmentation: Segmentation,
    table: Table,
    settings: MeasurementSettings,
    things: str,
    doubts: Iterable[Flag],
) -> tuple[Flag, ...]:
    """The flags of a result: first the warnings, the gravest one first, then the notes.

    things: the task's word for several objects. doubts: the task's own flags. If a person has corrected the outlines,
    the warnings about outlines become one note; those of the file (`file_signals`) stay warnings.
    """
    if not len(segmentation):
        text = NONE_IN_MASK if segmentation.provenance.model == MASKS else NONE_FOUND
        doubts = tuple(doubts) or (Flag(text.format(things=things), f"No {things} found"),)
    flags, card = list(warnings(micrograph, segmentation, table, settings)), segmentation.provenance.card
    has_numbers = not are_numbers_withheld(micrograph, segmentation, settings)
    if has_numbers:
        flags += doubts
    if has_numbers and len(segmentation) and card.get("summary", "").startswith(EXPERIMENTAL):
        text = " ".join([f"The model {card['title']} is experimental.", *card.get("limits", ())[:1]])
        flags.append(Flag.doubtful(text, "The model is experimental", by=UNKNOWN_SHARE))
    file_flags = list(file_signals(micrograph, settings, segmentation.used.get(SIGNS_OF_PANELS, "")))
    doubtful, notes = ranked(flag for flag in flags if flag.doubt), [flag for flag in flags if not flag.doubt]
    if doubtful and segmentation.provenance.edits:
        sentence = doubtful[0].short
        notes, doubtful = [Flag(CORRECTED.format(doubt=sentence[0].lower() + sentence[1:])), *notes], []
    file_warnings = [flag for flag in file_flags if flag.doubt]
    file_notes = [flag for flag in file_flags if not flag.doubt]
    return *ranked([*file_warnings, *doubtful]), *notes, *file_notes


def warnings(
    micrograph: Micrograph, segmentation: Segmentation, table: Table, settings: MeasurementSettings
) -> Iterator[Flag]:
    """The warnings about a picture and its outlines, and some notes; outlines from a mask have only notes."""
    used, card = segmentation.used, segmentation.provenance.card
    yield from map(Flag, used.get("imported", {}).get("notes", ()))
    if count := int((table.reasons == Reason.MARKED).sum()):
        yield _on_marks(count)
    if card.get("name") == MASKS:
        return
    if reason := why_no_numbers(micrograph, segmentation):
        if are_numbers_withheld(micrograph, segmentation, settings):
            yield Flag.doubtful(WITHHELD.format(why=reason), NO_NUMBERS, moves="all", by=1.0)
            return
        yield Flag(MEASURED.format(why=reason))
    if (flat_share := _flat_share(micrograph.pixels[: segmentation.rows])) >= DRAWING_SHARE:
        yield Flag.doubtful(
            f"{100 * flat_share:.0f} % of this image has exactly the same grey value. Drawings, plots and text look"
            " like this, micrographs almost never. Is it the right file?",
            "Hardly a micrograph, most of it has one grey value",
            moves="all",
            by=1.0,
        )
    if noise := segmentation.used.get("noise"):
        counts = counts_per_pixel(micrograph)
        noise_words = f"about {counts:.2g} counts a pixel" if counts else f"its noise is {noise:.1f} times its contrast"
        yield Flag.doubtful(
            f"The picture is very noisy: {noise_words}. The outlines were found in a smoothed copy, so small and faint"
            " objects may be missing. Average more frames, or count for longer.",
            f"Very noisy, {noise_words}",
            by=UNKNOWN_SHARE,
        )
    if not reason:
        yield from _likeness(segmentation)
    yield from _two_edges(segmentation)
    if "expected" in used and fused_share(segmentation):
        yield Flag.doubtful(
            f"{FUSED_WORDS}. The probability to be right was learnt on separate particles. It is not known how many of"
            " these outlines are one primary particle, and how many primary particles have none.",
            "Fused particles: how many are right is not known",
            moves="count",
            by=FUSED_MISSED,
        )
    yield from _outlines(segmentation, table)


def _two_edges(segmentation: Segmentation) -> Iterator[Flag]:
    """A warning or note if particles show one edge around another: which edge the outlines follow."""
    edges = segmentation.used.get("concentric")
    if not edges:
        return
    words = f"Many particles show a core in a shell that is {edges['ratio']:.1f} times as wide: one edge around another"
    is_chosen = segmentation.provenance.settings.get("edge", "auto") != "auto"
    if is_chosen or edges["shift"] < LEAST_SHIFT:
        edge = "outer edge" if edges["cores"] < EVEN_PROBABILITY else "inner edge"
        yield Flag(f"{words}. Nearly all outlines follow the {edge}{', as chosen' if is_chosen else ''}.")
        return
    cores = "All" if edges["cores"] == 1 else f"Of the outlines of these, {100 * edges['cores']:.0f} %"
    yield Flag.doubtful(
        f"{words}. {cores} follow the inner edge, so these sizes are those of cores. Let all outlines follow the outer"
        " edge, or all the inner one.",
        "Outlines follow the inner of two edges" if edges["cores"] == 1 else "Some outlines follow an inner edge",
        moves="sizes",
        by=edges["shift"],
    )


def _on_marks(count: int) -> Flag:
    """The note about outlines on what is written or drawn on the picture. count: of these outlines, at least one."""
    lie, ends = ("1 outline lies", "does") if count == 1 else (f"{count:,} outlines lie", "do")
    return Flag(
        f"Something is written or drawn on the picture, which is no part of the specimen. {lie} on what was recognised"
        f" of it and {ends} not count.",
        reason=str(Reason.MARKED),
    )


def _flat_share(pixels: NDArray[Any]) -> float:
    """The share (0 to 1) of pixels, in the middle of a picture (H, W), whose neighbourhood has exactly one grey value.
    It is small in a micrograph, which has noise everywhere. 0 if a quick test shows that it is below DRAWING_SHARE."""
    from scipy import ndimage

    rows, columns = (slice(max(0, (n - MIDDLE_PX) // 2), (n + MIDDLE_PX) // 2) for n in pixels.shape[:2])
    middle = pixels[rows, columns]
    # Quick test: such a pixel has the grey of the next one, except the last pixels of rows.
    equal_pairs = np.count_nonzero(middle[:, 1:] == middle[:, :-1]) + len(middle)
    if equal_pairs < DRAWING_SHARE * middle.size or not middle.size:
        return 0.0
    return float(np.mean(ndimage.maximum_filter(middle, FLAT_SIDE_PX) == ndimage.minimum_filter(middle, FLAT_SIDE_PX)))


def check_of_outlines(
    micrograph: Micrograph, segmentation: Segmentation, table: Table, settings: MeasurementSettings
) -> Flag | None:
    """The check of the outlines that must come before the nanomaterial decision, if there is any warning; None without
    one, and for corrected outlines."""
    if segmentation.provenance.edits:
        return None
    doubts = ranked(flag for flag in warnings(micrograph, segmentation, table, settings) if flag.doubt)
    return next((Flag.doubtful(f"A check of the outlines. {flag.text}", TO_CHECK) for flag in doubts), None)


def missed_specks_warning(segmentation: Segmentation, counted: int) -> Flag | None:
    """The warning that specks were too small for the working scale, if they are at least as many as `counted`, the
    number of counted particles; else None. The numbers are then only those of the coarse particles."""
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
    """The warning about an image that is unlike the training images, or like those of another model."""
    used, title = segmentation.used, segmentation.provenance.card.get("title", "")
    sure = are_surely_right(segmentation)
    other = used.get("resembles", {})
    if crossing := other.get("crossing"):
        yield Flag.doubtful(
            f"{CROSSING_WORDS}. Analyse it as {other['title'].lower()}, which are followed through their crossings.",
            "Objects cross; particles are pieces",
            moves="count",
            by=max(UNKNOWN_SHARE, crossing),
        )
    elif other and (not sure or other.get("recognised")):
        yield Flag.doubtful(
            f"This image resembles the training images of {other['title']} more than those of {title}. If"
            " it shows the same material, use the other model.",
            "Looks like the images of another model",
            by=UNKNOWN_SHARE,
        )
    elif (used.get("unfamiliar") and not sure) or (used.get(EVIDENT) and used.get("unlike", 0.0) >= UNLIKE):
        compare = " Compare the outlines with the image." if len(segmentation) else ""
        text = f"This image is unlike all training images of {title}.{compare}"
        yield Flag.doubtful(text, "Unusual picture", by=UNKNOWN_SHARE)
    elif base := used.get("unlike_own"):
        yield Flag.doubtful(
            f"{title} was fine-tuned on {base['images']} images unlike this one. Its base model ({base['began_with']})"
            " may do better. Compare the two.",
            "Unusual picture for the fine-tuned model",
            by=UNKNOWN_SHARE,
        )


def _outlines(segmentation: Segmentation, table: Table) -> Iterator[Flag]:
    """Warnings about outlines that are probably wrong or missing, and about many that are left out."""
    used, count = segmentation.used, len(segmentation)
    expected, dropped = used.get("expected", 1.0), used.get("dropped", 0)
    share = f"{100 * expected:.0f} %"
    has_few_sure = bool((segmentation.confidence >= SURE_PROBABILITY).sum() < FEWEST_SURE)
    is_left_sure = expected < EVEN_PROBABILITY and are_many_sure(segmentation.confidence)
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
    yield from _on_each_other(segmentation, table)
    if dropped and expected < EVEN_PROBABILITY and has_few_sure:
        removed = "We removed 1 outline that was" if dropped == 1 else f"We removed {dropped:,} outlines that were"
        remain = {0: "none remains.", 1: "1 remains."}.get(count, f"{count:,} remain.")
        yield Flag.doubtful(
            "This image is unlike the micrographs that the model learnt from. Perhaps it shows no particles, or is no"
            f" micrograph. {removed} probably wrong; {remain}",
            NO_PARTICLES,
            kind="wrong outlines",
            ids=_least_certain(table, round((1 - expected) * count)),
            moves="all",
            by=1.0,
        )
    elif count and expected < LEAST_EXPECTED and not is_left_sure and not fused_share(segmentation):
        yield Flag.doubtful(
            f"Only about {share} of these outlines are probably right, as measured on test images. Check"
            " the least certain ones before you use the sizes.",
            f"{WRONG}, about {share} are right"
            if expected < EVEN_PROBABILITY
            else f"Only about {share} are probably right",
            kind="wrong outlines" if expected < EVEN_PROBABILITY else "",
            ids=_least_certain(table, round((1 - expected) * count)),
            moves="count",
            by=1 - expected,
        )
    elif count and used.get("clarity", 1.0) < LEAST_CLARITY and has_few_sure:
        yield Flag.doubtful(
            "Nothing in this image is clearly a particle. Check the outlines before you use the sizes.",
            "Nothing is clearly a particle",
            by=UNKNOWN_SHARE,
        )
    if specks := missed_specks_warning(segmentation, int(table.kept.sum())):
        yield specks
    if (large := used.get("large")) and not segmentation.provenance.edits:
        objects = "1 object" if large["count"] == 1 else f"{large['count']:,} objects"
        yield Flag.doubtful(
            f"Without an outline: {objects} wider than {large['above']:,} px, too wide for the scale at which the"
            " others were found. Draw what is missing, or use a smaller zoom for the model.",
            f"Without an outline: {objects} wider than {large['above']:,} px",
            moves="all",
            by=large["share"],
        )
    yield from _left_out(table)
    width = table.rescaled(None).columns.get("min_feret_px")
    if width is not None and "expected" in used:
        wide = table.kept & (width > WIDE_SHARE * min(segmentation.rows, segmentation.labels.shape[1]))
        wide &= (
            table["confidence"] < SURE_PROBABILITY
        )  # of 52 held-out micrographs of EMPS 8 show few large particles, all sure
        if 0 < table.kept.sum() <= FEW_OUTLINES and 2 * wide.sum() > table.kept.sum():
            yield Flag.doubtful(
                "Few outlines were found, and they are wider than a third of the image. Each may be a part of the"
                " specimen or of its holder. Check that they are particles.",
                "Few and very large outlines",
                ids=tuple(table["label"].astype(int)[wide].tolist()),
                moves="count",
                by=float(wide.sum() / table.kept.sum()),
            )


def _on_each_other(segmentation: Segmentation, table: Table) -> Iterator[Flag]:
    """The warning about outlines that hold several particles, and the note about completed ones."""
    count, completed = len(segmentation), int((table["completed"] == 1).sum())
    if several_share(segmentation) >= LEAST_SEVERAL:
        several = segmentation.used["overlaps"]["several"]
        yield Flag.doubtful(
            f"Particles lie on each other: about {several:,} of {count:,} outlines hold several, and some may be"
            " pieces. So the count is uncertain, and the largest sizes are too large.",
            f"About {several:,} of {count:,} outlines hold several",
            moves="all",
            by=several / count,
        )
    if unseen := segmentation.used.get("overlaps", {}).get("unseen"):
        yield Flag(
            f"Whether some of these {unseen:,} outlines hold several particles was not looked at: they are too many."
        )
    if completed:
        yield Flag(
            f"{completed:,} of {count:,} outlines border on others along a part of their rim. Their sizes are those of"
            " the whole, fitted to the rim that is seen."
        )


def several_share(segmentation: Segmentation) -> float:
    """The share of the outlines that seem to hold several particles and could not be parted; 0 after corrections."""
    overlaps = segmentation.used.get("overlaps", {})
    several, resolved = (
        overlaps.get("several", 0),
        sum(overlaps.get(name, 0) for name in ("parted", "joined", "lenses")),
    )
    is_likely = FEWEST_SEVERAL <= several <= MOST_BY_RESOLVED * resolved and not segmentation.provenance.edits
    return several / len(segmentation) if is_likely else 0.0


def _left_out(table: Table) -> Iterator[Flag]:
    """The warning that rules leave out more than the share MOST_LEFT_OUT of the outlines. Outlines at the frame, in
    regions to ignore, and those that a person left out are not compared."""
    rules = [str(reason) for reason in Reason if reason not in (Reason.FRAME, Reason.IGNORED, Reason.UNLIKE)]
    is_judged = table.kept | np.isin(table.reasons, rules)
    numbers = {reason: int((table.reasons == reason).sum()) for reason in rules}
    count, total = sum(numbers.values()), int(is_judged.sum())
    if total < FEWEST_SURE or count <= MOST_LEFT_OUT * total:
        return
    main_reason = max(numbers, key=lambda reason: numbers[reason])
    medians = [_median(table, mask) for mask in (is_judged, table.kept)]
    effect = "" if None in medians else " With them the {term} is {} {unit}, without them {} {unit}."
    known = (f"{median:.3g}" for median in medians if median is not None)
    effect = effect.format(*known, unit=table.unit, term=MEDIAN_TERM)
    yield Flag.doubtful(
        f"{count:,} of {total:,} outlines are left out, most of them as “{main_reason}”.{effect} Look at them, and"
        " count those that are right.",
        f"{100 * count / total:.0f} % of the outlines are left out",
        moves="count",
        by=count / total,
        reason=main_reason,
    )


def _median(table: Table, mask: NDArray[np.bool_]) -> float | None:
    """The median minimum Feret diameter, in the table's unit, of the objects in a mask (n,) that do not touch the
    frame; None if there are none, or if it was not measured."""
    sizes = table.columns.get(column_name("min_feret", table.unit), np.full(len(table), np.nan))
    sizes = sizes[mask & ~table["touches_frame"].astype(bool)]
    return float(np.median(sizes)) if len(sizes) and not np.isnan(sizes).any() else None


def _least_certain(table: Table, count: int) -> tuple[int, ...]:
    """The labels of the `count` counted outlines with the lowest confidence, the lowest first."""
    counted = np.flatnonzero(table.kept)
    least = counted[np.argsort(table["confidence"][counted], kind="stable")][:count]
    return tuple(table["label"][least].astype(int).tolist())
