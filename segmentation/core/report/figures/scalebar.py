"""Draws a scale bar into a picture of a figure, in the corner with the fewest objects and the least
text."""

from __future__ import annotations

from math import floor, log10

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.transforms import ScaledTranslation, Transform
from numpy.typing import NDArray
from scipy import ndimage

from .charts import LETTER_WIDTH, sheet_of

FIRST_DIGITS = (1, 2, 5)  # of the length of a bar
LENGTH_UNITS = ((1e6, "mm"), (1e3, "µm"), (1.0, "nm"), (1e-3, "pm"))
# The numbers of this file were chosen by eye, on the figures of the example images.
LONGEST_BAR, BOX_MARGIN, BAR_HEIGHT = 1.5, 0.07, 0.055  # inches: longest bar, space around its box, height of the bar
LARGEST_SHARE = 0.25  # of the width of the picture: length of the longest bar, whose box must fit into a corner
# Grey levels between neighbouring pixels: smaller steps may be noise, larger ones are printed lines on any background.
LEAST_STEP, CLEAR_STEP = 40, 60
EDGE_WIDTH_PX = 4  # around an object, where steps belong to its edge
PRINTED_WEIGHT = 100  # a pixel of print counts as much as this number of pixels of objects


def draw_scale_bar(
    ax: Axes, inches: tuple[float, float], nm: float, picture: NDArray[np.uint8], objects: NDArray[np.bool_]
) -> None:
    """Draw a white scale bar with its length on a dark box.

    inches: width and height of the picture on paper. nm: the width that the picture shows. picture:
    (h, w), objects: (h, w) where objects are; both are only used to choose the corner.
    """
    picture_width, picture_height = inches
    value = round_length(min(LARGEST_SHARE * picture_width, LONGEST_BAR) * nm / picture_width)
    length, letter = value * picture_width / nm, sheet_of(ax).font / 72
    box_width = max(length, LETTER_WIDTH * letter * len(length_words(value))) + 0.1
    box_height = 1.25 * letter + 2 * BAR_HEIGHT
    width_share = (box_width + 2 * BOX_MARGIN) / picture_width
    height_share = (box_height + 2 * BOX_MARGIN) / picture_height
    corner = free_corner(picture, objects, width_share, height_share)
    left = -BOX_MARGIN - box_width if corner[0] else BOX_MARGIN
    bottom = -BOX_MARGIN - box_height if corner[1] else BOX_MARGIN
    _add_rectangle(ax, corner, (left, bottom, box_width, box_height), facecolor="black", alpha=0.65)
    _add_rectangle(
        ax, corner, (left + (box_width - length) / 2, bottom + BAR_HEIGHT, length, BAR_HEIGHT), facecolor="white"
    )
    ax.text(
        left + box_width / 2,
        bottom + 2 * BAR_HEIGHT + 0.6 * letter,
        length_words(value),
        transform=_inches_from(ax, corner),
        va="center",
        ha="center",
        color="white",
        fontsize=sheet_of(ax).font,
    )


def _inches_from(ax: Axes, corner: tuple[int, int]) -> Transform:
    """Coordinates in inches whose origin is a corner of the Axes."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure.dpi_scale_trans + ScaledTranslation(*corner, ax.transAxes)  # type: ignore[arg-type]


def _add_rectangle(ax: Axes, corner: tuple[int, int], box: tuple[float, float, float, float], **style: object) -> None:
    """Draw a rectangle. box: left, bottom, width and height in inches from the corner."""
    left, bottom, width, height = box
    transform = _inches_from(ax, corner)
    patch = Rectangle((left, bottom), width, height, transform=transform, linewidth=0, clip_on=False, **style)  # type: ignore[arg-type]
    ax.add_patch(patch)


def free_corner(picture: NDArray[np.uint8], objects: NDArray[np.bool_], width: float, height: float) -> tuple[int, int]:
    """The corner with the fewest objects and the least print, as (0 left or 1 right, 0 bottom or 1
    top).

    width, height: size of the corner as shares of the picture (h, w). Print is text and lines in
    the image, such as its own scale bar; it counts more than objects. Of equal corners the one with
    the most even grey is taken.
    """
    rows = min(max(1, round(height * len(picture))), len(picture))
    columns = min(max(1, round(width * picture.shape[1])), picture.shape[1])
    grey = picture.astype(np.int16)
    steps = np.maximum(*(np.abs(np.diff(grey, axis=axis, append=grey.take([-1], axis))) for axis in (0, 1)))
    # The usual steps of the background, from every seventh of its pixels; larger steps are print.
    usual_step = min(
        CLEAR_STEP, max(LEAST_STEP, 1.5 * float(np.percentile(steps if objects.all() else steps[~objects][::7], 99)))
    )
    at_edges = ndimage.binary_dilation(
        objects ^ ndimage.binary_erosion(objects, border_value=1), iterations=EDGE_WIDTH_PX
    )
    is_print = (steps > usual_step) & ~at_edges
    clutter = {}
    for right, top in ((0, 0), (1, 0), (0, 1), (1, 1)):
        window = np.s_[:rows] if top else np.s_[-rows:], np.s_[-columns:] if right else np.s_[:columns]
        covered = int(objects[window].sum()) + PRINTED_WEIGHT * int(is_print[window].sum())
        clutter[right, top] = covered, float(grey[window].std())
    return min(clutter, key=lambda corner: clutter[corner])


def round_length(longest: float) -> float:
    """The greatest number that is 1, 2 or 5 times a power of ten and not above `longest`."""
    power = 10.0 ** floor(log10(longest))
    return max(step * power for step in FIRST_DIGITS if step * power <= longest * (1 + 1e-9))


def length_words(nm: float) -> str:
    """A length in words, in mm, µm, nm or pm."""
    factor, unit = next((pair for pair in LENGTH_UNITS if nm >= pair[0]), LENGTH_UNITS[-1])
    return f"{nm / factor:g} {unit}"
