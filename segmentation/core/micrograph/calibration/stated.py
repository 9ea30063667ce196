"""Reads the scale that a person states (a typed width, an accepted suggestion, or a drawn line) as a `Calibration`.

Pages, API and stored rows hold a stated scale as the fields of `StatedScale`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..types import Calibration, DrawnLine, Scale
from ..vendors.units import plausible_pixel
from .crosscheck import contradict
from .sources import Source
from .width import VERY_WIDE_NM, parse_length, parse_width, width_text

WIDTH_TOLERANCE_NM = 0.0051  # widths that differ by less look the same in a field, which shows two decimals
SHORTEST_PX = 5.0  # a shorter line cannot be measured
FIELDS = ("width", "source", "pixels", "error", "length")  # names of the fields in forms and JSON
LONGEST_LENGTH = 40  # characters of the text of a length
NO_LINE = "The line could not be understood: draw it on the scale bar again."
SHORT_LINE = "The line is too short to measure: draw it from one end of the scale bar to the other."
LONG_LINE = "The line is longer than the image: draw it on the scale bar again."
NO_LENGTH = "Type the length that is written at the scale bar, such as 200 nm or 1 µm."
# Sources of the image's own scale; None: not known. DATA_BAR is not among them, because there a person confirmed the
# reading and so stated it.
IMAGE_SOURCES = {None, Source.METADATA, Source.SIDE_FILE, Source.READ}
FILE_SOURCES = {Source.METADATA, Source.SIDE_FILE}
BAR_SOURCES = {Source.READ, Source.DATA_BAR}
# Sentences for scripts.
NO_WIDTH = "Send width, such as 7520 nm or 7.52 µm."
NO_SCALE = "There is no scale in the {source} of this image."


@dataclass(frozen=True)
class StatedScale:
    """What a page, a script or a stored row states about the scale of an image.

    width: the text of the field for the width, such as "7.52 µm"; None if nothing is stated.
    source: where that text comes from; None if this is not known. line: the drawn line if `source`
    is DRAWN; None for other sources, and for a line that could not be understood.
    """

    width: str | None = None
    source: Source | None = None
    line: DrawnLine | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> StatedScale:
        """The StatedScale in the FIELDS of a form or of JSON. An unknown word as source counts as typed."""
        width, word = fields.get("width"), fields.get("source")
        source = (Source(word) if word in set(Source) else Source.TYPED) if word else None
        if source != Source.DRAWN:
            return cls(width, source)
        try:
            pixels, error = float(fields["pixels"]), float(fields["error"])
            return cls(width, source, DrawnLine(pixels, error, str(fields["length"])))
        except (KeyError, TypeError, ValueError):
            return cls(width, source)

    def as_dict(self) -> dict[str, Any]:
        """The FIELDS of this StatedScale for JSON; `of` reads them."""
        line = asdict(self.line) if self.line else {}
        return {"width": self.width, "source": self.source} | line

    @property
    def text(self) -> str:
        """The text of the field without spaces around it."""
        return (self.width or "").strip()

    @property
    def uses_image_scale(self) -> bool:
        """Whether the image's own scale is to be used: nothing is stated, or the text came from that scale."""
        return self.width is None or self.source in IMAGE_SOURCES

    def needs_bar(self, scale: Scale) -> bool:
        """Whether the scale has to be read from a bar in the image: the image's own scale is to be
        used, and the file has none."""
        return self.uses_image_scale and not scale.file.nm_per_pixel

    def calibration(self, scale: Scale) -> Calibration | None:
        """The stated calibration; None if nothing is stated, so that file or image decide.

        An empty field states nothing if the image's own scale is to be used (`uses_image_scale`), and the
        line if one is drawn; otherwise it means sizes in pixels. A text counts as typed if its source
        gives another width. Raises ValueError with a sentence for a bad text or line.
        """
        image_calibration, columns = scale.of_image.in_use, scale.shape[1]
        if self.width is None:
            return None
        if self.uses_image_scale and self.text in ("", scale.width_text(image_calibration)):  # an unedited field
            return None
        offered, width = self._offered(scale), parse_width(self.text)
        offered_nm = offered.width_nm(columns) if offered else None
        is_line_alone = width is None and self.source == Source.DRAWN
        if offered_nm is not None and (is_line_alone or abs((width or 0.0) - offered_nm) <= WIDTH_TOLERANCE_NM):
            return offered
        if not width:
            return Calibration.absent()
        return Calibration.of_width(width, columns, typed=self.text)

    def with_file_as_source(self, scale: Scale) -> StatedScale:
        """This scale; if the user typed the width that the file states, the source becomes the file."""
        is_of_file = self.source == Source.TYPED and self.text == scale.width_text(scale.file)
        return replace(self, source=scale.file.source) if is_of_file and self.text else self

    def calibration_of_source(self, scale: Scale) -> Calibration | None:
        """The calibration of `source`, for a script that names one; None for the image's own scale.

        `width` is read only if the source is "typed". Raises ValueError with a sentence if the
        source has no scale.
        """
        if self.source == Source.NONE:
            return Calibration.absent()
        if self.source == Source.TYPED:
            if not self.text:
                raise ValueError(NO_WIDTH)
            return self.calibration(scale)
        calibration = self._offered(scale)
        if calibration is None or not calibration.is_known:
            raise ValueError(NO_SCALE.format(source="data bar" if self.source in BAR_SOURCES else "file"))
        return None if calibration == scale.of_image.in_use else calibration

    def _offered(self, scale: Scale) -> Calibration | None:
        """The calibration that `source` gives, whatever the text is; None for typed and unknown
        sources. Raises ValueError with a sentence for a bad line."""
        if self.source in FILE_SOURCES:
            return scale.file
        if self.source in BAR_SOURCES:
            return scale.confirmed_bar
        return _line_calibration(self.line, scale.shape) if self.source == Source.DRAWN else None


def question_about(stated: Calibration | None, scale: Scale) -> str:
    """A sentence that asks the user about a typed scale; "" if there is nothing to ask.

    The user is asked if the typed scale contradicts the file or a certain data bar, or if hardly any
    electron micrograph is as wide."""
    image_calibration, columns = scale.of_image.in_use, scale.shape[1]
    if stated is None or stated.source != Source.TYPED:
        return ""
    if not contradict(stated, image_calibration):
        width = stated.width_nm(columns) or 0.0
        if width < VERY_WIDE_NM:
            return ""
        return f"That is {width * 1e-6:g} mm, which is rare in electron microscopy."
    image_width, typed_width = (
        f"{width_text(calibration.width_nm(columns) or 0.0)} nm" for calibration in (image_calibration, stated)
    )
    return f"The {image_calibration.source.noun} says that the image is {image_width} wide. You typed {typed_width}."


def _line_calibration(line: DrawnLine | None, shape: tuple[int, int]) -> Calibration:
    """The calibration of a line drawn in an image of this shape in px; raises ValueError with a
    sentence."""
    if line is None or not (math.isfinite(line.pixels) and math.isfinite(line.error) and line.error >= 0):
        raise ValueError(NO_LINE)
    if line.pixels < SHORTEST_PX or line.error >= line.pixels:
        raise ValueError(SHORT_LINE)
    if line.pixels > math.hypot(*shape) + 1:
        raise ValueError(LONG_LINE)
    try:
        length = parse_length(line.length[:LONGEST_LENGTH])
    except ValueError:
        raise ValueError(NO_LENGTH) from None
    if plausible_pixel(length / line.pixels) is None:
        raise ValueError(NO_LENGTH)
    return Calibration.of_line(length, line.pixels, line.error)
