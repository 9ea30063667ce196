"""Aggregates: spheres that touch with necks, and rounded primaries sintered into each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from ..contract import Field, Floats, Labels, Rng
from .bodies import Body, Form, ellipsoid, grid, make_body, random_rotation, softened

Range = tuple[float, float]
CRYSTALLITES = 0.3  # share of sintered primaries that are rounded polyhedra; the others are ellipsoids


def aggregate(diameter: float, rng: Rng, form: Form) -> Body:
    """Primaries of about `diameter` px sintered together: each touches an earlier one in a random direction.

    Necks are spheres at the contacts; a pixel of a neck belongs to the nearer of its two primaries.
    """
    count = _primary_count(rng, form)
    centres, radii, parents = grow(count, diameter / 2, rng)
    reach = radii[:, None]
    x, y = grid((centres - reach).min(axis=0)[:2], (centres + reach).max(axis=0)[:2], rng.uniform(-0.5, 0.5, 2))
    union = _Union(x, y, centres)
    for number, (centre, radius) in enumerate(zip(centres, radii, strict=True)):
        union.add(centre, radius, (number, number))
    for child in range(1, count):
        parent = parents[child]
        radius = form.neck * min(radii[child], radii[parent])
        towards = centres[parent] - centres[child]
        middle = centres[child] + towards * radii[child] / (radii[child] + radii[parent])
        if radius > 0.7:
            union.add(middle, radius, (child, parent))
    return union.body()


def _primary_count(rng: Rng, form: Form) -> int:
    """Primaries of one aggregate, `form.primaries` on average."""
    return int(np.clip(rng.geometric(1 / form.primaries), 2, 4 * form.primaries))


def renumbered(part: Labels) -> Labels:
    """Parts in sight numbered 0, 1, ...; -1 (outside) becomes 0."""
    numbers = np.unique(part[part >= 0])
    return np.searchsorted(numbers, np.maximum(part, numbers[0])).astype(np.int32)


def grow(
    count: int, radius: float, rng: Rng, spreads: Range = (0.02, 0.2), reaches: Range = (0.8, 0.98)
) -> tuple[Floats, Floats, list[int]]:
    """Centres (n, 3), radii (n,) and parents of a cluster that grows by one sphere after the other.

    spreads: range of the SD of ln(radius) in one cluster. reaches: range of the distance of touching centres,
    relative to the sum of their radii.
    """
    radii = radius * np.exp(rng.normal(0, rng.uniform(*spreads), count))
    centres, parents = np.zeros((count, 3)), [0] * count
    compact = rng.uniform(0, 1)
    for number in range(1, count):
        best = np.inf
        for _ in range(3):
            parent = int(rng.integers(number))
            direction = rng.normal(size=3) * [1, 1, 0.6]
            gap = (radii[number] + radii[parent]) * rng.uniform(*reaches)
            centre = centres[parent] + direction / np.linalg.norm(direction) * gap
            apart = np.linalg.norm(centres[:number] - centre, axis=1) / (radii[:number] + radii[number])
            # The best of three tries: not inside another primary; of the rest, near the middle in compact aggregates.
            cost = 10 * max(0.0, reaches[0] - apart.min()) + compact * np.linalg.norm(centre) / radius
            if cost < best:
                best, parents[number], centres[number] = cost, parent, centre
    return centres, radii, parents


class _Union:
    """Spheres added one by one; (h, w) fields as those of a Body, -inf and inf where nothing is."""

    def __init__(self, x: Field, y: Field, centres: Floats) -> None:
        self.x, self.y, self.centres = x, y, centres
        self.top = np.full((y.shape[0], x.shape[1]), -np.inf, np.float32)
        self.bottom, self.mass = -self.top, np.zeros_like(self.top)
        self.part = np.zeros(self.top.shape, np.int32)

    def add(self, centre: Floats, radius: float, owners: tuple[int, int]) -> None:
        """Add a sphere; where it is on top, the pixel belongs to the nearer of the two primaries `owners`. A
        primary is both of its owners; a neck has two, and adds no mass."""
        columns = np.flatnonzero(np.abs(self.x[0] - centre[0]) <= radius)
        rows = np.flatnonzero(np.abs(self.y[:, 0] - centre[1]) <= radius)
        if not len(rows) or not len(columns):
            return
        window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        xs, ys = self.x[:, window[1]], self.y[window[0]]
        square = radius**2 - (xs - centre[0]) ** 2 - (ys - centre[1]) ** 2
        root = np.sqrt(np.maximum(square, 0)).astype(np.float32)
        upper, lower = np.float32(centre[2]) + root, np.float32(centre[2]) - root
        inside = square > 0
        visible = inside & (upper > self.top[window])
        first, second = (((xs - self.centres[o][0]) ** 2 + (ys - self.centres[o][1]) ** 2) for o in owners)
        self.part[window][visible] = np.where(first <= second, *owners)[visible]
        self.top[window][visible] = upper[visible]
        self.bottom[window][inside] = np.minimum(lower, self.bottom[window])[inside]
        if owners[0] == owners[1]:
            self.mass[window] += 2 * root

    def body(self) -> Body:
        inside, nothing = self.top > self.bottom, np.float32(np.nan)
        part = renumbered(np.where(inside, self.part, -1))
        return Body(np.where(inside, self.top, nothing), np.where(inside, self.bottom, nothing), self.mass, part)


def sintered(diameter: float, rng: Rng, form: Form) -> Body:
    """Ellipsoids and rounded crystallites of about `diameter` px, unlike in size, that have grown into each other.

    The higher `form.neck`, the softer the creases between them and the rounder the hollows of the outline, so that
    shape tells them apart more than a line does. A pixel belongs to the primary that is on top there.
    """
    centres, radii, _ = grow(_primary_count(rng, form), diameter / 2, rng, spreads=(0.1, 0.45), reaches=(0.6, 0.95))
    neck = form.neck * diameter
    crystallite = replace(form, rounding=max(0.5, form.rounding))
    bodies = [
        make_body("facetted", 2 * radius, rng, crystallite)
        if rng.random() < CRYSTALLITES
        else ellipsoid(radius * np.exp(rng.normal(0, 0.18, 3)), random_rotation(rng))
        for radius in radii
    ]
    return _Pile(bodies, centres, margin=int(0.25 * neck) + 1).fused(neck)


class _Pile:
    """Bodies at places in space; (h, w) fields: the highest and second highest upper side, the lowest underside, and
    the number of the highest body (-1: none)."""

    def __init__(self, bodies: list[Body], centres: Floats, margin: int) -> None:
        sizes = np.array([body.top.shape for body in bodies])
        places = np.round(centres[:, 1::-1]).astype(int) - sizes // 2  # row and column of each body's first pixel
        places += margin - places.min(axis=0)
        shape = tuple((places + sizes).max(axis=0) + margin)
        self.top = np.full(shape, -np.inf, np.float32)
        self.second, self.bottom = self.top.copy(), -self.top
        self.part = np.full(shape, -1, np.int32)
        for number, (body, (row, column)) in enumerate(zip(bodies, places, strict=True)):
            window = slice(row, row + body.top.shape[0]), slice(column, column + body.top.shape[1])
            height = np.float32(centres[number, 2])
            inside, nothing = np.isfinite(body.top), np.float32(np.inf)
            upper = np.where(inside, body.top + height, -nothing)
            lower = np.where(inside, body.bottom + height, nothing)
            before = self.top[window].copy()
            self.part[window][upper > before] = number
            self.top[window] = np.maximum(before, upper)
            self.second[window] = np.maximum(self.second[window], np.minimum(before, upper))
            self.bottom[window] = np.minimum(self.bottom[window], lower)

    def fused(self, neck: float) -> Body:
        """One solid, with creases and hollows filled over about `neck` px."""
        inside = self.part >= 0
        nothing = np.float32(np.nan)
        top, bottom = np.where(inside, self.top, nothing), np.where(inside, self.bottom, nothing)
        part = self.part
        if neck > 1:
            both = np.isfinite(self.second)
            width = np.float32(0.12 * neck)
            # A soft maximum of the two highest surfaces, which fills the crease where they meet; width by eye.
            top[both] += width * np.log1p(np.exp((self.second[both] - self.top[both]) / width))
            top, bottom, part = _with_hollows_closed(top, bottom, part, 0.25 * neck)
        inside = part >= 0
        mass = np.where(inside, top - bottom, np.float32(0))
        return Body(top, bottom, mass, renumbered(part))


def _with_hollows_closed(top: Field, bottom: Field, part: Labels, radius: float) -> tuple[Field, Field, Labels]:
    """The fields with the hollows of the outline closed by a disc of `radius` px; each new pixel joins the nearest."""
    inside = part >= 0
    distance, nearest = ndimage.distance_transform_edt(~inside, return_indices=True)
    new = ~inside & (ndimage.distance_transform_edt(distance <= radius) > radius)
    upper, lower = (softened(f, inside, 0.5 * radius) for f in (top, bottom))
    half = np.maximum((upper - lower) / 4, np.float32(0.4))
    middle = (upper + lower) / 2
    return (
        np.where(new, middle + half, top),
        np.where(new, middle - half, bottom),
        np.where(new, part[tuple(nearest)], part),
    )


def any_body(family: str, diameter: float, rng: Rng, form: Form) -> Body:
    """A body of any family with a diameter in px; in an aggregate it is the diameter of the primaries."""
    if family == "aggregate":
        return aggregate(diameter, rng, form)
    if family == "sintered":
        return sintered(diameter, rng, form)
    if family in ("core-shell", "hollow"):
        return with_core(make_body("ellipsoid", diameter, rng, form), diameter, rng, form, void=family == "hollow")
    return make_body(family, diameter, rng, form)


def with_core(body: Body, diameter: float, rng: Rng, form: Form, *, void: bool) -> Body:
    """The body with a denser core or a void inside: its mass changes, its surface does not."""
    radius = diameter / 2 * form.core * rng.uniform(0.9, 1.05)
    inner = ellipsoid(np.full(3, max(radius, 1.0)) * np.exp(rng.normal(0, 0.05, 3)), random_rotation(rng))
    room = max(0.0, diameter / 2 - radius) * 0.5
    shift = rng.uniform(-room, room, 2) if rng.random() < 0.5 else np.zeros(2)
    core, size = np.zeros(body.mass.shape, np.float32), inner.mass.shape
    # The inner body lies about the middle; what reaches beyond the grid is cut off.
    first = [round((n - m) / 2 + s) for n, m, s in zip(core.shape, size, shift, strict=True)]
    view = core[tuple(slice(max(0, a), max(0, a + m)) for a, m in zip(first, size, strict=True))]
    view[...] = inner.mass[tuple(slice(max(0, -a), max(0, -a) + v) for a, v in zip(first, view.shape, strict=True))]
    mass = body.mass + core * (-1 if void else form.density - 1)
    return replace(body, mass=np.where(np.isfinite(body.top), np.maximum(mass, 0.02 * body.mass), 0).astype(np.float32))
