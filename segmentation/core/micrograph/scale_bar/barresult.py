"""The pixel size that was read from a data bar or scale bar (`BarReading`), and its use for images with the same
bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..calibration.crosscheck import LARGEST_DIFFERENCE
from ..contrast import as_bytes
from ..types import Micrograph
from .barlayout import Layout

MISCOUNTED = (
    "We counted {} steps between the ticks of the bar in the image, which gives {:.4g} nm/px. The file says {:.4g}"
    " nm/px, which fits {} steps. We probably miscounted and use the scale of the file."
)


@dataclass(frozen=True)
class SizeStatement:
    """A pixel size that one text in a bar states: its value, its relative standard uncertainty, and the text."""

    nm_per_pixel: float
    relative_uncertainty: float
    text: str


@dataclass(frozen=True)
class BarReading(SizeStatement):
    """The pixel size from a data bar, or from a scale bar in the image. It is stored as JSON.

    nm_per_pixel, relative_uncertainty, text: those of the most exact of the statements that agree.
    length_nm, length_px: of the scale bar; None without one, or if its text or its line was not found.
    box: x, y, width, height of the texts in the image, in px.
    ends: x and y of the left end of the scale bar's line, then of its right end, in px of the image; without a pixel
        size the ends that a person is asked about. None without them.
    ways: the statements of the pixel size by name ("scale bar", "width" and "pixel size"), as far as they are printed.
    texts: all texts that were read; empty if the bar is the same as an earlier one.
    confidence: 0..1; below 0.5 if statements contradict each other.
    sure: whether the reading is certain.
    note: a sentence if the text is no length or reading took too long (then nm_per_pixel is 0), or if a tick was
    missed.
    steps: number of steps of the scale bar if it is a row of ticks, else 0.
    layout: the layout by which the same data bar is recognised in other images; None if that is not possible.
    same_as: name of the earlier image whose data bar was read, if this bar is the same (`reading_of_same_bar`).
    """

    length_nm: float | None
    length_px: float | None
    box: tuple[int, int, int, int]
    ways: dict[str, SizeStatement] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    confidence: float = 0.0
    sure: bool = False
    note: str = ""
    steps: int = 0
    layout: Layout | None = None
    same_as: str = ""
    ends: tuple[float, float, float, float] | None = None

    @property
    def is_in_question(self) -> bool:
        """Whether a person is asked for the line of the length, or for the length of the line."""
        return not self.nm_per_pixel and bool(self.length_nm or self.ends)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> BarReading:
        """The reading that was stored by `asdict`; it must have a layout."""
        ways = {name: SizeStatement(**way) for name, way in stored["ways"].items()}
        return cls(**{**stored, "ways": ways, "layout": Layout(**stored["layout"])})


def reading_of_same_bar(micrograph: Micrograph, first_row: int, earlier: Sequence[BarReading]) -> BarReading | None:
    """The first of some earlier readings whose data bar is the same as that of an image; None without one.

    first_row: first row of the data bar of the image. earlier: readings in which `same_as` names the image that was
    read. No text is read; pixels are compared (`Layout.fits`).
    """
    if not earlier or first_row >= len(micrograph.pixels):
        return None
    strip = as_bytes(micrograph.pixels[first_row:])
    fitting = (reading for reading in earlier if reading.layout and reading.layout.fits(strip, first_row))
    reading = next(fitting, None)
    if reading is None:
        return None
    return with_other_tick_count(replace(reading, texts=()), micrograph.calibration.nm_per_pixel)


def with_other_tick_count(reading: BarReading, file_nm: float | None) -> BarReading:
    """The reading with one tick more or less if it then agrees with the file. Such a reading is not sure.

    file_nm: nanometres per pixel by the file. Other readings are returned unchanged.
    """
    if not file_nm or not reading.steps or abs(reading.nm_per_pixel / file_nm - 1) <= LARGEST_DIFFERENCE:
        return reading
    for steps in (reading.steps - 1, reading.steps + 1):
        # The printed length spans `steps` steps. Each step has as many pixels as before.
        factor = reading.steps / steps
        if abs(reading.nm_per_pixel * factor / file_nm - 1) <= LARGEST_DIFFERENCE:
            return replace(
                reading,
                nm_per_pixel=reading.nm_per_pixel * factor,
                length_px=None if reading.length_px is None else round(reading.length_px / factor, 2),
                ways={name: replace(way, nm_per_pixel=way.nm_per_pixel * factor) for name, way in reading.ways.items()},
                sure=False,
                note=MISCOUNTED.format(reading.steps, reading.nm_per_pixel, file_nm, steps),
                steps=steps,
                layout=None,  # for a file with another scale the count may be right
            )
    return reading
