"""The scale bar of a picture: in a corner where nothing is, else below the picture."""

from __future__ import annotations

from math import floor, log10

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.transforms import ScaledTranslation, Transform
from numpy.typing import NDArray

NICE = (1, 2, 5)
LENGTH_UNITS = ((1e6, "mm"), (1e3, "µm"), (1.0, "nm"), (1e-3, "pm"))
# Inches: longest bar, narrowest box, height of the box, its distance from the edges, height of the strip below.
LONGEST, NARROWEST, HIGH, APART, BELOW = 1.5, 0.75, 0.34, 0.09, 0.28
FAINT = 40  # grey levels; lesser steps may be noise


def draw_scale_bar(
    ax: Axes, inches: tuple[float, float], nm: float, picture: NDArray[np.uint8], objects: NDArray[np.bool_]
) -> None:
    """inches, nm: width and height of the picture (h, w) on paper, and the width of what it shows. objects: (h, w),
    where they are."""
    across, up = inches
    value = round_length(min(across / 4, LONGEST) * nm / across)
    length = value * across / nm
    wide = max(length + 0.1, NARROWEST)
    corner = free_corner(picture, objects, (wide + 2 * APART) / across, (HIGH + 2 * APART) / up)
    if corner is None:
        _add(ax, (0, 0), (0, -BELOW, across, BELOW), facecolor="white")
        _add(ax, (0, 0), (0, -0.15, length, 0.055), facecolor="black")
        at, style = (length + 0.08, -0.125), {"ha": "left", "color": "black"}
    else:
        left, bottom = (-APART - wide if corner[0] else APART), (-APART - HIGH if corner[1] else APART)
        _add(ax, corner, (left, bottom, wide, HIGH), facecolor="black", alpha=0.65)
        _add(ax, corner, (left + (wide - length) / 2, bottom + 0.06, length, 0.055), facecolor="white")
        at, style = (left + wide / 2, bottom + 0.22), {"ha": "center", "color": "white"}
    transform = _inches_from(ax, corner or (0, 0))
    ax.text(*at, length_words(value), transform=transform, va="center", fontsize=8.5, **style)  # type: ignore[arg-type]


def _inches_from(ax: Axes, corner: tuple[int, int]) -> Transform:
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure.dpi_scale_trans + ScaledTranslation(*corner, ax.transAxes)  # type: ignore[arg-type]


def _add(ax: Axes, corner: tuple[int, int], box: tuple[float, float, float, float], **style: object) -> None:
    left, bottom, wide, high = box
    transform = _inches_from(ax, corner)
    patch = Rectangle((left, bottom), wide, high, transform=transform, linewidth=0, clip_on=False, **style)  # type: ignore[arg-type]
    ax.add_patch(patch)


def free_corner(
    picture: NDArray[np.uint8], objects: NDArray[np.bool_], wide: float, high: float
) -> tuple[int, int] | None:
    """The evenest corner of `wide` x `high`, shares of the picture (h, w), in which nothing was found and nothing
    stands out, such as a scale bar of the image's own: (0 left or 1 right, 0 bottom or 1 top); None without one."""
    rows, columns = round(high * len(picture)), round(wide * picture.shape[1])
    if not (0 < rows <= len(picture) and 0 < columns <= picture.shape[1]) or objects.all():
        return None
    grey = picture.astype(np.int16)
    steps = np.maximum(*(np.abs(np.diff(grey, axis=axis, append=grey.take([-1], axis))) for axis in (0, 1)))
    usual = max(FAINT, 1.5 * float(np.percentile(steps[~objects][::7], 99)))
    free = {}
    for right, top in ((0, 0), (1, 0), (0, 1), (1, 1)):
        place = np.s_[:rows] if top else np.s_[-rows:], np.s_[-columns:] if right else np.s_[:columns]
        if not objects[place].any() and steps[place].max() <= usual:
            free[right, top] = float(grey[place].std())
    return min(free, key=lambda each: free[each]) if free else None


def round_length(longest: float) -> float:
    """The greatest 1, 2 or 5 times a power of ten that is not longer than `longest`."""
    power = 10.0 ** floor(log10(longest))
    return max(step * power for step in NICE if step * power <= longest * (1 + 1e-9))


def length_words(nm: float) -> str:
    """A length with the unit that suits it."""
    factor, unit = next((pair for pair in LENGTH_UNITS if nm >= pair[0]), LENGTH_UNITS[-1])
    return f"{nm / factor:g} {unit}"
