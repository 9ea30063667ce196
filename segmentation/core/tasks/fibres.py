"""The kind "fibres": outlines the fibres of a mat, and gives their diameters and lengths and numbers of the mat, such
as its porosity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..measure.objects.filters import Reason
from ..measure.objects.regions import CountedArea
from ..measure.quantities import Value, register_file
from ..measure.uncertainty.pooled_fields import FieldOfView, by_area, pooled_mean
from ..micrograph.contrast import clip_outliers
from ..micrograph.types import Calibration, Micrograph
from ..network.scale_search import as_shown
from ..settings import MeasurementSettings
from . import fibre_outlines, fibre_table, shared
from .base import Channels, Golden, Granulometry, Measured, Task

if TYPE_CHECKING:
    from ..labels.segmentation import Segmentation

MAPS = Channels(("foreground", "inner_distance"))
METHOD = (
    "For each pixel a convolutional network predicted the probability of a fibre, and the relative distance from its"
    " edge. The middle lines of the pieces with a probability of at least {threshold:.3g} were followed through"
    " crossings by direction and width. The diameter of each fibre comes from a model of the grey values across it."
)


def measure(
    segmentation: Segmentation, micrograph: Micrograph, settings: MeasurementSettings, calibration: Calibration
) -> Measured:
    """Table, statistics and numbers of fibres; no numbers if no fibre counts, or if numbers are withheld
    (`shared.withheld_result`)."""
    from ..labels.particles.contrast import contrasts
    from ..labels.separate import areas_of
    from ..measure.kinds import fibres
    from ..measure.kinds.mats import numbers_of
    from ..measure.statistics import seed_of, summarise
    from ..measure.uncertainty.budget import Conditions

    rows, dense = segmentation.rows, segmentation.dense[: segmentation.rows]
    grey = as_shown(clip_outliers(micrograph.pixels[:rows]), "bright")
    measures = fibres.measure_fibres(dense, grey)
    contrast = np.abs(contrasts(grey, dense, shared.foreground_if_corrected(segmentation)).relative)
    # Weighted by contrast, too, so that background that is outlined counts little.
    weights = areas_of(dense, len(contrast))[1:] * contrast
    typical = float(np.nansum(weights * contrast)) / max(float(np.nansum(weights)), 1e-9)
    is_faint = contrast < shared.faint_limit(segmentation, settings) * typical
    table = fibre_table.table_of(segmentation, micrograph, settings, calibration, measures, is_faint)
    if without := shared.withheld_result(table, TASK):
        return without
    flags = tuple(fibre_table.doubts(segmentation, table))
    if not table.kept.any():
        return Measured(table, None, dict.fromkeys(TASK.quantities, Value(None)), flags)
    seed = seed_of(micrograph.sha256)
    sizes = summarise(table, Conditions(size=TASK.size, screened=False, calibration=calibration, seed=seed))
    # The labels of the outlines that are not faint: they cover the mat.
    covering = np.append(False, table.reasons != str(Reason.FAINT))[dense] * dense
    numbers = {
        "fibres": Value(float(table.kept.sum())),
        "fibre_diameter_mean": sizes.value("mean"),
        "fibre_diameter_median": sizes.value("median"),
        **numbers_of(table, measures, covering, calibration, seed, CountedArea.of(segmentation, settings.ignore)),
        "short_objects": Value(float((table.reasons == str(Reason.SHORT)).sum())),
    }
    return Measured(table, sizes, {name: numbers[name] for name in TASK.quantities}, flags)


def pool_fields(fields: Sequence[FieldOfView]) -> dict[str, float | None]:
    """The numbers of several images together; those by length and direction as if all fibres were in one image."""
    from ..measure.kinds.mats import diameters_by_length, figures_by_length, only_with_length, order_parameter

    tables = [field.table for field in fields]
    diameters, lengths, cosines, sines = (
        np.concatenate([table.length(name)[table.kept] for table in tables])
        for name in ("fibre_diameter", "visible_length", "mean_cos", "mean_sin")
    )
    who_fibres = [field.values["who_fibres"] for field in fields]
    joined = figures_by_length(diameters_by_length(diameters, lengths, tables[0].unit))
    joined["order_parameter"] = order_parameter(np.array([lengths @ cosines, lengths @ sines, lengths.sum()]))
    return {
        **by_area(fields),
        **{name: None if value is None or np.isnan(value) else value for name, value in joined.items()},
        "fibre_length_mean": pooled_mean([only_with_length(table) for table in tables], "fibre_length", "exclude"),
        "who_fibres": None if None in who_fibres else float(sum(number or 0.0 for number in who_fibres)),
    }


def golden() -> Golden:
    """The drawn test case of this kind: three bars, 8 px wide, that cross, and a disc. Two bars reach the frame, one
    has both ends in view."""
    rows, columns = np.mgrid[:160, :240]
    depths = [  # px from the edge of each object to its inside
        4 - abs(rows - 40.5),
        4 - abs(columns - 60.5),
        np.minimum(4 - abs(rows - 110.5), 80 - abs(columns - 119.5)),
        9 - np.hypot(rows - 70, columns - 180),
    ]
    distance = np.zeros(rows.shape)
    for depth in depths:
        distance = np.where(depth > 0, depth / depth.max(), distance)
    maps = np.stack([np.where(distance > 0, 255, 0), np.round(255 * distance)]).astype(np.uint8)
    grey = (
        60 + 140 / (1 + np.exp(-2.5 * np.max(depths, axis=0))) + (rows + columns) % 2
    )  # a ground of one grey is paper
    answers = {"fibres": 3.0, "fibre_diameter_mean": 8.0, "short_objects": 1.0, "whole_fibres": 1.0}
    return Golden(
        grey.round().astype(np.uint8), maps, 4, {**answers, "fibre_length_mean": 160.0}, 0.03
    )  # 4 objects; within 3 %


TASK = Task(
    name="fibres",
    title="Fibres",
    summary="Follows every fibre through its crossings and measures its diameter, length and direction.",
    thing="fibre",
    things="fibres",
    class_names=("fibre", "short object"),
    settings=fibre_outlines.FibreSettings,
    channels=lambda card: MAPS,
    scale=fibre_outlines.scale,
    decode=fibre_outlines.decode,
    measure=measure,
    quantities=register_file(__file__),
    panels=("directions", "histogram", "lengths", "rose"),
    golden=golden,
    method=METHOD,
    size="fibre_diameter",
    figures={"fibre_diameter_mean": "mean", "fibre_diameter_median": "median"},
    granulometry=Granulometry(
        "It is the smaller of the two dimensions of a fibre. The length is measured where both ends are in view.",
        objects="fibres",
        smallest=f"{fibre_table.THINNEST_PX:g} px across and three times as long as wide",
        also=("fibre_length", "visible_length", "ends_seen", "fibre_diameter_sd", "curl"),
    ),
    pool_fields=pool_fields,
    plausible=fibre_outlines.plausible,
    recognised=fibre_outlines.recognised,
    parted=True,
    ignores=frozenset(
        {"measurand", "filter", "repeatability", "repeatability_source", "between_operators", "border_correction"}
    ),
)
