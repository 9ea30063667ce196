"""Particles: a foreground and an inner distance become outlines, sizes and reasons to doubt."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..labels.options import MOSTLY, ParticleOptions
from ..measure.filters import corrected, set_aside
from ..measure.quantities import Value
from ..micrograph.types import Calibration, Micrograph, Polarity
from ..network.scale_search import LIMITS, View, search
from ..settings import MeasurementSettings
from . import shared
from .base import Channels, Decoded, Golden, Granulometry, Maps, Measured, Predict, Task
from .judgement import are_many_sure
from .particle_evidence import Tables, conditions
from .particle_judge import Judge

if TYPE_CHECKING:
    from ..labels.outline import Outlines
    from ..labels.segmentation import Segmentation
    from ..network.cards import ModelCard

MAPS = ("foreground", "inner_distance")
Floats = NDArray[np.float64] | NDArray[np.float32]
SHORT_OF_MEMORY = 2**24  # px above which memory is short: outlines under two thresholds are found one after the other
THRESHOLD_STEP = 0.1  # change of the threshold that shows how much the numbers depend on it
WORTHY = 0.1  # share of the contrast that outlines explain; a candidate with less is compared with others
LARGEST = 2**21  # px at which candidates at a finer scale stop
HARDLY = 5  # fewer outlines than these hardly show what the model can
# One model takes another's place where it promises so many times the right outlines, so many more, and such a share of
# its own is right. That holds for `supported` on 6 of 8 STEM images, and on none of 52 of EMPS.
TIMES, MORE, RIGHT = 2.0, 12.0, 0.55
# The other polarity is shown beside the one that counts where it promises so many times as many, and so many more: on
# none of the 13 micrographs of EMPS on which both are looked at, because fewer than HARDLY lie inside the frame.
BESIDE_TIMES, BESIDE_MORE = 1.5, 3.0
SEEN = 0.5  # share of the clarity, from which on the other polarity shows something, too
# Share of the outlines that have hardly any contrast or that of a gap (1 where most of the outlined area has the
# contrast of the other polarity), above which they speak against the polarity. The other one is then taken where it
# promises so many times as many right outlines, and explains more. From the wrong polarity this leads to the right one
# on 47 of 55 pictures (composed beds and agglomerates, powder, as they are and inverted, TiO2) with clearly more right
# outlines in one, and on 17 of 46 of EMPS; of 109 as they are read otherwise none changes.
AGAINST, CLEARLY_MORE = 0.1, 1.1
SEPARATED = "touching particles separated more"
WHY = (
    "It stands for the smallest external dimension of a constituent particle, which 2022/C 229/01 asks for. In a"
    " projection it is also the width of an elongated particle; a flat plate shows its width, not its thickness."
)
METHOD = (
    "For each pixel a convolutional network predicted the probability that it belongs to a particle, and its"
    " relative distance from the particle's edge. Where the probability is above {threshold:.3g}, there is a {polarity}"
    " particle. Touching particles were separated by the distance."
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
    """Polarity and scale at which the particles are clearest and of the size that the model likes best."""
    from ..labels.confidence import clarity

    options = ParticleOptions.of(card)
    threshold = options.search_threshold or card.threshold
    polarity: Polarity | None = None if settings.polarity == "auto" else settings.polarity
    view = search(
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
    """Threshold and sizes at which the model works and was taught."""
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
    """The outlines under the threshold plus a step, along the edge that was asked for; twice: and those with more cuts,
    where the model merges regions."""
    from ..labels.concentric import along_edge
    from ..labels.outline import outline, outline_twice
    from ..network.runtime import give_freed_memory_back

    if maps[0].size > SHORT_OF_MEMORY:  # a gigabyte of 67 megapixels
        give_freed_memory_back()
    options = ParticleOptions.of(card)
    inputs = maps, grey, view.scale, threshold_of(card, settings) + step, options
    every = [*outline_twice(*inputs)] if twice and options.region_merging else [outline(*inputs)]
    if settings.edge == "auto":
        return every
    return [each.redrawn(along_edge(grey, each.labels, settings.edge)) for each in every]


def threshold_of(card: ModelCard, settings: ParticleSettings) -> float:
    return card.threshold if settings.threshold is None else settings.threshold


def decode(maps: Maps, grey: NDArray[np.uint8], view: View, card: ModelCard, settings: ParticleSettings) -> Decoded:
    """The outlines under the threshold, and as an alternative those with more cuts; where these were asked for, they
    are the outlines."""
    from ..labels.contrast import contrasts, explained_contrast
    from ..labels.outline import selected

    options = ParticleOptions.of(card)
    usual, *separated = outlines_under(0.0, maps, grey, view, card, settings, twice=True)
    if settings.separation == "more" and separated:
        usual = separated.pop()
    areas = np.bincount(usual.labels.ravel(), minlength=len(usual.confidence) + 1)[1:]
    # Outlines of noise explain nothing.
    probable = usual.expected >= options.noise or are_many_sure(usual.confidence)
    believed = float(np.average(usual.confidence, weights=areas)) if len(areas) and probable else 0.0
    stand_out = contrasts(grey, usual.labels)
    faint = stand_out.faint(options.faint)
    labels, probabilities = selected(usual, ~faint)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    inside = ~np.isin(np.arange(1, len(probabilities) + 1), edge)
    used: dict[str, Any] = {
        "threshold": threshold_of(card, settings),
        "expected": usual.expected,
        "dropped": usual.dropped,
        "worth": round(believed * explained_contrast(grey, usual.labels), 4),
        "inside": int(inside.sum()),
        "promised": round(float(probabilities[inside].sum()), 2),  # of these to be right
        "against": 1.0 if stand_out.dark else round(float(faint.mean()), 4) if len(faint) else 0.0,
    }
    classes = np.zeros(len(usual.confidence), np.int32)
    alternatives = {SEPARATED: separated[0].labels} if separated else {}
    return Decoded(usual.labels, usual.confidence, classes, used, alternatives, cuts=usual.cuts)


def further(
    labels: NDArray[np.int32],
    maps: Maps,
    grey: NDArray[np.uint8],
    view: View,
    card: ModelCard,
    settings: ParticleSettings,
) -> tuple[dict[str, NDArray[np.int32]], dict[str, Any], dict[str, NDArray[np.uint8]]]:
    """The outlines under thresholds beside the usual one, which show how much the numbers depend on it; what the
    picture shows of concentric edges; and its edges as a map, for later splits."""
    from ..labels.concentric import concentric
    from ..labels.edges import EDGES, edge_map

    threshold = threshold_of(card, settings)
    steps = [step for step in (-THRESHOLD_STEP, THRESHOLD_STEP) if 0 < threshold + step < 1]
    # Much of the work runs without Python's lock; of a large image's two, one at a time fits into memory.
    with ThreadPoolExecutor(2 if maps[0].size <= SHORT_OF_MEMORY else 1) as pool:
        others = pool.map(lambda step: outlines_under(step, maps, grey, view, card, settings)[0].labels, steps)
        alternatives = {f"threshold {step:+.1f}": other for step, other in zip(steps, others, strict=True)}
    edges = concentric(grey, labels)
    return alternatives, {"concentric": edges} if edges else {}, {EDGES: edge_map(grey, maps[0])}


def first_look(
    maps: Maps, grey: NDArray[np.uint8], view: View, card: ModelCard, settings: ParticleSettings
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The outlines of `decode` and their probabilities."""
    is_twice = settings.separation == "more"
    outlines = outlines_under(0.0, maps, grey, view, card, settings, twice=is_twice)[-1]
    return outlines.labels, outlines.confidence


def measure(
    segmentation: Segmentation, micrograph: Micrograph, settings: MeasurementSettings, calibration: Calibration
) -> Measured:
    """Sizes and shapes of the particles, their statistics, and how much these depend on the settings."""
    from ..measure.possible import possible_pieces
    from ..measure.shape_classes import with_shapes
    from ..measure.statistics import other_question, summarise

    judge, labels, ids = Judge(segmentation, micrograph, settings, calibration), segmentation.labels, segmentation.ids
    # Set aside anew, as the decisions of a person go before the filter.
    judged = corrected(judge.measured(labels, judge.signals, ids=ids), segmentation, settings.faint_limit)
    outlines = set_aside(judged, settings.filter)
    outlines = with_shapes(outlines, labels, ids)
    cuts = () if judge.is_withheld else segmentation.cuts
    divided = possible_pieces(labels, cuts, segmentation.by_hand | segmentation.set_aside.keys(), ids)
    if cuts:
        outlines = outlines.with_measures(chance=divided.probabilities()[: len(outlines)])
    seen = Tables("seen", outlines, judge.pieces(divided), judge.alternatives(outlines))
    every = replace(seen, counted="all")
    asked_for, other_choice = (every, seen) if settings.measurand == "all" else (seen, every)
    counted = asked_for.outlines.identified(segmentation.ids)
    statistics = replace(
        summarise(counted, conditions(judge, asked_for, divided)),
        other=None
        if judge.is_withheld
        else other_question(other_choice.outlines, conditions(judge, other_choice, divided)),
        pieces=every.stored_pieces(),
    )
    # A picture without numbers, or without outlines, has no count either.
    none = Value(None) if judge.is_withheld or not len(segmentation) else None
    quantities = {name: none or statistics.value(name) for name in TASK.quantities}
    return Measured(counted, statistics, quantities)


def other_settings(segmentation: Segmentation, settings: ParticleSettings) -> Iterator[dict[str, Any]]:
    """Settings of further candidates of a picture whose outlines do not explain it: the other polarity, half and twice
    the working scale, and the finest that LARGEST allows. Where the outlines speak against the polarity, or hardly any
    counts that lies inside the frame, such as at the edge of a hole, only the other polarity.

    On 52 held-out micrographs of EMPS with noise of 30 and 40 grey levels this raises the mean F1 from 0.881 to 0.907
    and from 0.808 to 0.862. Hardly any lies inside in 13 of these without noise: none changes its polarity.
    """
    used, options = segmentation.used, segmentation.provenance.card.get("options", {})
    explains = bool(len(segmentation)) and used.get("worth", 1.0) >= WORTHY and used.get("expected", 1.0) >= MOSTLY
    has_few = used.get("other_polarity", 0.0) >= SEEN and used["inside"] < HARDLY
    speak_against = used.get("against", 0.0) > AGAINST
    if options.get("noise") == 0:  # of particles that hardly stand out no outlines explain the picture
        return
    if settings.polarity == "auto" and (has_few or speak_against or not explains):
        yield {"polarity": "bright" if used["polarity"] == "dark" else "dark"}
    if settings.scale is None and not explains:
        least, greatest = (
            LIMITS[0],
            min(1.0, float(np.sqrt(LARGEST / (segmentation.rows * segmentation.labels.shape[1])))),
        )
        finer = {min(2 * used["scale"], greatest), greatest} if used["scale"] < greatest else set()
        for scale in sorted({max(used["scale"] / 2, least), *finer}):
            yield {"polarity": used["polarity"], "scale": scale}


def is_unsure(segmentation: Segmentation) -> bool:
    """Whether so little was found, or so much of it dropped, that another model may do better."""
    count, used = len(segmentation), segmentation.used
    return count < HARDLY or used.get("dropped", 0) >= count or used.get("expected", 1.0) < MOSTLY


def is_better(one: Segmentation, other: Segmentation, times: float = TIMES, more: float = MORE) -> bool:
    """Whether one segmentation promises clearly more right outlines than another, most of its own being right: of those
    that count and lie inside the frame. times, more: as TIMES and MORE."""
    promised, elsewhere = (outlines.used["promised"] for outlines in (one, other))
    right = promised / max(one.used["inside"], 1)
    return bool(promised >= max(times * elsewhere, elsewhere + more) and right >= RIGHT)


def shows_more(candidate: Segmentation, best: Segmentation, times: float = TIMES, more: float = MORE) -> bool:
    """Whether a candidate of the other polarity replaces the best. Where hardly any outline of the best counts inside
    the frame, such as at the edge of a hole, it must be better (`is_better`). Where the outlines of the best speak
    against its polarity, it must promise more right ones and explain more of the picture. times, more: see there."""
    if candidate.used["polarity"] == best.used["polarity"]:
        return False
    speak_against = best.used.get("against", 0.0) > AGAINST
    promises_more = candidate.used["promised"] > CLEARLY_MORE * best.used["promised"]
    if speak_against and promises_more and candidate.used["worth"] > best.used["worth"]:
        return True
    return bool(best.used["inside"] < HARDLY and is_better(candidate, best, times, more))


def golden() -> Golden:
    """Nine discs of 24 px; two touch."""
    rows, columns = np.mgrid[:160, :160]
    distance = np.zeros((160, 160))
    for at in ((30, 30), (30, 80), (30, 130), (80, 30), (80, 80), (80, 104), (130, 30), (130, 80), (130, 130)):
        distance = np.maximum(distance, 1 - np.hypot(rows - at[0], columns - at[1]) / 12)
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
    granulometry=Granulometry(WHY),
    golden=golden,
    method=METHOD,
    table="particles",
    size="min_feret",
    pool_fields=None,
    first_look=first_look,
    further=further,
    unsure=is_unsure,
    better=is_better,
    replaces=shows_more,
    is_beside=partial(shows_more, times=BESIDE_TIMES, more=BESIDE_MORE),
    other_settings=other_settings,
    facts=facts,
    composable=True,
)
