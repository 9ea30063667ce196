"""Makes synthetic mats of fibres: tubes along curved paths, one over the other, with exact centre lines and widths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import cKDTree

from ..contract import Field, Floats, Rng, Shape
from .scene import Scene
from .settings import MatSettings, SceneSettings

STEP_PX = 1.0  # from one point of a path to the next
MOST_FIBRES = 400  # in a picture of 512 x 512 px


@dataclass(frozen=True, eq=False)
class Fibre:
    """One fibre. path: (n, 2) float64 rows and columns of its centre line, every STEP_PX, also beyond the frame.
    widths: (n,) its diameter there, in px. diameter: its typical diameter in px, without beads."""

    path: Floats
    widths: Floats
    diameter: float


def build_mat(shape: Shape, scene: SceneSettings, mat: MatSettings, rng: Rng) -> tuple[Scene, list[Fibre]]:
    """Random fibres on a plane: the scene, in which body k is fibre k - 1, and the fibres in the order in which they
    are laid.

    Later fibres are brighter in most cases; with `scene.stacking` they lie on earlier ones.
    """
    fibres = draw_fibres(shape, scene, mat, rng)
    height, thickness = (np.zeros(shape, np.float32) for _ in range(2))
    owner = np.zeros(shape, np.int32)
    for number, fibre in enumerate(fibres, start=1):
        rows, columns, heights = covered_pixels(fibre, shape)
        pixels = rows, columns
        lift = scene.stacking * float(np.quantile(height[pixels], 0.9)) if len(heights) else 0.0
        surface = heights + fibre.diameter / 2 + lift
        is_uppermost = surface >= height[pixels]
        height[rows[is_uppermost], columns[is_uppermost]] = surface[is_uppermost]
        owner[rows[is_uppermost], columns[is_uppermost]] = number
        thickness[pixels] += 2 * heights
    greys = np.linspace(-1.2, 1.2, len(fibres) + 1) + rng.normal(0, 0.5, len(fibres) + 1)
    return Scene(height, owner, thickness, greys.astype(np.float32)), fibres


def draw_fibres(shape: Shape, scene: SceneSettings, mat: MatSettings, rng: Rng) -> list[Fibre]:
    """Random fibres, some of them in bundles, so many that they cover `scene.cover` of the picture."""
    area, covered, fibres = shape[0] * shape[1], 0.0, list[Fibre]()
    preferred = rng.uniform(0, np.pi)
    while not fibres or (covered < scene.cover * area and len(fibres) < max(4, MOST_FIBRES * area // 512**2)):
        diameter = float(np.clip(scene.diameter * np.exp(rng.normal(0, scene.spread)), 2.5, 4 * scene.diameter))
        direction_spread = 1.6 * (1 - mat.alignment) ** 2  # SD in rad
        direction = preferred + rng.normal(0, direction_spread) if mat.alignment else rng.uniform(0, np.pi)
        length = diameter * mat.length * np.exp(rng.normal(0, 0.3))
        middle = rng.uniform(0, 1, 2) * shape
        length = float(np.clip(length, 3 * diameter, 2.2 * max(shape)))
        path = curved_path(middle, direction, length, diameter, mat.curl, rng)
        strands = int(rng.integers(2, 6)) if rng.random() < mat.bundles else 1
        for strand in range(strands):
            strand_path = path
            if strands > 1:  # strands of a bundle lie side by side and touch or have small gaps
                along = np.gradient(path, axis=0)
                along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
                offset = (strand - (strands - 1) / 2) * diameter * rng.uniform(0.95, 1.3)
                strand_path = path + offset * np.stack([along[:, 1], -along[:, 0]], 1)
            fibre = Fibre(strand_path, _widths(len(path), diameter, mat, rng), diameter)
            fibres.append(fibre)
            is_inside = ((strand_path >= 0) & (strand_path < shape)).all(1)
            covered += float(fibre.widths[is_inside].sum()) * STEP_PX
    return fibres


def curved_path(middle: Floats, direction: float, length: float, diameter: float, curl: float, rng: Rng) -> Floats:
    """(n, 2) rows and columns of a path whose direction changes smoothly, by about `curl` rad over 30 diameters.

    middle: its middle point. direction: in rad, at the middle. length, diameter: in px.
    """
    count = max(4, round(length / STEP_PX))
    smooth = max(4.0, 4 * diameter)
    turns = ndimage.gaussian_filter1d(rng.normal(0, 1, count + round(6 * smooth)), smooth)[-count:]
    turns *= curl / (30 * max(diameter, 4.0)) * STEP_PX / max(float(turns.std()), 1e-9)
    angles = direction + np.cumsum(turns + rng.normal(0, 0.3) * curl / (60 * max(diameter, 4.0)) * STEP_PX)
    angles -= angles[count // 2] - direction
    path = np.cumsum(np.stack([np.sin(angles), np.cos(angles)], 1) * STEP_PX, axis=0)
    return path - path[count // 2] + middle


def _widths(count: int, diameter: float, mat: MatSettings, rng: Rng) -> Floats:
    """(count,) diameters in px along a path: somewhat uneven, with beads of up to three diameters."""
    uneven = ndimage.gaussian_filter1d(rng.normal(0, 1, count), 5 * diameter, mode="reflect")
    widths = diameter * (1 + mat.unevenness * uneven / max(float(uneven.std()), 1e-9))
    steps = np.arange(count)
    for _ in range(rng.poisson(mat.beads * count * STEP_PX / (100 * diameter))):
        size = rng.uniform(0.8, 2.0) * diameter
        widths += size * np.exp(-0.5 * ((steps - rng.integers(count)) * STEP_PX / (0.7 * size)) ** 2)
    return np.maximum(widths, 2.0)


def covered_pixels(fibre: Fibre, shape: Shape) -> tuple[NDArray[np.int64], NDArray[np.int64], Field]:
    """(rows, columns, heights), each (n,): the pixels whose centres a fibre covers, and float32 px its height above its
    centre line there."""
    nothing = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    widest = float(fibre.widths.max())
    is_near = ((fibre.path > -widest) & (fibre.path < np.array(shape) + widest)).all(1)
    path, widths = fibre.path[is_near], fibre.widths[is_near]
    if len(path) < 2:
        return nothing
    canvas = Image.new("1", (shape[1], shape[0]))
    jumps = np.flatnonzero(np.linalg.norm(np.diff(path, axis=0), axis=1) > 3 * STEP_PX) + 1
    pen, line_width = ImageDraw.Draw(canvas), widest + 4
    for piece in np.split(path, jumps):
        points = [(float(x), float(y)) for y, x in (*piece[:: max(1, round(widest / 6))], piece[-1])]
        pen.line(points, fill=1, width=int(np.ceil(line_width)), joint="curve")
        for x, y in (points[0], points[-1]):
            pen.ellipse((x - line_width / 2, y - line_width / 2, x + line_width / 2, y + line_width / 2), fill=1)
    rows, columns = np.nonzero(ndimage.maximum_filter(np.asarray(canvas, np.uint8), 3))
    distance, nearest = cKDTree(path).query(np.stack([rows, columns], 1), distance_upper_bound=widest)
    is_reached = np.isfinite(distance)
    rows, columns, distance, nearest = (values[is_reached] for values in (rows, columns, distance, nearest))
    # The distance to the path is that to its nearest point, without the part along the path.
    along = np.gradient(path, axis=0)[nearest] / STEP_PX
    distance_along = ((np.stack([rows, columns], 1) - path[nearest]) * along).sum(1)
    is_end = (nearest == 0) | (nearest == len(path) - 1)
    squared_distance = distance**2 - np.where(is_end, 0, np.clip(distance_along, -STEP_PX, STEP_PX) ** 2)
    radius = widths[nearest] / 2
    is_inside = squared_distance < radius**2
    heights = np.sqrt(radius[is_inside] ** 2 - np.maximum(squared_distance[is_inside], 0))
    return rows[is_inside], columns[is_inside], heights.astype(np.float32)
