"""The shapes of synthetic particles (bodies), as height fields seen from above, and the texture of their surfaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull

from ..contract import Field, Floats, Mask, Rng
from .noise import band_field, blur, distance_to_points, fractal_field, smooth_field, standardised
from .settings import SceneSettings

# Families of shapes, see `family` in settings.toml.
CONVEX = ("facetted", "rounded", "sphere", "ellipsoid", "rod", "cube", "octahedron", "platelet", "fragment")
FAMILIES = (*CONVEX, "core-shell", "hollow")
SMALLEST_TEXTURED_PX = 16.0  # diameter of particles with a texture
TILE_PX = 32  # so small that few planes of a polyhedron are needed in a tile, see `_lowest`
# The directions of a cube's eight corners.
DIAGONALS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / np.sqrt(3)


@dataclass(frozen=True, eq=False)
class Body:
    """A body seen from above on a pixel grid.

    top, bottom: (h, w) float32 heights in px relative to the body's centre, NaN outside its outline.
    mass: (h, w) float32 matter along the beam, thickness (px) x relative density; 0 outside.
    """

    top: Field
    bottom: Field
    mass: Field


@dataclass(frozen=True)
class Form:
    """The settings of bodies, see settings.toml.

    flat: share of bodies that lie on a face. rounding: radius of edges relative to the body's radius. aspect: length
    over width of rods, width over height of platelets. core: radius of a core or void relative to the particle's.
    density: that of a core relative to the shell.
    """

    flat: float = 0.0
    rounding: float = 0.0
    aspect: float = 3.0
    core: float = 0.6
    density: float = 3.0


def solid(top: Field, bottom: Field) -> Body:
    """A body of uniform density from heights (h, w) of its top and bottom; pixels where top <= bottom are outside."""
    inside = top > bottom
    top, bottom = np.where(inside, top, np.float32(np.nan)), np.where(inside, bottom, np.float32(np.nan))
    return Body(top, bottom, np.where(inside, top - bottom, np.float32(0)))


def random_rotation(rng: Rng) -> Floats:
    """A rotation matrix drawn uniformly (QR of a Gaussian matrix, signs fixed)."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    return q * np.sign(np.diag(r))


def make_body(family: str, diameter: float, rng: Rng, form: Form | None = None) -> Body:
    """A random convex body of a family, with a typical diameter of `diameter` px; its centre is anywhere within a
    pixel."""
    form = form or Form()
    if family in ("core-shell", "hollow"):
        return _with_core(make_body("ellipsoid", diameter, rng, form), diameter, rng, form, void=family == "hollow")
    radius = diameter / 2
    phase = rng.uniform(-0.5, 0.5, 2)
    if rng.random() < form.flat:  # it lies on a face: turned about the vertical, and tilted by a few degrees (0.06 rad)
        turn, tilt = rng.uniform(0, 2 * np.pi), rng.normal(0, 0.06)
        about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
        about_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
        rotation = about_z @ about_x
    else:
        rotation = random_rotation(rng)
    if family in ("sphere", "ellipsoid"):
        spread = 0.02 if family == "sphere" else 0.14
        return ellipsoid(radius * np.exp(rng.normal(0, spread, 3)), rotation, phase)
    body = polyhedron(*PLANES[family](radius, form, rng), rotation, phase)
    edge = form.rounding * radius
    return round_edges(body, edge) if edge > 0.7 else body


def _with_core(body: Body, diameter: float, rng: Rng, form: Form, *, void: bool) -> Body:
    """The body with a core of another density or a void inside: its mass changes, its surface does not."""
    radius = diameter / 2 * form.core * rng.uniform(0.9, 1.05)
    inner = ellipsoid(np.full(3, max(radius, 1.0)) * np.exp(rng.normal(0, 0.05, 3)), random_rotation(rng))
    largest_shift = max(0.0, diameter / 2 - radius) * 0.5
    shift = rng.uniform(-largest_shift, largest_shift, 2) if rng.random() < 0.5 else np.zeros(2)
    core, size = np.zeros(body.mass.shape, np.float32), inner.mass.shape
    # The inner body lies near the middle; the part beyond the grid is cut off.
    corner = [round((n - m) / 2 + s) for n, m, s in zip(core.shape, size, shift, strict=True)]
    view = core[tuple(slice(max(0, a), max(0, a + m)) for a, m in zip(corner, size, strict=True))]
    view[...] = inner.mass[tuple(slice(max(0, -a), max(0, -a) + v) for a, v in zip(corner, view.shape, strict=True))]
    mass = body.mass + core * (-1 if void else form.density - 1)
    return replace(body, mass=np.where(np.isfinite(body.top), np.maximum(mass, 0.02 * body.mass), 0).astype(np.float32))


def _random_planes(
    radius: float,
    form: Form,
    rng: Rng,
    *,
    counts: tuple[int, int],
    distances: tuple[float, float],
    spread: float,
    longest: float = 0.0,
) -> tuple[Floats, Floats]:
    """Planes with random normals: (k, 3) normals, (k,) offsets in px.

    counts: range of k. distances: range of the offsets, relative to the radius. spread: SD of ln(length) of the three
    axes. longest: how many times as long the third axis may be; 0: as the others.
    """
    count = int(rng.integers(*counts))
    normals = rng.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    offsets, axes = radius * rng.uniform(*distances, count), np.exp(rng.normal(0, spread, 3))
    return normals / (axes * [1, 1, rng.uniform(0.9, longest)] if longest else axes), offsets


def _prism(sides: int, width: float, height: float, rng: Rng) -> tuple[Floats, Floats]:
    """The planes of a prism with its axis along z: radius `width` of its inscribed circle, half height `height`, in
    px."""
    angles = 2 * np.pi * (np.arange(sides) + rng.uniform(-0.08, 0.08, sides)) / sides
    walls = np.stack([np.cos(angles), np.sin(angles), np.zeros(sides)], axis=1)
    normals = np.concatenate([walls, [[0, 0, 1], [0, 0, -1]]])
    return normals, np.concatenate([width * rng.uniform(0.93, 1.07, sides), [height, height]])


def _rod(radius: float, form: Form, rng: Rng) -> tuple[Floats, Floats]:
    aspect = max(1.2, form.aspect * rng.uniform(0.7, 1.3))
    width = radius / np.sqrt(aspect)
    normals, offsets = _prism(int(rng.choice([4, 6, 14])), width, width * aspect, rng)
    return normals[:, [2, 0, 1]], offsets


def _platelet(radius: float, form: Form, rng: Rng) -> tuple[Floats, Floats]:
    sides = int(rng.choice([3, 4, 6, 6, 9, 18]))
    height = radius / max(1.5, form.aspect * rng.uniform(0.8, 1.3))
    return _prism(sides, radius * (0.75 if sides == 3 else 0.95), height, rng)


def _cube(radius: float, form: Form, rng: Rng) -> tuple[Floats, Floats]:
    sides = radius * 0.88 * np.exp(rng.normal(0, 0.05, 3))
    normals = np.concatenate([np.eye(3), -np.eye(3), DIAGONALS])
    return normals, np.concatenate([sides, sides, np.full(8, radius * rng.uniform(1.15, 1.5))])


def _octahedron(radius: float, form: Form, rng: Rng) -> tuple[Floats, Floats]:
    """Octahedra and bipyramids with tips that are cut off more or less."""
    normals = np.concatenate([DIAGONALS, np.eye(3), -np.eye(3)]) / [1, 1, rng.uniform(0.9, 1.6)]
    return normals, radius * np.concatenate([rng.uniform(0.8, 0.88, 8), np.full(6, rng.uniform(1.0, 1.4))])


# Family -> function of the radius in px, which returns normals (k, 3) and offsets (k,) in px of the planes of a random
# body.
PLANES: dict[str, Callable[[float, Form, Rng], tuple[Floats, Floats]]] = {
    "facetted": partial(_random_planes, counts=(14, 48), distances=(0.85, 1.1), spread=0.15),
    # Crystallites as in calcined oxide powders: few facets, somewhat elongated.
    "rounded": partial(_random_planes, counts=(10, 22), distances=(0.85, 1.15), spread=0.1, longest=1.5),
    # Crushed material: few planes, at very different distances.
    "fragment": partial(_random_planes, counts=(7, 14), distances=(0.5, 1.25), spread=0.25),
    **{planes.__name__[1:]: planes for planes in (_rod, _platelet, _cube, _octahedron)},
}


def grid(low: Floats, high: Floats, phase: Floats) -> tuple[Field, Field]:
    """(1, w) and (h, 1) float32: x and y of the pixels that cover the range from `low` to `high`, shifted by `phase`
    px."""
    axes = [np.arange(np.floor(a) - 1, np.ceil(b) + 2, dtype=np.float32) for a, b in zip(low, high, strict=True)]
    x, y = (axis + np.float32(shift) for axis, shift in zip(axes, phase, strict=True))
    return x[None, :], y[:, None]


def ellipsoid(semi_axes: Floats, rotation: Floats, phase: Floats | None = None) -> Body:
    """The ellipsoid with these semi-axes (3,) in px, turned by the matrix `rotation`; phase: shift of its centre in
    px."""
    reach = np.sqrt(np.diag(rotation @ np.diag(semi_axes**2) @ rotation.T))[:2]
    x, y = grid(-reach, reach, np.zeros(2) if phase is None else phase)
    inverse = (rotation @ np.diag(1 / semi_axes**2) @ rotation.T).astype(np.float32)
    a = inverse[2, 2]
    b = inverse[0, 2] * x + inverse[1, 2] * y
    c = inverse[0, 0] * x**2 + 2 * inverse[0, 1] * x * y + inverse[1, 1] * y**2 - 1
    under_root = b**2 - a * c
    root = np.sqrt(np.where(under_root > 0, under_root, np.float32(np.nan)))
    return solid((-b + root) / a, (-b - root) / a)


def polyhedron(normals: Floats, offsets: Floats, rotation: Floats, phase: Floats | None = None) -> Body:
    """The body of all points p with normals @ p <= offsets (> 0), turned by the matrix `rotation`.

    Six more planes, at three times the median offset, close a body that would be open. The hull of the dual points
    gives the vertices of the body and the planes that bound it, so that only necessary pixels and planes are
    computed.
    """
    lengths = np.linalg.norm(normals, axis=1)
    far_offsets = np.full(6, 3 * float(np.median(offsets / lengths)))
    planes = np.concatenate([normals, np.eye(3), -np.eye(3)]) @ rotation.T
    dual = planes / np.concatenate([offsets, far_offsets])[:, None]
    hull = ConvexHull(dual)
    corners = -hull.equations[:, :3] / hull.equations[:, 3:]
    low, high = corners[:, :2].min(axis=0), corners[:, :2].max(axis=0)
    x, y = grid(low, high, np.zeros(2) if phase is None else phase)
    dual_planes = dual[hull.vertices]
    dual_planes[np.abs(dual_planes[:, 2]) < 1e-7, 2] = 1e-7
    # The plane nx x + ny y + nz z = 1 as a height at each pixel: z = (1 - nx x - ny y) / nz
    heights = np.stack([np.ones(len(dual_planes)), -dual_planes[:, 0], -dual_planes[:, 1]], axis=1) / dual_planes[:, 2:]
    is_upper = dual_planes[:, 2] > 0
    return solid(_lowest(heights[is_upper], x, y), -_lowest(-heights[~is_upper], x, y))


def _lowest(planes: Floats, x: Field, y: Field) -> Field:
    """(h, w) float32: at each pixel the minimum over planes (k, 3) of a + b x + c y.

    It is computed tile by tile, with the planes that can be the lowest there.
    """
    out = np.empty((y.shape[0], x.shape[1]), np.float32)
    for row in range(0, out.shape[0], TILE_PX):
        for column in range(0, out.shape[1], TILE_PX):
            xs, ys = x[:, column : column + TILE_PX], y[row : row + TILE_PX]
            corners = np.array([[1, u, v] for u in (xs[0, 0], xs[0, -1]) for v in (ys[0, 0], ys[-1, 0])]).T
            corner_heights = planes @ corners
            lowest_planes = planes[corner_heights.min(axis=1) <= corner_heights.max(axis=1).min()].astype(np.float32)
            a, b, c = lowest_planes.T[:, :, None, None]
            out[row : row + TILE_PX, column : column + TILE_PX] = (a + b * xs + c * ys).min(axis=0)
    return out


def round_edges(body: Body, radius: float) -> Body:
    """The body with edges and corners of about `radius` px: its outline is blurred, its rim becomes a quarter
    circle."""
    inside = np.pad(np.isfinite(body.top), 1)
    share = blur(inside.astype(np.float32), 0.4 * radius)
    outline = inside & (share > 0.5)
    if not outline.any():
        return body
    depth = np.clip((ndimage.distance_transform_edt(outline) - 0.5) / radius, 0, 1).astype(np.float32)
    sides = (np.pad(f, 1, constant_values=np.nan) for f in (body.top, body.bottom))
    top, bottom = (blurred_inside(side, inside, 0.3 * radius) for side in sides)
    middle, half = (top + bottom) / 2, np.maximum((top - bottom) / 2, np.float32(0.1))
    half = half - np.minimum(half, np.float32(radius)) * (1 - np.sqrt(1 - (1 - depth) ** 2))
    half = np.where(outline, half, np.float32(np.nan))
    return solid(middle + half, middle - half)


def blurred_inside(height: Field, inside: Mask, sigma: float) -> Field:
    """Gaussian blur of heights (h, w), using only the pixels `inside`."""
    filled = np.where(inside, height, np.float32(0))
    return blur(filled, sigma) / np.maximum(blur(inside.astype(np.float32), sigma), 1e-3)


def relief_field(scene: SceneSettings, side: int, rng: Rng) -> Field | None:
    """The texture of surfaces: (side, side) float32 heights about 0, relative to the texture's height; None for
    smooth or small particles."""
    period = max(2.5, scene.relief_period * scene.diameter)
    if scene.relief == "smooth" or scene.diameter < SMALLEST_TEXTURED_PX:
        return None
    shape = (side, side)
    if scene.relief == "grain":
        return 0.5 * fractal_field(shape, 2 * period, max(2.0, period / 6), 0.8, rng)
    if scene.relief == "stripes":
        # Growth steps in one direction, sharp on one side, somewhat wavy
        angle = rng.uniform(0, np.pi)
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        run = (rows * np.sin(angle) + columns * np.cos(angle)) / period + 0.4 * band_field(shape, 6 * period, rng)
        return standardised((run % 1).astype(np.float32))
    distance, _ = distance_to_points(shape, period, rng)
    if scene.relief == "bumps":
        return 2.5 * (np.sqrt(np.clip(1 - (distance / 0.75) ** 2, 0, 1)) - 0.7)
    if scene.relief == "pits":
        return -1.5 * np.clip(1 - (distance / rng.uniform(0.15, 0.45)) ** 2, 0, 1)
    is_pitted = smooth_field(shape, 2 * period, rng) > rng.uniform(0.0, 1.2)
    return 2.0 * is_pitted * np.sqrt(np.clip(1 - (distance / rng.uniform(0.15, 0.4)) ** 2, 0, 1))


def with_relief(body: Body, field: Field, amplitude: float, rng: Rng, *, ragged: bool = False) -> Body:
    """The body with the texture of a random part of the relief field, `amplitude` px high; unchanged if the field is
    too small.

    At the rim, where a body is thin, the texture is lower. ragged: the outline changes, too: it moves inwards where the
    field is low.
    """
    shape = body.top.shape
    if min(field.shape) <= max(shape):
        return body
    row, column = (int(rng.integers(0, n - m)) for n, m in zip(field.shape, shape, strict=True))
    bump = np.float32(amplitude) * field[row : row + shape[0], column : column + shape[1]]
    thickness = body.top - body.bottom
    bump = bump * np.clip(thickness / np.float32(4 * amplitude + 1e-3), 0, 0.9)
    inside = thickness + bump > 0
    if ragged:
        rim = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        reduced = inside & (rim > -bump.clip(-amplitude, 0))
        inside = reduced if reduced.any() else inside
    nothing = np.float32(np.nan)
    mass = np.where(inside, np.maximum(body.mass + bump, 0.1), 0).astype(np.float32)
    top, bottom = np.where(inside, body.top + bump, nothing), np.where(inside, body.bottom, nothing)
    return replace(body, top=top, bottom=bottom, mass=mass)
