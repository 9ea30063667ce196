"""Slips of labelling that show when files are compared, and labels that belong to another kind of task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .agreement import SURE, agreement, reduced

if TYPE_CHECKING:
    from .look import Looked

FEW_NUMBERS = 10  # numbers in all files together, up to which they may be classes
PIECES = 5  # of a number in an image, from which it is no single particle
MOST = 0.8  # of the files, or of what is labelled
SPAN, THIN, MESHES = 0.9, 10.0, 10  # see `are_lines`
EIGHT_BITS, NEARLY = 255, 250
CLASSES_FIT = 5.0  # SD, as of `agreement`; classes of another image reach 3.5 on 54 images of three materials
CLEAR = 0.5  # SD by which particles differ from their surroundings where their polarity is plain
BLACK_AND_WHITE = (
    "The labels of {name} are black and white among files with a number for each particle: particles that touch are one"
    " there."
)
WRAPPED = (
    "The labels of {name} use nearly every number up to 255, some for several particles: numbers went on from 0 behind"
    " 255. Save labels with 16 bits."
)
INVERTED = "The labels of {name} are inverted: unlike in the other files they are what lies between particles."


def network(labels: NDArray[np.int32]) -> tuple[bool, bool]:
    """Whether what is labelled is one piece that spans the picture and holds at least as many gaps as there are pieces;
    and whether that is thin as well, as boundaries between grains are drawn.

    Thin is a width of at most THIN px in 512 (or 3 px) at nine pixels of ten; lines have MESHES at least.
    """
    inside = reduced(labels) > 0
    pieces, count = ndimage.label(inside, np.ones((3, 3)))
    if not count or inside.all():
        return False, False
    sizes = np.bincount(pieces.ravel())[1:]
    window = ndimage.find_objects(pieces)[int(sizes.argmax())]
    spans = all(side.stop - side.start >= SPAN * n for side, n in zip(window, inside.shape, strict=True))
    gaps = ndimage.label(~inside)[1]
    if not spans or sizes.max() < MOST * inside.sum() or gaps < count:
        return False, False
    width = 2 * float(np.percentile(ndimage.distance_transform_edt(inside)[inside], 90))
    return True, gaps >= MESHES and width <= max(3.0, THIN * max(inside.shape) / 512)


def contrast(grey: NDArray[np.uint8], labels: NDArray[np.int32]) -> float:
    """How much brighter what is labelled is than the rest, in SD of the picture; 0 where there is only one of both."""
    inside = labels > 0
    if not inside.any() or inside.all():
        return 0.0
    return float((grey[inside].mean() - grey[~inside].mean()) / max(float(grey.std()), 1e-6))


def is_wrapped(values: NDArray[np.int64], shared: int) -> bool:
    """Whether ids went on from 0 behind 255: nearly all numbers of eight bits are used, and some more than once."""
    used = values[values > 0]
    return bool(len(used) >= NEARLY and used.max() <= EIGHT_BITS and shared >= 3)


def another_kind(pairs: Sequence[Looked]) -> str:
    """A sentence where the labels of most files are plainly of another kind of task than outlined particles."""
    if len(pairs) < 2:
        return ""
    if sum(pair.lines for pair in pairs) >= MOST * len(pairs):
        return (
            f"{sum(pair.lines for pair in pairs)} masks are thin connected lines, as grain boundaries are drawn: train"
            ' grains on them (task = "grains"); as particles, what the lines enclose would have to be labelled.'
        )
    uses = Counter(number for pair in pairs for number in pair.numbers)
    common = [number for number, files in uses.items() if files >= MOST * len(pairs)]
    each = [pair.pieces / max(1, pair.labels_used) for pair in pairs]
    if len(common) >= 2 and len(uses) <= FEW_NUMBERS and np.median(each) >= PIECES:
        numbers = ", ".join(map(str, sorted(uses)))
        return (
            f"The same few numbers in every image ({numbers}), each in many pieces, look like classes: train phases on"
            ' them (task = "phases"), or give each particle a number of its own.'
        )
    return ""


def slips(pairs: Sequence[Looked]) -> dict[str, str]:
    """A sentence for each image, by name, if its labels differ from all others as only a slip explains."""
    told = dict(exchanged([pair for pair in pairs if pair.astray]))
    told |= {pair.name: INVERTED.format(name=pair.name) for pair in inverted(pairs)}
    told |= {pair.name: WRAPPED.format(name=pair.name) for pair in pairs if pair.wrapped}
    masks = masks_of(pairs)
    if len(masks) < 0.5 * len(pairs):
        several = [pair for pair in masks if pair.pieces >= (2 if pair.numbers == (EIGHT_BITS,) else PIECES)]
        told |= {pair.name: BLACK_AND_WHITE.format(name=pair.name) for pair in several}
    return told


def masks_of(pairs: Sequence[Looked]) -> list[Looked]:
    """Images with a single number in their labels."""
    return [pair for pair in pairs if pair.labels_used == 1 and not pair.wrong]


def inverted(pairs: Sequence[Looked]) -> list[Looked]:
    """Masks that are one net, or gaps, on the side of the grey on which in most others the background is."""
    masks = masks_of(pairs)
    sides = [float(np.sign(pair.contrast)) for pair in masks if abs(pair.contrast) >= CLEAR]
    usual = np.sign(sum(sides))
    if len(sides) < 3 or sides.count(usual) < 0.6 * len(sides):
        return []
    return [pair for pair in masks if (pair.net or pair.gaps) and pair.contrast * usual <= -CLEAR]


def exchanged(astray: Sequence[Looked]) -> Iterator[tuple[str, str]]:
    """Labels that do not fit their own image and plainly fit another one's."""
    for pair in astray:
        others = [other for other in astray if other is not pair and other.shape == pair.shape]
        scores = [found.score if (found := agreement(o.small, pair.small_labels)) else 0.0 for o in others]
        if scores and max(scores) >= (CLASSES_FIT if pair.classes else SURE):
            other = others[int(np.argmax(scores))]
            yield pair.name, f"The labels of {pair.name} fit {other.name}, not their own image: they were exchanged."
