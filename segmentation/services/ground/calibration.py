"""Widths, accepted suggestions and drawn lines, turned into Calibrations."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from typing import Any

from django.conf import settings

from ...core.analysis import AnalysisSettings
from ...core.micrograph.crosscheck import contradict, crosscheck_sources
from ...core.micrograph.readings import calibration_of, confirmed, contradictions
from ...core.micrograph.types import SOURCES, Calibration
from ...core.micrograph.vendors.units import plausible_pixel
from ...core.micrograph.width import parse_length, parse_width, question
from ...core.report.wording import pixel_size
from ...models import Job, Micrograph, Sample

SAME_NM = 0.0051  # widths are shown with two decimals
SHORTEST_PX = 5.0
_LINE = re.compile(r"drawn:([0-9]{1,6}(?:\.[0-9]{1,3})?):([0-9]{1,6}(?:\.[0-9]{1,3})?):(.{1,40})")
NO_LINE = "The line could not be understood: draw it on the scale bar again."
SHORT_LINE = "The line is too short to measure: draw it from one end of the scale bar to the other."
LONG_LINE = "The line is longer than the image: draw it on the scale bar again."
NO_LENGTH = "Type the length that is written at the scale bar, such as 200 nm or 1 µm."
UNTOUCHED = {"", "file", "read"}  # origins of a text that was not typed
NO_WIDTH = "Send width, such as 7520 nm or 7.52 µm."
NO_SCALE = "There is no scale in the {source} of this image."
BEING_READ = "still being read from the image"
UNSCALED = "not set: sizes in pixels"
CONFIRMED = "metadata"  # origin of the file's own width where the bar in the image contradicts it
BADGES = {
    "metadata": "from the file, confirmed",
    "side file": "from the file beside it, confirmed",
    "data bar": "read from the image, confirmed",
    "drawn": "drawn on the scale bar",
    "typed": "typed",
}


def width_text(width_nm: float) -> str:
    """A width as shown in the field: plain digits, at most two decimals."""
    return f"{width_nm:.2f}".rstrip("0").rstrip(".")


def file_calibration(micrograph: Micrograph) -> Calibration | None:
    """The calibration in the file itself, or None."""
    own = micrograph.file_calibration
    return own if own.nm_per_pixel else None


def with_site_uncertainty(requested: AnalysisSettings) -> AnalysisSettings:
    """The settings with the site's calibration uncertainty, if the user typed none."""
    if requested.measurement.scale_uncertainty != "auto" or not settings.DEEPSEGM_SCALE_UNCERTAINTY:
        return requested
    standard, note = settings.DEEPSEGM_SCALE_UNCERTAINTY, settings.DEEPSEGM_SCALE_UNCERTAINTY_SOURCE
    return requested.with_(scale_uncertainty=standard, scale_uncertainty_k=1.0, scale_uncertainty_source=note)


def calibration_for(text: str, origin: str, micrograph: Micrograph) -> Calibration | None:
    """The calibration from the text of a width field; None if it states nothing: then file or image decide.

    An empty field states nothing, except with the origin "typed": then it means pixels.

    origin: the origin of the text as reported by the page: "file", "read" (both unchanged), "typed", "data bar"
    (the reading was confirmed), "metadata" (the value in the file was confirmed), "drawn:PIXELS:ERROR:LENGTH" (a line
    of so many px, read to within so many px), or "" if unknown. A text that differs from the initial text of the page
    counts as typed, also from a page without scripts. Raises ValueError with a sentence if the text is not a width or
    the line is not valid.
    """
    offered = _offered(origin, micrograph)
    if offered and _means(text, offered, micrograph):
        return offered
    width_nm = micrograph.own_calibration.width_nm(micrograph.width)
    if origin in UNTOUCHED and text.strip() in ("", width_nm and width_text(width_nm)):  # of an unedited field
        return None
    width = parse_width(text)
    return Calibration.of_width(width, micrograph.width, typed=text.strip()) if width else Calibration.absent()


def asked_calibration(asked: dict[str, Any], micrograph: Micrograph) -> Calibration | None:
    """The calibration requested before the image was read: {"width": text, "origin": origin}.

    Without a text it states nothing. Raises ValueError like `calibration_for`.
    """
    text = asked.get("width")
    return None if text is None else calibration_for(text, asked.get("origin", ""), micrograph)


def waits_for_reading(micrograph: Micrograph, asked: dict[str, Any], rule: str = Sample.Rule.OWN) -> bool:
    """Whether the scale of an image depends on its data bar, not read yet.

    asked: as for `asked_calibration`, {} if nothing was stated. rule: of its sample. A bar that may contradict the file
    or what was typed is read later (`services.results.publishing.heed_reading`).
    """
    if micrograph.is_finished or file_calibration(micrograph):
        return False
    is_stated = asked.get("width") is not None and asked.get("origin", "") not in UNTOUCHED
    return not is_stated and rule == Sample.Rule.OWN


def chosen_calibration(
    source: str, micrograph: Micrograph, *, width: str = "", pixels: float = 0.0, error: float = 0.0, length: str = ""
) -> Calibration | None:
    """The calibration that a script chooses: "file", "data bar", "typed" (a width), "line" (of so many px, read to
    within so many px, of a length) or "none" for pixels. Raises ValueError with a sentence."""
    if source == "typed":
        if not width.strip():
            raise ValueError(NO_WIDTH)
        return calibration_for(width, "typed", micrograph)
    if source == "line":
        return _drawn(f"drawn:{pixels:.3f}:{error:.3f}:{length}", micrograph)
    if source == "none":
        return Calibration.absent()
    found = file_calibration(micrograph) if source == "file" else confirmed(micrograph.reading)
    if found is None or found.nm_per_pixel is None:
        raise ValueError(NO_SCALE.format(source=source))
    return None if found == micrograph.own_calibration else found


def refuse_tall_bar(settings: AnalysisSettings, micrograph: Micrograph) -> None:
    """Raises ValueError if the data bar leaves no row to analyse."""
    if settings.segmentation.data_bar != "auto" and settings.segmentation.data_bar >= micrograph.height:
        raise ValueError(
            f"The data bar cannot take {settings.segmentation.data_bar} rows: the image has only {micrograph.height}."
        )


def accepted(origin: str) -> str:
    """The origin of a width if a suggestion was accepted or a line drawn, else ""."""
    return origin if origin in ("data bar", CONFIRMED) or origin.startswith("drawn") else ""


def _offered(origin: str, micrograph: Micrograph) -> Calibration | None:
    """The accepted or drawn calibration, independent of the text in the field."""
    if not accepted(origin):
        return None
    if origin == CONFIRMED:
        return file_calibration(micrograph)
    return confirmed(micrograph.reading) if origin == "data bar" else _drawn(origin, micrograph)


def _drawn(origin: str, micrograph: Micrograph) -> Calibration:
    """The calibration of a drawn line; raises ValueError with a sentence."""
    line = _LINE.fullmatch(origin)
    if line is None:
        raise ValueError(NO_LINE)
    across, error = float(line[1]), float(line[2])
    if across < SHORTEST_PX or error >= across:
        raise ValueError(SHORT_LINE)
    if across > math.hypot(micrograph.width, micrograph.height) + 1:
        raise ValueError(LONG_LINE)
    try:
        length = parse_length(line[3])
    except ValueError:
        raise ValueError(NO_LENGTH) from None
    if plausible_pixel(length / across) is None:
        raise ValueError(NO_LENGTH)
    return Calibration.of_line(length, across, error)


def _means(text: str, calibration: Calibration, micrograph: Micrograph) -> bool:
    """Whether a field shows the width that a calibration gives the image."""
    try:
        width = parse_width(text)
    except ValueError:
        return False
    return width is not None and abs(width - (calibration.width_nm(micrograph.width) or 0.0)) <= SAME_NM


def disagreements(micrograph: Micrograph, used: Calibration | None = None) -> list[str]:
    """A sentence for each pair of file, reading and used calibration that differs by more than 2 %.

    used: if the user states nothing, the image's own calibration. The first sentence is about a data bar that
    contradicts itself, or with miscounted ticks.
    """
    read, used = calibration_of(micrograph.reading), used or micrograph.own_calibration
    sentences = crosscheck_sources(micrograph.file_calibration, read, used)
    return [*filter(None, [contradictions(micrograph.reading)]), *sentences]


def doubted(stated: Calibration | None, micrograph: Micrograph) -> str:
    """A question about a typed scale that contradicts the image's own one, of its file or a clear bar; "" for none."""
    own = micrograph.own_calibration
    if stated is None or stated.source != "typed" or not contradict(stated, own):
        return ""
    source = "bar in the image" if own.source == "read" else "file"
    wide = [f"{width_text(each.width_nm(micrograph.width) or 0.0)} nm" for each in (own, stated)]
    return f"The {source} says that the image is {wide[0]} wide. You typed {wide[1]}."


def own_badge(micrograph: Micrograph) -> str:
    """The source and value of an image's scale if the user has stated none; "" if not known."""
    own = micrograph.own_calibration
    if own.nm_per_pixel is None:
        return ""
    detail = f" ({own.detail})" if own.detail and own.source != "read" else ""
    return f"{SOURCES[own.source]}{detail}: {pixel_size(own.nm_per_pixel)}"


def badge(text: str, origin: str, micrograph: Micrograph) -> dict[str, str]:
    """The meaning of the text in a width field, for its badge; `static/js/width.js` gives the same."""
    try:
        calibration = calibration_for(text, origin, micrograph)
    except ValueError:
        return {"text": "not a width", "status": "bad"}
    if calibration is None:
        words, unread = own_badge(micrograph), micrograph.is_read and not micrograph.is_finished
        none = {"text": BEING_READ if unread else UNSCALED, "status": "check"}
        return {"text": words, "status": "good"} if words else none
    if calibration.nm_per_pixel is None:
        return {"text": "measured in pixels", "status": ""}
    words = f"{BADGES[calibration.source]}: {pixel_size(calibration.nm_per_pixel)}"
    if calibration.source != "typed":
        return {"text": words, "status": "good"}
    doubt = question(text)
    return {"text": f"{words}; {doubt}", "status": "check"} if doubt else {"text": words, "status": ""}


def used_calibration(job: Job) -> Calibration:
    """What a job measured with, or will."""
    stored = job.summary.get("calibration")
    if stored:
        return Calibration(**stored)
    return settings_calibration(job)


def stated_calibration(job: Job) -> Calibration | None:
    """The calibration in a job's settings, or the requested one if the job never became ready."""
    stated = job.get_settings().measurement.calibration
    if stated is None and not job.ready and job.micrograph.is_read:
        with suppress(ValueError):
            return asked_calibration(job.asked, job.micrograph)
    return stated


def settings_calibration(job: Job) -> Calibration:
    """What a job's settings lead to."""
    return led_to(job.get_settings().with_(calibration=stated_calibration(job)), job.micrograph)


def led_to(settings: AnalysisSettings, micrograph: Micrograph) -> Calibration:
    """The calibration of an upload under these settings: theirs, else its own, else none."""
    return settings.measurement.scaled(micrograph.own_calibration)


def is_scaled(summary: dict[str, Any]) -> bool:
    """Whether the scale of a result is known."""
    return Calibration(**summary.get("calibration", {"nm_per_pixel": None, "source": "none"})).is_known
