"""The dimensionless descriptors of shape, such as circularity. Each is a function with the decorator
`descriptor`, which registers it.

A new descriptor needs one more function here, and a test (tests/core/measure/test_hulls.py). The
table of objects, the files, the statistics, the pages, the JSON Schema and docs/method/accuracy.md
then have it, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..quantities import COLUMNS, ISO_SHAPE, Quantity, add

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Outlines:
    """The input of descriptors: (n,) each for n outlines, lengths in px. hull_area,
    hull_perimeter: of the convex hull. moments: second moments of area xx, yy and xy, by the area, px²."""

    area: Floats
    ecd: Floats
    min_feret: Floats
    max_feret: Floats
    perimeter: Floats
    hull_area: Floats
    hull_perimeter: Floats
    moments: tuple[Floats, Floats, Floats]


Descriptor = Callable[[Outlines], Floats]  # (n,) values
DESCRIPTORS: dict[str, Descriptor] = {}
SIZES = ("min_feret", "max_feret", "ecd", "area")


def measures_of(size: str) -> list[str]:
    """The names of the columns by which objects can be shown and compared: first `size`, the column
    with the size of their kind, then the other sizes and the descriptors."""
    return list(filter(None, dict.fromkeys((size, *SIZES, *DESCRIPTORS))))


def descriptor(definition: str, source: str = "") -> Callable[[Descriptor], Descriptor]:
    """A decorator that registers a function as a descriptor of shape, under the function's name."""

    def register(function: Descriptor) -> Descriptor:
        name = function.__name__
        add(COLUMNS, Quantity(name, name.replace("_", " ").capitalize(), definition, source=source))
        DESCRIPTORS[name] = function
        return function

    return register


@descriptor(
    "4π × area / perimeter²: 1 for a disc, less for anything longer or more ragged.",
    f"{ISO_SHAPE}, form factor; its circularity is the square root",
)
def circularity(outlines: Outlines) -> Floats:
    return np.minimum(4 * np.pi * outlines.area / outlines.perimeter**2, 1.0)


@descriptor("Minimum Feret diameter / maximum Feret diameter.", ISO_SHAPE)
def aspect_ratio(outlines: Outlines) -> Floats:
    return outlines.min_feret / outlines.max_feret


@descriptor("Area / area of the convex hull: less than 1 where the outline has hollows.", ISO_SHAPE)
def solidity(outlines: Outlines) -> Floats:
    return outlines.area / outlines.hull_area


@descriptor("Perimeter of the convex hull / perimeter: less than 1 where the outline is ragged.", ISO_SHAPE)
def convexity(outlines: Outlines) -> Floats:
    return np.minimum(outlines.hull_perimeter / outlines.perimeter, 1.0)


@descriptor("Equivalent circular diameter / maximum Feret diameter.", ISO_SHAPE)
def compactness(outlines: Outlines) -> Floats:
    return np.minimum(outlines.ecd / outlines.max_feret, 1.0)


@descriptor("Area / (minimum Feret diameter × maximum Feret diameter).", ISO_SHAPE)
def extent(outlines: Outlines) -> Floats:
    return np.minimum(outlines.area / (outlines.min_feret * outlines.max_feret), 1.0)


@descriptor("Short axis / long axis of the ellipse with the object's second moments of area.", ISO_SHAPE)
def ellipse_ratio(outlines: Outlines) -> Floats:
    mean, half_difference, _ = axes_of(outlines)
    return np.sqrt(np.maximum(mean - half_difference, 0) / (mean + half_difference))


def axes_of(outlines: Outlines) -> tuple[Floats, Floats, Floats]:
    """(n,) the mean of the two principal second moments of area, half their difference, and the direction of the long
    axis in degrees from 0 to 180, counter-clockwise from the horizontal."""
    xx, yy, xy = outlines.moments
    return (xx + yy) / 2, np.hypot((xx - yy) / 2, xy), np.degrees(np.arctan2(-2 * xy, xx - yy)) / 2 % 180


@descriptor(
    "Width / length of the rectangle with the object's area and perimeter (fibres); empty where there is none.",
    ISO_SHAPE,
)
def elongation(outlines: Outlines) -> Floats:
    quarter = outlines.perimeter / 4
    square = quarter**2 - outlines.area
    half_difference = np.sqrt(np.where(square >= 0, square, np.nan))  # of length and width
    return (quarter - half_difference) / (quarter + half_difference)
