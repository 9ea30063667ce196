"""How settings of rendered micrographs are drawn: the distributions of distributions.toml, and what depends on what."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..contract import Rng
from .settings import SECONDARY, RenderSettings, checked_value

DIAMETERS = (8.0, 150.0)
POWDERS = 0.06  # share of pictures of powder where neither kind nor family is given
LAWS: dict[str, Callable[[Rng, float, float], float]] = {
    "between": lambda rng, low, high: float(rng.uniform(low, high)),
    "scaled": lambda rng, low, high: float(np.exp(rng.uniform(np.log(low), np.log(high)))),
    "whole": lambda rng, low, high: int(rng.integers(int(low), int(high) + 1)),
}
Values = dict[str, Any]  # by name of the setting
Range = Callable[[Values], tuple[float, float]]
CONDITIONS: dict[str, Callable[[Values], bool]] = {  # of the values drawn before
    "through": lambda values: values["kind"] not in SECONDARY,
    "blank": lambda values: values["kind"] == "blank",
    "packed": lambda values: values["layout"] == "packed",
    "dark": lambda values: values["polarity"] == "dark",
    "through or dark": lambda values: values["kind"] not in SECONDARY or values["polarity"] == "dark",
    "crowded": lambda values: values["overlap"] > 0.35,
    "fine": lambda values: values["diameter"] < 14,
    **{family: lambda values, family=family: values["family"] == family for family in ("rounded", "cube")},
}


def _edges(values: Values) -> tuple[float, float]:
    """The range of `edge`."""
    contrast = values["contrast"]
    faintest, strongest = (0.15 * contrast, 0.5 * contrast) if values["polarity"] == "dark" else (0.05, 0.9)
    return 0.3 * strongest if CONDITIONS["crowded"](values) else faintest, strongest


@cache
def distributions() -> dict[str, Values]:
    """What distributions.toml holds: rows by setting, of every picture and of what is unlike in some kinds."""
    return tomllib.loads(Path(__file__).with_name("distributions.toml").read_text(encoding="utf-8"))


def draw_settings(
    rng: Rng, fixed: Mapping[str, Any] | None = None, diameters: tuple[float, float] = DIAMETERS
) -> RenderSettings:
    """Random settings, except the given ones in `fixed`. `diameters`: range of the typical diameter in px.

    A fixed setting, other than kind or family, leaves the stream of random numbers as it is.
    Raises BadSetting when a fixed setting is unknown or out of range.
    """
    values = {name: checked_value(name, value) for name, value in (fixed or {}).items()}
    if not values.keys() & {"kind", "family"} and rng.random() < POWDERS:
        values["kind"] = "powder"
    if table := distributions().get(values.get("family", "")) or distributions().get(values.get("kind", "")):
        usual = _drawn_values(rng, table, values, {})
        if "lattice_other" in usual:
            usual["lattice_other"] *= usual["lattice_spacing"]
        values = {name: checked_value(name, value) for name, value in {**usual, **values}.items()}
    ranges: dict[str, Range] = {
        "diameter": lambda _: diameters,
        "edge": _edges,
        "speck_size": lambda scene: (
            1.5 if scene["kind"] == "blank" else 0.6,
            max(1.6, min(4.0, 0.12 * scene["diameter"])),
        ),
    }
    values |= _drawn_values(rng, distributions()["every"], values, ranges)
    parts = {
        part: {name: values[name] for name in field.annotation.model_fields if name in values}
        for part, field in RenderSettings.model_fields.items()
    }
    return RenderSettings(**parts)


def _drawn_values(rng: Rng, table: Values, fixed: Values, ranges: Mapping[str, Range]) -> Values:
    """A value of each setting of the table. All are drawn in its order; fixed ones then keep theirs."""
    values: Values = {}
    for name, rows in table.items():
        values[name] = fixed.get(name, _value(rng, rows, values, ranges.get(name)))
    return values


def _value(rng: Rng, rows: Any, values: Values, range_of: Range | None) -> Any:
    """rows: a plain value, a row, or rows with conditions. range_of: for a row whose range is empty."""
    if not isinstance(rows, dict | list):
        return rows
    every = rows if isinstance(rows, list) else [rows]
    row = next(row for row in every if "when" not in row or CONDITIONS[row["when"]](values))
    if "pick" in row:
        names, weights = list(row["pick"]), np.array(list(row["pick"].values()), float)
        return names[int(rng.choice(len(names), p=weights / weights.sum()))]
    law = next(law for law in LAWS if law in row)
    low, high = row[law] if range_of is None else range_of(values)
    drawn, happens = LAWS[law](rng, low, high), rng.random() < row.get("chance", 1.0)
    return drawn if happens else row.get("otherwise", 0)
