"""Small pictures of large images: the analysed area, and what was found in distinct colours."""

from __future__ import annotations

import io
from colorsys import hsv_to_rgb
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..analysis import Analysis, Objects
from ..labels.bands import whole_image
from ..micrograph.contrast import preview

# As viewer-drawing.js has them: Okabe and Ito's colour-blind-safe palette without black, and three of ColorBrewer.
# None is grey, which is what was left out.
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#8dd3c7", "#a6761d", "#b3de69")
COLOURS = np.array([tuple(bytes.fromhex(colour[1:])) for colour in PALETTE], np.uint8)
EXAMPLE_SIDE, GAP = 480, 8  # px: the longest side of either half of an example, and what lies between them
CAPTION = 0x010E  # of EXIF, ImageDescription: bytes of UTF-8
QUALITIES = 70, 50, 35, 20, 10, 5  # of WebP, the first with which a picture is no larger than LARGEST
LARGEST = 60_000  # bytes
NO_COLOUR = -1
AROUND, MARGIN = 0.8, 12  # of what is magnified: half of the cut in sizes of the object, and its least size in px
Number = TypeVar("Number", np.int32, np.uint8)
KEPT, ASIDE = "#53d6ee", "#ff6b5e"  # as viewer-drawing.js has them
GREY = np.array([(150, 150, 150)], np.uint8)
# Distance in px of the picture -> weight of a neighbour that near. From 2 px on every other pixel will do.
NEAR = {1: 1000}
FAR = {2: 100, 4: 50, 6: 10, 10: 1}


def analysed(analysis: Analysis, longest: int) -> NDArray[np.uint8]:
    """The analysed area for display: (h, w) uint8, no side over `longest`, hot and cold pixels clipped."""
    micrograph = analysis.micrograph
    pixels = micrograph.pixels[: analysis.segmentation.rows]
    return whole_image("analysed", pixels, lambda: preview(replace(micrograph, pixels=pixels), longest), longest)


def sampled(labels: NDArray[Number], shape: tuple[int, int]) -> NDArray[Number]:
    """The labels (H, W) at the centres of the pixels of a smaller picture of `shape`."""
    rows, columns = (
        ((np.arange(small) + 0.5) * large / small).astype(np.intp)
        for small, large in zip(shape, labels.shape, strict=True)
    )
    return labels[np.ix_(rows, columns)]


def colours_by_direction(degrees: NDArray[np.float64], sector: float = 0.0) -> NDArray[np.uint8]:
    """(n, 3): a colour for each direction (n,) from 0 to 180 degrees, or for each sector of so many; grey where it is
    not known."""
    middle = (np.floor(degrees / sector) + 0.5) * sector if sector else degrees
    hues = [(0.5, 0.5, 0.5) if np.isnan(angle) else hsv_to_rgb(angle / 180 % 1, 0.75, 0.95) for angle in middle]
    return (255 * np.array(hues).reshape(-1, 3)).round().astype(np.uint8)


def painted(
    picture: NDArray[np.uint8], labels: NDArray[np.int32], strength: float, numbers: NDArray[np.intp] | None = None
) -> NDArray[np.uint8]:
    """The grey picture (h, w), darkened, with its objects (same shape) in colour: (h, w, 3) uint8.

    strength: of the colour over the picture, in 0..1. numbers: of the colour of each label 0..max, NO_COLOUR for grey;
    by default such that neighbours differ.
    """
    numbers = colour_numbers(labels) if numbers is None else numbers
    chosen = np.where(numbers == NO_COLOUR, len(COLOURS), numbers % len(COLOURS))
    colour = np.concatenate([COLOURS, GREY])[chosen[labels]].astype(np.float32)
    shade = picture[..., None].astype(np.float32)
    inside = (labels > 0)[..., None]
    return np.where(inside, strength * colour + (1 - strength) * shade, 0.35 * shade).round().astype(np.uint8)


def rimmed(picture: NDArray[np.uint8], labels: NDArray[np.int32], kept: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The grey picture (h, w) with the rims of its objects (same shape) in the colours of what counts (n,) and of what
    was left out: (h, w, 3) uint8."""
    rim = np.zeros(labels.shape, bool)
    rim[1:] |= labels[1:] != labels[:-1]
    rim[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    rim[:-1] |= (labels[1:] == 0) & (labels[:-1] > 0)
    rim[:, :-1] |= (labels[:, 1:] == 0) & (labels[:, :-1] > 0)
    rim &= labels > 0
    coloured = np.repeat(picture[..., None], 3, axis=2)
    colours = np.frombuffer(bytes.fromhex(ASIDE[1:] + KEPT[1:]), np.uint8).reshape(2, 3)
    coloured[rim] = colours[kept[labels[rim] - 1].astype(np.intp)]
    return coloured


def magnified(analysis: Analysis, label: int, side: int) -> NDArray[np.uint8] | None:
    """An object with its outline and what lies around it, white beyond the image: (side, side, 3) uint8; None where no
    pixel shows it."""
    is_object = analysis.segmentation.dense[: analysis.segmentation.rows] == label
    places = [np.flatnonzero(is_object.any(axis)) for axis in (1, 0)]
    if not len(places[0]):
        return None
    half = int(AROUND * max(MARGIN, *(int(np.ptp(place)) for place in places))) + 1
    middles = [int(place[0] + place[-1]) // 2 for place in places]
    cut = tuple(slice(max(middle - half, 0), middle + half) for middle in middles)
    pixels = analysis.micrograph.pixels[: analysis.segmentation.rows][cut]
    inside = is_object[cut]
    before = [max(half - middle, 0) for middle in middles]
    beside = [(low, 2 * half - low - size) for low, size in zip(before, inside.shape, strict=True)]
    grey = np.pad(preview(replace(analysis.micrograph, pixels=pixels), 2 * half), beside, constant_values=255)
    large = Image.fromarray(grey).resize((side, side), Image.Resampling.BICUBIC)
    outlined = Image.fromarray(np.pad(inside, beside).astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)
    return rimmed(np.asarray(large), np.asarray(outlined, np.int32), np.ones(1, np.bool_))


def colour_numbers(labels: NDArray[np.int32], n: int | None = None) -> NDArray[np.intp]:
    """A colour number for every label 0..n, by default the greatest, so that neighbours differ, touching
    ones above all.

    In the order of the labels an object takes the colour that weighs least among its neighbours, and of
    equals the one least used so far.
    """
    n = int(labels.max(initial=0)) if n is None else n
    chosen = np.zeros(n + 1, np.intp)
    used = np.zeros(len(COLOURS))
    one, other, weight = _neighbours(labels)
    begins = np.searchsorted(one, np.arange(n + 2))
    for label in range(1, n + 1):
        near = slice(begins[label], begins[label + 1])
        weight_of_colour = np.bincount(chosen[other[near]], weight[near], len(COLOURS))
        chosen[label] = np.lexsort((used, weight_of_colour))[0]
        used[chosen[label]] += 1
    return chosen


def _neighbours(labels: NDArray[np.int32]) -> tuple[NDArray[np.int64], ...]:
    """Pairs of labels within a few pixels of each other: the greater (sorted), the smaller, and the weight
    of the pair, the greater the nearer they are."""
    coarse = np.ascontiguousarray(labels[::2, ::2])
    near = [(_pairs(labels, d), weight) for d, weight in NEAR.items()]
    near += [(_pairs(coarse, d // 2), weight) for d, weight in FAR.items()]
    # Nearest first, so that of a pair met at several distances the greatest weight stays.
    pairs = np.concatenate([pair for pair, _ in near])
    weights = np.repeat([weight for _, weight in near], [len(pair) for pair, _ in near])
    met, index = np.unique(pairs, return_index=True)
    return met >> 32, met & (2**32 - 1), weights[index]


def _pairs(labels: NDArray[np.int32], d: int) -> NDArray[np.int64]:
    """The pairs of labels that meet `d` px apart, each once: the greater shifted left by 32 bits, plus the smaller."""
    met = []
    for a, b in (
        (labels[d:], labels[:-d]),
        (labels[:, d:], labels[:, :-d]),
        (labels[d:, d:], labels[:-d, :-d]),
        (labels[d:, :-d], labels[:-d, d:]),
    ):
        at = np.nonzero((a != b) & (a > 0) & (b > 0))
        one, other = a[at].astype(np.int64), b[at].astype(np.int64)
        met.append((np.maximum(one, other) << 32) + np.minimum(one, other))
    return np.unique(np.concatenate(met))


def between(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(H, W): what lies between objects: pixels of none, and where two touch those on one side of their border."""
    edges = np.asarray(labels == 0)
    for one, other in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ((slice(None, -1),), (slice(1, None),)),
    ):
        edges[one] |= (labels[one] != labels[other]) & (labels[one] > 0) & (labels[other] > 0)
    return edges


def example_picture(analysis: Analysis, caption: str) -> bytes:
    """A WebP of the analysed area beside what was kept of it in colour."""
    grey, coloured = before_and_after(analysis, EXAMPLE_SIDE)
    gap = np.full((grey.shape[0], GAP, 3), 255, np.uint8)
    return captioned(np.concatenate([grey, gap, coloured], axis=1), caption)


def before_and_after(analysis: Analysis, longest: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The analysed area, and what was kept of it in colour: (h, w, 3) uint8 each, no side over `longest`."""
    grey = analysed(analysis, longest)
    labels = np.r_[0, np.where(Objects.of(analysis).kept, np.arange(1, len(analysis.segmentation) + 1), 0)]
    segmentation = analysis.segmentation
    labels_shown = sampled(labels[segmentation.dense[: segmentation.rows]].astype(np.int32), grey.shape)
    return np.repeat(grey[..., None], 3, axis=2), painted(grey, labels_shown, 0.55)


def captioned(picture: NDArray[np.uint8], caption: str) -> bytes:
    """A picture (H, W) or (H, W, 3) as WebP, of the first quality that fits LARGEST, that says what it shows."""
    facts, content = Image.Exif(), b""
    facts[CAPTION] = caption.encode()
    for quality in QUALITIES:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "WEBP", quality=quality, method=6, exif=facts)
        content = file.getvalue()
        if len(content) <= LARGEST:
            break
    return content
