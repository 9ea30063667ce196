"""The scale bar of a picture, in the corner where least is."""

from __future__ import annotations

from math import floor, log10

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.transforms import ScaledTranslation, Transform
from numpy.typing import NDArray
from scipy import ndimage

from .charts import BROAD, sheet_of

NICE = (1, 2, 5)
LENGTH_UNITS = ((1e6, "mm"), (1e3, "µm"), (1.0, "nm"), (1e-3, "pm"))
# The numbers of this file were chosen by eye, on the figures of the example images.
LONGEST, APART, THICK = 1.5, 0.07, 0.055  # inches: longest bar, space around its box, height of the bar
LARGEST_SHARE = 0.25  # of the picture's width, so that the box fits into a corner
FAINT, PLAIN = 40, 60  # grey levels; lesser steps may be noise, larger ones are edges on any ground
BESIDE, PRINTED = 4, 100  # px around an object that show its edge; weight of a printed px


def draw_scale_bar(
    ax: Axes, inches: tuple[float, float], nm: float, picture: NDArray[np.uint8], objects: NDArray[np.bool_]
) -> None:
    """Draw it, white on a black box. inches, nm: width and height of the picture (h, w) on paper, and the width of what
    it shows. objects: (h, w), where they are."""
    across, up = inches
    value = round_length(min(LARGEST_SHARE * across, LONGEST) * nm / across)
    length, letter = value * across / nm, sheet_of(ax).font / 72
    wide, high = max(length, BROAD * letter * len(length_words(value))) + 0.1, 1.25 * letter + 2 * THICK
    corner = free_corner(picture, objects, (wide + 2 * APART) / across, (high + 2 * APART) / up)
    left, bottom = (-APART - wide if corner[0] else APART), (-APART - high if corner[1] else APART)
    _add(ax, corner, (left, bottom, wide, high), facecolor="black", alpha=0.65)
    _add(ax, corner, (left + (wide - length) / 2, bottom + THICK, length, THICK), facecolor="white")
    ax.text(
        left + wide / 2,
        bottom + 2 * THICK + 0.6 * letter,
        length_words(value),
        transform=_inches_from(ax, corner),
        va="center",
        ha="center",
        color="white",
        fontsize=sheet_of(ax).font,
    )


def _inches_from(ax: Axes, corner: tuple[int, int]) -> Transform:
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure.dpi_scale_trans + ScaledTranslation(*corner, ax.transAxes)  # type: ignore[arg-type]


def _add(ax: Axes, corner: tuple[int, int], box: tuple[float, float, float, float], **style: object) -> None:
    left, bottom, wide, high = box
    transform = _inches_from(ax, corner)
    patch = Rectangle((left, bottom), wide, high, transform=transform, linewidth=0, clip_on=False, **style)  # type: ignore[arg-type]
    ax.add_patch(patch)


def free_corner(picture: NDArray[np.uint8], objects: NDArray[np.bool_], wide: float, high: float) -> tuple[int, int]:
    """The corner of `wide` x `high`, shares of the picture (h, w), with least of objects and, above all, of text and
    lines, such as a scale bar of the image's own; of equals the evenest: (0 left or 1 right, 0 bottom or 1 top)."""
    rows = min(max(1, round(high * len(picture))), len(picture))
    columns = min(max(1, round(wide * picture.shape[1])), picture.shape[1])
    grey = picture.astype(np.int16)
    steps = np.maximum(*(np.abs(np.diff(grey, axis=axis, append=grey.take([-1], axis))) for axis in (0, 1)))
    # The ground's own steps, from every seventh of its pixels; larger ones are text or lines drawn over it.
    usual = min(PLAIN, max(FAINT, 1.5 * float(np.percentile(steps if objects.all() else steps[~objects][::7], 99))))
    at_edges = ndimage.binary_dilation(objects ^ ndimage.binary_erosion(objects, border_value=1), iterations=BESIDE)
    printed = (steps > usual) & ~at_edges
    clutter = {}
    for right, top in ((0, 0), (1, 0), (0, 1), (1, 1)):
        window = np.s_[:rows] if top else np.s_[-rows:], np.s_[-columns:] if right else np.s_[:columns]
        covered = int(objects[window].sum()) + PRINTED * int(printed[window].sum())
        clutter[right, top] = covered, float(grey[window].std())
    return min(clutter, key=lambda corner: clutter[corner])


def round_length(longest: float) -> float:
    """The greatest 1, 2 or 5 times a power of ten that is not longer than `longest`."""
    power = 10.0 ** floor(log10(longest))
    return max(step * power for step in NICE if step * power <= longest * (1 + 1e-9))


def length_words(nm: float) -> str:
    """A length with the unit that suits it."""
    factor, unit = next((pair for pair in LENGTH_UNITS if nm >= pair[0]), LENGTH_UNITS[-1])
    return f"{nm / factor:g} {unit}"
