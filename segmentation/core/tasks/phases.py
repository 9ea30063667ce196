"""The kind "phases": each pixel gets one of the classes that the model's card names; the results are area fractions,
boundaries and intercepts of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..flags import Flag
from ..labels.segmentation import Segmentation
from ..measure.kinds.areas import (
    GRID,
    ClassRegions,
    Counts,
    boundary_density,
    chords,
    count,
    fractions,
    mean_free_path,
    mean_intercept,
    values_with_intervals,
)
from ..measure.objects.filters import Reason
from ..measure.objects.regions import CountedArea
from ..measure.quantities import LONG_NM, OF, Unit, Value, number, of_class, register_file
from ..measure.table import REASON_TYPE, Table
from ..measure.uncertainty.figure_draws import with_scale_uncertainty
from ..measure.uncertainty.pooled_fields import FieldOfView, by_area
from ..micrograph.types import Calibration, Micrograph
from ..network.card_entries import Fraction, ModelOptions, worded
from ..network.cards import ModelCard
from ..network.likeness import relative_distance
from ..network.scale_search import SCALE_LIMITS, View
from ..settings import MeasurementSettings, SegmentationSettings
from .base import Channels, Curve, Decoded, Golden, Maps, Measured, Predict, Task
from .judgement import are_numbers_withheld, is_out_of_domain, without_numbers

CERTAINTY = "certainty"  # stored name of a layer: the probability of each pixel's class
# Distance from the training images, as a share of the limit in the card; from here on there is a warning.
LEAST_UNLIKE = 0.8
UNLIKE_WARNING = Flag.doubtful(
    "This image looks unlike the training images of the model. Compare the colours with the image before you use the"
    " numbers.",
    "Unusual picture",
)
METHOD = (
    "For each pixel a convolutional network predicted the probability of each class, and the most probable one was"
    " taken ({resampled}{mirrored})."
)
LENGTHS = ("boundary_density", "mean_intercept", "mean_free_path")  # numbers of each class, which the table has, too
NO_LENGTH = "No number is given for the {what}: rows and columns of the image cross too few boundaries."
# Intercepts that a chart needs; number of its bars; share of the total length of all intercepts that it shows.
FEWEST_INTERCEPTS, BARS, SHOWN_SHARE = 8, 32, 0.9
LEAST_CONFUSION = 0.05  # share of a class's pixels; the page of a model names a confusion that is more frequent


class PhaseSettings(SegmentationSettings):
    """How phases are distinguished."""

    smallest: int = Field(
        0,
        ge=0,
        le=100_000,
        title="Smallest region",
        description="Smaller regions join what surrounds them. 0 changes nothing.",
        json_schema_extra={"unit": "px"},
    )
    scale: float = Field(
        1.0,
        ge=SCALE_LIMITS[0],
        le=SCALE_LIMITS[1],
        title="Zoom for the model",
        description=(
            "The model looks at a copy of the image, smaller (below 1) or larger by this factor. Change it if your"
            " magnification differs from that of the training images."
        ),
        json_schema_extra={"unit": "×"},
    )
    mirrored: Literal["on", "off"] = Field(
        "on",
        title="All mirrored forms",
        description="The network analyses the image and three mirrored forms of it. This takes four times as long.",
    )

    @property
    def flips(self) -> bool:
        """Whether the network also analyses mirrored forms (`mirrored` under the name that `predict_maps` reads)."""
        return self.mirrored == "on"


class PhaseOptions(ModelOptions):
    """The options on the card of a model of phases: its known errors, and the scale at which it works."""

    confusion: Annotated[list[list[Fraction]], worded("a list of lists of numbers from 0 to 1")] = Field(
        [],
        description="of the pixels of each true class (a row) the shares found as each class, and as none, on the"
        " images that were held out; see `--write-score`",
    )
    scale: Annotated[float, worded("a factor from 0.1 to 2")] = Field(
        1.0, ge=0.1, le=2, description="factor by which images are resampled for the network, in training as in use"
    )


def channels(card: ModelCard) -> Channels:
    """A map for each class that the card names; raises ValueError for fewer than two classes."""
    if len(set(card.maps)) < max(2, len(card.maps)):
        raise ValueError("maps names the classes, two or more, all of them different.")
    return Channels(tuple(card.maps), "softmax")


def scale(predict: Predict, card: ModelCard, picture: NDArray[np.float32], settings: PhaseSettings) -> View:
    """The working scale: that of the model times that of the settings. It is the same for all images, because the
    network was trained in pixels."""
    return View(scale=float(np.clip(settings.scale * _scale_of_model(card), *SCALE_LIMITS)))


def _scale_of_model(card: ModelCard) -> float:
    """The working scale on the model's card."""
    return float(card.options.get("scale", 1.0))


def decode(maps: Maps, grey: NDArray[np.uint8], view: View, card: ModelCard, settings: PhaseSettings) -> Decoded:
    """Each pixel gets its most probable class. The "objects" are the classes that occur in the image."""
    certainty, classes = maps[0].copy(), np.zeros(grey.shape, np.int32)
    for index, level in enumerate(maps[1:], start=1):  # argmax would take eight bytes a pixel
        classes[level > certainty] = index
        np.maximum(certainty, level, out=certainty)
    is_known = certainty > 0
    if settings.smallest > 1:
        classes = without_small_regions(classes, settings.smallest)
    present = np.unique(classes[is_known]).astype(np.int32)
    numbers = np.zeros(len(maps), np.int32)
    numbers[present] = np.arange(1, len(present) + 1)
    sure = np.array([certainty[is_known & (classes == i)].mean() / 255 for i in present], np.float32)
    unlike = relative_distance(grey, view.scale / _scale_of_model(card), card)
    used = {"unlike": unlike, "mirrored": settings.mirrored}
    return Decoded(
        np.where(is_known, numbers[classes], 0).astype(np.int32), sure, present, used, layers={CERTAINTY: certainty}
    )


def without_small_regions(classes: NDArray[np.int32], smallest: int) -> NDArray[np.int32]:
    """The classes (H, W), after connected regions of fewer than `smallest` px have got the class of the nearest larger
    region. Unchanged if all regions are that small."""
    from scipy import ndimage
    from skimage.measure import label

    pieces = label(classes, background=-1, connectivity=1)
    is_small = np.bincount(pieces.ravel())[pieces] < smallest
    if is_small.all():
        return classes
    nearest = ndimage.distance_transform_edt(is_small, return_distances=False, return_indices=True)
    filled: NDArray[np.int32] = classes[tuple(nearest)]
    return filled


def measure(
    segmentation: Segmentation,
    micrograph: Micrograph,
    settings: MeasurementSettings,
    calibration: Calibration,
    grid: tuple[int, int] = GRID,
) -> Measured:
    """Area fraction, boundary and intercepts of every class of the card, and a table of the classes in the image.

    grid: the numbers of blocks in a column and in a row of the image; the differences of blocks give the intervals.
    """
    names = segmentation.class_names
    area = CountedArea.of(segmentation, settings.ignore)
    classes = classes_of(segmentation, area)
    counts = count(classes, len(names), grid)
    measures = {
        "area_fraction": values_with_intervals(fractions, counts, 1.0),
        "boundary_density": values_with_intervals(boundary_density, counts),
    }
    lengths = values_with_intervals(mean_intercept, counts), values_with_intervals(mean_free_path, counts)
    # A length above the image's longer side is not given: the image shows too few boundaries of that class.
    longest, missing = max(classes.shape), []
    fits = [all((length.value or 0.0) <= longest for length in pair) for pair in zip(*lengths, strict=True)]
    for figure, all_values in zip(LENGTHS[1:], lengths, strict=True):
        shown_values = [
            value if fit and value.fits(longest) else Value(None) for fit, value in zip(fits, all_values, strict=True)
        ]
        without = [
            name
            for name, before, after in zip(names, all_values, shown_values, strict=True)
            if before.value != after.value
        ]
        measures[figure] = shown_values
        missing += [f"{number(figure).label} of {', '.join(without)}"] if without else []
    is_withheld = bool(len(segmentation)) and are_numbers_withheld(micrograph, segmentation, settings)
    has_numbers = bool(counts.pixels.any()) and not is_withheld
    values = {
        of_class(figure, name): _in_calibrated_unit(figure, value, calibration) if has_numbers else Value(None)
        for figure, all_values in measures.items()
        for name, value in zip(names, all_values, strict=True)
    }
    table = _table(segmentation, classes, measures, counts, micrograph, area).rescaled(calibration.nm_per_pixel)
    if is_withheld:
        empty = {
            name: np.full(len(table), np.nan) for name, column in table.columns.items() if column.dtype.kind == "f"
        }
        table = replace(without_numbers(table), columns={**without_numbers(table).columns, **empty})
    used = segmentation.used
    is_unlike = is_out_of_domain(segmentation) or used.get("unlike", 0.0) > LEAST_UNLIKE
    flags = (
        [UNLIKE_WARNING] if is_unlike and not used.get("unfamiliar") else []
    )  # an unfamiliar image has its own warning
    flags += [Flag(NO_LENGTH.format(what="; ".join(missing)))] if missing and has_numbers else []
    return Measured(table, None, values, tuple(flags) if len(segmentation) else ())


def curves(segmentation: Segmentation, calibration: Calibration, settings: MeasurementSettings) -> list[Curve]:
    """One chart: a histogram of the intercept lengths of each class, weighted by length, in per cent; no chart if there
    are fewer than FEWEST_INTERCEPTS intercepts."""
    names = segmentation.class_names
    area = CountedArea.of(segmentation, settings.ignore)
    lengths = chords(classes_of(segmentation, area), len(names))
    ascending = np.sort(np.concatenate(lengths))
    if len(ascending) < FEWEST_INTERCEPTS:
        return []
    longest = ascending[np.searchsorted(ascending.cumsum(), SHOWN_SHARE * ascending.sum())]
    width = np.ceil(longest / BARS)
    edges = np.arange(0.5, longest + width, width)
    size, unit = display_size(calibration, float(longest))
    shares = {
        name: (100 * np.histogram(intercepts, edges, weights=intercepts)[0] / intercepts.sum()).tolist()
        for name, intercepts in zip(names, lengths, strict=True)
        if len(intercepts) >= FEWEST_INTERCEPTS
    }
    across = f"Intercept along rows and columns ({unit})"
    return [Curve("Intercept lengths (% of each phase)", across, (edges * size).tolist(), shares)]


def classes_of(segmentation: Segmentation, area: CountedArea) -> NDArray[np.int32]:
    """The class (H, W) of each analysed pixel; -1 for a pixel without a class, or in a region to ignore."""
    classes: NDArray[np.int32] = np.r_[-1, segmentation.classes].astype(np.int32)[segmentation.dense[: area.shape[0]]]
    return classes if area.ignored is None else np.where(area.ignored, np.int32(-1), classes)


def display_size(calibration: Calibration, longest: float) -> tuple[float, Unit]:
    """The size of a pixel and its unit in a chart whose largest value is `longest` px."""
    size = calibration.nm_per_pixel
    if size is None:
        return 1.0, "px"
    return (size / LONG_NM, "µm") if longest * size >= LONG_NM else (size, "nm")


def pool_fields(fields: Sequence[FieldOfView]) -> dict[str, float | None]:
    """The numbers of several images together. Fractions and boundaries are means, weighted by the analysed areas.

    Mean intercept and mean free path of a class are calculated from these two, as for one image: π × fraction /
    boundary per area, and π × (1 − fraction) / boundary per area (Underwood 1970). They are None if they would be
    longer than in each single image.
    """
    values = by_area(fields)
    for name in values:
        figure, _, class_name = name.partition(OF)
        if figure in ("mean_intercept", "mean_free_path"):
            share, boundary = (
                values[of_class(measure, class_name)] for measure in ("area_fraction", "boundary_density")
            )
            part = share if figure == "mean_intercept" or share is None else 1 - share
            length = np.pi * part / boundary if part and boundary else None
            longest = max((value for field in fields if (value := field.values[name]) is not None), default=0.0)
            values[name] = length if length and length <= longest * (1 + 1e-9) else None
    return values


def _in_calibrated_unit(figure: str, value: Value, calibration: Calibration) -> Value:
    """A value in px, converted to the calibration's unit. Its interval then includes the calibration's uncertainty."""
    quantity, nm_per_pixel = number(figure), calibration.nm_per_pixel
    scaled = value.times((nm_per_pixel or 1.0) ** quantity.power, quantity.unit("px" if nm_per_pixel is None else "nm"))
    return with_scale_uncertainty(scaled, calibration.standard_uncertainty, quantity.power)


def _table(
    segmentation: Segmentation,
    classes: NDArray[np.int32],
    measures: dict[str, list[Value]],
    counts: Counts,
    micrograph: Micrograph,
    counted: CountedArea,
) -> Table:
    """A row for each class that occurs in the image, with lengths in px. A class that occurs only in regions to ignore
    is left out (Reason.IGNORED).

    classes: (H, W), from `classes_of`. measures: values in px of all classes of the card, by name.
    """
    present, area = segmentation.classes, max(float(counts.pixels.sum()), 1.0)
    pixels = counts.pixels.sum(0)[present]
    shares = [measures["area_fraction"][i] for i in present]
    inside = [classes == i for i in present]
    pieces = [ClassRegions.of(mask, counted.ignored) for mask in inside]
    grey, sure = micrograph.pixels[: segmentation.rows], segmentation.layers.get(CERTAINTY)
    lengths = {name: [measures[name][i].value for i in present] for name in LENGTHS}
    return Table.of_pixels(
        {
            "label": segmentation.ids.astype(np.int64),
            "class": present.astype(np.int64),
            "name": np.array([segmentation.class_names[i] for i in present], str),
            "kept": pixels > 0,
            "reason": np.where(pixels > 0, "", str(Reason.IGNORED)).astype(REASON_TYPE),
            "area": pixels,
            "area_fraction": np.array([value.value for value in shares], float),
            "area_fraction_low": np.array([value.low for value in shares], float),
            "area_fraction_high": np.array([value.high for value in shares], float),
            **{name: np.array(values, float) for name, values in lengths.items()},
            "objects": np.array([piece.number for piece in pieces], np.int64),
            "object_density": np.array([piece.number / area for piece in pieces], float),
            "object_ecd_d10": np.array([piece.quantile(0.1) for piece in pieces], float),
            "object_ecd_median": np.array([piece.quantile(0.5) for piece in pieces], float),
            "object_ecd_d90": np.array([piece.quantile(0.9) for piece in pieces], float),
            "mean_grey": np.array([_mean(grey[mask]) for mask in inside], float),
            "certainty": segmentation.confidence.astype(float)
            if sure is None
            else np.array([_mean(sure[: segmentation.rows][mask]) / 255 for mask in inside], float),
        },
        None,
    )


def _mean(values: NDArray[Any]) -> float:
    """The mean; NaN without values."""
    return float(values.mean()) if values.size else np.nan


def facts(card: ModelCard) -> list[tuple[str, str]]:
    """Terms and sentences for the page of a model: its classes, and which are taken for others, if the card says so
    (`evaluate --write-score`)."""
    confused = [
        f"{true} for {mistaken} ({100 * share:.0f} %)"
        for true, row in zip(card.maps, card.options.get("confusion", ()), strict=False)
        for mistaken, share in zip(card.maps, row, strict=False)
        if mistaken != true and share > LEAST_CONFUSION
    ]
    rows = [(card.task.capitalize(), ", ".join(card.maps))]
    return [*rows, ("Taken for another", ", ".join(confused))] if confused else rows


def golden() -> Golden:
    """The drawn test case of this kind: twelve bright discs of 24 px on dark ground."""
    bright = np.hypot(*(np.indices((120, 160)) % 40 - 19.5)) < 12
    maps = np.stack([np.where(bright, 10, 245), np.where(bright, 245, 10)]).astype(np.uint8)
    share, boundary = 12 * np.pi * 12**2 / bright.size, 12 * 2 * np.pi * 12 / bright.size
    answers = {
        "area_fraction of bright": share,
        "area_fraction of dark": 1 - share,
        "boundary_density of bright": boundary,
        "mean_intercept of bright": np.pi * share / boundary,
        "mean_free_path of bright": np.pi * (1 - share) / boundary,
    }
    return Golden(np.where(bright, 190, 60).astype(np.uint8), maps, 2, answers, 0.03, ("dark", "bright"))


TASK = Task(
    name="phases",
    title="Phases",
    summary="Tells the phases of a microstructure apart and measures how much area each covers.",
    thing="phase",
    things="phases",
    class_names=(),
    settings=PhaseSettings,
    options=PhaseOptions,
    channels=channels,
    scale=scale,
    decode=decode,
    measure=measure,
    quantities=register_file(__file__),
    panels=("image", "classes", "certainty", "fractions"),
    golden=golden,
    method=METHOD,
    semantic=True,
    table="classes",
    pool_fields=pool_fields,
    curves=curves,
    facts=facts,
    ignores=frozenset(
        {
            "measurand",
            "filter",
            "faint_limit",
            "border_correction",
            "repeatability",
            "repeatability_source",
            "between_operators",
        }
    ),
)
