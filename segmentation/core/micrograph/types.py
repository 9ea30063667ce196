"""The types of an acquired image: Micrograph and Calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .crosscheck import Source, contradict
from .vendors.facts import MARKS
from .vendors.units import rounding

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


def own_calibration(file: Calibration, reading: Calibration, *, texts_agree: bool = False) -> Calibration:
    """The calibration that is used if the user states none: the file's, else a certain reading of the picture, else
    none.

    A microscope's own pixel size is used against one text in the picture, which may be misread. Neither is used if two
    texts agree against it, or if one text contradicts the pixel size from a program, which may not know that the image
    was resized. texts_agree: whether two independent texts led to the reading.
    """
    if contradict(file, reading) and (texts_agree or file.detail.startswith(PROGRAMS)):
        return Calibration.absent()
    return file if file.nm_per_pixel else reading


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
    reading: Calibration = Calibration(None, Source.NONE)
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
    def picture(self) -> tuple[str, str]:
        """Name and SHA-256 of the file that shows what is outlined: of a mask with a micrograph those of the latter."""
        return str(self.metadata.get(IMAGE, self.name)), str(self.metadata.get(IMAGE_SHA256, self.sha256))

    @property
    def own_calibration(self) -> Calibration:
        """The calibration that is used if the user states none."""
        return own_calibration(self.calibration, self.reading, texts_agree=self.texts_agree)
