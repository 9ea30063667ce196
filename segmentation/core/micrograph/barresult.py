"""The pixel size that a bar in an image gives, and the same bar known again in another image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .barlayout import Layout
from .contrast import as_bytes
from .crosscheck import LARGEST_DIFFERENCE
from .types import Micrograph

RECOUNTED = (
    "We counted {} steps between the ticks of the bar in the image, which gives {:.4g} nm/px. The file says {:.4g}"
    " nm/px, which fits {} steps. We probably miscounted and use the scale of the file."
)


@dataclass(frozen=True)
class Way:
    """One way to the pixel size: nanometres, relative standard uncertainty, and the text that was read."""

    nm_per_pixel: float
    relative_uncertainty: float
    text: str


@dataclass(frozen=True)
class BarReading(Way):
    """The pixel size from a data bar, or from a scale bar in the image.

    nm_per_pixel, relative_uncertainty: by the surest of the ways that agree.
    text: the text that gives it. texts: all texts that were read, none where the bar is the same as an earlier one.
    length_nm, length_px: of the scale bar, None without one.
    box: x, y, width, height of the texts in the image.
    ways: by name, "scale bar", "width" and "pixel size", as far as they are printed.
    confidence: 0..1; below 0.5 if ways contradict each other. sure: whether it is certain.
    note: a sentence if the text is no length or reading took too long (nm_per_pixel is then 0), or a tick was missed.
    steps: between the ticks of the scale bar where it is a row of them, else 0.
    layout: by which the same data bar is known again, None where it is not.
    same_as: name of the earlier image whose data bar was read, where this one is the same (`repeated`).
    """

    length_nm: float | None
    length_px: float | None
    box: tuple[int, int, int, int]
    ways: dict[str, Way] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    confidence: float = 0.0
    sure: bool = False
    note: str = ""
    steps: int = 0
    layout: Layout | None = None
    same_as: str = ""

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> BarReading:
        """A reading with a layout as it was stored, by `asdict`."""
        ways = {name: Way(**way) for name, way in stored["ways"].items()}
        return cls(**{**stored, "ways": ways, "layout": Layout(**stored["layout"])})


def repeated(micrograph: Micrograph, first_row: int, earlier: Sequence[BarReading]) -> BarReading | None:
    """The reading among earlier ones whose data bar is the same as that of an image; None without one.

    first_row: first row of the data bar of the image. No text is read: the pixels that tell the scale are the same.
    earlier: the first that fits counts; their `same_as` is the name of the image that was read.
    """
    if not earlier or first_row >= len(micrograph.pixels):
        return None
    strip = as_bytes(micrograph.pixels[first_row:])
    same = (reading for reading in earlier if reading.layout and reading.layout.fits(strip, first_row))
    reading = next(same, None)
    if reading is None:
        return None
    return with_other_tick_count(replace(reading, texts=()), micrograph.calibration.nm_per_pixel)


def with_other_tick_count(reading: BarReading, of_file: float | None) -> BarReading:
    """The reading with one tick more or less, if it then agrees with the file; such a reading proves nothing.

    of_file: nanometres per pixel of the file.
    """
    if not of_file or not reading.steps or abs(reading.nm_per_pixel / of_file - 1) <= LARGEST_DIFFERENCE:
        return reading
    for steps in (reading.steps - 1, reading.steps + 1):
        # The printed length spans `steps` steps. Each step has as many pixels as before.
        factor = reading.steps / steps
        if abs(reading.nm_per_pixel * factor / of_file - 1) <= LARGEST_DIFFERENCE:
            return replace(
                reading,
                nm_per_pixel=reading.nm_per_pixel * factor,
                length_px=None if reading.length_px is None else round(reading.length_px / factor, 2),
                ways={name: replace(way, nm_per_pixel=way.nm_per_pixel * factor) for name, way in reading.ways.items()},
                sure=False,
                note=RECOUNTED.format(reading.steps, reading.nm_per_pixel, of_file, steps),
                steps=steps,
                layout=None,  # for a file with another scale the count may be right
            )
    return reading
