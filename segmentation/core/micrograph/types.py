"""The types of an acquired image: Micrograph, Calibration, and Scale: all calibrations of an image that are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .crosscheck import contradict, crosscheck_sources
from .sources import Source
from .vendors.facts import MARKS
from .vendors.units import rounding
from .width import width_text

Polarity = Literal["bright", "dark"]
PROGRAMS = ("ImageJ", "OME-XML")  # begin the detail of a calibration that no microscope wrote
LEAST_DOUBT = 0.001  # smaller errors come from rounding of a tag and change nothing
NO_SCALE = "The scale of this image is not known, so sizes are in pixels."
GreyImage = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]


class UnreadableImage(UserError):
    """The file cannot be analysed; the message is one sentence for the user: what is wrong, what to do."""


@dataclass(frozen=True)
class Line:
    """A line that the user drew along the scale bar: its length in px of the image, the error of either end in px, and
    the length that is written there with its unit, such as "500 nm"."""

    pixels: float
    error: float
    length: str


@dataclass(frozen=True)
class Calibration:
    """The size of a pixel, and how it is known.

    nm_per_pixel: nanometres, or None where lengths are measured in pixels.
    source: how it is known; the text of one is taken, too. Raises ValueError for any other text.
    detail: for people, such as "Zeiss tag 34118, Image Pixel Size".
    relative_uncertainty: standard uncertainty of nm_per_pixel as a fraction, by the rounding of what was read or typed
        or the ends of the line that was measured; None where unknown.
    instrument_uncertainty: the same of the microscope's own calibration, which no file holds; None if the user gave
        none. instrument_note: where it comes from, such as "certified grating".
    """

    nm_per_pixel: float | None
    source: Source
    detail: str = ""
    relative_uncertainty: float | None = None
    instrument_uncertainty: float | None = None
    instrument_note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", Source(self.source))

    @property
    def is_known(self) -> bool:
        """Whether the size of a pixel is known."""
        return self.nm_per_pixel is not None

    @property
    def standard_uncertainty(self) -> float | None:
        """The standard uncertainty of nm_per_pixel as a fraction, by all that is known of it; None if nothing is."""
        parts = [part for part in (self.relative_uncertainty, self.instrument_uncertainty) if part is not None]
        return math.hypot(*parts) if parts else None

    @classmethod
    def absent(cls) -> Calibration:
        return cls(None, Source.NONE)

    @classmethod
    def of_width(cls, width_nm: float, columns: int, *, typed: str = "") -> Calibration:
        """The calibration of an image `columns` pixels wide that shows `width_nm` nanometres.

        typed: the text that the user typed, such as "7.52 µm"; the uncertainty is the rounding of its last digit, or
        that of the shortest way to write the number where no text is given.
        """
        uncertainty = rounding(typed or f"{width_nm:.10g}")
        return cls(width_nm / columns, Source.TYPED, f"{width_nm:g} nm across {columns} px", uncertainty)

    @classmethod
    def of_pixel(cls, nm_per_pixel: float, *, typed: str = "", detail: str = "") -> Calibration:
        """The calibration of an image whose pixels are `nm_per_pixel` nanometres wide.

        typed: the text that the user typed, such as "5.50"; the uncertainty is the rounding of its last digit, or
        that of the shortest way to write the number where no text is given. detail: for people, else the number.
        """
        uncertainty = rounding(typed or f"{nm_per_pixel:.10g}")
        return cls(nm_per_pixel, Source.TYPED, detail or f"{nm_per_pixel:g} nm per pixel", uncertainty)

    @classmethod
    def of_line(cls, length_nm: float, length_px: float, error_px: float = 1.0) -> Calibration:
        """The calibration of a scale bar of `length_nm`, along which the user drew a line of `length_px` pixels.

        error_px: standard uncertainty of the place of either end; the two add in quadrature, and no more than the
        whole length is uncertain. Raises ValueError for lengths that are not positive and finite.
        """
        if not (math.isfinite(length_nm) and math.isfinite(length_px) and length_nm > 0 and length_px > 0):
            raise ValueError("The line and its length must be more than 0.")
        detail = f"{length_nm:g} nm over {length_px:.4g} px"
        return cls(length_nm / length_px, Source.DRAWN, detail, min(1.0, math.sqrt(2.0) * error_px / length_px))

    def width_nm(self, columns: int) -> float | None:
        return None if self.nm_per_pixel is None else self.nm_per_pixel * columns


ABSENT = Calibration.absent()


class Why(StrEnum):
    """Why a calibration is in use, or none is."""

    MEASURED = "the numbers were made with it"
    STATED = "a person stated it"
    FILE = "the file states it"
    BAR = "it was read from the image beyond doubt"
    CONTRADICTED = "file and image contradict each other, so neither is used"
    NOT_KNOWN = "nothing states it"


@dataclass(frozen=True)
class Scale:
    """All that is known of the scale of one image; `choose` decides which calibration is in use.

    file: what the file or a side file of the microscope states; absent where neither does.
    bar: what was read from a data bar or scale bar, beyond doubt or not; absent where nothing was.
    stated: what a person stated; None where nobody did, absent where lengths are wanted in pixels.
    measured: what the numbers of a result were made with; None before there are any.
    shape: rows and columns of the image in px; (0, 0) before they are known.
    is_bar_sure: whether the reading of the bar is beyond doubt.
    texts_agree: whether two independent texts led to it.
    bar_note: a sentence about a bar that contradicts itself or was not read to its end, or "".
    instrument_uncertainty, instrument_note: as of `Calibration`, for whichever is chosen.
    """

    file: Calibration = ABSENT
    bar: Calibration = ABSENT
    stated: Calibration | None = None
    measured: Calibration | None = None
    shape: tuple[int, int] = (0, 0)
    is_bar_sure: bool = False
    texts_agree: bool = False
    bar_note: str = ""
    instrument_uncertainty: float | None = None
    instrument_note: str = ""

    def choose(self) -> tuple[Calibration, Why]:
        """The calibration in use, and why: the only place where this is decided.

        What a result was measured with stays. Else a person decides, then the file, then a certain
        reading of the image. A microscope's own pixel size is used against one text in the picture,
        which may be misread. Neither is used if two texts agree against it, or if one text
        contradicts the pixel size from a program, which may not know that the image was resized.
        """
        if self.measured is not None:
            return self.measured, Why.MEASURED
        if self.stated is not None:
            return self._with_instrument(self.stated), Why.STATED
        bar, is_of_program = self.certain_bar, self.file.detail.startswith(PROGRAMS)
        if contradict(self.file, bar) and (self.texts_agree or is_of_program):
            return Calibration.absent(), Why.CONTRADICTED
        if self.file.nm_per_pixel:
            return self._with_instrument(self.file), Why.FILE
        return self._with_instrument(bar), Why.BAR if bar.is_known else Why.NOT_KNOWN

    @property
    def in_use(self) -> Calibration:
        """The calibration that `choose` gives."""
        return self.choose()[0]

    @property
    def certain_bar(self) -> Calibration:
        """What was read from the bar if it is beyond doubt, else absent."""
        return self.bar if self.is_bar_sure else Calibration.absent()

    @property
    def confirmed_bar(self) -> Calibration:
        """What was read from the bar, as one that the user has confirmed."""
        return replace(self.bar, source=Source.DATA_BAR) if self.bar.nm_per_pixel else self.bar

    @property
    def of_image(self) -> Scale:
        """The same without what a person stated and what was measured: as the image gives it."""
        return replace(self, stated=None, measured=None, instrument_uncertainty=None, instrument_note="")

    @property
    def anew(self) -> Scale:
        """The same before anything was measured: what is in use then would measure it now."""
        return replace(self, measured=None)

    def stating(self, calibration: Calibration | None) -> Scale:
        """The same to be measured with a calibration that a person states; None: the image's."""
        return replace(self, stated=calibration, measured=None)

    def width_text(self, calibration: Calibration) -> str:
        """The width of the image in nm, as the text of its field; "" if it is not known."""
        width = calibration.width_nm(self.shape[1])
        return "" if width is None else width_text(width)

    def disagreements(self) -> list[str]:
        """Sentences on the calibrations of the file, of the bar and in use that differ by more than
        2 %; `bar_note` comes first."""
        sentences = crosscheck_sources(self.file, self.bar, self.in_use)
        return [self.bar_note, *sentences] if self.bar_note else sentences

    def _with_instrument(self, calibration: Calibration) -> Calibration:
        if calibration.nm_per_pixel is None or self.instrument_uncertainty is None:
            return calibration
        return replace(
            calibration,
            instrument_uncertainty=self.instrument_uncertainty,
            instrument_note=self.instrument_note,
        )


def common_calibration(calibrations: Sequence[Calibration]) -> Calibration:
    """The least certain calibration: the one with the largest uncertainty, or one with unknown uncertainty if the
    others have only small rounding errors. The microscope's uncertainty is used only if all images have one; otherwise
    only the rounding counts. Of none it is the absent one."""
    if not calibrations:
        return Calibration.absent()
    if any(calibration.instrument_uncertainty is None for calibration in calibrations):
        calibrations = [replace(one, instrument_uncertainty=None, instrument_note="") for one in calibrations]
    worst = max(calibrations, key=lambda calibration: calibration.standard_uncertainty or 0.0)
    unknown = [calibration for calibration in calibrations if calibration.standard_uncertainty is None]
    return unknown[0] if unknown and (worst.standard_uncertainty or 0.0) < LEAST_DOUBT else worst


IMAGE, IMAGE_SHA256 = "image", "image sha256"  # metadata of a mask: the micrograph that it belongs to


@dataclass(frozen=True, eq=False)
class Micrograph:
    """An image as acquired.

    pixels: (H, W) grey, uint8, uint16 or float32, always finite: the whole image, nothing clipped or cut.
    name: the file's own name, without folders.
    sha256: of the file's bytes, lower-case hex.
    calibration: from the file itself; `Calibration.absent()` if it states none.
    reading: the certain reading of its data bar or scale bar; absent without one.
    texts_agree: whether two independent texts led to the reading.
    metadata: plain values by name: `kind` of file, `image_rows` above a data bar that the header states, of a stack
        `pages` and `page`, `marks` on the picture, of a picture in colour what `colours` says, and facts of the
        instrument (`vendors.facts.Facts`).
    notes: sentences for the user about the reading ("The file has 3 pages; the first is used.").
    """

    pixels: GreyImage
    name: str
    sha256: str
    calibration: Calibration
    metadata: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reading: Calibration = ABSENT
    texts_agree: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.pixels.shape
        return rows, columns

    @property
    def facts(self) -> dict[str, Any]:
        """The metadata without the places of marks, which are hundreds of numbers."""
        return {name: value for name, value in self.metadata.items() if name != MARKS}

    @property
    def shown_file(self) -> tuple[str, str]:
        """(name, sha256) of the file that shows what is outlined: of a mask with a micrograph those of the latter."""
        return str(self.metadata.get(IMAGE, self.name)), str(self.metadata.get(IMAGE_SHA256, self.sha256))

    @property
    def scale(self) -> Scale:
        """What the file and the image state of the scale."""
        return Scale(
            file=self.calibration,
            bar=self.reading,
            shape=self.shape,
            is_bar_sure=True,
            texts_agree=self.texts_agree,
        )
