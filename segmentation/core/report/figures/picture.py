"""Makes small pictures of large images: the analysed area, alone or with its objects in distinct
colours.

Pages, figures and the example pictures of models use them.
"""

from __future__ import annotations

import io
from colorsys import hsv_to_rgb
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...analysis import Analysis, ExportedObjects
from ...labels.bands import whole_image
from ...micrograph.contrast import preview

# The colours of viewer-drawing.js: Okabe and Ito's colour-blind-safe palette without black, and three of ColorBrewer.
# None is grey, because grey objects are those that were left out.
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7", "#8dd3c7", "#a6761d", "#b3de69")
COLOURS = np.array([tuple(bytes.fromhex(colour[1:])) for colour in PALETTE], np.uint8)
EXAMPLE_SIDE, GAP = 480, 8  # px: longest side of each half of an example picture, and the gap between the halves
CAPTION, WEIGHTS = 0x010E, 0x0131  # the EXIF tags ImageDescription and Software; their texts are UTF-8
MOST_CAPTIONED_BYTES = 60_000  # of a picture file with a caption
QUALITIES = 70, 50, 35, 20, 10, 5  # of WebP: the first one is used whose file is not larger than MOST_CAPTIONED_BYTES
NO_COLOUR = -1  # in place of a colour number: grey
# The square around a magnified object: half its side as a share of the object's size, and the least size in px that is
# taken.
HALF_SIDE, LEAST_SIZE_PX = 0.8, 12
LabelType = TypeVar("LabelType", np.int32, np.uint8)
COUNTED_COLOUR, LEFT_OUT_COLOUR = "#53d6ee", "#ff6b5e"  # KEPT and ASIDE of viewer-drawing.js
GREY = np.array([(150, 150, 150)], np.uint8)
# How strongly two objects must differ in colour: distance in px of the picture -> weight. The distances of FAR are
# measured in a picture of every other row and column.
NEAR = {1: 1000}
FAR = {2: 100, 4: 50, 6: 10, 10: 1}


def display_pixels(analysis: Analysis, longest: int) -> NDArray[np.uint8]:
    """The analysed area for display: (h, w) uint8, no side over `longest` px; hot and cold pixels
    are clipped."""
    micrograph = analysis.micrograph
    pixels = micrograph.pixels[: analysis.segmentation.rows]
    return whole_image("analysed", pixels, lambda: preview(replace(micrograph, pixels=pixels), longest), longest)


def sampled_labels(labels: NDArray[LabelType], shape: tuple[int, int]) -> NDArray[LabelType]:
    """The labels (H, W) for a smaller picture: (h, w) = `shape`. Each of its pixels gets the label
    at its centre."""
    rows, columns = (
        ((np.arange(small) + 0.5) * large / small).astype(np.intp)
        for small, large in zip(shape, labels.shape, strict=True)
    )
    return labels[np.ix_(rows, columns)]


def colours_by_direction(degrees: NDArray[np.float64], sector: float = 0.0) -> NDArray[np.uint8]:
    """The colours (n, 3) uint8 of directions (n,) from 0 to 180 degrees; grey where a direction is
    NaN.

    sector: if not 0, all directions in a sector of this width (degrees) have the same colour.
    """
    middle = (np.floor(degrees / sector) + 0.5) * sector if sector else degrees
    hues = [(0.5, 0.5, 0.5) if np.isnan(angle) else hsv_to_rgb(angle / 180 % 1, 0.75, 0.95) for angle in middle]
    return (255 * np.array(hues).reshape(-1, 3)).round().astype(np.uint8)


def with_coloured_objects(
    picture: NDArray[np.uint8], labels: NDArray[np.int32], strength: float, numbers: NDArray[np.intp] | None = None
) -> NDArray[np.uint8]:
    """The darkened grey picture (h, w) with its objects in colour: (h, w, 3) uint8.

    labels: (h, w). strength: opacity of the colours, in 0..1. numbers: the colour number of each
    label 0..max, or NO_COLOUR for grey; by default neighbours differ (`colour_numbers`).
    """
    numbers = colour_numbers(labels) if numbers is None else numbers
    chosen = np.where(numbers == NO_COLOUR, len(COLOURS), numbers % len(COLOURS))
    colour = np.concatenate([COLOURS, GREY])[chosen[labels]].astype(np.float32)
    shade = picture[..., None].astype(np.float32)
    inside = (labels > 0)[..., None]
    return np.where(inside, strength * colour + (1 - strength) * shade, 0.35 * shade).round().astype(np.uint8)


def with_rims(picture: NDArray[np.uint8], labels: NDArray[np.int32], kept: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The grey picture (h, w) with the rims of its objects in colour: (h, w, 3) uint8.

    labels: (h, w) 1..n. kept: (n,) whether each object counts: COUNTED_COLOUR, else
    LEFT_OUT_COLOUR.
    """
    rim = np.zeros(labels.shape, bool)
    rim[1:] |= labels[1:] != labels[:-1]
    rim[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    rim[:-1] |= (labels[1:] == 0) & (labels[:-1] > 0)
    rim[:, :-1] |= (labels[:, 1:] == 0) & (labels[:, :-1] > 0)
    rim &= labels > 0
    coloured = np.repeat(picture[..., None], 3, axis=2)
    colours = np.frombuffer(bytes.fromhex(LEFT_OUT_COLOUR[1:] + COUNTED_COLOUR[1:]), np.uint8).reshape(2, 3)
    coloured[rim] = colours[kept[labels[rim] - 1].astype(np.intp)]
    return coloured


def magnified_object(analysis: Analysis, label: int, side: int) -> NDArray[np.uint8] | None:
    """An object with its outline and its surroundings: (side, side, 3) uint8, white beyond the
    image.

    label: 1..n. None if no analysed pixel has the label.
    """
    is_object = analysis.segmentation.dense[: analysis.segmentation.rows] == label
    places = [np.flatnonzero(is_object.any(axis)) for axis in (1, 0)]
    if not len(places[0]):
        return None
    half = int(HALF_SIDE * max(LEAST_SIZE_PX, *(int(np.ptp(place)) for place in places))) + 1
    middles = [int(place[0] + place[-1]) // 2 for place in places]
    crop = tuple(slice(max(middle - half, 0), middle + half) for middle in middles)
    pixels = analysis.micrograph.pixels[: analysis.segmentation.rows][crop]
    inside = is_object[crop]
    missing_before = [max(half - middle, 0) for middle in middles]
    padding = [(low, 2 * half - low - size) for low, size in zip(missing_before, inside.shape, strict=True)]
    grey = np.pad(preview(replace(analysis.micrograph, pixels=pixels), 2 * half), padding, constant_values=255)
    large = Image.fromarray(grey).resize((side, side), Image.Resampling.BICUBIC)
    outlined = Image.fromarray(np.pad(inside, padding).astype(np.uint8)).resize((side, side), Image.Resampling.NEAREST)
    return with_rims(np.asarray(large), np.asarray(outlined, np.int32), np.ones(1, np.bool_))


def colour_numbers(labels: NDArray[np.int32], n: int | None = None) -> NDArray[np.intp]:
    """A colour number for each label 0..n, (n + 1,), so that neighbours differ; touching ones
    differ most surely.

    n: by default the greatest label. In the order of labels each object gets the colour with
    the least weight among its neighbours (NEAR and FAR); among equal colours, the least used one.
    """
    n = int(labels.max(initial=0)) if n is None else n
    chosen = np.zeros(n + 1, np.intp)
    times_used = np.zeros(len(COLOURS))
    one, other, weight = _neighbours(labels)
    starts = np.searchsorted(one, np.arange(n + 2))
    for label in range(1, n + 1):
        pairs_of_label = slice(starts[label], starts[label + 1])
        weight_of_colour = np.bincount(chosen[other[pairs_of_label]], weight[pairs_of_label], len(COLOURS))
        chosen[label] = np.lexsort((times_used, weight_of_colour))[0]
        times_used[chosen[label]] += 1
    return chosen


def _neighbours(labels: NDArray[np.int32]) -> tuple[NDArray[np.int64], ...]:
    """Pairs of labels within a few pixels of each other, (k,) each: the greater label (sorted), the
    smaller one, and the weight of the pair (NEAR, FAR)."""
    coarse = np.ascontiguousarray(labels[::2, ::2])
    pairs_by_distance = [(_pairs(labels, distance), weight) for distance, weight in NEAR.items()]
    pairs_by_distance += [(_pairs(coarse, distance // 2), weight) for distance, weight in FAR.items()]
    # `unique` takes the first of equal pairs, which has the greatest weight: the nearest pairs come first.
    pairs = np.concatenate([pair for pair, _ in pairs_by_distance])
    weights = np.repeat([weight for _, weight in pairs_by_distance], [len(pair) for pair, _ in pairs_by_distance])
    unique_pairs, index = np.unique(pairs, return_index=True)
    return unique_pairs >> 32, unique_pairs & (2**32 - 1), weights[index]


def _pairs(labels: NDArray[np.int32], distance: int) -> NDArray[np.int64]:
    """The pairs of labels with pixels `distance` px apart, each once, as greater * 2**32 +
    smaller."""
    codes = []
    for a, b in (
        (labels[distance:], labels[:-distance]),
        (labels[:, distance:], labels[:, :-distance]),
        (labels[distance:, distance:], labels[:-distance, :-distance]),
        (labels[distance:, :-distance], labels[:-distance, distance:]),
    ):
        is_pair = np.nonzero((a != b) & (a > 0) & (b > 0))
        one, other = a[is_pair].astype(np.int64), b[is_pair].astype(np.int64)
        codes.append((np.maximum(one, other) << 32) + np.minimum(one, other))
    return np.unique(np.concatenate(codes))


def boundary_mask(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """The boundaries between objects, (H, W) bool: pixels of no object, and the pixels on one side
    of each border between two objects."""
    edges = np.asarray(labels == 0)
    for one, other in (
        ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
        ((slice(None, -1),), (slice(1, None),)),
    ):
        edges[one] |= (labels[one] != labels[other]) & (labels[one] > 0) & (labels[other] > 0)
    return edges


def example_picture(analysis: Analysis, caption: str) -> bytes:
    """A WebP file: at the left the analysed area, at the right the same with the counted objects in
    colour."""
    grey, coloured = before_and_after(analysis, EXAMPLE_SIDE)
    gap = np.full((grey.shape[0], GAP, 3), 255, np.uint8)
    weights = str(analysis.segmentation.provenance.card.get("sha256", ""))
    return captioned_webp(np.concatenate([grey, gap, coloured], axis=1), caption, weights)


def before_and_after(analysis: Analysis, longest: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The analysed area, and the same with the counted objects in colour: (h, w, 3) uint8, no side
    over `longest` px."""
    grey = display_pixels(analysis, longest)
    labels = np.r_[0, np.where(ExportedObjects.of(analysis).kept, np.arange(1, len(analysis.segmentation) + 1), 0)]
    segmentation = analysis.segmentation
    labels_shown = sampled_labels(labels[segmentation.dense[: segmentation.rows]].astype(np.int32), grey.shape)
    return np.repeat(grey[..., None], 3, axis=2), with_coloured_objects(grey, labels_shown, 0.55)


def captioned_webp(picture: NDArray[np.uint8], caption: str, weights: str = "") -> bytes:
    """A picture (H, W) or (H, W, 3) as a WebP file of MOST_CAPTIONED_BYTES at most, if possible.
    caption, weights (SHA-256 of those that made it): stored in the file as EXIF."""
    exif, content = Image.Exif(), b""
    exif[CAPTION], exif[WEIGHTS] = caption.encode(), weights.encode()
    for quality in QUALITIES:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "WEBP", quality=quality, method=6, exif=exif)
        content = file.getvalue()
        if len(content) <= MOST_CAPTIONED_BYTES:
            break
    return content
