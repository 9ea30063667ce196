"""Any body by the name of its family; core-shell and hollow particles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .aggregates import aggregate, sintered
from .bodies import Body, Floats, Form, ellipsoid, make_body, random_rotation


def any_body(family: str, diameter: float, rng: np.random.Generator, form: Form) -> Body:
    """A body of any family; `diameter` px is that of the primaries in an aggregate."""
    if family == "aggregate":
        return aggregate(diameter, rng, form)
    if family == "sintered":
        return sintered(diameter, rng, form)
    if family in ("core-shell", "hollow"):
        return with_core(make_body("ellipsoid", diameter, rng, form), diameter, rng, form, void=family == "hollow")
    return make_body(family, diameter, rng, form)


def with_core(body: Body, diameter: float, rng: np.random.Generator, form: Form, *, void: bool) -> Body:
    """The body with a denser core or a void inside: its mass changes, its surface does not."""
    radius = diameter / 2 * form.core * rng.uniform(0.9, 1.05)
    inner = ellipsoid(np.full(3, max(radius, 1.0)) * np.exp(rng.normal(0, 0.05, 3)), random_rotation(rng))
    room = max(0.0, diameter / 2 - radius) * 0.5
    shift = rng.uniform(-room, room, 2) if rng.random() < 0.5 else np.zeros(2)
    core = _placed(inner.mass, body.mass.shape, shift)
    mass = body.mass + core * (-1 if void else form.density - 1)
    return replace(body, mass=np.where(np.isfinite(body.top), np.maximum(mass, 0.02 * body.mass), 0).astype(np.float32))


def _placed(field: NDArray[np.float32], shape: tuple[int, ...], shift: Floats) -> NDArray[np.float32]:
    """(shape) float32: the field about the middle plus `shift` px, 0 around it; what reaches beyond is cut off."""
    out = np.zeros(shape, np.float32)
    first = [round((n - m) / 2 + s) for n, m, s in zip(shape, field.shape, shift, strict=True)]
    target = tuple(slice(max(0, a), max(0, a + m)) for a, m in zip(first, field.shape, strict=True))
    view = out[target]
    source = tuple(slice(max(0, -a), max(0, -a) + v) for a, v in zip(first, view.shape, strict=True))
    view[...] = field[source]
    return out
