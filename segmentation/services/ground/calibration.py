"""What a user says of the scale of an image becomes a Calibration: a width, an accepted suggestion or a drawn line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings

from ...core.analysis import AnalysisSettings
from ...core.micrograph.crosscheck import Source, contradict, crosscheck_sources
from ...core.micrograph.readings import calibration_of, confirmed, contradictions
from ...core.micrograph.types import Calibration, Line
from ...core.micrograph.vendors.units import plausible_pixel
from ...core.micrograph.width import VERY_WIDE_NM, parse_length, parse_width
from ...models import Job, Micrograph, Sample

SAME_NM = 0.0051  # widths are shown with two decimals
SHORTEST_PX = 5.0
FIELDS = ("width", "source", "pixels", "error", "length")  # of a stated scale in forms and JSON
LONGEST_LENGTH = 40  # characters
NO_LINE = "The line could not be understood: draw it on the scale bar again."
SHORT_LINE = "The line is too short to measure: draw it from one end of the scale bar to the other."
LONG_LINE = "The line is longer than the image: draw it on the scale bar again."
NO_LENGTH = "Type the length that is written at the scale bar, such as 200 nm or 1 µm."
OWN = {None, Source.METADATA, Source.SIDE_FILE, Source.READ}  # sources of an image's own scale
BAR = {Source.READ, Source.DATA_BAR}  # sources that mean the data bar
NO_WIDTH = "Send width, such as 7520 nm or 7.52 µm."
NO_SCALE = "There is no scale in the {source} of this image."
BEING_READ = "still being read from the image"


@dataclass(frozen=True)
class StatedScale:
    """What a page, a script or a stored row says of the scale of an image.

    width: the text of a field, such as "7.52 µm"; None if nothing is stated. source: where that text comes from; None
    if this is not known. line: the drawn line, where the text comes from one; None if it could not be understood.
    """

    width: str | None = None
    source: Source | None = None
    line: Line | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> StatedScale:
        """The statement in FIELDS of a form or of JSON. A text whose source is not known counts as typed."""
        width, word = fields.get("width"), fields.get("source")
        source = (Source(word) if word in set(Source) else Source.TYPED) if word else None
        if source != Source.DRAWN:
            return cls(width, source)
        try:
            return cls(width, source, Line(float(fields["pixels"]), float(fields["error"]), str(fields["length"])))
        except (KeyError, TypeError, ValueError):
            return cls(width, source)

    def as_dict(self) -> dict[str, Any]:
        """The statement for JSON. `of` reads it."""
        return {"width": self.width, "source": self.source} | (asdict(self.line) if self.line else {})

    @property
    def is_own(self) -> bool:
        """Whether the image's own scale is meant: by its text, or by no statement at all."""
        return self.width is None or self.source in OWN


def width_text(width_nm: float) -> str:
    """The text of a width in its field: digits with at most two decimals."""
    return f"{width_nm:.2f}".rstrip("0").rstrip(".")


def file_calibration(micrograph: Micrograph) -> Calibration | None:
    """The calibration in the file itself or in a side file, or None."""
    calibration = micrograph.file_calibration
    return calibration if calibration.nm_per_pixel else None


def with_site_uncertainty(requested: AnalysisSettings) -> AnalysisSettings:
    """The settings with the site's calibration uncertainty, if the user typed none."""
    if requested.measurement.scale_uncertainty != "auto" or not settings.DEEPSEGM_SCALE_UNCERTAINTY:
        return requested
    standard, note = settings.DEEPSEGM_SCALE_UNCERTAINTY, settings.DEEPSEGM_SCALE_UNCERTAINTY_SOURCE
    return requested.with_(scale_uncertainty=standard, scale_uncertainty_k=1.0, scale_uncertainty_source=note)


def calibration_for(stated: StatedScale, micrograph: Micrograph) -> Calibration | None:
    """The stated calibration; None if nothing is stated, so that file or image decide.

    An empty field of no source, or of the image's own (`is_own`), states nothing; any other one means pixels. A text
    counts as typed if its source gives another width. Raises ValueError with a sentence for a bad text or line.
    """
    if stated.width is None:
        return None
    text, own_nm = stated.width.strip(), micrograph.own_calibration.width_nm(micrograph.width)
    if stated.is_own and text in ("", own_nm and width_text(own_nm)):  # of an unedited field
        return None
    offered, width = _of_source(stated, micrograph), parse_width(text)
    offered_nm = offered.width_nm(micrograph.width) if offered and offered.is_known else None
    if width is not None and offered_nm is not None and abs(width - offered_nm) <= SAME_NM:
        return offered
    return Calibration.of_width(width, micrograph.width, typed=text) if width else Calibration.absent()


def waits_for_reading(micrograph: Micrograph, stated: StatedScale, rule: str = Sample.Rule.OWN) -> bool:
    """Whether the scale of an image depends on a data bar that has not been read yet.

    rule: the rule of its sample. Where the scale is known otherwise, nothing waits for the bar:
    `services.results.publishing.heed_reading` compares it later.
    """
    if micrograph.is_finished or file_calibration(micrograph):
        return False
    return stated.is_own and rule == Sample.Rule.OWN


def chosen_calibration(stated: StatedScale, micrograph: Micrograph) -> Calibration | None:
    """The calibration of the source that a script chooses; None for the image's own. The source counts, not the width.

    Raises ValueError with a sentence if the source has no scale.
    """
    if stated.source == Source.TYPED and not (stated.width or "").strip():
        raise ValueError(NO_WIDTH)
    if stated.source == Source.TYPED:
        return calibration_for(stated, micrograph)
    if stated.source == Source.NONE:
        return Calibration.absent()
    calibration = _of_source(stated, micrograph)
    if calibration is None or not calibration.is_known:
        raise ValueError(NO_SCALE.format(source="data bar" if stated.source in BAR else "file"))
    return None if calibration == micrograph.own_calibration else calibration


def refuse_tall_bar(settings: AnalysisSettings, micrograph: Micrograph) -> None:
    """Raises ValueError if the data bar leaves no row to analyse."""
    if settings.segmentation.data_bar != "auto" and settings.segmentation.data_bar >= micrograph.height:
        raise ValueError(
            f"The data bar cannot take {settings.segmentation.data_bar} rows: the image has only {micrograph.height}."
        )


def _of_source(stated: StatedScale, micrograph: Micrograph) -> Calibration | None:
    """The calibration that the source gives without the text. Raises ValueError with a sentence for a bad line."""
    if stated.source in (Source.METADATA, Source.SIDE_FILE):
        return file_calibration(micrograph)
    if stated.source in BAR:
        return confirmed(micrograph.reading)
    return _calibration_of_line(stated.line, micrograph) if stated.source == Source.DRAWN else None


def _calibration_of_line(line: Line | None, micrograph: Micrograph) -> Calibration:
    """The calibration of a drawn line; raises ValueError with a sentence."""
    if line is None or not (math.isfinite(line.pixels) and math.isfinite(line.error) and line.error >= 0):
        raise ValueError(NO_LINE)
    if line.pixels < SHORTEST_PX or line.error >= line.pixels:
        raise ValueError(SHORT_LINE)
    if line.pixels > math.hypot(micrograph.width, micrograph.height) + 1:
        raise ValueError(LONG_LINE)
    try:
        length = parse_length(line.length[:LONGEST_LENGTH])
    except ValueError:
        raise ValueError(NO_LENGTH) from None
    if plausible_pixel(length / line.pixels) is None:
        raise ValueError(NO_LENGTH)
    return Calibration.of_line(length, line.pixels, line.error)


def disagreements(micrograph: Micrograph, used: Calibration | None = None) -> list[str]:
    """Sentences on calibrations that differ by more than 2 %: of the file, of the data bar, and the one used.

    used: None means the image's own. A data bar that contradicts itself, or whose ticks are miscounted, comes first.
    """
    read, used = calibration_of(micrograph.reading), used or micrograph.own_calibration
    sentences = crosscheck_sources(micrograph.file_calibration, read, used)
    return [*filter(None, [contradictions(micrograph.reading)]), *sentences]


def doubted(stated: Calibration | None, micrograph: Micrograph) -> str:
    """A question to the user who typed a scale that contradicts the image's file or clear data bar, or a width that
    hardly any electron micrograph has; "" for none."""
    of_image = micrograph.own_calibration
    if stated is None or stated.source != Source.TYPED:
        return ""
    if not contradict(stated, of_image):
        width = stated.width_nm(micrograph.width) or 0.0
        return "" if width < VERY_WIDE_NM else f"That is {width * 1e-6:g} mm, which is rare in electron microscopy."
    wide = [f"{width_text(calibration.width_nm(micrograph.width) or 0.0)} nm" for calibration in (of_image, stated)]
    return f"The {of_image.source.noun} says that the image is {wide[0]} wide. You typed {wide[1]}."


def used_calibration(job: Job) -> Calibration:
    """The calibration with which a job measured, or will measure."""
    calibration = job.summary.get("calibration")
    if calibration:
        return Calibration(**calibration)
    return settings_calibration(job)


def stated_calibration(job: Job) -> Calibration | None:
    """The calibration in a job's settings, or the requested one if the job never became ready."""
    stated = job.get_settings().measurement.calibration
    if stated is None and not job.ready and job.micrograph.is_read:
        with suppress(ValueError):
            return calibration_for(StatedScale.of(job.asked), job.micrograph)
    return stated


def settings_calibration(job: Job) -> Calibration:
    """The calibration that follows from a job's settings and its image."""
    return calibration_by(job.get_settings().with_(calibration=stated_calibration(job)), job.micrograph)


def calibration_by(settings: AnalysisSettings, micrograph: Micrograph) -> Calibration:
    """The calibration that measures an upload. The settings come before the image; there may be none."""
    return settings.measurement.scaled(micrograph.own_calibration)


def is_scaled(summary: dict[str, Any]) -> bool:
    """Whether the scale of a result is known."""
    return bool(summary.get("calibration", {}).get("nm_per_pixel"))
