"""Small pieces of a picture that look like letters or scale bars: as bright or dark as the picture gets, with sharp
ends, and with strokes of one thickness. They say where it is worth to look for text, which takes a second or two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .barline import Mask

Bytes = NDArray[np.uint8]
Place = tuple[int, int, int, int]
TOLERANCES = ((10, 40.0), (25, 60.0))  # grey levels from the extreme one, and least step at the edge of such pieces
SHARP = 130.0  # step at the edge of a single piece that suggests writing
EDGE_SHARE = 5  # percentile of the steps all around a piece: nearly all are larger
MOST_PIECES = 3000  # more are a texture
MOST_INK = 0.4  # of the picture
SMALLEST, FEWEST_PX = 7, 10  # px: height and area of a letter
TALLEST = 0.25  # of the picture's height
THICK = 0.28  # of a letter's height: half of its thickest stroke
FEWEST_PAIRS = 2
LEAST_LIKE = 0.2  # least pairs, or sharp pieces, by all: fewer are a specimen that is as bright
BAR_SHARE, BAR_WIDEST, BAR_TALLEST, BAR_FULL, BAR_STEP = 0.04, 0.7, 0.06, 0.93, 60.0
PAD = 4  # px around a piece that are looked at


@dataclass(frozen=True, eq=False)
class Piece:
    """A piece of one grey. box: left, top, width, height. shape: (h + 2 PAD, w + 2 PAD) its pixels.

    half: px, half of its thickest stroke. step: grey levels by which nearly all around it differs.
    """

    box: tuple[int, int, int, int]
    shape: Mask
    half: float
    step: float


def places_of_writing(picture: Bytes) -> list[Place]:
    """Left, top, right and bottom, in px of a picture (H, W), of where small pieces look like letters or a scale bar,
    each with the room around it in which their text may lie; none where nothing does. It takes a tenth of a second.

    Of 170 micrographs without writing that are no crops of figures it names places in none, of 275 with writing in 232
    (docs/development/experiments.md).
    """
    places: list[Place] = []
    for grey in (picture, 255 - picture):
        for tolerance, step in TOLERANCES:
            all_pieces = _pieces(grey, tolerance)
            pieces = [piece for piece in all_pieces if piece.step >= step]
            pairs, sharp = _pairs(pieces), [piece.box for piece in pieces if _is_sharp(piece)]
            if len(pairs) >= max(FEWEST_PAIRS, LEAST_LIKE * len(pieces)):
                places += [_around(*box, 3 * box[3], 2 * box[3]) for box in pairs]
            if len(sharp) >= max(1, LEAST_LIKE * len(all_pieces)):
                places += [_around(*box, 3 * box[3], 2 * box[3]) for box in sharp]
        places += [_around(*box[:4], max(60, box[2]), max(40, box[2] // 2)) for box in bars(grey)]
    return _merged(places, picture.shape)


def _around(left: int, top: int, wide: int, tall: int, across: int, down: int) -> Place:
    return left - across, top - down, left + wide + across, top + tall + down


def _merged(places: Sequence[Place], shape: tuple[int, ...]) -> list[Place]:
    """The places within a picture, those that overlap as one."""
    merged: list[Place] = []
    for place in sorted(places):
        left, top, right, bottom = max(0, place[0]), max(0, place[1]), min(shape[1], place[2]), min(shape[0], place[3])
        apart = []
        for other in merged:
            if left < other[2] and other[0] < right and top < other[3] and other[1] < bottom:
                left, top, right, bottom = (
                    *(min(left, other[0]), min(top, other[1])),
                    *(max(right, other[2]), max(bottom, other[3])),
                )
            else:
                apart.append(other)
        merged = [*apart, (left, top, right, bottom)]
    return merged


def _is_sharp(piece: Piece) -> bool:
    return piece.step >= SHARP and piece.half >= 1.9 and piece.box[3] >= FEWEST_PX


def _pieces(grey: Bytes, tolerance: int) -> list[Piece]:
    """The pieces of nearly the brightest grey that have the size and the thin strokes of letters."""
    import cv2

    rows, top = len(grey), int(grey.max())
    ink = (grey >= max(1, top - tolerance)).astype(np.uint8)
    if ink.mean() > MOST_INK:
        return []
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    wide, tall, area = boxes.T[2:]
    is_letter = (area >= FEWEST_PX) & (tall >= SMALLEST) & (tall <= TALLEST * rows) & (wide >= 2) & (wide <= 2.5 * tall)
    is_letter &= (area <= 0.8 * wide * tall) | (wide <= 0.4 * tall)
    numbers = np.flatnonzero(is_letter)
    numbers = numbers[numbers > 0]
    if len(numbers) > MOST_PIECES:
        return []
    depth = cv2.distanceTransform(ink, cv2.DIST_L2, 3)
    pieces = (piece_of(grey, labels, depth, number, boxes[number].tolist()) for number in numbers.tolist())
    return [piece for piece in pieces if piece.half <= THICK * piece.box[3] + 1]


def piece_of(grey: Bytes, labels: NDArray[Any], depth: NDArray[Any], number: int, box: list[int]) -> Piece:
    import cv2

    left, upper, wide, tall, _ = box
    view = slice(max(0, upper - PAD), upper + tall + PAD), slice(max(0, left - PAD), left + wide + PAD)
    shape = labels[view] == number
    near, far = (cv2.dilate(shape.astype(np.uint8), np.ones((side, side), np.uint8)) > 0 for side in (5, 9))
    ring = far & ~near & (depth[view] == 0)
    steps = int(grey.max()) - grey[view][ring].astype(np.int16)
    step = float(np.percentile(steps, EDGE_SHARE)) if steps.size else 0.0
    return Piece((left, upper, wide, tall), shape, float(depth[view][shape].max()), step)


def _pairs(pieces: Sequence[Piece]) -> list[tuple[int, int, int, int]]:
    """Left, top, width and height of the first of each two pieces that stand beside each other on a line, as high and
    as thick as letters of one word."""
    ordered, pairs = sorted(pieces, key=lambda piece: piece.box), []
    farthest = 0.8 * max((piece.box[3] for piece in pieces), default=0)
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


def bars(grey: Bytes) -> Iterator[tuple[int, int, int, int, float]]:
    """Left, top, width, height and grey of straight lines or blocks as long as scale bars, with sharp long edges."""
    import cv2

    rows, columns = grey.shape
    top = int(grey.max())
    ink = (grey >= max(1, top - TOLERANCES[-1][0])).astype(np.uint8)
    boxes = cv2.connectedComponentsWithStats(ink, connectivity=4)[2][1:]
    left, upper, wide, tall, area = boxes.T
    is_bar = (wide >= max(20, BAR_SHARE * columns)) & (wide <= BAR_WIDEST * columns) & (wide >= 3 * tall) & (tall >= 2)
    is_bar &= (tall <= BAR_TALLEST * rows) & (area >= BAR_FULL * wide * tall) & (left >= 1) & (upper >= PAD)
    is_bar &= (left + wide < columns) & (upper + tall <= rows - PAD)
    for x, y, across, down, _ in boxes[is_bar].tolist():
        beside = grey[[y - 3, y + down + 2], x + 2 : x + across - 2].astype(np.int16)
        if np.percentile(top - beside, 10) >= BAR_STEP:
            yield x, y, across, down, float(np.median(grey[y : y + down, x : x + across]))
