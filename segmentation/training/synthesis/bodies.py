"""Convex bodies as height fields: what one particle looks like from above."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Family = Literal["facetted", "ellipsoid", "rod", "cube", "platelet"]
FAMILIES: tuple[Family, ...] = ("facetted", "ellipsoid", "rod", "cube", "platelet")


@dataclass(frozen=True, eq=False)
class Body:
    """A body seen from above on a pixel grid.

    top, bottom: (h, w) float32 heights in px relative to the body's centre; NaN outside its outline.
    """

    top: NDArray[np.float32]
    bottom: NDArray[np.float32]

    @property
    def lowest(self) -> float:
        return float(np.nanmin(self.bottom))


def random_rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    """A rotation matrix drawn uniformly (QR of a Gaussian matrix, signs fixed)."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    return q * np.sign(np.diag(r))


def make_body(family: Family, diameter: float, rng: np.random.Generator) -> Body:
    """A body of the family whose typical diameter is `diameter` px, in random orientation."""
    radius = diameter / 2
    rotation = random_rotation(rng)
    if family == "ellipsoid":
        return ellipsoid(radius * np.exp(rng.normal(0, 0.12, 3)), rotation)
    return polyhedron(*_half_spaces(family, radius, rng), rotation)


def _half_spaces(
    family: Family, radius: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Normals (k, 3) and offsets (k,) of the planes that bound the body before it is turned."""
    if family == "cube":
        axes = np.concatenate([np.eye(3), -np.eye(3)])
        corners = rng.normal(size=(8, 3))
        corners /= np.linalg.norm(corners, axis=1, keepdims=True)
        offsets = np.concatenate([np.tile(radius * np.exp(rng.normal(0, 0.08, 3)), 2), np.full(8, radius * 1.35)])
        return np.concatenate([axes, corners]), offsets
    normals = rng.normal(size=(int(rng.integers(12, 48)), 3))
    stretch = {
        "facetted": np.exp(rng.normal(0, 0.15, 3)),
        "rod": np.array([0.6, 0.6, rng.uniform(1.2, 2.2)]),
        "platelet": np.array([1.15, 1.15, rng.uniform(0.15, 0.4)]),
    }[family]
    unit = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    offsets = radius * rng.uniform(0.85, 1.1, len(unit))
    # A plane n.x <= d of the unstretched body is (n / stretch).x <= d after stretching.
    return unit / stretch, offsets


def _grid(reach: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    half = int(np.ceil(reach)) + 1
    axis = np.arange(-half, half + 1, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    return x, y


def ellipsoid(semi_axes: NDArray[np.float64], rotation: NDArray[np.float64]) -> Body:
    """The ellipsoid with the given semi-axes (px), turned by `rotation`."""
    inverse = rotation @ np.diag(1 / semi_axes**2) @ rotation.T
    x, y = _grid(float(semi_axes.max()))
    a = inverse[2, 2]
    b = inverse[0, 2] * x + inverse[1, 2] * y
    c = inverse[0, 0] * x**2 + 2 * inverse[0, 1] * x * y + inverse[1, 1] * y**2 - 1
    under_root = b**2 - a * c
    root = np.sqrt(np.where(under_root > 0, under_root, np.nan))
    return Body(((-b + root) / a).astype(np.float32), ((-b - root) / a).astype(np.float32))


def polyhedron(normals: NDArray[np.float64], offsets: NDArray[np.float64], rotation: NDArray[np.float64]) -> Body:
    """The intersection of the half-spaces normals . p <= offsets, turned by `rotation`."""
    turned = normals @ rotation.T
    length = np.linalg.norm(turned, axis=1)
    x, y = _grid(float(np.quantile(offsets / length, 0.9)) * 1.9)
    steep = np.abs(turned[:, 2]) < 1e-6
    turned[steep, 2] = 1e-6
    top = np.full(x.shape, np.inf, np.float32)
    bottom = np.full(x.shape, -np.inf, np.float32)
    for (nx, ny, nz), offset in zip(turned.astype(np.float32), offsets.astype(np.float32), strict=True):
        plane = (offset - nx * x - ny * y) / nz
        if nz > 0:
            np.minimum(top, plane, out=top)
        else:
            np.maximum(bottom, plane, out=bottom)
    inside = (top > bottom) & np.isfinite(top) & np.isfinite(bottom)
    return Body(np.where(inside, top, np.nan), np.where(inside, bottom, np.nan))
