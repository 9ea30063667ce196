"""Finds small components of a picture that look like letters or scale bars.

They have the brightest or the darkest grey of the picture, sharp edges, and strokes of one thickness. Text recognition
takes a second or two, so it runs only where such components are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .barblocks import SAME_GREY, Mask

Bytes = NDArray[np.uint8]
Place = tuple[int, int, int, int]  # left, top, right, bottom in px
# Two searches: grey levels from the brightest or darkest grey that a component may have, and least step of grey at its
# edge.
TOLERANCES = ((10, 40.0), (25, 60.0))
SHARP_STEP = 130.0  # grey levels: a single component with such a step at its edge may be writing
EDGE_SHARE = 5  # percentile of the steps all around a component, so that nearly all are larger
MOST_COMPONENTS = 3000  # components: more are a texture
MOST_INK = 0.4  # share of the picture
MOST_BOXES = 2.0  # of the picture's pixels: boxes of letters that cover it more than so often are a texture
SMALLEST_LETTER_PX, FEWEST_PX = 7, 10  # px: height and area of a letter
TALLEST = 0.25  # of the picture's height
THICKEST_HALF = 0.28  # of a letter's height: half of its thickest stroke
FEWEST_PAIRS = 2  # of neighbouring letters
LEAST_LIKE = 0.2  # share of pairs, or of sharp components, among all components: with fewer they are a bright specimen
# Of a scale bar: least and largest width and largest height, as shares of the picture; least share of ink in its box;
# least step at its edge.
BAR_SHARE, BAR_WIDEST, BAR_TALLEST, BAR_FULL, BAR_STEP = 0.04, 0.7, 0.06, 0.93, 60.0
PAD = 4  # px around the box of a component that are examined with it


@dataclass(frozen=True, eq=False)
class Component:
    """A connected component of nearly one grey.

    box: left, top, width, height in px. shape: (h + 2 PAD, w + 2 PAD) its pixels. half: half of the thickness of its
    thickest stroke, in px. step: grey levels by which nearly all pixels around it differ from it.
    """

    box: tuple[int, int, int, int]
    shape: Mask
    half: float
    step: float


def places_of_writing(picture: Bytes) -> list[Place]:
    """Places on a picture (H, W) in which letters or scale bars may be, with a margin for the text around them; []
    without any. The search takes a tenth of a second.

    It finds places in none of 170 micrographs without writing (crops of figures left out), and in 232 of 275 with
    writing (docs/development/experiments.md).
    """
    places: list[Place] = []
    for grey in (picture, 255 - picture):
        for tolerance, step in TOLERANCES:
            all_components = _components(grey, tolerance)
            components = [component for component in all_components if component.step >= step]
            pairs, sharp = _pairs(components), [component.box for component in components if _is_sharp(component)]
            if len(pairs) >= max(FEWEST_PAIRS, LEAST_LIKE * len(components)):
                places += [_with_margin(*box, 3 * box[3], 2 * box[3]) for box in pairs]
            if len(sharp) >= max(1, LEAST_LIKE * len(all_components)):
                places += [_with_margin(*box, 3 * box[3], 2 * box[3]) for box in sharp]
        places += [_with_margin(*box[:4], max(60, box[2]), max(40, box[2] // 2)) for box in bar_boxes(grey)]
    return _merged(places, picture.shape)


def _with_margin(left: int, top: int, wide: int, tall: int, across: int, down: int) -> Place:
    """The place of a box, with `across` px more at the left and right, and `down` px more above and below."""
    return left - across, top - down, left + wide + across, top + tall + down


def _merged(places: Sequence[Place], shape: tuple[int, ...]) -> list[Place]:
    """The places, cropped at the edges of the picture; overlapping places are joined."""
    merged: list[Place] = []
    for place in sorted(places):
        left, top, right, bottom = max(0, place[0]), max(0, place[1]), min(shape[1], place[2]), min(shape[0], place[3])
        separate = []
        for other in merged:
            if left < other[2] and other[0] < right and top < other[3] and other[1] < bottom:
                left, top, right, bottom = (
                    *(min(left, other[0]), min(top, other[1])),
                    *(max(right, other[2]), max(bottom, other[3])),
                )
            else:
                separate.append(other)
        merged = [*separate, (left, top, right, bottom)]
    return merged


def _is_sharp(component: Component) -> bool:
    """Whether a component may be a letter even without a neighbour."""
    return component.step >= SHARP_STEP and component.half >= 1.9 and component.box[3] >= FEWEST_PX


def _components(grey: Bytes, tolerance: int) -> list[Component]:
    """The components of nearly the brightest grey that have the size and the thin strokes of letters."""
    import cv2

    rows, top = len(grey), int(grey.max())
    ink = (grey >= max(1, top - tolerance)).astype(np.uint8)
    if ink.mean() > MOST_INK:
        return []
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    wide, tall, area = boxes.T[2:]
    is_letter = (
        (area >= FEWEST_PX)
        & (tall >= SMALLEST_LETTER_PX)
        & (tall <= TALLEST * rows)
        & (wide >= 2)
        & (wide <= 2.5 * tall)
    )
    is_letter &= (area <= 0.8 * wide * tall) | (wide <= 0.4 * tall)
    numbers = np.flatnonzero(is_letter)
    numbers = numbers[numbers > 0]
    if len(numbers) > MOST_COMPONENTS or (wide * tall)[numbers].sum(dtype=np.int64) > MOST_BOXES * grey.size:
        return []
    depth = cv2.distanceTransform(ink, cv2.DIST_L2, 3)
    components = (component_of(grey, labels, depth, number, boxes[number].tolist()) for number in numbers.tolist())
    return [component for component in components if component.half <= THICKEST_HALF * component.box[3] + 1]


def component_of(grey: Bytes, labels: NDArray[Any], depth: NDArray[Any], number: int, box: list[int]) -> Component:
    """The component `number` of `labels` (H, W).

    depth: (H, W) distance of each ink pixel to the next pixel without ink. box: left, top, width, height, area."""
    import cv2

    left, upper, wide, tall, _ = box
    view = slice(max(0, upper - PAD), upper + tall + PAD), slice(max(0, left - PAD), left + wide + PAD)
    shape = labels[view] == number
    near_ring, far_ring = (cv2.dilate(shape.astype(np.uint8), np.ones((side, side), np.uint8)) > 0 for side in (5, 9))
    ring = far_ring & ~near_ring & (depth[view] == 0)
    steps = int(grey.max()) - grey[view][ring].astype(np.int16)
    step = float(np.percentile(steps, EDGE_SHARE)) if steps.size else 0.0
    return Component((left, upper, wide, tall), shape, float(depth[view][shape].max()), step)


def _pairs(components: Sequence[Component]) -> list[tuple[int, int, int, int]]:
    """Left, top, width and height of the left component of each pair that stands side by side in a line, with heights
    and strokes like letters of one word."""
    ordered, pairs = sorted(components, key=lambda component: component.box), []
    farthest = 0.8 * max((component.box[3] for component in components), default=0)
    for number, letter in enumerate(ordered):
        left, upper, wide, tall = letter.box
        for neighbour in ordered[number + 1 :]:
            gap, highest = neighbour.box[0] - left - wide, max(tall, neighbour.box[3])
            if gap > farthest:
                break
            ends = abs(upper + tall - neighbour.box[1] - neighbour.box[3]), abs(upper - neighbour.box[1])
            thin, thick = sorted((letter.half, neighbour.half))
            if (
                -0.2 * highest <= gap <= 0.8 * highest
                and min(tall, neighbour.box[3]) >= 0.6 * highest
                and min(ends) <= 0.12 * highest + 1
                and thick <= 1.5 * thin + 0.5
            ):
                pairs.append(letter.box)
    return pairs


def bar_boxes(grey: Bytes) -> Iterator[tuple[int, int, int, int, float]]:
    """Left, top, width, height and grey of straight lines, or of full or hollow blocks, as long as scale bars, with
    sharp long edges."""
    import cv2

    rows, columns = grey.shape
    top = int(grey.max())
    ink = (grey >= max(1, top - TOLERANCES[-1][0])).astype(np.uint8)
    boxes = cv2.connectedComponentsWithStats(ink, connectivity=4)[2][1:]
    left, upper, wide, tall = boxes.T[:4]
    is_bar = (wide >= max(20, BAR_SHARE * columns)) & (wide <= BAR_WIDEST * columns) & (wide >= 3 * tall) & (tall >= 2)
    is_bar &= (tall <= BAR_TALLEST * rows) & (left >= 1) & (upper >= PAD)
    is_bar &= (left + wide < columns) & (upper + tall <= rows - PAD)
    for x, y, across, down, filled in boxes[is_bar].tolist():
        rows_beside = grey[[y - 3, y + down + 2], x + 2 : x + across - 2].astype(np.int16)
        part, is_ink = grey[y : y + down, x : x + across], ink[y : y + down, x : x + across] > 0
        is_full = filled >= BAR_FULL * across * down or _is_frame(part, is_ink, filled, float(np.median(rows_beside)))
        if is_full and np.percentile(top - rows_beside, 10) >= BAR_STEP:
            yield x, y, across, down, float(np.median(part[is_ink]))


def _is_frame(part: Bytes, ink: Mask, filled: int, ground: float) -> bool:
    """Whether the ink in a box (h, w) is a frame around nothing: a hollow bar. filled: its number of pixels. ground:
    the grey beside it."""
    line = max(1, round(filled / (2 * sum(ink.shape))))
    inside = part[line + 1 : -line - 1, line + 1 : -line - 1].astype(np.int16)
    rim = ink.copy()
    rim[1:-1, 1:-1] = False
    is_closed = rim.sum() >= BAR_FULL * (2 * sum(ink.shape) - 4)
    return is_closed and inside.size > 0 and float(np.percentile(np.abs(inside - ground), 98)) <= SAME_GREY
