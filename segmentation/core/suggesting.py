"""Which images would teach a model most, from what is known of their results. Needs numpy alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

OCTAVES = 5
SIDE = 256  # px, the longest side of a picture that is looked at
USUAL = 0.5  # spread of each figure of a picture over kinds of micrographs, as in network.likeness
UNLIKE = 1.0  # distance, in USUAL, from which on pages say that an image is unlike the others
LEAST_CONTRAST = 1e-4  # relative to the whole picture: its logarithm stands for an octave without any
KNOWN_WORTH = 0.5  # of an image exactly like a known one, relative to one unlike all of them
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Wrong:
    """What is probably wrong in a result.

    expected: number of wrong outlines, or (share) the part of the area that is in the wrong class. total: number of
    outlines, or of classes.
    """

    expected: float
    total: int
    share: bool = False

    @property
    def has_any(self) -> bool:
        """Whether its words would name more than 0."""
        return round(100 * self.expected if self.share else self.expected) > 0

    @property
    def words(self) -> str:
        if self.share:
            return f"about {100 * self.expected:.0f} % of the area is probably in the wrong class"
        number = round(self.expected)
        return f"about {number} of {self.total} outlines {'is' if number == 1 else 'are'} probably wrong"


def expected_wrong(objects: Sequence[Mapping[str, Any]]) -> Wrong | None:
    """The expected number of wrong outlines: the sum of 1 - confidence, which is the probability that an outline is
    right. Without confidences the expected part of the area in wrong classes; None without that. Outlines set aside
    count, as a person corrects them, too. objects: the measures of each outline or class by their names, None where
    not known."""
    names = "confidence", "area_fraction", "certainty"
    confidence, share, sure = (np.array([measures.get(name) for measures in objects], float) for name in names)
    finite = confidence[np.isfinite(confidence)]
    if len(finite):
        return Wrong(float((1 - finite).sum()), len(finite))
    is_known = np.isfinite(share) & np.isfinite(sure)
    wrong = float((share * (1 - sure))[is_known].sum())
    return Wrong(wrong, int(is_known.sum()), share=True) if is_known.any() else None


def texture(grey: NDArray[np.uint8]) -> Floats:
    """(OCTAVES + 1,) of a small picture (H, W): logarithms of its contrast at octaves, relative to the whole, and the
    skewness of the greys. An empty picture gives zeros."""
    picture = grey.astype(float) / 255
    spread = float(picture.std())
    if not spread:
        return np.zeros(OCTAVES + 1)
    levels = [picture]
    while len(levels) <= OCTAVES and min(levels[-1].shape) >= 2:
        height, width = (side // 2 * 2 for side in levels[-1].shape)
        parts = levels[-1][:height, :width].reshape(height // 2, 2, width // 2, 2)
        levels.append(parts.mean((1, 3)))
    # The standard deviation of what is lost in the step from one octave to the next.
    bands = [math.sqrt(max(float(fine.var() - coarse.var()), 0.0)) / spread for fine, coarse in pairwise(levels)]
    bands += [LEAST_CONTRAST] * (OCTAVES - len(bands))  # of octaves that a small picture lacks
    skewness = float((((picture - picture.mean()) / spread) ** 3).mean())
    return np.array([*(math.log(max(band, LEAST_CONTRAST)) for band in bands), skewness])


def distance(one: Floats, taught: Sequence[Floats]) -> float:
    """Root mean square difference from the nearest known picture, in USUAL; infinite without any."""
    apart = ((np.reshape(taught, (-1, len(one))) - one) / USUAL) ** 2
    return float(np.sqrt(apart.mean(1)).min(initial=np.inf))


def order(wrong: Sequence[float], textures: Sequence[Floats], taught: Sequence[Floats]) -> list[tuple[int, float]]:
    """Images by what they would teach, the best first, each with its distance from the known ones.

    An image is worth its expected errors; one that looks like a known image is worth half of that. Each one that is
    taken counts as known from then on, so that the next is not its twin.
    """
    left, near, ranked = list(range(len(wrong))), list(taught), list[tuple[int, float]]()
    while left:
        apart = {index: distance(textures[index], near) for index in left}
        worth = {index: KNOWN_WORTH + (1 - KNOWN_WORTH) * (1 - math.exp(-apart[index])) for index in left}
        best = max(left, key=lambda index: (wrong[index] * worth[index], -index))
        ranked.append((best, apart[best]))
        near.append(textures[best])
        left.remove(best)
    return ranked
