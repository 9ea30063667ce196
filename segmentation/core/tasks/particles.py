"""The kind "particles": outlines particles in a network's maps of foreground and inner distance, and gives their sizes
and shapes. It also decides which other settings, or which other model, are worth a try."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..labels.particles.options import LEAST_EXPECTED, ParticleOptions
from ..measure.quantities import Value
from ..micrograph.types import Calibration, Micrograph, Polarity
from ..network.scale_search import SCALE_LIMITS, View, find_view
from ..settings import MeasurementSettings
from . import shared
from .base import Channels, Decoded, Golden, Granulometry, Maps, Measured, Predict, Task
from .judgement import LEAST_RIGHT_SHARE as LEAST_COUNTED
from .judgement import MANY_SEVERAL, WIDE_SHARE, are_many_sure, several_share
from .particle_evidence import Tables, conditions_of, population_notes
from .particle_judge import Judge

if TYPE_CHECKING:
    from ..labels.particles.outline import Outlines
    from ..labels.segmentation import Segmentation
    from ..network.cards import ModelCard

MAPS = ("foreground", "inner_distance")
Floats = NDArray[np.float64] | NDArray[np.float32]
# A result "promises" as many right outlines as its probabilities add up to; see `used` in `decode`.
LARGE_PX = 2**24  # in larger images the outlines under two thresholds are made one after the other, to save memory
THRESHOLD_STEP = 0.1  # change of the threshold that shows how much the numbers depend on it
LEAST_WORTH = 0.1  # least `used["worth"]`; a candidate with less is compared with others
LARGEST_PX = 2**21  # no candidate is made at a scale at which the image has more pixels
FEW_OUTLINES = 5  # with fewer outlines, other polarities or models are tried
# One model replaces another if it promises at least BETTER_TIMES as many right outlines, at least BETTER_MORE more, and
# at least the share LEAST_RIGHT_SHARE of its own outlines is right. On 6 of 8 STEM images the model `supported`
# replaces another, on none of 52 of EMPS.
BETTER_TIMES, BETTER_MORE, LEAST_RIGHT_SHARE = 2.0, 12.0, 0.55
# Where one model finds nothing that counts inside the frame, or only what is as large as a support (wider than
# WIDE_SHARE of the picture), FOUND_MORE right outlines more of another are enough, and FOUND_RIGHT_SHARE of them right,
# unless the picture clearly resembles the training images of the first one.
FOUND_MORE, FOUND_RIGHT_SHARE = 5.0, 0.5
# The other polarity is shown beside the chosen one if it promises at least BESIDE_TIMES as many right outlines, and at
# least BESIDE_MORE more. Of EMPS both polarities are tried on 13 micrographs (fewer than FEW_OUTLINES outlines inside
# the frame), and on none of them the other one is shown.
BESIDE_TIMES, BESIDE_MORE = 1.5, 3.0
LEAST_OTHER_CLARITY = 0.5  # relative clarity of the other polarity, from which it may show objects, too
# Outlines of compact particles; see `are_compact`. No drawn mat of fibres (68) has such outlines; the least elongation
# of ten or more outlines of a mat is 1.54, of a recognised mat 2.08.
FEWEST_COMPACT, LEAST_COMPACT_WORTH, MOST_COMPACT_ELONGATION, COMPACT_PX = 10, 0.3, 1.5, 10.0
# Outlines speak against the polarity if more than the share MOST_AGAINST of them are faint or gaps (`used["against"]`).
# The other polarity is then taken if it promises CLEARLY_MORE times as many right outlines and explains more of the
# picture. Beginning with the wrong polarity, this finds the right one on 47 of 55 pictures (composed beds and
# agglomerates, powder, as they are and inverted, TiO2) with clearly more right outlines in one polarity, and on 17 of
# 46 of EMPS. Beginning with the polarity that the search chooses, none of 109 pictures changes.
MOST_AGAINST, CLEARLY_MORE = 0.1, 1.1
MOST_REARRANGED = 8000  # outlines; of more it would take minutes and gigabytes (8,700 touching discs: 16 s, 1.4 GB)
SEPARATED = "touching particles separated more"  # the stored name of an alternative
SIZE_REASON = (
    "It stands for the smallest external dimension of a constituent particle, which 2022/C 229/01 asks for. In a"
    " projection it is also the width of an elongated particle; a flat plate shows its width, not its thickness."
)
METHOD = (
    "For each pixel a convolutional network predicted the probability that it belongs to a particle, and its"
    " relative distance from the particle's edge. Where the probability is above {threshold:.3g}, there is a {polarity}"
    " particle. Touching particles were separated by the distance. Sizes are those of outlines between the pixels."
)


class ParticleSettings(shared.ThresholdSettings):
    """How particles are found."""

    polarity: Literal["auto", "bright", "dark"] = shared.polarity_field("Particles")
    scale: float | None = shared.scale_field(
        " Try another value where particles break up or merge.", size="particles are about … px wide"
    )
    separation: Literal["auto", "more"] = Field(
        "auto",
        title="Touching particles",
        description=(
            "“more” separates touching particles at every probable cut. “Check” on the page of a result shows these"
            " cuts as dashed lines."
        ),
        json_schema_extra={
            "labels": {"auto": "as the image suggests", "more": "make the likely cuts"},
            "scripts": True,
        },
    )
    edge: Literal["auto", "outer", "inner"] = Field(
        "auto",
        title="Edge of particles with two",
        description=(
            "A core in a shell shows two edges, one around the other. “outer” and “inner” make all outlines of such a"
            " picture follow the same one."
        ),
        json_schema_extra={
            "labels": {"auto": "as each is seen", "outer": "the outer edge", "inner": "the inner edge"},
            "scripts": True,
        },
    )
    flips: bool = Field(
        False,
        title="All mirrored forms",
        description="The network analyses the image and three mirrored forms of it. This takes four times as long.",
        json_schema_extra={"group": "Rarely needed"},
    )


def channels(card: ModelCard) -> Channels:
    """Foreground, inner distance and, if the network predicts it, the contacts of particles."""
    maps = tuple(card.maps) or MAPS
    if maps not in (MAPS, (*MAPS, "touching")):
        raise ValueError(f"maps is {', '.join(MAPS)} and perhaps touching, or left out.")
    return Channels(maps)


def scale(predict: Predict, card: ModelCard, picture: NDArray[np.float32], settings: ParticleSettings) -> View:
    """The polarity in which particles are clearest, and the scale at which they have the model's best size."""
    from ..labels.particles.confidence import clarity

    options = ParticleOptions.of(card)
    threshold = options.search_threshold or card.threshold
    polarity: Polarity | None = None if settings.polarity == "auto" else settings.polarity
    view = find_view(
        predict,
        lambda maps: clarity(maps, threshold, options.seed_threshold),
        card,
        picture,
        diameter=options.diameter,
        polarity=polarity,
        scale=settings.scale,
        coarsest=options.coarsest,
    )
    return replace(view, second_scale=options.second_scale)


def facts(card: ModelCard) -> list[tuple[str, str]]:
    """Terms and sentences for the page of a model: its threshold, its best size, and the sizes that it learnt from."""
    options = ParticleOptions.of(card)
    again = f", and shown a second time {options.second_scale:g} times as large" if options.second_scale > 1 else ""
    return [
        ("Threshold", f"{card.threshold:g}"),
        ("Working size", f"particles of about {options.diameter:g} px; images are resampled to that{again}"),
        ("Taught on", f"particles of {card.smallest:g} to {card.largest:g} px at that size"),
    ]


def outlines_under(
    step: float,
    maps: Maps,
    grey: NDArray[np.uint8],
    view: View,
    card: ModelCard,
    settings: ParticleSettings,
    *,
    twice: bool = False,
) -> list[Outlines]:
    """The outlines under the threshold plus `step`, along the edge that the settings choose. twice: whether a second
    version, with all probable cuts made, follows them; only models that merge regions have it."""
    from ..labels.particles.concentric import redrawn_along_edge
    from ..labels.particles.outline import outline, outline_twice
    from ..network.runtime import give_freed_memory_back

    if maps[0].size > LARGE_PX:
        give_freed_memory_back()  # for an image of 67 megapixels a gigabyte
    options = ParticleOptions.of(card)
    inputs = maps, grey, view.scale, threshold_of(card, settings) + step, options
    versions = [*outline_twice(*inputs)] if twice and options.region_merging else [outline(*inputs)]
    if settings.edge == "auto":
        return versions
    return [outlines.redrawn(redrawn_along_edge(grey, outlines.labels, settings.edge)) for outlines in versions]


def threshold_of(card: ModelCard, settings: ParticleSettings) -> float:
    """The threshold of the settings, or else of the model."""
    return card.threshold if settings.threshold is None else settings.threshold


def decode(maps: Maps, grey: NDArray[np.uint8], view: View, card: ModelCard, settings: ParticleSettings) -> Decoded:
    """The outlines, and as an alternative (SEPARATED) those with all probable cuts made; if the settings ask for
    separation, the latter are the outlines.

    Stored in `used`, beside the values of `Outlines`: "worth": how well the outlines explain the picture, times their
    mean confidence; "inside": the number of outlines inside the frame that are not faint; "promised": the sum of their
    probabilities; "wide": whether all of them are as wide as a support, or there are none; "against": the share of
    outlines that are faint or gaps, or 1 if most of the outlined area has the contrast of the other polarity.
    """
    from ..labels.particles.contrast import contrasts, explained_contrast
    from ..labels.particles.outline import select_outlines

    options = ParticleOptions.of(card)
    outlines, *separated = outlines_under(0.0, maps, grey, view, card, settings, twice=True)
    if settings.separation == "more" and separated:
        outlines = separated.pop()
    areas = np.bincount(outlines.labels.ravel(), minlength=len(outlines.confidence) + 1)[1:]
    # Outlines of noise explain nothing.
    is_probable = outlines.expected >= options.noise or are_many_sure(outlines.confidence)
    mean_confidence = float(np.average(outlines.confidence, weights=areas)) if len(areas) and is_probable else 0.0
    contrasts_of = contrasts(grey, outlines.labels)
    is_faint = contrasts_of.faint(options.faint)
    labels, probabilities = select_outlines(outlines, ~is_faint)
    frame = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    is_inside = ~np.isin(np.arange(1, len(probabilities) + 1), frame)
    used: dict[str, Any] = {
        "threshold": threshold_of(card, settings),
        "expected": outlines.expected,
        "dropped": outlines.dropped,
        "worth": round(mean_confidence * explained_contrast(grey, outlines.labels), 4),
        "inside": int(is_inside.sum()),
        "promised": round(float(probabilities[is_inside].sum()), 2),
        "wide": bool(np.all(np.sqrt(areas[~is_faint][is_inside] * 4 / np.pi) > WIDE_SHARE * min(labels.shape))),
        "against": 1.0 if contrasts_of.dark else round(float(is_faint.mean()), 4) if len(is_faint) else 0.0,
    }
    classes = np.zeros(len(outlines.confidence), np.int32)
    alternatives = {SEPARATED: separated[0].labels} if separated else {}
    return Decoded(outlines.labels, outlines.confidence, classes, used, alternatives, cuts=outlines.cuts)


def are_compact(decoded: Decoded) -> bool:
    """Whether the outlines are those of compact particles, and explain the picture (`Task.compact`)."""
    from ..labels.fibres import areas_and_radii, elongation

    if len(decoded.confidence) < FEWEST_COMPACT or decoded.used["worth"] < LEAST_COMPACT_WORTH:
        return False
    # Every so many pixels are enough for the shapes of larger outlines.
    step = max(1, int(np.sqrt(np.median(np.bincount(decoded.labels.ravel())[1:])) / COMPACT_PX))
    return elongation(*areas_and_radii(decoded.labels[::step, ::step])) <= MOST_COMPACT_ELONGATION


def rearranged(
    labels: NDArray[np.int32], grey: NDArray[np.uint8], view: View
) -> tuple[NDArray[np.int32], NDArray[np.int64], dict[str, Any]]:
    """The outlines, parted or joined where dark particles lie on each other (`Task.rearranged`)."""
    from ..measure.outlines.overlaps import resolved

    count = int(labels.max(initial=0))
    if view.polarity != "dark" or count > MOST_REARRANGED:
        return labels, np.arange(1, count + 1), {"overlaps": {"unseen": count}} if view.polarity == "dark" else {}
    arrangement = resolved(labels, 255 - grey)
    return (
        arrangement.labels,
        arrangement.source,
        {"overlaps": arrangement.counts} if any(arrangement.counts.values()) else {},
    )


def further(
    labels: NDArray[np.int32],
    maps: Maps,
    grey: NDArray[np.uint8],
    view: View,
    card: ModelCard,
    settings: ParticleSettings,
) -> tuple[dict[str, NDArray[np.int32]], dict[str, Any], dict[str, NDArray[np.uint8]]]:
    """What is added to the chosen outlines (`Task.further`): outlines under a lower and a higher threshold, which show
    how much the numbers depend on it; the concentric edges of the picture; a map of its edges, for later splits; and
    where the edge of each outline lies between the pixels."""
    from ..labels.corrections.edges import EDGES, edge_map
    from ..labels.particles.concentric import concentric_edges
    from ..measure.outlines.contours import EDGE_SHIFTS
    from ..measure.outlines.edges import edge_shifts

    threshold = threshold_of(card, settings)
    steps = [step for step in (-THRESHOLD_STEP, THRESHOLD_STEP) if 0 < threshold + step < 1]
    # Two threads, because much of the work runs without Python's lock; for a large image one, to save memory.
    with ThreadPoolExecutor(2 if maps[0].size <= LARGE_PX else 1) as pool:
        others = pool.map(lambda step: outlines_under(step, maps, grey, view, card, settings)[0].labels, steps)
        alternatives = {f"threshold {step:+.1f}": other for step, other in zip(steps, others, strict=True)}
    edges = concentric_edges(grey, labels)
    shifts = edge_shifts(labels, maps[0], threshold, grey)
    more_maps = {EDGES: edge_map(grey, maps[0]), EDGE_SHIFTS: shifts}
    return alternatives, {"concentric": edges} if edges else {}, more_maps


def first_look(
    maps: Maps, grey: NDArray[np.uint8], view: View, card: ModelCard, settings: ParticleSettings
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The outlines that `decode` would give, and their probabilities."""
    is_twice = settings.separation == "more"
    outlines = outlines_under(0.0, maps, grey, view, card, settings, twice=is_twice)[-1]
    return outlines.labels, outlines.confidence


def measure(
    segmentation: Segmentation, micrograph: Micrograph, settings: MeasurementSettings, calibration: Calibration
) -> Measured:
    """The sizes and shapes of the particles, which of them count, and their statistics with uncertainties."""
    from ..measure.review.possible_pieces import possible_pieces
    from ..measure.shape.shape_classes import with_shapes
    from ..measure.statistics import other_measurand, summarise

    judge, labels, ids = Judge(segmentation, micrograph, settings, calibration), segmentation.labels, segmentation.ids
    outlines = with_shapes(judge.sizes, labels, ids, judge.outlines)
    cuts = () if judge.is_withheld else segmentation.cuts
    divided = possible_pieces(labels, cuts, segmentation.by_hand | segmentation.set_aside.keys(), ids)
    if cuts:
        outlines = outlines.with_measures(chance=divided.probabilities()[: len(outlines)])
    seen = Tables("seen", outlines, judge.pieces(divided), judge.alternatives())
    with_hidden = replace(seen, counted="all")
    requested, other = (with_hidden, seen) if settings.measurand == "all" else (seen, with_hidden)
    counted = requested.outlines.with_ids(segmentation.ids)
    statistics = replace(
        summarise(counted, conditions_of(judge, requested, divided)),
        other=None if judge.is_withheld else other_measurand(other.outlines, conditions_of(judge, other, divided)),
        pieces=with_hidden.stored_pieces(),
    )
    if several_share(segmentation) > MANY_SEVERAL:
        statistics = statistics.without_largest()
    has_numbers = bool(len(segmentation)) and not judge.is_withheld  # without numbers there is no count, either
    quantities = {name: statistics.value(name) if has_numbers else Value(None) for name in TASK.quantities}
    flags = population_notes(counted, settings, TASK.things)
    return Measured(counted, statistics, quantities, tuple(flags) if has_numbers else ())


def other_settings(segmentation: Segmentation, settings: ParticleSettings) -> Iterator[dict[str, Any]]:
    """Settings that are worth a try, each for another candidate.

    If the outlines do not explain the picture: the other polarity, half and twice the working scale, and the finest
    scale that LARGEST_PX allows. If they explain it, but speak against the polarity, or hardly any lies inside the
    frame (as at the edge of a hole): the other polarity only.

    On 52 held-out micrographs of EMPS with noise of 30 and 40 grey levels this raises the mean F1 from 0.881 to 0.907
    and from 0.808 to 0.862. Without noise 13 of these have hardly any outline inside; none changes its polarity.
    """
    used, options = segmentation.used, segmentation.provenance.card.get("options", {})
    explains = (
        bool(len(segmentation))
        and used.get("worth", 1.0) >= LEAST_WORTH
        and used.get("expected", 1.0) >= LEAST_EXPECTED
    )
    has_few = used.get("other_polarity", 0.0) >= LEAST_OTHER_CLARITY and used["inside"] < FEW_OUTLINES
    speak_against = used.get("against", 0.0) > MOST_AGAINST
    if options.get("noise") == 0:  # models for particles with hardly any contrast, whose outlines explain no picture
        return
    if settings.polarity == "auto" and (has_few or speak_against or not explains):
        yield {"polarity": "bright" if used["polarity"] == "dark" else "dark"}
    if settings.scale is None and not explains:
        least = SCALE_LIMITS[0]
        greatest = min(1.0, float(np.sqrt(LARGEST_PX / (segmentation.rows * segmentation.labels.shape[1]))))
        finer = {min(2 * used["scale"], greatest), greatest} if used["scale"] < greatest else set()
        for scale in sorted({max(used["scale"] / 2, least), *finer}):
            yield {"polarity": used["polarity"], "scale": scale}


def is_unsure(segmentation: Segmentation) -> bool:
    """Whether another model may do better: few outlines, many dropped ones, many that are probably wrong, or nothing
    but supports."""
    count, used = len(segmentation), segmentation.used
    is_doubtful = used.get("dropped", 0) >= count or used.get("expected", 1.0) < LEAST_EXPECTED
    return count < FEW_OUTLINES or is_doubtful or finds_nothing(segmentation)


def finds_nothing(segmentation: Segmentation) -> bool:
    """Whether no outline would count inside the frame, or only what is as large as a support."""
    return bool(segmentation.used.get("wide")) or segmentation.used.get("expected", 1.0) < LEAST_COUNTED


def is_better(
    one: Segmentation,
    other: Segmentation,
    times: float = BETTER_TIMES,
    more: float = BETTER_MORE,
    least: float = LEAST_RIGHT_SHARE,
) -> bool:
    """Whether one segmentation promises clearly more right outlines than another, and the share `least` of its own are
    right. Only outlines inside the frame that are not faint are compared. times, more: as BETTER_TIMES and BETTER_MORE.
    """
    promised, other_promised = (outlines.used["promised"] for outlines in (one, other))
    right_share = promised / max(one.used["inside"], 1)
    return bool(promised >= max(times * other_promised, other_promised + more) and right_share >= least)


def finds_instead(one: Segmentation, other: Segmentation) -> bool:
    """Whether one segmentation finds particles where another one found nothing, or supports."""
    is_found = finds_nothing(other) and not one.used.get("wide")
    return is_found and is_better(one, other, more=FOUND_MORE, least=FOUND_RIGHT_SHARE)


def shows_more(
    candidate: Segmentation, best: Segmentation, times: float = BETTER_TIMES, more: float = BETTER_MORE
) -> bool:
    """Whether a candidate of the other polarity replaces the best one so far.

    If the outlines of the best one speak against its polarity, the candidate must promise more right outlines and
    explain more of the picture. If the best one has hardly any outline inside the frame (as at the edge of a hole), the
    candidate must be better (`is_better`, which also explains times and more).
    """
    if candidate.used["polarity"] == best.used["polarity"]:
        return False
    speak_against = best.used.get("against", 0.0) > MOST_AGAINST
    promises_more = candidate.used["promised"] > CLEARLY_MORE * best.used["promised"]
    if speak_against and promises_more and candidate.used["worth"] > best.used["worth"]:
        return True
    return bool(best.used["inside"] < FEW_OUTLINES and is_better(candidate, best, times, more))


def golden() -> Golden:
    """The drawn test case of this kind: nine discs of 24 px; two touch."""
    rows, columns = np.mgrid[:160, :160]
    distance = np.zeros((160, 160))
    centres = ((30, 30), (30, 80), (30, 130), (80, 30), (80, 80), (80, 104), (130, 30), (130, 80), (130, 130))
    for row, column in centres:
        distance = np.maximum(distance, 1 - np.hypot(rows - row, columns - column) / 12)
    inside = distance > 0
    maps = np.stack([np.where(inside, 255, 0), np.round(np.clip(distance, 0, 1) * 255)]).astype(np.uint8)
    answers: dict[str, Any] = {"median": 24.0}
    return Golden(np.where(inside, 200, 60).astype(np.uint8), maps, count=9, answers=answers, tolerance=0.06)


TASK = Task(
    name="particles",
    title="Particles",
    summary="Outlines every particle, measures its size and shape, and says which outlines may be wrong.",
    thing="particle",
    things="particles",
    class_names=("particle",),
    settings=ParticleSettings,
    options=ParticleOptions,
    channels=channels,
    scale=scale,
    decode=decode,
    measure=measure,
    quantities=(
        *("n_kept", "median", "mean", "sd", "d10", "d90", "fraction_100nm"),
        *("fraction_100nm_with_doubtful", "fraction_100nm_without_doubtful", "ecd_median"),
    ),
    panels=("image", "segmentation", "doubts", "histogram"),
    screened=True,
    granulometry=Granulometry(SIZE_REASON),
    golden=golden,
    method=METHOD,
    table="particles",
    size="min_feret",
    pool_fields=None,
    first_look=first_look,
    rearranged=rearranged,
    further=further,
    unsure=is_unsure,
    better=is_better,
    finds_instead=finds_instead,
    replaces=shows_more,
    is_beside=partial(shows_more, times=BESIDE_TIMES, more=BESIDE_MORE),
    other_settings=other_settings,
    facts=facts,
    composable=True,
    compact=are_compact,
)
