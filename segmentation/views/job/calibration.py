"""The scale on the page of a result: the scale read in the data bar, with its picture, and the facts that the file
states."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from PIL import Image, ImageDraw

from ...core.micrograph.calibration.crosscheck import LARGEST_DIFFERENCE, is_far_apart
from ...core.micrograph.calibration.sources import Source
from ...core.micrograph.calibration.square import COLUMNS, ROWS
from ...core.micrograph.calibration.stated import BAR_SOURCES
from ...core.micrograph.calibration.width import parse_length
from ...core.micrograph.types import Calibration, Scale, ScaleReason
from ...core.micrograph.vendors.facts import MARKS
from ...core.report.wording import calibration_words, capital, pixel_size, rounding_words, trimmed
from ...http.access import row_of, visible
from ...http.serving import serve
from ...models import Job, Micrograph

# Margins of the picture of a reading, as multiples of the height of the text, because words may be beside it.
MARGIN_BESIDE, MARGIN_ABOVE = 1.5, 0.25
# Least width of the picture of a line that is asked about, and half the height of the mark at either end, in px.
ASKED_PX, MARK_PX = 360, 14
# Name in the metadata -> term and unit on the page, in the order of the page.
FACTS = {
    "instrument": ("Instrument", ""),
    "detector": ("Detector", ""),
    "voltage_kv": ("Voltage", "kV"),
    "working_distance_mm": ("Working distance", "mm"),
    "magnification": ("Magnification", "×"),
    "tilt_degrees": ("Tilt of the stage", "°"),
    "tilt_corrected": ("Tilt corrected by the microscope", ""),
    "scan_rotation_degrees": ("Rotation of the scan", "°"),
    "date": ("Taken", ""),
    ROWS: ("Rows in the file", "px"),
    COLUMNS: ("Columns in the file", "px"),
}
LONGEST_FACT = 80  # characters of a value; longer ones are not shown
UNLISTED_METADATA = ("panels", MARKS)  # positions in the image, not facts for people


@dataclass(frozen=True)
class Suggestion:
    """A scale that was read in the data bar, or that the file states, compared with the calibration in use.

    state: "offered" to be accepted, "agrees" with the calibration in use, "read" if it is in use automatically, or
    "used" if the user has confirmed it.
    size, uncertainty, width, detail: pixel size, its uncertainty, the width of the image for the form's field, and how
    it was read, in words. has_picture: whether there is a picture of the part of the image that was read.
    same_as: name of an earlier image with the same data bar, whose reading is used; "" if the bar of this image was
    read. contradicts: whether a person must decide between it and the calibration in use.
    """

    state: str
    size: str
    uncertainty: str
    width: str
    detail: str
    has_picture: bool
    same_as: str = ""
    contradicts: bool = False


@dataclass(frozen=True)
class ScaleQuestion:
    """The question for the line of a length, or for the length of a line, that alone was found in an image.

    title: the question. length: the length as `stated` reads it, "" if it is asked for. pixels: length of the proposed
    line in px of the upload, 0.0 without one. error: standard uncertainty of the place of either end, in px.
    """

    title: str
    length: str
    pixels: float
    error: float = 1.0


def question(job: Job) -> ScaleQuestion | None:
    """What the page asks about the scale bar in the image of a job; None if a scale is in use, or nothing is asked."""
    if not job.scale.question or job.scale.in_use.is_known:
        return None
    length, ends = length_of(job.micrograph), ends_of(job.micrograph)
    across = math.hypot(ends[2] - ends[0], ends[3] - ends[1]) if ends else 0.0
    title = f"{length}: {'is this' if ends else 'where is'} its line?" if length else "How long is this scale bar?"
    return ScaleQuestion(title, length, round(across, 2))


def length_of(micrograph: Micrograph) -> str:
    """The length of the scale bar that was read, as it is written, or in nm if `parse_length` reads it otherwise; ""
    without one."""
    reading = micrograph.reading or {}
    nm, bar = reading.get("length_nm"), (reading.get("ways") or {}).get("scale bar")
    text = str((bar or reading).get("text", ""))
    try:
        is_plain = bool(nm) and math.isclose(parse_length(text), nm)
    except ValueError:
        is_plain = False
    return text if is_plain else f"{nm:g} nm" if nm else ""


def suggestion(job: Job) -> Suggestion | None:
    """The scale that was read in the image of a job, compared with the calibration in use; None if none was read."""
    scale, micrograph = job.scale, job.micrograph
    state, is_pictured = _state(scale.bar, scale.in_use), box_of(micrograph) is not None
    bar_suggestion = _suggestion_of(scale.bar, state, scale, is_pictured)
    if bar_suggestion is None:
        return None
    contradicts = not scale.in_use.is_kept and is_far_apart(scale.bar, scale.in_use)
    return replace(bar_suggestion, same_as=micrograph.reading.get("same_as", ""), contradicts=contradicts)


def file_suggestion(job: Job) -> Suggestion | None:
    """The scale that the file states. It is offered if the data bar contradicts it and no scale is in use; else
    None."""
    scale = job.scale
    if scale.in_use.is_known or scale.of_image.choose()[1] != ScaleReason.CONTRADICTED:
        return None
    return _suggestion_of(scale.file, "offered", scale, False)


def _suggestion_of(calibration: Calibration, state: str, scale: Scale, is_pictured: bool) -> Suggestion | None:
    """A suggestion of this calibration; None if it has no pixel size."""
    if calibration.nm_per_pixel is None:
        return None
    size, uncertainty = pixel_size(calibration.nm_per_pixel), rounding_words(calibration)
    return Suggestion(state, size, uncertainty, scale.width_text(calibration), calibration.detail, is_pictured)


def _state(suggested: Calibration, in_use: Calibration) -> str:
    """`Suggestion.state` of the suggested calibration."""
    if in_use.source in BAR_SOURCES:
        return "read" if in_use.source == Source.READ else "used"
    if not in_use.is_known or not in_use.nm_per_pixel or not suggested.nm_per_pixel:
        return "offered"
    relative_difference = math.expm1(abs(math.log(suggested.nm_per_pixel / in_use.nm_per_pixel)))
    return "agrees" if relative_difference <= LARGEST_DIFFERENCE else "offered"


@require_safe
def reading(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The picture of the part of an upload in which its scale was read, as PNG."""
    micrograph = visible(request, row_of(Micrograph, pk))
    box, viewer_image = box_of(micrograph), micrograph.viewer_image
    if box is None:
        raise Http404
    file, tag = viewer_image or micrograph.preview, f"{micrograph.pk}-{'viewer' if viewer_image else 'preview'}-reading"
    return serve(request, lambda: _crop(file, box, micrograph), "image/png", "reading.png", True, tag=tag)


def box_of(micrograph: Micrograph) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom of the text that was read, in px of the upload; None if not known."""
    try:
        x, y, width, height = map(float, (micrograph.reading or {}).get("box") or ())
    except (TypeError, ValueError):
        return None
    inside = 0 <= x < micrograph.width and 0 <= y < micrograph.height and width > 0 and height > 0
    return (x, y, x + width, y + height) if inside else None


def ends_of(micrograph: Micrograph) -> tuple[float, ...]:
    """x and y of both ends of the line of the scale bar that was read, in px of the upload; () if not known."""
    try:
        ends = tuple(map(float, (micrograph.reading or {}).get("ends") or ()))
    except (TypeError, ValueError):
        return ()
    limits = (micrograph.width, micrograph.height) * 2
    is_inside = len(ends) == len(limits) and all(0 <= end <= limit for end, limit in zip(ends, limits, strict=True))
    return ends if is_inside and ends[:2] != ends[2:] else ()


def _crop(file: Any, box: tuple[float, float, float, float], micrograph: Micrograph) -> io.BytesIO:
    """The PNG of a box given in px of the micrograph, with some margin; raises OSError, ValueError."""
    height = box[3] - box[1]
    bar_top = micrograph.data_bar if micrograph.data_bar is not None and micrograph.data_bar <= box[1] else 0
    left, top, right, bottom = (
        max(0, box[0] - MARGIN_BESIDE * height),
        max(bar_top, box[1] - MARGIN_ABOVE * height),
        min(micrograph.width, box[2] + MARGIN_BESIDE * height),
        min(micrograph.height, box[3] + MARGIN_ABOVE * height),
    )
    with file.open("rb") as opened, Image.open(opened, formats=["PNG", "WEBP"]) as picture:
        scale_x, scale_y = picture.width / micrograph.width, picture.height / micrograph.height
        corners = (left * scale_x, top * scale_y, right * scale_x, bottom * scale_y)
        part = picture.crop((*map(math.floor, corners[:2]), *map(math.ceil, corners[2:])))
        if micrograph.scale.question and (ends := ends_of(micrograph)):
            part = _with_ends(part, [(x * scale_x, y * scale_y) for x, y in (ends[:2], ends[2:])], corners)
    png = io.BytesIO()
    part.save(png, "PNG")
    png.seek(0)
    return png


def _with_ends(part: Image.Image, ends: list[tuple[float, float]], corners: tuple[float, ...]) -> Image.Image:
    """A part of a picture, enlarged to ASKED_PX, with a mark at each end of a line. ends, corners: left, top, right and
    bottom of the part, in px of the picture."""
    factor = max(1.0, ASKED_PX / part.width)
    marked = part.convert("RGB").resize((round(factor * part.width), round(factor * part.height)))
    draw = ImageDraw.Draw(marked)
    for x, y in ends:
        across, down = factor * (x - math.floor(corners[0])), factor * (y - math.floor(corners[1]))
        for colour, wide in (("#000000", 4), ("#ffd84d", 2)):
            draw.line([(across, down - MARK_PX), (across, down + MARK_PX)], fill=colour, width=wide)
    return marked


def acquisition_facts(micrograph: Micrograph) -> list[tuple[str, str]]:
    """Scale, instrument and settings as the file states them: (term, words) of each, those in FACTS first."""
    file = micrograph.scale.file
    words = (calibration_words(file, detail=False), file.detail) if file.nm_per_pixel else ()
    scale = [("Scale in the file", ": ".join(filter(None, words)))] if words else []
    facts = {
        name: value
        for name, value in micrograph.metadata.items()
        if isinstance(value, str | int | float)
        and 0 < len(str(value)) <= LONGEST_FACT
        and name not in UNLISTED_METADATA
    }
    listed = [_fact(*FACTS[name], facts[name]) for name in FACTS if name in facts]
    others = [_fact(capital(name.replace("_", " ")), "", facts[name]) for name in facts if name not in FACTS]
    return [*scale, *listed, *others]


def _fact(term: str, unit: str, value: str | float) -> tuple[str, str]:
    return term, f"{value if isinstance(value, str) else trimmed(value)} {unit}".strip()
