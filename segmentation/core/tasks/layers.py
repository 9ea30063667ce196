"""The kind "layers": the thickness of one layer in a cross-section, such as a coating or an oxide, and all numbers of
the kind "phases"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt

import numpy as np
from pydantic import Field

from ..flags import Flag
from ..labels.segmentation import Segmentation
from ..measure.kinds.thickness import Profile, figures, measure_layer
from ..measure.objects.regions import CountedArea
from ..measure.quantities import COLUMNS, OF, Value, of_class, register_file
from ..measure.sizes.bins import auto_edges
from ..measure.uncertainty.pooled_fields import FieldOfView, weighted_mean
from ..micrograph.types import Calibration, Micrograph
from ..network.card_entries import Names, Text
from ..network.cards import ModelCard
from ..settings import MeasurementSettings
from . import phases
from .base import Channels, Curve, Golden, Measured
from .judgement import are_numbers_withheld

NO_LAYER = "No thickness is given: the image shows no long piece of {layer} with both its sides inside the frame."
*THICKNESSES, LENGTH = register_file(__file__)  # names of the numbers in layers.toml, the measured length last
FIGURES = {name: name.removeprefix("thickness_") for name in THICKNESSES}  # name -> key of `thickness.figures`
MOST_POINTS = 200  # of a curve
STRIPS = 1, 16  # rows and columns of blocks, for a layer that runs from left to right


class LayerOptions(phases.PhaseOptions):
    """Which of the classes is the layer."""

    layer: Text = Field("", description='the class whose thickness is measured; "": the second')
    filled_by: Names = Field(
        [], description="classes that lie within the layer and belong to its thickness, such as cracks"
    )

    def layer_name(self, maps: Sequence[str]) -> str:
        """The name of the layer's class. maps: the names of all classes."""
        return self.layer or maps[1]


def channels(card: ModelCard) -> Channels:
    """A map for each class that the card names; raises ValueError if the layer is not among them."""
    maps, options = phases.channels(card), LayerOptions.of(card)
    for name in (options.layer_name(maps.names), *options.filled_by):
        if name not in maps.names:
            raise ValueError(f"options: layer and filled_by are names of maps, and {name!r} is none.")
    return maps


def layer_profile(segmentation: Segmentation, settings: MeasurementSettings) -> tuple[str, Profile | None]:
    """The layer's name, and its thickness in px along its length; None if no part of the layer can be measured. Where
    the thickness would be read across a region to ignore, it is left out."""
    names = segmentation.class_names
    options = LayerOptions.model_validate(segmentation.provenance.card.get("options", {}))
    layer = options.layer_name(names)
    numbers = [number for number, name in enumerate(names) if name in (layer, *options.filled_by)]
    inside = np.r_[False, np.isin(segmentation.classes, numbers)][segmentation.dense[: segmentation.rows]]
    return layer, measure_layer(inside, CountedArea.of(segmentation, settings.ignore).ignored)


def measure(
    segmentation: Segmentation, micrograph: Micrograph, settings: MeasurementSettings, calibration: Calibration
) -> Measured:
    """The numbers of the layer's thickness, which are also in the layer's row of the table, and those of phases.

    The intervals of phases come from strips across the whole section, because smaller blocks would lie in one phase.
    """
    layer, profile = layer_profile(segmentation, settings)
    grid = STRIPS if profile is None or profile.is_across else STRIPS[::-1]
    result = phases.measure(segmentation, micrograph, settings, calibration, grid)
    has_numbers = bool(len(segmentation)) and not are_numbers_withheld(micrograph, segmentation, settings)
    size, unit = calibration.nm_per_pixel or 1.0, "px" if calibration.nm_per_pixel is None else "nm"
    values = dict.fromkeys((*FIGURES, LENGTH), Value(None, unit=unit))
    if profile and has_numbers:
        by_name = figures(profile, calibration.standard_uncertainty or 0.0)
        values = {name: by_name[figure].times(size, unit) for name, figure in FIGURES.items()}
        values[LENGTH] = Value(profile.length * size, unit=unit)
    is_layer = np.array([segmentation.class_names[index] for index in segmentation.classes]) == layer
    columns = {
        COLUMNS[name].column(result.table.unit): np.where(is_layer, np.nan if number is None else number, np.nan)
        for name, number in ((name, value.value) for name, value in values.items())
    }
    flags = (Flag(NO_LAYER.format(layer=layer), "No layer to measure"),) if has_numbers and not profile else ()
    return replace(
        result,
        table=replace(result.table, columns={**result.table.columns, **columns}),
        quantities={**{of_class(name, layer): value for name, value in values.items()}, **result.quantities},
        flags=(*(flag for flag in result.flags if flag.doubt), *flags),  # without the notes of phases
    )


def curves(segmentation: Segmentation, calibration: Calibration, settings: MeasurementSettings) -> list[Curve]:
    """Two charts: the thickness of the layer along its length, and a histogram of the thicknesses in per cent."""
    layer, profile = layer_profile(segmentation, settings)
    if profile is None:
        return []
    size, unit = phases.display_size(calibration, float(profile.finite.max()))
    size_along, unit_along = phases.display_size(calibration, profile.length)
    step, thickness = -(-len(profile.thickness) // MOST_POINTS), profile.thickness * size
    places = profile.along * size_along
    sizes = profile.finite * size
    edges = auto_edges(sizes)
    shares = 100 * np.histogram(sizes, edges)[0] / len(sizes)
    name, across = f"Thickness of {layer} ({unit})", f"Along the layer ({unit_along})"
    return [
        Curve(name, across, places[::step].tolist(), {layer: thickness[::step].tolist()}),
        Curve("Measured places (%)", name, edges.tolist(), {layer: shares.tolist()}),
    ]


def pool_fields(fields: Sequence[FieldOfView]) -> dict[str, float | None]:
    """The numbers of several images together. The mean thickness is weighted by the length of the layer in each image;
    SD, least and greatest thickness are those of all images together. Percentiles are None, because a sample does not
    store single thicknesses."""
    pooled_phases = phases.pool_fields(fields)
    layer = next(name.partition(OF)[2] for name in pooled_phases if name.startswith(LENGTH))

    def values_of(name: str) -> list[float | None]:
        return [field.values[of_class(name, layer)] for field in fields]

    lengths = [length or 0.0 for length in values_of(LENGTH)]
    means, spreads = values_of("thickness_mean"), values_of("thickness_sd")
    mean = weighted_mean(means, lengths)
    squares = [
        None if average is None or spread is None or mean is None else spread**2 + (average - mean) ** 2
        for average, spread in zip(means, spreads, strict=True)
    ]
    variance = weighted_mean(squares, lengths)
    pooled = {
        "thickness_mean": mean,
        "thickness_sd": None if variance is None else sqrt(variance),
        "thickness_min": min((value for value in values_of("thickness_min") if value is not None), default=None),
        "thickness_max": max((value for value in values_of("thickness_max") if value is not None), default=None),
        **dict.fromkeys(("thickness_d10", "thickness_median", "thickness_d90")),
        LENGTH: sum(lengths) or None,
    }
    return {**pooled_phases, **{of_class(name, layer): value for name, value in pooled.items()}}


def golden() -> Golden:
    """The drawn test case of this kind: a layer of 40 px with one other phase on both sides."""
    rows = np.indices((160, 240))[0]
    layer = (rows >= 60) & (rows < 100)
    maps = np.stack([np.where(layer, 10, 245), np.where(layer, 245, 10)]).astype(np.uint8)
    answers = {"thickness_mean of layer": 40.0, "thickness_median of layer": 40.0, "area_fraction of layer": 0.25}
    return Golden(np.where(layer, 190, 100).astype(np.uint8), maps, 2, answers, 0.02, ("other", "layer"))


TASK = replace(
    phases.TASK,
    name="layers",
    title="Layers",
    summary="Measures how thick a layer is in a cross-section, such as a coating or an oxide.",
    thing="layer",
    things="layers",
    options=LayerOptions,
    channels=channels,
    measure=measure,
    quantities=(*FIGURES, LENGTH, *phases.TASK.quantities),
    panels=("image", "classes", "certainty", "thickness"),
    golden=golden,
    method=phases.METHOD
    + " The thickness of the layer was read along normals to its middle line, smoothed over half a thickness"
    " (after ISO 1463 and ASTM B487).",
    pool_fields=pool_fields,
    curves=curves,
)
