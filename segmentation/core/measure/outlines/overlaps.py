"""Rearranges the objects of a label image where particles lie on each other.

An outline that holds several particles is parted (`parting`), pieces of one particle are joined, and the overlap of two
particles is no particle of its own (`joining`). All of this is judged by simple outlines fitted to those parts of the
rims that border on background (`fits`). Labels stay one id a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .joining import joined, without_lenses
from .parting import holds_several, parted
from .seen import Ints, Labels, seen


@dataclass(frozen=True, eq=False)
class Resolved:
    """labels: (H, W) int32 1..n. source: (n,) the object that each comes from, of those before; of joined ones the
    first. parted, joined, lenses: by how many objects there are more, or fewer. several: how many still seem to hold
    several particles."""

    labels: Labels
    source: Ints
    parted: int
    joined: int
    lenses: int
    several: int

    @property
    def counts(self) -> dict[str, int]:
        """What was done, for `Segmentation.used`."""
        return {name: getattr(self, name) for name in ("parted", "joined", "lenses", "several")}


def resolved(labels: Labels, grey: NDArray[np.uint8], *, dark: bool) -> Resolved:
    """The objects 1..n of labels (H, W), rearranged where they lie on each other.

    grey: (H, W). dark: whether particles are darker than their background, so that a picture taken in transmission may
    show both of two particles where they overlap.
    """
    shown, source = seen(labels), np.arange(1, int(labels.max(initial=0)) + 1)
    counts = dict.fromkeys(("parted", "joined", "lenses"), 0)
    steps = [("parted", parted), ("joined", joined)]
    if dark:
        steps += [("lenses", lambda shown: without_lenses(shown, grey)), ("joined", joined)]
    for name, step in steps:
        if name == "joined" and not (counts["joined"] or counts["lenses"]) and step is not steps[1][1]:
            continue
        found = step(shown)
        if found is None:
            continue
        new, origin = found
        counts[name] += abs(len(origin) - len(source))
        shown, source = seen(new), source[origin - 1]
    return Resolved(shown.labels, source, **counts, several=int(holds_several(shown).sum()))
