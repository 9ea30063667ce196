"""The table of the kind "fibres": which objects count, and the warnings about a mat of fibres."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..flags import NO_FIBRES, Flag
from ..measure.objects.filters import Reason
from ..micrograph.types import Calibration, Micrograph
from ..settings import MeasurementSettings
from . import shared

if TYPE_CHECKING:
    from ..labels.segmentation import Segmentation
    from ..measure.kinds.fibres import FibreMeasures
    from ..measure.table import Table

COVERED_WIDTHS = 3.0  # typical widths: a shorter object without an end in view is a piece of a covered fibre
THINNEST_PX = 3.0  # px; no diameter is given for a thinner object
FINE_PX = 10.0  # px; from this width on the bias is within 3 % with both renderers (docs/method/fibres.md)


def table_of(
    segmentation: Segmentation,
    micrograph: Micrograph,
    settings: MeasurementSettings,
    calibration: Calibration,
    measures: FibreMeasures,
    is_faint: NDArray[np.bool_],
) -> Table:
    """The table with a row for each object, with the reason if it does not count. If most of the length is too thin for
    a diameter, no object counts.

    A fibre at the frame has a diameter and counts: so `touches_frame` is False for all, and `reaches_frame` says
    which fibres reach it. is_faint: (n,) whether an object has as little contrast as the background.
    """
    from ..measure import fields

    parts = (measures.steps * wave(2 * measures.angles) for wave in (np.cos, np.sin))
    sums = [np.bincount(measures.owners, part, len(measures.visible)) for part in parts]
    mean_cos, mean_sin = sums / np.maximum(measures.visible, 1e-9)
    signals = {
        **shared.withheld(micrograph, segmentation, settings),
        Reason.FAINT: is_faint,
        Reason.SHORT: segmentation.classes == 1,
        Reason.THIN: (measures.width < THINNEST_PX) | np.isnan(measures.diameter),
        Reason.PIECE: (measures.ends == 0) & (measures.visible < COVERED_WIDTHS * typical_width(measures)),
    }
    table = fields.table_of(
        segmentation,
        micrograph,
        settings,
        calibration,
        signals,
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
    return table.judged(np.where(table.kept, str(Reason.THIN), table.reasons)) if mostly_thin(table) else table


def mostly_thin(table: Table) -> bool:
    """Whether the objects that are too thin for a diameter are longer, all together, than the counted objects. (A count
    would depend on specks of the background.)"""
    lengths = np.nan_to_num(table.length("visible_length"))
    return bool(lengths[table.reasons == str(Reason.THIN)].sum() > lengths[table.kept].sum())


def typical_width(measures: FibreMeasures) -> float:
    """The width in px for which half of the total length is thinner; 0 if no width is known."""
    has_width = ~np.isnan(measures.width)
    order = np.argsort(measures.width[has_width])
    lengths = np.cumsum(measures.visible[has_width][order])
    return float(measures.width[has_width][order][np.searchsorted(lengths, lengths[-1] / 2)]) if len(order) else 0.0


def doubts(segmentation: Segmentation, table: Table) -> Iterator[Flag]:
    """The warnings and notes about a mat."""
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
            kind="wrong outlines",
        )
    widths = table.rescaled(None)["fibre_diameter_px"][table.kept]
    if len(widths) and np.median(widths) < FINE_PX:
        yield Flag.doubtful(
            f"The typical fibre is {np.median(widths):.1f} px wide. On test images, diameters came out up to 8 %"
            f" wrong at 6 px and 30 % too large at 3 px. Take an image with fibres of {FINE_PX:g} px or more.",
            f"Diameters of fibres under {FINE_PX:g} px may be wrong",
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
