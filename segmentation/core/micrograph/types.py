"""The types of an acquired image (`Micrograph`), of the size of its pixels (`Calibration`), and of all that is known
about that size (`Scale`).

`Scale.choose` decides which calibration of an image is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from .calibration.crosscheck import contradict, crosscheck_sources
from .calibration.sources import Source
from .calibration.width import width_text
from .vendors.facts import MARKS
from .vendors.units import rounding

Polarity = Literal["bright", "dark"]
PROGRAMS = ("ImageJ", "OME-XML")  # `Calibration.detail` begins so if a program wrote the pixel size
KEPT = "kept against the bar in the image"  # `Calibration.detail` ends so if a person saw the bar and kept the scale
LEAST_UNCERTAINTY = 0.001  # relative; smaller uncertainties come from the rounding of a tag and are ignored
NO_SCALE = "The scale of this image is not known, so sizes are in pixels."
GreyImage = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]


class UnreadableImage(UserError):
    """The file cannot be analysed; the message is one sentence for the user: what is wrong, what to do."""


@dataclass(frozen=True)
class DrawnLine:
    """A line that the user drew along the scale bar.

    pixels: its length in px of the image. error: standard uncertainty of the place of either end, in px. length: the
    text of the length that is written at the scale bar, such as "500 nm".
    """

    pixels: float
    error: float
    length: str


@dataclass(frozen=True)
class Calibration:
    """The size of a pixel, and how it is known.

    nm_per_pixel: nanometres, or None where lengths are measured in pixels.
    source: how it is known, a Source or its value as text; any other text raises ValueError.
    detail: a text for people, such as "Zeiss tag 34118, Image Pixel Size".
    relative_uncertainty: standard uncertainty of nm_per_pixel as a fraction. It comes from the rounding of the number
        that was read or typed, or from the ends of the line that was measured. None where it is not known.
    instrument_uncertainty: standard uncertainty of the microscope's own calibration as a fraction. No file holds it;
        None if the user did not give it.
    instrument_note: where instrument_uncertainty comes from, such as "certified grating".
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
    def is_kept(self) -> bool:
        """Whether a person has compared it with the bar in the image, which contradicts it, and kept it."""
        return self.detail.endswith(KEPT)

    @property
    def kept(self) -> Calibration:
        """This calibration after a person has kept it against the bar in the image."""
        return self if self.is_kept else replace(self, detail=f"{self.detail}, {KEPT}")

    @property
    def standard_uncertainty(self) -> float | None:
        """The standard uncertainty of nm_per_pixel as a fraction, both parts combined; None if neither is known."""
        parts = [part for part in (self.relative_uncertainty, self.instrument_uncertainty) if part is not None]
        return math.hypot(*parts) if parts else None

    @classmethod
    def absent(cls) -> Calibration:
        """The calibration of an image whose pixel size is not known."""
        return cls(None, Source.NONE)

    @classmethod
    def of_width(cls, width_nm: float, columns: int, *, typed: str = "") -> Calibration:
        """The calibration of an image `columns` pixels wide that shows `width_nm` nanometres.

        typed: the text that the user typed, such as "7.52 µm"; the uncertainty is the rounding of its last
        digit. Without a text it is the rounding of the last digit of the number.
        """
        uncertainty = rounding(typed or f"{width_nm:.10g}")
        return cls(width_nm / columns, Source.TYPED, f"{width_nm:g} nm across {columns} px", uncertainty)

    @classmethod
    def of_pixel(cls, nm_per_pixel: float, *, typed: str = "", detail: str = "") -> Calibration:
        """The calibration of an image whose pixels are `nm_per_pixel` nanometres wide.

        typed: the text that the user typed, such as "5.50"; the uncertainty is the rounding of its last
        digit. Without a text it is the rounding of the last digit of the number. detail: a text for people; without it
        the number is used.
        """
        uncertainty = rounding(typed or f"{nm_per_pixel:.10g}")
        return cls(nm_per_pixel, Source.TYPED, detail or f"{nm_per_pixel:g} nm per pixel", uncertainty)

    @classmethod
    def of_line(cls, length_nm: float, length_px: float, error_px: float = 1.0) -> Calibration:
        """The calibration of a scale bar of `length_nm`, along which the user drew a line of `length_px` pixels.

        error_px: standard uncertainty of the place of either end. Both ends add in quadrature; the relative
        uncertainty is 1 at most. Raises ValueError for lengths that are not positive and finite.
        """
        if not (math.isfinite(length_nm) and math.isfinite(length_px) and length_nm > 0 and length_px > 0):
            raise ValueError("The line and its length must be more than 0.")
        detail = f"{length_nm:g} nm over {length_px:.4g} px"
        return cls(length_nm / length_px, Source.DRAWN, detail, min(1.0, math.sqrt(2.0) * error_px / length_px))

    def width_nm(self, columns: int) -> float | None:
        """The width in nm of an image of `columns` pixels; None if the pixel size is not known."""
        return None if self.nm_per_pixel is None else self.nm_per_pixel * columns


ABSENT = Calibration.absent()


class ScaleReason(StrEnum):
    """The reason why a calibration is in use, or why there is none."""

    MEASURED = "the numbers were made with it"
    STATED = "a person stated it"
    FILE = "the file states it"
    BAR = "it was read from the image beyond doubt"
    CONTRADICTED = "file and image contradict each other, so neither is used"
    NOT_KNOWN = "nothing states it"


@dataclass(frozen=True)
class Scale:
    """All that is known of the scale of one image; `choose` decides which calibration is in use.

    file: the calibration in the image's file or in a side file of the microscope; `Calibration.absent()` without one.
    bar: the calibration that was read from a data bar or scale bar in the image, certain or not; absent without one.
    stated: the calibration that a person stated; None without it, absent if the person wants sizes in pixels.
    measured: the calibration with which the numbers of a result were made; None before there are numbers.
    shape: rows and columns of the image in px; (0, 0) before they are known.
    is_bar_sure: whether `bar` is certain.
    texts_agree: whether two independent texts in the image gave the pixel size of `bar`.
    bar_note: a sentence if the bar contradicts itself or could not be read completely, else "". question: the question
        for its line or its length, if only the other was found, else "".
    instrument_uncertainty, instrument_note: as in `Calibration`; the chosen calibration gets them.
    """

    file: Calibration = ABSENT
    bar: Calibration = ABSENT
    stated: Calibration | None = None
    measured: Calibration | None = None
    shape: tuple[int, int] = (0, 0)
    is_bar_sure: bool = False
    texts_agree: bool = False
    bar_note: str = ""
    question: str = ""
    instrument_uncertainty: float | None = None
    instrument_note: str = ""

    def choose(self) -> tuple[Calibration, ScaleReason]:
        """The calibration in use, and why: the only place where this is decided.

        The calibration with which a result was measured stays. Otherwise the order is: what a
        person stated, the file, a certain reading of the image. Where file and image contradict
        each other, the file is used if a microscope wrote it and only one text in the image differs,
        because that text may be misread. Neither is used if two texts in the image agree, or if a
        program wrote the pixel size, because it may not know that the image was resized.
        """
        if self.measured is not None:
            return self.measured, ScaleReason.MEASURED
        if self.stated is not None:
            return self._with_instrument(self.stated), ScaleReason.STATED
        bar, is_from_program = self.certain_bar, self.file.detail.startswith(PROGRAMS)
        if contradict(self.file, bar) and (self.texts_agree or is_from_program):
            return Calibration.absent(), ScaleReason.CONTRADICTED
        if self.file.nm_per_pixel:
            return self._with_instrument(self.file), ScaleReason.FILE
        return self._with_instrument(bar), ScaleReason.BAR if bar.is_known else ScaleReason.NOT_KNOWN

    @property
    def in_use(self) -> Calibration:
        """The calibration that `choose` gives."""
        return self.choose()[0]

    @property
    def certain_bar(self) -> Calibration:
        """The calibration of the bar if it is certain, else the absent one."""
        return self.bar if self.is_bar_sure else Calibration.absent()

    @property
    def confirmed_bar(self) -> Calibration:
        """The calibration of the bar as one that the user has confirmed: its source is DATA_BAR."""
        return replace(self.bar, source=Source.DATA_BAR) if self.bar.nm_per_pixel else self.bar

    @property
    def of_image(self) -> Scale:
        """This scale as file and image alone give it, without what a person stated and what was measured."""
        return replace(self, stated=None, measured=None, instrument_uncertainty=None, instrument_note="")

    @property
    def before_measurement(self) -> Scale:
        """This scale without `measured`: its calibration in use is the one for a new measurement."""
        return replace(self, measured=None)

    def with_stated(self, calibration: Calibration | None) -> Scale:
        """This scale for a new measurement, with the calibration that a person states (None: without it)."""
        return replace(self, stated=calibration, measured=None)

    def width_text(self, calibration: Calibration) -> str:
        """The width of the image in nm as the page's field shows it; "" if it is not known."""
        width = calibration.width_nm(self.shape[1])
        return "" if width is None else width_text(width)

    def disagreements(self) -> list[str]:
        """Sentences on the calibrations of the file, of the bar and in use that differ by more than 2 %, unless a
        person has kept the one in use. `bar_note` comes first, then `question` if no scale is in use."""
        used = self.in_use
        sentences = [] if used.is_kept else crosscheck_sources(self.file, self.bar, used)
        return [*filter(None, (self.bar_note, "" if used.is_known else self.question)), *sentences]

    def _with_instrument(self, calibration: Calibration) -> Calibration:
        if calibration.nm_per_pixel is None or self.instrument_uncertainty is None:
            return calibration
        return replace(
            calibration,
            instrument_uncertainty=self.instrument_uncertainty,
            instrument_note=self.instrument_note,
        )


def common_calibration(calibrations: Sequence[Calibration]) -> Calibration:
    """The calibration whose uncertainty holds for several images together: the least certain of theirs.

    That is the calibration with the largest uncertainty, or one with unknown uncertainty if the others have only small
    rounding errors. The microscope's uncertainty is used only if all calibrations have one; otherwise only the rounding
    counts. Without calibrations the absent one is returned."""
    if not calibrations:
        return Calibration.absent()
    if any(calibration.instrument_uncertainty is None for calibration in calibrations):
        calibrations = [replace(other, instrument_uncertainty=None, instrument_note="") for other in calibrations]
    worst = max(calibrations, key=lambda calibration: calibration.standard_uncertainty or 0.0)
    unknown = [calibration for calibration in calibrations if calibration.standard_uncertainty is None]
    return unknown[0] if unknown and (worst.standard_uncertainty or 0.0) < LEAST_UNCERTAINTY else worst


# Keys in the metadata of a mask: name and SHA-256 of the micrograph that the mask belongs to.
IMAGE, IMAGE_SHA256 = "image", "image sha256"


@dataclass(frozen=True, eq=False)
class Micrograph:
    """An image as acquired.

    pixels: (H, W) grey, uint8, uint16 or float32, always finite: the whole image with its data bar, no value clipped.
    name: the name of the file, without folders.
    sha256: SHA-256 of the file's bytes, lower-case hex.
    calibration: from the file or a side file; `Calibration.absent()` if they state none.
    reading: the certain calibration from a data bar or scale bar in the image; absent without one.
    texts_agree: whether two independent texts in the image gave `reading`. scale_question: `Scale.question`.
    metadata: numbers and texts by key. `kind`: the kind of file in words. `image_rows`: rows above the data bar, if the
        header states them. `pages`, `page`: number of images in a stack, number of this one. `marks`: places of
        coloured marks (module `marks`). `colours`, `channels`: what the module `colours` finds in a picture in
        colour. Further
        keys: facts about the instrument (`vendors.facts.Facts`).
    notes: sentences for the user, such as "The file has 3 pages; the first is used.".
    """

    pixels: GreyImage
    name: str
    sha256: str
    calibration: Calibration
    metadata: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reading: Calibration = ABSENT
    texts_agree: bool = False
    scale_question: str = ""

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
        """(name, sha256) of the file that shows the objects: the micrograph of a mask if it has one, else this file."""
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
            question=self.scale_question,
        )
