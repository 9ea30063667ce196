"""The settings of an analysis: one definition for forms, API, command line, stored rows and documentation.

Each kind of analysis has its own SegmentationSettings (core.tasks), which say how objects are found. The
MeasurementSettings say how they are measured. Both are stored and sent as one flat table of plain JSON types.
`core.typed` explains `json_schema_extra`.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer
from pydantic_core import PydanticCustomError

from .micrograph.types import Calibration, Scale
from .validation import Settings

DEFAULT_TASK = "particles"
DEFAULT_MODEL = "particles"
TILT_SETTINGS = "tilt_correction", "tilt_direction"
FROM_FILE = "file"  # value of tilt_correction: the tilt that the file states
# Groups of settings on a page.
LABORATORY = "This laboratory"  # a laboratory sets these once
SAMPLE = "This sample"  # words for the report that differ from sample to sample
GEOMETRY = "Tilt of the stage"
TEXTS = (  # settings whose texts are printed in files and report; they change no number
    *("laboratory", "operator", "orcid", "licence", "material", "microscope"),
    *("grating", "preparation", "sampling_plan", "deviations"),
)
ORCID = re.compile(r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]")
MOST_REGIONS, MOST_CORNERS, MOST_IN_ALL = 50, 200, 1000  # regions to ignore, corners of one region, corners of all
LARGEST_COORDINATE_PX = 1e6  # of a corner of a region
REGIONS_FORM = (
    f"a list of at most {MOST_REGIONS} regions, each 2 to {MOST_CORNERS} different corners x, y in pixels of the image,"
    f" and {MOST_IN_ALL:,} corners in all"
)
IGNORE_TEXT = "x,y,x,y of two opposite corners, or of all corners of a polygon; a semicolon between regions"
Corner = tuple[float, float]
Regions = tuple[tuple[Corner, ...], ...]


def regions_of(sent: Any) -> Regions:
    """Regions from a text ("10,20,200,80; 5,5,60,5,30,40", or JSON), or from a list of regions or of such texts.

    Raises PydanticCustomError for anything else.
    """
    if isinstance(sent, str):
        sent = _json_or_numbers(sent)
    if not isinstance(sent, list | tuple):
        raise _not_regions()
    regions: list[tuple[Corner, ...]] = []
    for part in sent:
        regions += regions_of(part) if isinstance(part, str) else [_region(part)]
    if len(regions) > MOST_REGIONS or sum(map(len, regions)) > MOST_IN_ALL:
        raise _not_regions()
    return tuple(regions)


def _json_or_numbers(text: str) -> Any:
    """The list of regions, each a list of corners (x, y), in a text."""
    try:
        if text.lstrip().startswith("["):
            return json.loads(text)
        parts = [
            re.split(r"[\s,]+", part.strip(" ,\t\r\n")) for part in re.split(r"[;\n]", text) if part.strip(" ,\t\r")
        ]
        numbers = [[float(word) for word in part] for part in parts]
    except (ValueError, RecursionError):
        raise _not_regions() from None
    if any(len(part) % 2 for part in numbers):
        raise _not_regions()
    return [list(zip(part[::2], part[1::2], strict=True)) for part in numbers]


def _region(sent: Any) -> tuple[Corner, ...]:
    """A region from a list of corners (x, y), rounded to 0.01 px; raises PydanticCustomError."""
    try:
        # The test of the type refuses bool, which is a kind of int, and texts, which are sequences.
        corners = [(x, y) for x, y in sent if {type(x), type(y)} <= {int, float}]
        rounded = tuple((round(float(x), 2), round(float(y), 2)) for x, y in corners)
    except (TypeError, ValueError, OverflowError):
        raise _not_regions() from None
    is_near = all(
        math.isfinite(value) and abs(value) <= LARGEST_COORDINATE_PX for corner in rounded for value in corner
    )
    is_flat = len(rounded) == 2 and (rounded[0][0] == rounded[1][0] or rounded[0][1] == rounded[1][1])
    if (
        len(rounded) != len(sent)
        or not 2 <= len(rounded) <= MOST_CORNERS
        or len({*rounded}) < 2
        or is_flat
        or not is_near
    ):
        raise _not_regions()
    return rounded


def _not_regions() -> PydanticCustomError:
    return PydanticCustomError("regions", REGIONS_FORM)


def regions_text(regions: Any) -> str:
    """The text that a user would type for these regions; `regions_of` is its inverse."""
    return "; ".join(
        ",".join(f"{value:.2f}".rstrip("0").rstrip(".") for corner in region for value in corner) for region in regions
    )


def _orcid(text: str) -> str:
    """The ORCID iD without the address before it. Its last character is the check digit of ISO 7064, 11-2; raises
    PydanticCustomError for a wrong one."""
    number = text.removeprefix("https://orcid.org/").strip().upper()
    digits, total = number.replace("-", ""), 0
    for digit in digits[:15] if digits[:15].isdecimal() and digits.isascii() else "":
        total = (total + int(digit)) * 2
    is_right = ORCID.fullmatch(number) and digits[15:] == "0123456789X"[(12 - total % 11) % 11]
    if number and not is_right:
        raise PydanticCustomError("orcid", "an ORCID iD with its check digit, such as 0000-0002-1825-0097")
    return number


def _text(title: str, description: str, group: str = LABORATORY) -> Any:
    """The field of a text that is printed in files and report; it changes no number."""
    extra: Any = {"group": group}
    return Field("", max_length=500, title=title, description=description, json_schema_extra=extra)


def _per_cent(title: str, description: str, none: str, **extra: str) -> Any:
    """The field of a percentage that may be None. none: the words for None."""
    extra_all: Any = {"unit": "%", "labels": {"auto": none}, **extra}
    return Field(None, ge=0, le=100, title=title, description=description, json_schema_extra=extra_all)


class SegmentationSettings(Settings):
    """The settings of finding objects that every kind of analysis has."""

    model: str = Field(
        DEFAULT_MODEL,
        title="Model",
        description=(
            "The network that outlines the image. auto-particles and auto-phases choose the released model that fits"
            " best."
        ),
    )
    data_bar: Literal["auto"] | Annotated[int, Field(ge=0)] = Field(
        "auto",
        title="Data bar",
        description="Height of the data bar at the bottom, in rows.",
        json_schema_extra={
            "unit": "rows",
            "words": {"none": 0},
            "labels": {"auto": "find it", "none": "there is none", "rows": "it takes … rows at the bottom"},
        },
    )


class MeasurementSettings(Settings):
    """The settings of measuring the found objects. Measuring again with other settings needs no model."""

    filter: bool = Field(
        False,
        title="Leave out doubtful objects",
        description="A filter also leaves out what is too small, has an odd shape, or is probably wrong.",
        json_schema_extra={"main": True},
    )
    faint_limit: float | None = _per_cent(
        "Least contrast that counts",
        "Left out are gaps, and objects with less than this share of the typical contrast. 0 counts them all.",
        "the model's own",
    )
    measurand: Literal["seen", "all"] = Field(
        "seen",
        title="Particles that count",
        description=(
            "Those whose outline can be seen (ISO 21363, ISO 19749), or all, hidden ones too. Where outlines may be"
            " several particles, “all” is the expected distribution: each possible particle with its probability."
        ),
        json_schema_extra={"labels": {"seen": "whose outline can be seen", "all": "all, hidden ones too"}},
    )
    border_correction: Literal["exclude", "weight"] = Field(
        "exclude",
        title="Border correction",
        description=(
            "Large objects touch the frame more often than small ones, and such objects cannot be measured. Weighting"
            " corrects for this (Miles 1974, Lantuejoul 1978)."
        ),
        json_schema_extra={
            "labels": {
                "exclude": "leave out what touches the frame",
                "weight": "leave out what touches the frame, and weight the others for it",
            },
            "group": LABORATORY,
        },
    )
    tilt_correction: Literal["none", "file"] | Annotated[float, Field(ge=1, le=80)] = Field(
        "none",
        title="Correct for a tilt",
        description=(
            "On a flat specimen that was tilted by t degrees, lengths across the axis are cos t of the true ones. They"
            " are divided by it. “file” takes the tilt from the file, unless the microscope corrected for it."
        ),
        json_schema_extra={
            "unit": "°",
            "labels": {"none": "no", "file": "by the tilt in the file", "degrees": "by a tilt of …"},
            "group": GEOMETRY,
        },
    )
    tilt_direction: Literal["auto", "vertical", "horizontal"] = Field(
        "auto",
        title="Lengths that the tilt shortens",
        description="By default vertical ones, unless the file says that the scan was turned.",
        json_schema_extra={
            "labels": {"auto": "as the file says, else vertical", "vertical": "vertical", "horizontal": "horizontal"},
            "group": GEOMETRY,
        },
    )
    measure_unlike: bool = Field(
        False,
        title="Measure unusual pictures",
        description="Give numbers even if the image is unlike the training images.",
        json_schema_extra={"scripts": True},
    )
    ignore: Annotated[
        Regions,
        BeforeValidator(regions_of),
        PlainSerializer(lambda regions: [[list(corner) for corner in region] for region in regions]),
    ] = Field(
        (),
        title="Regions to ignore",
        description=(
            "Rectangles and polygons of the picture, in px from its top left corner. What lies in them, at least by"
            " half, does not count, and their area belongs to no share or density. The tool Ignore a region draws them."
        ),
        json_schema_extra={"takes": IGNORE_TEXT, "group": "Rarely needed"},
    )
    repeatability: float | None = _per_cent(
        "Repeatability",
        "Relative standard deviation of the median between specimens of one material, each prepared and measured"
        " separately.",
        "not known",
        group=LABORATORY,
    )
    repeatability_source: str = Field(
        "",
        max_length=500,
        title="Source of that repeatability",
        description="How it was found: a study, with its name and date.",
        json_schema_extra={"group": LABORATORY},
    )
    between_operators: float | None = _per_cent(
        "Difference between operators",
        "Relative standard deviation of the median between people who outline the same image. Compare their results to"
        " find it.",
        "not known",
        group=LABORATORY,
    )
    calibration: Annotated[
        Calibration | None,
        BeforeValidator(lambda value: Calibration(**value) if isinstance(value, dict) else value),
        PlainSerializer(lambda calibration: None if calibration is None else asdict(calibration)),
    ] = Field(None, title="Calibration", description="Size of a pixel; by default from the file or its bar.")
    scale_uncertainty: Literal["auto"] | Annotated[float, Field(ge=0, le=50)] = Field(
        "auto",
        title="Calibration uncertainty of the microscope",
        description="Relative uncertainty of the magnification, from the certificate. No file contains it.",
        json_schema_extra={
            "unit": "%",
            "words": {"none": 0.0},
            "labels": {"auto": "the site's, or none", "none": "not included"},
            "group": LABORATORY,
        },
    )
    scale_uncertainty_k: float = Field(
        1.0,
        ge=1,
        le=4,
        title="Coverage factor k of that uncertainty",
        description="As on the certificate, often 2. The default 1 is for a standard uncertainty.",
        json_schema_extra={"group": LABORATORY},
    )
    scale_uncertainty_source: str = Field(
        "",
        max_length=200,
        title="Source of that uncertainty",
        description="Certificate or standard, with its number: grating 1234, checked in May 2026.",
        json_schema_extra={"group": LABORATORY},
    )
    laboratory: str = _text("Laboratory", "Name and address; with GLP or accreditation, its number.")
    operator: str = _text("Operator", "Who took the images and is responsible for the outlines.")
    orcid: Annotated[str, AfterValidator(_orcid)] = _text("ORCID", "The operator's ORCID iD.")
    licence: str = _text("Licence", "Terms of use of the files, such as CC-BY-4.0, or their address.")
    material: str = _text("Material", "What was measured: name, number (CAS, ERM, JRC), batch, supplier, form.", SAMPLE)
    microscope: str = _text("Microscope", "Maker, model, serial number, detector: SEM, TEM or STEM.")
    grating: str = _text("Grating", "The standard that the magnification was checked with, its number and date.")
    preparation: str = _text(
        "Preparation", "How the specimen was made: medium, dispersion, grid or stub, coating.", SAMPLE
    )
    sampling_plan: str = _text(
        "Sampling plan", "How portions of the material and fields of the specimen were chosen.", SAMPLE
    )
    deviations: str = _text("Deviations", "What differs from the named method, and why.", SAMPLE)

    def scaled(self, scale: Scale) -> Scale:
        """The scale of an image, completed by these settings: the stated calibration, and the uncertainty of the
        microscope's calibration."""
        per_cent, scale = self.scale_uncertainty, replace(scale, stated=self.calibration)
        if per_cent == "auto" or not per_cent:
            return scale
        note, k = self.scale_uncertainty_source, self.scale_uncertainty_k
        expanded = f"U = {per_cent:g} %, k = {k:g}" if k != 1 else ""
        words = ", ".join(part for part in (note, expanded) if part)
        return replace(scale, instrument_uncertainty=per_cent / k / 100, instrument_note=words)
