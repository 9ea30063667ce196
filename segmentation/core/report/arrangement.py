"""The words of how objects lie to each other, of groups that touch, and of classes of shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..measure import arrangement_quantities  # noqa: F401 registers them
from ..measure.quantities import COLUMNS, Value, readable, significant
from ..measure.results import Arrangement, Statistics
from .entries import Entry
from .wording import interval_words

CAVEAT = (
    "Classes name outlines. An outline shows no height: what looks square may be a cube or a plate from above, a rod"
    " may be a plate on its edge, what is round a sphere or a disc."
)
NO_DIRECTION = 0.05  # p from which on no common direction is seen


def arrangement_entries(found: Arrangement) -> Iterator[Entry]:
    """Nearest neighbours, each with what chance would give, and the alignment."""
    for name, of in (("neighbour_distance", found["centre"]), ("neighbour_gap", found["edge"])):
        entry = Entry.of(name, readable(Value(of["mean"], of["low"], of["high"], found["unit"])))
        if "chance" in of:
            chance = readable(Value(of["chance"], of["chance_low"], of["chance_high"], found["unit"]))
            assert chance.low is not None and chance.high is not None
            ends = interval_words(chance.low, chance.high)
            entry = replace(entry, below=f"at random: {significant(chance.value)} {chance.unit} ({ends})")
        yield entry
    if of_axes := found["alignment"]:
        aligned = of_axes["p"] < NO_DIRECTION
        below = f"along {of_axes['direction']:.0f}°" if aligned else "no common direction"
        shown = Value(of_axes["order"], of_axes["low"], of_axes["high"])
        yield Entry.of("alignment", shown, below=f"{of_axes['n']:,} elongated, {below}")


def group_entries(statistics: Statistics) -> Iterator[Entry]:
    """What is known of groups that touch, lengths in the unit of the statistics."""
    groups: dict[str, Any] = dict(statistics.agglomerates or {})
    if not groups.get("groups") or "share" not in groups:
        return
    yield Entry.of("share_in_groups", Value(groups["share"], *(groups["share_interval"] or (None, None))))
    yield Entry.of("mean_primaries", Value(groups["mean_primaries"]))
    yield Entry.of("agglomerate_diameter", Value(groups["diameter"], unit=statistics.unit))
    fractal = Value(groups["fractal_dimension"], *(groups["fractal_interval"] or (None, None)))
    if fractal.value is not None:
        yield Entry.of("fractal_dimension", fractal, below=f"of {groups['fractal_groups']:,} agglomerates")


def shape_entries(statistics: Statistics) -> Iterator[Entry]:
    """The share of each class of shape that occurs."""
    for name, of in statistics.shape_classes.items():
        if of["n"]:
            yield Entry(
                name, name, Value(of["share"], of["low"], of["high"]), kind="fraction", below=f"{of['n']:,} counted"
            )


def rod_entries(statistics: Statistics) -> Iterator[Entry]:
    """Median length, width and length / width of the rods, with D10 and D90."""
    rods: dict[str, Any] = dict(statistics.rods or {})
    for side in ("length", "width", "ratio") if rods else ():
        of, unit = rods[side], "" if side == "ratio" else statistics.unit
        title = "length / width" if side == "ratio" else side
        low, high = of["interval"] or (None, None)
        value = Value(of["median"], low, high, unit)
        spread = f"D10 {significant(of['d10'])}, D90 {significant(of['d90'])}"
        definition = "" if side == "ratio" else COLUMNS[side].definition
        yield Entry(f"rod_{side}", f"median {title}", value, definition=definition, below=spread)
