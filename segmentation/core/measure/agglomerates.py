"""Agglomerates, groups of at least two counted particles that touch: how many particles are in them, how large they
are, and their fractal dimension."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .distribution import FEWEST_IMAGES, Floats
from .fractions import wilson
from .pooled_fields import ends_between, widened
from .results import Agglomerates
from .table import Table

FEWEST = 6  # groups with an interval
FEWEST_FRACTAL = 30  # groups with a fractal dimension
DRAWS = 1000


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups (g,) of touching outlines: outlines and kept particles in each, whether it is off the frame, ECD of
    its area, radius of gyration of its projection and mean radius of its particles, lengths in the table's unit."""

    outlines: Floats
    kept: Floats
    whole: NDArray[np.bool_]
    diameter: Floats
    gyration: Floats
    primary: Floats

    @classmethod
    def of(cls, table: Table) -> Groups:
        """The second moment of a particle about its own centre is that of a disc of its area."""
        group = np.unique(table["group"].astype(np.int64), return_inverse=True)[1]

        def total(values: NDArray[np.generic]) -> Floats:
            return np.bincount(group, values).astype(float)

        area, radius, size = table.length("area"), table.length("ecd") / 2, table.nm_per_pixel or 1.0
        middle = size * np.stack([table["centroid_x_px"], table["centroid_y_px"]], axis=1)
        outlines, whole_area = total(np.ones(len(group))), total(area)
        of_group = np.stack([total(area * axis) / whole_area for axis in middle.T], axis=1)
        square = ((middle - of_group[group]) ** 2).sum(1) + radius**2 / 2
        return cls(
            outlines=outlines,
            kept=total(table.kept),
            whole=total(table["touches_frame"].astype(bool)) == 0,
            diameter=np.sqrt(4 * whole_area / np.pi),
            gyration=np.sqrt(total(area * square) / whole_area),
            primary=total(radius) / outlines,
        )


def agglomerates(tables: Sequence[Table], seed: int) -> Agglomerates:
    """What the outlines of one image or of several say of groups. A particle that touches only outlines that were left
    out is single. Intervals resample the groups, single particles among them, because the particles of a group are
    together. Of three images and more they also show how these differ."""
    parts = [Groups.of(table) for table in tables]
    outlines, kept, whole, diameter, gyration, primary = (
        np.concatenate([getattr(part, name) for part in parts]) for name in Groups.__dataclass_fields__
    )
    together = kept > 1
    counted, rng = kept[kept > 0], np.random.default_rng(seed)
    inside = np.where(together, kept, 0)[kept > 0]
    sized = together & whole
    share = float(inside.sum() / counted.sum()) if len(counted) else None
    groups = Agglomerates(
        groups=int(together.sum()),
        singles=int(kept[~together].sum()),
        primaries_in_groups=int(kept[together].sum()),
        largest=int(kept[together].max(initial=0)),
        share=share,
        share_interval=None,
        mean_primaries=float(kept[together].mean()) if together.any() else None,
        diameter=float(np.median(diameter[sized])) if sized.any() else None,
        fractal_dimension=None,
        fractal_interval=None,
        fractal_groups=int(sized.sum()),
    )
    ends: Sequence[float] = ()
    if share in (0.0, 1.0):
        ends = wilson(share * len(counted), len(counted))
    elif len(counted) >= FEWEST:
        ends = _interval(lambda i: inside[i].sum(-1) / counted[i].sum(-1), len(counted), rng)
    if ends:
        by_image = np.array(
            [(image_groups.kept[image_groups.kept > 1].sum(), image_groups.kept.sum()) for image_groups in parts]
        )
        groups["share_interval"] = ends_between(by_image[:, 0], by_image[:, 1], *ends)
    if sized.sum() >= FEWEST_FRACTAL and np.ptp(outlines[sized]) > 0:
        x, y = np.log(gyration[sized] / primary[sized]), np.log(outlines[sized])
        image = np.repeat(np.arange(len(parts)), [len(part.kept) for part in parts])[sized]
        groups["fractal_dimension"] = float(slope(x, y))
        groups["fractal_interval"] = _fractal_interval(x, y, image, rng)
    return groups


def _fractal_interval(x: Floats, y: Floats, image: NDArray[np.int64], rng: np.random.Generator) -> list[float]:
    """The 95 % interval of the slope of y over x (n,). image: (n,) which image each group is in."""
    low, high = _interval(lambda i: slope(x[i], y[i]), len(x), rng)
    present = np.unique(image)
    if len(present) < FEWEST_IMAGES:
        return [low, high]
    without = np.array([slope(x[image != number], y[image != number]) for number in present])
    return list(widened(low, high, float(slope(x, y)), without))


def slope(x: Floats, y: Floats) -> Floats:
    """(...,) the slope of the least-squares line of y (..., n) over x (..., n)."""
    away = x - x.mean(-1, keepdims=True)
    return np.asarray((away * y).sum(-1) / (away**2).sum(-1), np.float64)


def _interval(figure: Callable[[NDArray[np.int64]], Floats], n: int, rng: np.random.Generator) -> list[float]:
    """The middle 95 % of a figure of n units in DRAWS resamples; it gets the indices (100, n) of 100 at a time."""
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.concatenate([figure(rng.integers(n, size=(100, n))) for _ in range(DRAWS // 100)])
    low, high = np.nanquantile(drawn, [0.025, 0.975]).tolist()
    return [low, high]
