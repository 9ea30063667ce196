"""Agglomerates, groups of at least two counted particles that touch: how many particles are in them, how large they
are, and their fractal dimension."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..results import Agglomerates
from ..sizes.distribution import FEWEST_IMAGES, Floats
from ..table import Table
from ..uncertainty.fractions import wilson
from ..uncertainty.pooled_fields import share_ends, widened_ends

FEWEST_GROUPS = 6  # for an interval
FEWEST_FRACTAL = 30  # groups, for a fractal dimension
DRAWS = 1000  # resamples for an interval


@dataclass(frozen=True, eq=False)
class Groups:
    """The g groups of touching outlines; an outline that touches none is a group of one.

    outlines, kept: (g,) how many outlines and counted particles are in each group. whole: (g,) whether
    it does not touch the frame. diameter: (g,) ECD of its area. gyration: (g,) radius of gyration of
    its projection. primary: (g,) mean radius of its particles. Lengths are in the table's unit."""

    outlines: Floats
    kept: Floats
    whole: NDArray[np.bool_]
    diameter: Floats
    gyration: Floats
    primary: Floats

    @classmethod
    def of(cls, table: Table) -> Groups:
        """The groups in a table. For the radius of gyration each particle is taken as a disc of its
        area."""
        group = np.unique(table["group"].astype(np.int64), return_inverse=True)[1]

        def total(values: NDArray[np.generic]) -> Floats:  # (g,) sums over each group
            return np.bincount(group, values).astype(float)

        area, radius, pixel = table.length("area"), table.length("ecd") / 2, table.nm_per_pixel or 1.0
        centre = pixel * np.stack([table["centroid_x_px"], table["centroid_y_px"]], axis=1)
        outlines, whole_area = total(np.ones(len(group))), total(area)
        group_centre = np.stack([total(area * axis) / whole_area for axis in centre.T], axis=1)
        square = ((centre - group_centre[group]) ** 2).sum(1) + radius**2 / 2
        return cls(
            outlines=outlines,
            kept=total(table.kept),
            whole=total(table["touches_frame"].astype(bool)) == 0,
            diameter=np.sqrt(4 * whole_area / np.pi),
            gyration=np.sqrt(total(area * square) / whole_area),
            primary=total(radius) / outlines,
        )


def agglomerates(tables: Sequence[Table], seed: int) -> Agglomerates:
    """The numbers of the agglomerates in one image or in several.

    A particle that touches only outlines that were left out is single. Intervals come from
    resampling groups (a single particle is a group, too), because the particles of a group do not
    vary independently. From FEWEST_IMAGES images on they also contain how the images differ.
    """
    parts = [Groups.of(table) for table in tables]
    outlines, kept, whole, diameter, gyration, primary = (
        np.concatenate([getattr(part, name) for part in parts]) for name in Groups.__dataclass_fields__
    )
    is_agglomerate = kept > 1
    counted, rng = kept[kept > 0], np.random.default_rng(seed)
    inside = np.where(is_agglomerate, kept, 0)[kept > 0]
    is_sized = is_agglomerate & whole
    share = float(inside.sum() / counted.sum()) if len(counted) else None
    groups = Agglomerates(
        groups=int(is_agglomerate.sum()),
        singles=int(kept[~is_agglomerate].sum()),
        primaries_in_groups=int(kept[is_agglomerate].sum()),
        largest=int(kept[is_agglomerate].max(initial=0)),
        share=share,
        share_interval=None,
        mean_primaries=float(kept[is_agglomerate].mean()) if is_agglomerate.any() else None,
        diameter=float(np.median(diameter[is_sized])) if is_sized.any() else None,
        fractal_dimension=None,
        fractal_interval=None,
        fractal_groups=int(is_sized.sum()),
    )
    ends: Sequence[float] = ()
    if share in (0.0, 1.0):
        ends = wilson(share * len(counted), len(counted))
    elif len(counted) >= FEWEST_GROUPS:
        ends = _interval(lambda i: inside[i].sum(-1) / counted[i].sum(-1), len(counted), rng)
    if ends:
        by_image = np.array(
            [(image_groups.kept[image_groups.kept > 1].sum(), image_groups.kept.sum()) for image_groups in parts]
        )
        groups["share_interval"] = share_ends(by_image[:, 0], by_image[:, 1], *ends)
    if is_sized.sum() >= FEWEST_FRACTAL and np.ptp(outlines[is_sized]) > 0:
        x, y = np.log(gyration[is_sized] / primary[is_sized]), np.log(outlines[is_sized])
        image = np.repeat(np.arange(len(parts)), [len(part.kept) for part in parts])[is_sized]
        groups["fractal_dimension"] = float(slope(x, y))
        groups["fractal_interval"] = _fractal_interval(x, y, image, rng)
    return groups


def _fractal_interval(x: Floats, y: Floats, image: NDArray[np.int64], rng: np.random.Generator) -> list[float]:
    """The 95 % interval of the slope of y (n,) over x (n,). image: (n,) which image each group is
    in."""
    low, high = _interval(lambda i: slope(x[i], y[i]), len(x), rng)
    present = np.unique(image)
    if len(present) < FEWEST_IMAGES:
        return [low, high]
    without = np.array([slope(x[image != number], y[image != number]) for number in present])
    return list(widened_ends(low, high, float(slope(x, y)), without))


def slope(x: Floats, y: Floats) -> Floats:
    """(...,) the slope of the least-squares line of y (..., n) over x (..., n)."""
    off = x - x.mean(-1, keepdims=True)
    return np.asarray((off * y).sum(-1) / (off**2).sum(-1), np.float64)


def _interval(figure: Callable[[NDArray[np.int64]], Floats], n: int, rng: np.random.Generator) -> list[float]:
    """The 95 % interval of a number that is computed from n units, by DRAWS resamples. figure: computes
    the numbers (100,) of 100 resamples from their indices (100, n)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.concatenate([figure(rng.integers(n, size=(100, n))) for _ in range(DRAWS // 100)])
    low, high = np.nanquantile(drawn, [0.025, 0.975]).tolist()
    return [low, high]
