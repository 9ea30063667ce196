"""Builds synthetic scenes: particles (bodies) are placed on a plane one after the other. A scene contains the height at
each pixel, and the number of the body that is visible there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label as connected

from ....core.labels.separate import interior
from ..contract import Field, Floats, Labels, Mask, Rng, Shape
from .bodies import CONVEX, Body, Form, make_body, relief_field, with_relief
from .noise import smooth_field, turned_or_mirrored
from .settings import SceneSettings

MOST_PARTICLES = 1500  # in a picture of 512 x 512 px
# Range of the diameter of a satellite (small particle on a large one), relative to the large one.
SATELLITE = 0.07, 0.32
SMALLEST_SATELLITE_PX = 8.0  # diameter; smaller satellites would look like a rough surface
PLACE_TRIES = 4  # places tried for one particle before it is left out


def draw_diameters(shape: Shape, scene: SceneSettings, rng: Rng) -> Floats:
    """(n,) float64 random diameters in px, at most 4 times the typical diameter. The area of their discs is
    `scene.cover` times the area of the picture."""
    area = shape[0] * shape[1]
    limit = max(1, round(MOST_PARTICLES * area / 512**2))
    sizes = scene.diameter * np.exp(rng.normal(0, scene.spread, limit))
    if scene.law == "bimodal":
        fine = rng.random(limit) < scene.fine_share
        sizes[fine] *= scene.fine_size
    sizes = np.clip(sizes, 3, 4 * scene.diameter)
    covered = np.cumsum(np.pi / 4 * sizes**2) / area
    return sizes[: max(1, int(np.searchsorted(covered, scene.cover)))]


def draw_places(shape: Shape, scene: SceneSettings, count: int, rng: Rng) -> NDArray[np.int64]:
    """(m, 2) int64 random places (rows and columns) for `count` particles; the first place is well inside the
    picture.

    Usually more than `count` places are returned, because a place may be unusable. Some lie beyond the frame.
    """
    margin = int(min(scene.diameter, 0.5 * min(shape)))
    tall, wide = shape[0] + 2 * margin, shape[1] + 2 * margin
    if scene.layout == "packed":
        places = _packed_positions((tall, wide), scene, rng)
    else:
        candidates = 6 * count + 50
        places = np.stack([rng.integers(0, tall, candidates), rng.integers(0, wide, candidates)], axis=1)
        if scene.layout == "clustered":
            field = smooth_field((tall, wide), max(4.0, scene.diameter * scene.clusters), rng)
            probability = 1 / (1 + np.exp(-rng.uniform(3, 9) * (field - rng.uniform(-0.2, 1.1))))
            thinned = places[rng.random(len(places)) < probability[tuple(places.T)]]
            places = thinned if len(thinned) else places[:1]
    centre = [int(rng.integers(n // 4, 3 * n // 4 + 1)) + margin for n in shape]
    return np.concatenate([[centre], places]) - margin


def _packed_positions(shape: Shape, scene: SceneSettings, rng: Rng) -> NDArray[np.int64]:
    """(m, 2) places of a hexagonal layer with a little disorder and a few missing particles, in random order."""
    pitch = scene.diameter * rng.uniform(1.0, 1.12)
    rows, columns = np.mgrid[0 : 2 * max(shape) / pitch, 0 : 2 * max(shape) / pitch]
    along, across = (columns + 0.5 * (rows % 2)) * pitch, rows * pitch * np.sqrt(3) / 2
    angle = rng.uniform(0, np.pi / 3)
    points = np.stack([along.ravel(), across.ravel()], axis=1) - max(shape)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = points @ turn + np.array(shape) / 2 + rng.normal(0, rng.uniform(0, 0.06) * pitch, points.shape)
    inside = ((points >= 0) & (points < np.array(shape))).all(axis=1) & (rng.random(len(points)) > rng.uniform(0, 0.1))
    return rng.permutation(points[inside].astype(np.int64))


@dataclass(frozen=True, eq=False)
class Scene:
    """A scene of n bodies. height: (H, W) float32 px above the substrate. owner: (H, W) int32 number of the visible
    body, 0 substrate. thickness: (H, W) float32 px of matter along the beam. shade: (n + 1,) float32, a random
    number from N(0, 1) for each number of a body, which changes its grey."""

    height: Field
    owner: Labels
    thickness: Field
    shade: Field


@dataclass
class _Canvas:
    """The scene while bodies are added. bodies: their number. placed: place of each body, and its width in px."""

    height: Field
    owner: Labels
    thickness: Field
    bodies: int = 0
    placed: list[tuple[NDArray[np.int64], int]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class _Spot:
    """A body at a place. inner, outer: windows into the body and into the canvas. inside: pixels of the inner window
    that belong to the body. lift: height of its centre in px. shared: share of its pixels (0..1) that lie over other
    bodies."""

    inner: tuple[slice, slice]
    outer: tuple[slice, slice]
    inside: Mask
    lift: float
    shared: float


def build_scene(shape: Shape, scene: SceneSettings, rng: Rng, allowed: Mask | None = None) -> Scene:
    """A random scene. allowed: (H, W) bool, the places where the middle of a particle may be."""
    canvas = _Canvas(np.zeros(shape, np.float32), np.zeros(shape, np.int32), np.zeros(shape, np.float32))
    diameters = draw_diameters(shape, scene, rng)
    drawn_places = draw_places(shape, scene, len(diameters), rng)
    if allowed is not None and allowed.any():
        clipped = np.clip(drawn_places, 0, np.array(shape) - 1)
        drawn_places = drawn_places[allowed[tuple(clipped.T)]]
    places = iter(drawn_places)
    stock = _stock(scene, diameters, rng)
    for number in range(len(diameters)):
        is_new = number < len(stock)
        body = stock[number if is_new else int(rng.integers(len(stock)))]
        body = body if is_new else Body(*turned_or_mirrored(rng, body.top, body.bottom, body.mass))
        if not _place_body(body, scene, places, canvas):
            break
    if scene.satellites:
        _add_satellites(scene, canvas, rng)
    shade = rng.normal(0, 1, canvas.bodies + 1).astype(np.float32)
    return Scene(canvas.height, canvas.owner, canvas.thickness, shade)


def _stock(scene: SceneSettings, diameters: Floats, rng: Rng) -> list[Body]:
    """Different bodies: one for each particle, but at most 64; repetitions among more particles are not noticed."""
    form = Form(**{entry.name: getattr(scene, entry.name) for entry in fields(Form)})
    count = min(len(diameters), 64)
    bodies = []
    for diameter in diameters[:count]:
        is_simple = rng.random() < scene.mixing
        family = CONVEX[int(rng.integers(len(CONVEX)))] if is_simple else scene.family
        bodies.append(make_body(family, diameter, rng, form))
    side = max(max(b.top.shape) for b in bodies) + 64
    texture = relief_field(scene, side, rng)
    if texture is None:
        return bodies
    heights = scene.relief_height * np.minimum(diameters, scene.diameter)
    ragged = scene.relief == "bumps"
    return [with_relief(b, texture, float(h), rng, ragged=ragged) for b, h in zip(bodies, heights, strict=False)]


def _place_body(body: Body, scene: SceneSettings, places: Iterator[NDArray[np.int64]], canvas: _Canvas) -> bool:
    """Place the body at one of the next places, or leave it out; returns False if there are no more places.

    If particles may lie on others, the lowest of the tried places is used.
    """
    best_spot: _Spot | None = None
    best_place = np.zeros(2, np.int64)
    for _ in range(PLACE_TRIES):
        point = next(places, None)
        if point is None:
            return False
        spot = _spot(body, point, scene.stacking, canvas)
        if spot is None or spot.shared > scene.overlap:
            continue
        if best_spot is None or spot.lift < best_spot.lift:
            best_spot, best_place = spot, point
        if best_spot.shared == 0 or scene.stacking == 0:
            break
    if best_spot is not None:
        _paint(body, best_spot, canvas)
        canvas.placed.append((best_place, max(body.top.shape)))
    return True


def _add_satellites(scene: SceneSettings, canvas: _Canvas, rng: Rng) -> None:
    """Add satellites to large particles, more often near their rims than on their tops."""
    form = Form(**{entry.name: getattr(scene, entry.name) for entry in fields(Form)})
    for centre, width in canvas.placed:
        if width < 0.6 * scene.diameter:
            continue
        for _ in range(int(rng.poisson(scene.satellites))):
            size = width * float(np.exp(rng.uniform(*np.log(SATELLITE))))
            angle, distance = rng.uniform(0, 2 * np.pi), 0.5 * width * np.sqrt(rng.uniform(0.15, 1.1))
            if size >= SMALLEST_SATELLITE_PX:
                middle = centre + np.round(distance * np.array([np.sin(angle), np.cos(angle)])).astype(np.int64)
                body = make_body("sphere", size, rng, form)
                if (spot := _spot(body, middle, 1.0, canvas)) is not None:
                    _paint(body, spot, canvas)


def _spot(body: Body, centre: NDArray[np.int64], stacking: float, canvas: _Canvas) -> _Spot | None:
    """The body at a place, resting on the bodies there (stacking 1), or on the plane, so that bodies may penetrate
    each other (stacking 0); None if it is outside of the canvas."""
    h, w = body.top.shape
    top, left = int(centre[0]) - h // 2, int(centre[1]) - w // 2
    r0, r1 = max(0, top), min(canvas.height.shape[0], top + h)
    c0, c1 = max(0, left), min(canvas.height.shape[1], left + w)
    if r0 >= r1 or c0 >= c1:
        return None
    inner = (slice(r0 - top, r1 - top), slice(c0 - left, c1 - left))
    outer = (slice(r0, r1), slice(c0, c1))
    inside = np.isfinite(body.top[inner])
    if not inside.any():
        return None
    shared = np.count_nonzero(inside & (canvas.owner[outer] > 0)) / np.count_nonzero(inside)
    lowest_lift = -float(np.nanmin(body.bottom))
    touching_lift = float(np.nanmax(canvas.height[outer] - body.bottom[inner])) if shared and stacking else lowest_lift
    return _Spot(inner, outer, inside, lowest_lift + stacking * (max(touching_lift, lowest_lift) - lowest_lift), shared)


def _paint(body: Body, spot: _Spot, canvas: _Canvas) -> None:
    """Add the body to the canvas."""
    upper = body.top[spot.inner] + np.float32(spot.lift)
    is_visible = spot.inside & (upper > canvas.height[spot.outer])
    canvas.bodies += 1
    canvas.height[spot.outer][is_visible] = upper[is_visible]
    canvas.owner[spot.outer][is_visible] = canvas.bodies
    canvas.thickness[spot.outer] += body.mass[spot.inner]


def visible_labels(owner: Labels, smallest: float | Floats = 12) -> Labels:
    """(H, W) int32 labels 1..n of the visible pieces of bodies; if another body divides a body, each part is a piece.

    owner: see `Scene`. A sliver is a piece that no annotator would outline: it is nowhere 3 px wide, or has fewer
    than `smallest` px (one number, or one for each number of a body). A group of slivers that touch is added to the
    piece with which it has most border, if at least a third of its border is with pieces; else it becomes background.
    """
    labels = split_pieces(owner)
    sizes, body = np.bincount(labels.ravel()), np.zeros(labels.max() + 1, np.int32)
    body[labels] = owner
    core = np.bincount(labels[interior(labels)], minlength=len(sizes))
    is_kept = (sizes >= (smallest[body] if isinstance(smallest, np.ndarray) else smallest)) & (core > 0) & (body > 0)
    pieces = np.where(is_kept, np.cumsum(is_kept), 0).astype(np.int32)[labels]
    slivers, _ = ndimage.label((labels > 0) & (pieces == 0))
    for number, box in enumerate(ndimage.find_objects(slivers), start=1):
        window = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)
        sliver = slivers[window] == number
        neighbours = pieces[window][ndimage.binary_dilation(sliver) & ~sliver]
        if 3 * (neighbours > 0).sum() >= max(1, len(neighbours)):
            pieces[window][sliver] = np.bincount(neighbours[neighbours > 0]).argmax()
    return pieces


def split_pieces(labels: Labels) -> Labels:
    """(H, W) int32: the connected pieces (4-neighbours) of the labels, numbered 1..n; 0 stays 0."""
    return connected(labels, background=0, connectivity=1).astype(np.int32)
