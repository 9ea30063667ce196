"""Ranks images by how much a model would learn from their corrected outlines. Needs only numpy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

OCTAVES = 5
SIDE = 256  # px, the longest side of the small picture from which the texture is calculated
FEATURE_SPREAD = 0.5  # spread of each value of `texture` over kinds of micrographs, as in network.likeness
UNLIKE = 1.0  # distance, in units of FEATURE_SPREAD, from which pages say that an image is unlike the others
LEAST_CONTRAST = 1e-4  # relative to the whole picture; a lower contrast of an octave is set to it before the logarithm
KNOWN_WORTH = 0.5  # worth of an image like an image that was learnt from, relative to an image unlike all of these
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ExpectedErrors:
    """How many outlines, or how much area, of a result are probably wrong.

    expected: expected number of wrong outlines or, if `share`, the fraction of the area in the wrong class. total:
    number of outlines, or of classes.
    """

    expected: float
    total: int
    share: bool = False

    @property
    def has_any(self) -> bool:
        """Whether the rounded number in `words` is above 0."""
        return round(100 * self.expected if self.share else self.expected) > 0

    @property
    def words(self) -> str:
        if self.share:
            return f"about {100 * self.expected:.0f} % of the area is probably in the wrong class"
        number = round(self.expected)
        return f"about {number} of {self.total} outlines {'is' if number == 1 else 'are'} probably wrong"


def expected_wrong(objects: Sequence[Mapping[str, Any]]) -> ExpectedErrors | None:
    """The expected errors of a result; None if its objects have neither confidence nor certainty.

    The expected number of wrong outlines is the sum of 1 - confidence. Outlines that are left out are included, because
    a person corrects them, too. Without confidences it is the expected part of the area in wrong classes.

    objects: measures of each outline or class by name, None where not known.
    """
    names = "confidence", "area_fraction", "certainty"
    confidence, share, sure = (np.array([measures.get(name) for measures in objects], float) for name in names)
    finite = confidence[np.isfinite(confidence)]
    if len(finite):
        return ExpectedErrors(float((1 - finite).sum()), len(finite))
    is_known = np.isfinite(share) & np.isfinite(sure)
    wrong = float((share * (1 - sure))[is_known].sum())
    return ExpectedErrors(wrong, int(is_known.sum()), share=True) if is_known.any() else None


def texture(grey: NDArray[np.uint8]) -> Floats:
    """The texture (OCTAVES + 1,) of a small picture (H, W): logarithms of its contrast at each octave, relative to the
    contrast of the picture, and the skewness of the greys. An empty picture gives zeros."""
    picture = grey.astype(float) / 255
    spread = float(picture.std())
    if not spread:
        return np.zeros(OCTAVES + 1)
    levels = [picture]
    while len(levels) <= OCTAVES and min(levels[-1].shape) >= 2:
        height, width = (side // 2 * 2 for side in levels[-1].shape)
        blocks = levels[-1][:height, :width].reshape(height // 2, 2, width // 2, 2)
        levels.append(blocks.mean((1, 3)))
    # The standard deviation that is lost from one octave to the next.
    bands = [math.sqrt(max(float(fine.var() - coarse.var()), 0.0)) / spread for fine, coarse in pairwise(levels)]
    bands += [LEAST_CONTRAST] * (OCTAVES - len(bands))  # of octaves that a small picture lacks
    skewness = float((((picture - picture.mean()) / spread) ** 3).mean())
    return np.array([*(math.log(max(band, LEAST_CONTRAST)) for band in bands), skewness])


def distance(one: Floats, taught: Sequence[Floats]) -> float:
    """Root mean square difference of a texture from the nearest of the `taught` ones, in units of FEATURE_SPREAD;
    infinite if there are none. taught: textures of images that were learnt from."""
    squares = ((np.reshape(taught, (-1, len(one))) - one) / FEATURE_SPREAD) ** 2
    return float(np.sqrt(squares.mean(1)).min(initial=np.inf))


def rank_images(
    wrong: Sequence[float], textures: Sequence[Floats], taught: Sequence[Floats]
) -> list[tuple[int, float]]:
    """The numbers of the images, the most useful one for learning first, each with its distance from the taught ones.

    An image is worth its expected errors, or half of that if it looks like a taught one. Each ranked image counts as
    taught for the next ones, so that similar images do not follow each other.

    wrong, textures: expected errors and texture of each image. taught: textures of images that were learnt from.
    """
    remaining, taught_so_far, ranked = list(range(len(wrong))), list(taught), list[tuple[int, float]]()
    while remaining:
        distances = {index: distance(textures[index], taught_so_far) for index in remaining}
        worth = {index: KNOWN_WORTH + (1 - KNOWN_WORTH) * (1 - math.exp(-distances[index])) for index in remaining}
        best = max(remaining, key=lambda index: (wrong[index] * worth[index], -index))
        ranked.append((best, distances[best]))
        taught_so_far.append(textures[best])
        remaining.remove(best)
    return ranked
