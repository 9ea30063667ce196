"""Fibres: a foreground and an inner distance become fibres, their diameters and lengths, and numbers of the mat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..flags import NO_FIBRES, Flag
from ..measure.filters import Reason
from ..measure.pooled_fields import FieldOfView, by_area, pooled_mean
from ..measure.quantities import Value, registered
from ..measure.regions import CountedArea
from ..micrograph.contrast import clip_outliers
from ..micrograph.types import Calibration, Micrograph, Polarity
from ..network.cards import ModelCard
from ..network.likeness import relative_distance
from ..network.resample import middle, resize
from ..network.scale_search import View, as_shown, search, with_bright_objects
from ..settings import MeasurementSettings
from . import shared
from .base import Channels, Decoded, Golden, Granulometry, Maps, Measured, Predict, Task
from .judgement import withheld

if TYPE_CHECKING:
    from ..labels.segmentation import Segmentation
    from ..measure.fibres import FibreMeasures
    from ..measure.table import Table

MAPS = Channels(("foreground", "inner_distance"))
WORKING = 16.0  # px, the width to which fibres are brought that are too wide for the network
# What a picture of fibres has at least: share of the image and of what is outlined, areas of objects over those of the
# largest circles in them, and mean length over the side of the image. Rods and the needles of steel are shorter.
COVER, MOST, LONG, FAR = 0.02, 0.6, 7.0, 0.3
# A picture of another kind is looked at in its middle, reduced to so many px, if a smaller copy is as clear as fibres
# are: of 76 mats that are recognised the least clear one has 0.713, and of 146 other pictures 75 have less than CLEAR.
# 133 of 140 mats of 1024 px are recognised, and none of 280 other pictures.
MIDDLE, REDUCED, GLANCE, CLEAR = 1024, 640, 256, 0.7
SEVERAL = 3  # such long ones; two may be scratches
# Needles that cross are fibres however short: of nearly all that is outlined, this share of it crosses.
NEARLY_ALL, CROSSING = 0.9, 0.25
WIDEST_SEEN = 36.0  # px; only wider fibres are resampled
COVERED = 3.0  # typical widths under which what has no end in view is the rest of a covered fibre
THINNEST = 3.0  # px of a label under which no diameter is given
FINE = 10.0  # px, from which on the bias is within 3 % with both renderers (docs/method/fibres.md)
METHOD = (
    "For each pixel a convolutional network predicted the probability of a fibre, and the relative distance from its"
    " edge. The middle lines of the pieces with a probability of at least {threshold:.3g} were followed through"
    " crossings by direction and width. The diameter of each fibre comes from a model of the grey values across it."
)


class FibreSettings(shared.ThresholdSettings):
    """How fibres are found."""

    polarity: Literal["auto", "bright", "dark"] = shared.polarity_field("Fibres")
    scale: float | None = shared.scale_field()


def scale(predict: Predict, card: ModelCard, picture: NDArray[np.float32], settings: FibreSettings) -> View:
    """The polarity in which fibres are clearest. They are reduced where they are very wide, and never enlarged."""
    from ..labels.fibres import clarity

    polarity: Polarity | None = None if settings.polarity == "auto" else settings.polarity
    view = search(
        predict,
        lambda maps: clarity(maps, card.threshold),
        card,
        picture,
        diameter=WORKING,
        polarity=polarity,
        scale=settings.scale,
    )
    view = replace(view, clarity=1.0)  # it compares polarities, and says nothing of the fibres
    is_seen_well = WORKING / view.scale <= WIDEST_SEEN
    return replace(view, scale=1.0) if settings.scale is None and is_seen_well else view


def plausible(decoded: Decoded) -> bool:
    """Whether fibres are most of what was outlined, and enough of the image, and either long or straight and crossing.

    Of 366 micrographs of EMPS the fibres of one are long, and those of one other, of crossing rods, cross."""
    from scipy import ndimage

    from ..labels.fibres import areas_and_radii, elongation

    labels, is_fibre = decoded.labels, np.append(False, decoded.classes == 0)[decoded.labels]
    outlined, covered = np.count_nonzero(labels), np.count_nonzero(is_fibre)
    if not outlined or covered < max(COVER * labels.size, MOST * outlined):
        return False
    lowest = ndimage.minimum_filter(np.where(labels > 0, labels, labels.max()), 3)
    is_apart = ndimage.maximum_filter(labels, 3) == lowest  # else a crossing is a wide place
    areas, radii = areas_and_radii(labels * (is_fibre & is_apart))
    if not len(areas):
        return False
    lengths, far = areas / (2 * radii), FAR * labels.size**0.5
    if elongation(areas, radii) < LONG:
        return False
    is_far = np.average(lengths, weights=areas) >= far and int(np.count_nonzero(lengths >= far)) >= SEVERAL
    return bool(is_far or (covered >= NEARLY_ALL * outlined and crossing_share(decoded)))


def crossing_share(decoded: Decoded) -> float:
    """The share of what is outlined as fibres that are straight and cross each other; 0 where these are few."""
    from ..labels.fibres import crossing

    crosses = crossing(decoded.labels, decoded.classes)
    areas = np.bincount(decoded.labels.ravel(), minlength=len(crosses) + 1)[1:]
    share = float(areas[crosses].sum() / max(areas[decoded.classes == 0].sum(), 1))
    return round(share, 2) if crosses.sum() >= SEVERAL and share >= CROSSING else 0.0


def recognised(predict: Predict, card: ModelCard, picture: NDArray[np.float32]) -> dict[str, Any]:
    """What the middle of a picture shows of fibres, {} where it shows none: that they are recognised, and which share
    of them are straight and cross, if many do. The picture is not resampled to find a better scale."""
    from ..labels.fibres import clarity

    window = np.ascontiguousarray(picture[middle(picture.shape, MIDDLE)])
    window, small = (resize(window, min(1.0, side / max(window.shape))) for side in (REDUCED, GLANCE))
    clear = [clarity(predict(with_bright_objects(small, way)), card.threshold)[0] for way in get_args(Polarity)]
    if max(clear) < CLEAR:
        return {}
    polarity = get_args(Polarity)[int(np.argmax(clear))]
    maps, grey = predict(with_bright_objects(window, polarity)), as_shown(window, polarity)
    decoded = decode(maps, grey, View(polarity), card, FibreSettings(model=card.name))
    if not plausible(decoded):
        return {}
    return {"recognised": True, **({"crossing": share} if (share := crossing_share(decoded)) else {})}


def decode(maps: Maps, grey: NDArray[np.uint8], view: View, card: ModelCard, settings: FibreSettings) -> Decoded:
    """Fibres and short objects (H, W) of the maps; the chance of an outline is not known."""
    from ..labels.fibres import find_fibres

    threshold = card.threshold if settings.threshold is None else settings.threshold
    labels, classes = find_fibres(maps, threshold)
    record: dict[str, Any] = {
        "threshold": threshold,
        "certainty": round(shared.certainty(maps[0], threshold), 4),
        "unlike": relative_distance(grey, 1.0, card),
    }
    return Decoded(labels, np.full(len(classes), np.nan, np.float32), classes, record)


def measure(
    segmentation: Segmentation, micrograph: Micrograph, settings: MeasurementSettings, calibration: Calibration
) -> Measured:
    """Table, statistics and numbers of fibres; no numbers where no fibre counts, or the picture is of another kind."""
    from ..labels.contrast import contrasts
    from ..labels.separate import areas_of
    from ..measure import fibres
    from ..measure.budget import Conditions
    from ..measure.mats import numbers_of
    from ..measure.statistics import seed_of, summarise

    rows, dense = segmentation.rows, segmentation.dense[: segmentation.rows]
    grey = as_shown(clip_outliers(micrograph.pixels[:rows]), "bright")
    measures = fibres.measure_fibres(dense, grey)
    contrast = np.abs(contrasts(grey, dense, shared.erased(segmentation)).relative)
    weights = areas_of(dense, len(contrast))[1:] * contrast  # most of what was outlined may be ground
    typical = float(np.nansum(weights * contrast)) / max(float(np.nansum(weights)), 1e-9)
    is_faint = contrast < shared.faint_limit(segmentation, settings) * typical
    table = table_of(segmentation, micrograph, settings, calibration, measures, is_faint)
    if nothing := shared.withheld_result(micrograph, segmentation, table, TASK, settings):
        return nothing
    if not table.kept.any():
        return Measured(table, None, dict.fromkeys(TASK.quantities, Value(None)), tuple(doubts(segmentation, table)))
    seed = seed_of(micrograph.sha256)
    sizes = summarise(table, Conditions(size=TASK.size, screened=False, calibration=calibration, seed=seed))
    covering = np.append(False, table.reasons != str(Reason.FAINT))[dense] * dense
    numbers = {
        "fibres": Value(float(table.kept.sum())),
        "fibre_diameter_mean": sizes.value("mean"),
        "fibre_diameter_median": sizes.value("median"),
        **numbers_of(table, measures, covering, calibration, seed, CountedArea.of(settings.ignore, *dense.shape)),
        "short_objects": Value(float((table.reasons == str(Reason.SHORT)).sum())),
    }
    return Measured(table, sizes, {name: numbers[name] for name in TASK.quantities}, tuple(doubts(segmentation, table)))


def table_of(
    segmentation: Segmentation,
    micrograph: Micrograph,
    settings: MeasurementSettings,
    calibration: Calibration,
    measures: FibreMeasures,
    is_faint: NDArray[np.bool_],
) -> Table:
    """A row for each object. One at the frame has a diameter and counts, so `reaches_frame` says it, and
    `touches_frame` is never set. Where most is too thin, nothing counts. is_faint: (n,), like bare ground."""
    from ..measure import fields

    parts = (measures.steps * wave(2 * measures.angles) for wave in (np.cos, np.sin))
    sums = [np.bincount(measures.owners, part, len(measures.visible)) for part in parts]
    mean_cos, mean_sin = sums / np.maximum(measures.visible, 1e-9)
    table = fields.table_of(
        segmentation,
        micrograph,
        settings,
        calibration,
        fibre_diameter=measures.diameter,
        fibre_diameter_sd=measures.diameter_sd,
        fibre_length=measures.length,
        visible_length=measures.visible,
        curl=measures.curl,
        direction=measures.direction,
        mean_cos=mean_cos,
        mean_sin=mean_sin,
        ends_seen=measures.ends.astype(float),
    )
    at_frame = table["touches_frame"].astype(bool)
    table = table.with_measures(touches_frame=np.zeros_like(at_frame), reaches_frame=at_frame)
    if withheld(micrograph, segmentation, settings):
        return table
    is_thin = (measures.width < THINNEST) | np.isnan(measures.diameter)
    is_rest = (measures.ends == 0) & (measures.visible < COVERED * typical_width(measures))
    is_bare = is_faint & ~np.isin(segmentation.ids, list(segmentation.by_hand))
    conditions = [table.reasons != "", is_bare, segmentation.classes == 1, is_thin, is_rest]
    words = map(str, (Reason.FAINT, Reason.SHORT, Reason.THIN, Reason.PIECE))
    table = table.judged(np.select(conditions, [table.reasons, *words], ""))
    return table.judged(np.where(table.kept, str(Reason.THIN), table.reasons)) if mostly_thin(table) else table


def mostly_thin(table: Table) -> bool:
    """Whether more length is too thin for a diameter than counts; by number specks of the ground would outvote it."""
    lengths = np.nan_to_num(table.length("visible_length"))
    return bool(lengths[table.reasons == str(Reason.THIN)].sum() > lengths[table.kept].sum())


def typical_width(measures: FibreMeasures) -> float:
    """px: half of the fibre length is thinner; 0 without any."""
    has_width = ~np.isnan(measures.width)
    order = np.argsort(measures.width[has_width])
    lengths = np.cumsum(measures.visible[has_width][order])
    return float(measures.width[has_width][order][np.searchsorted(lengths, lengths[-1] / 2)]) if len(order) else 0.0


def doubts(segmentation: Segmentation, table: Table) -> Iterator[Flag]:
    """Warnings and notes of a mat."""
    if mostly_thin(table):
        yield Flag.doubtful(
            "Most fibres are thinner than 3 px, too thin for a diameter, so no numbers are given. Take an image of a"
            " higher magnification.",
            "Most fibres are thinner than 3 px",
            reason=str(Reason.THIN),
        )
    is_short, areas = table.reasons == str(Reason.SHORT), table.length("area")
    if areas[is_short | (table.reasons == str(Reason.FAINT))].sum() > areas[table.kept].sum():
        yield Flag.doubtful(
            "Short objects and background cover more area than fibres. If it shows no fibres, choose another kind.",
            NO_FIBRES,
        )
    widths = table.rescaled(None)["fibre_diameter_px"][table.kept]
    if len(widths) and np.median(widths) < FINE:
        yield Flag.doubtful(
            f"The typical fibre is {np.median(widths):.1f} px wide. On test images, diameters came out up to 8 %"
            f" wrong at 6 px and 30 % too large at 3 px. Take an image with fibres of {FINE:g} px or more.",
            f"Diameters of fibres under {FINE:g} px may be wrong",
        )
    yield from shared.doubts(segmentation)
    if table.kept.any() and not (table["ends_seen"][table.kept] == 2).any():
        yield Flag("No fibre has both ends in view, so there are no lengths.")
    if short_objects := int(is_short.sum()):
        note = (
            "1 object is not clearly a fibre, so it is left out."
            if short_objects == 1
            else f"{short_objects:,} objects are not clearly fibres, so they are left out."
        )
        yield Flag(note, reason=str(Reason.SHORT))


def pool_fields(fields: Sequence[FieldOfView]) -> dict[str, float | None]:
    """Numbers of several images together; lengths and directions are joined as if all fibres were in one image."""
    from ..measure.mats import by_length, figures_by_length, order_parameter, with_length

    tables = [field.table for field in fields]
    diameters, lengths, cosines, sines = (
        np.concatenate([table.length(name)[table.kept] for table in tables])
        for name in ("fibre_diameter", "visible_length", "mean_cos", "mean_sin")
    )
    who_fibres = [field.values["who_fibres"] for field in fields]
    joined = figures_by_length(by_length(diameters, lengths, tables[0].unit))
    joined["order_parameter"] = order_parameter(np.array([lengths @ cosines, lengths @ sines, lengths.sum()]))
    return {
        **by_area(fields),
        **{name: None if value is None or np.isnan(value) else value for name, value in joined.items()},
        "fibre_length_mean": pooled_mean([with_length(table) for table in tables], "fibre_length", "exclude"),
        "who_fibres": None if None in who_fibres else float(sum(number or 0.0 for number in who_fibres)),
    }


def golden() -> Golden:
    """Three bars 8 px wide that lie over each other, and a disc: the long ones reach the frame, one ends in view."""
    rows, columns = np.mgrid[:160, :240]
    depths = [  # px from the edge of each, inwards
        4 - abs(rows - 40.5),
        4 - abs(columns - 60.5),
        np.minimum(4 - abs(rows - 110.5), 80 - abs(columns - 119.5)),
        9 - np.hypot(rows - 70, columns - 180),
    ]
    distance = np.zeros(rows.shape)
    for depth in depths:
        distance = np.where(depth > 0, depth / depth.max(), distance)
    maps = np.stack([np.where(distance > 0, 255, 0), np.round(255 * distance)]).astype(np.uint8)
    grey = (60 + 140 / (1 + np.exp(-2.5 * np.max(depths, axis=0)))).round().astype(np.uint8)
    answers = {"fibres": 3.0, "fibre_diameter_mean": 8.0, "short_objects": 1.0, "whole_fibres": 1.0}
    return Golden(grey, maps, 4, {**answers, "fibre_length_mean": 160.0}, 0.03)


TASK = Task(
    name="fibres",
    title="Fibres",
    summary="Follows every fibre through its crossings and measures its diameter, length and direction.",
    thing="fibre",
    things="fibres",
    class_names=("fibre", "short object"),
    settings=FibreSettings,
    channels=lambda card: MAPS,
    scale=scale,
    decode=decode,
    measure=measure,
    quantities=registered(__file__),
    panels=("directions", "histogram", "lengths", "rose"),
    golden=golden,
    method=METHOD,
    size="fibre_diameter",
    figures={"fibre_diameter_mean": "mean", "fibre_diameter_median": "median"},
    granulometry=Granulometry(
        "It is the smaller of the two dimensions of a fibre. The length is measured where both ends are in view.",
        objects="fibres",
        smallest=f"{THINNEST:g} px across and three times as long as wide",
        also=("fibre_length", "visible_length", "ends_seen", "fibre_diameter_sd", "curl"),
    ),
    pool_fields=pool_fields,
    plausible=plausible,
    recognised=recognised,
    parted=True,
    ignores=frozenset({"measurand", "filter", "repeatability", "between_operators", "border_correction"}),
)
