"""Draws the settings of rendered micrographs at random, by the distributions in distributions.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..contract import Rng
from .settings import SECONDARY_KINDS, RenderSettings, checked_value

DIAMETERS = (8.0, 150.0)  # px, usual range of the typical diameter
POWDER_SHARE = 0.06  # of pictures of powder, if neither kind nor family is fixed
# Name of a distribution in distributions.toml -> function that draws a value.
LAWS: dict[str, Callable[[Rng, float, float], float]] = {
    "between": lambda rng, low, high: float(rng.uniform(low, high)),
    "scaled": lambda rng, low, high: float(np.exp(rng.uniform(np.log(low), np.log(high)))),
    "whole": lambda rng, low, high: int(rng.integers(int(low), int(high) + 1)),
}
Values = dict[str, Any]  # name of a setting -> value
Range = Callable[[Values], tuple[float, float]]  # range of a setting, from the values of settings drawn before
# Name of a condition in distributions.toml -> whether it is met by the settings drawn before.
CONDITIONS: dict[str, Callable[[Values], bool]] = {
    "through": lambda values: values["kind"] not in SECONDARY_KINDS,
    "blank": lambda values: values["kind"] == "blank",
    "packed": lambda values: values["layout"] == "packed",
    "dark": lambda values: values["polarity"] == "dark",
    "through or dark": lambda values: values["kind"] not in SECONDARY_KINDS or values["polarity"] == "dark",
    "crowded": lambda values: values["overlap"] > 0.35,
    "fine": lambda values: values["diameter"] < 14,
    **{family: lambda values, family=family: values["family"] == family for family in ("rounded", "cube")},
}


def _edges(values: Values) -> tuple[float, float]:
    """The range of the setting `edge`, from the settings drawn before."""
    contrast = values["contrast"]
    faintest, strongest = (0.15 * contrast, 0.5 * contrast) if values["polarity"] == "dark" else (0.05, 0.9)
    return 0.3 * strongest if CONDITIONS["crowded"](values) else faintest, strongest


@cache
def distributions() -> dict[str, Values]:
    """The tables of distributions.toml: "every" for all pictures, and a table for each kind or family with
    other distributions."""
    return tomllib.loads(Path(__file__).with_name("distributions.toml").read_text(encoding="utf-8"))


def draw_settings(
    rng: Rng, fixed: Mapping[str, Any] | None = None, diameters: tuple[float, float] = DIAMETERS
) -> RenderSettings:
    """Random settings, except those in `fixed`. diameters: range of the typical diameter in px.

    Fixing a setting other than kind or family does not change the random numbers of the others. Raises BadSetting if a
    fixed setting is unknown or out of range.
    """
    values = {name: checked_value(name, value) for name, value in (fixed or {}).items()}
    if not values.keys() & {"kind", "family"} and rng.random() < POWDER_SHARE:
        values["kind"] = "powder"
    if table := distributions().get(values.get("family", "")) or distributions().get(values.get("kind", "")):
        special = _drawn_values(rng, table, values, {})
        if "lattice_other" in special:
            special["lattice_other"] *= special["lattice_spacing"]
        values = {name: checked_value(name, value) for name, value in {**special, **values}.items()}
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
    """A value for each setting of the table. All are drawn, in the order of the table; fixed ones then get their
    values."""
    values: Values = {}
    for name, rows in table.items():
        values[name] = fixed.get(name, _value(rng, rows, values, ranges.get(name)))
    return values


def _value(rng: Rng, rows: Any, values: Values, range_of: Range | None) -> Any:
    """A random value of a setting. rows: a value, a row, or rows with conditions. range_of: gives the range if it is
    not in the row."""
    if not isinstance(rows, dict | list):
        return rows
    every = rows if isinstance(rows, list) else [rows]
    row = next(row for row in every if "when" not in row or CONDITIONS[row["when"]](values))
    if "pick" in row:
        names, weights = list(row["pick"]), np.array(list(row["pick"].values()), float)
        return names[int(rng.choice(len(names), p=weights / weights.sum()))]
    law = next(law for law in LAWS if law in row)
    low, high = row[law] if range_of is None else range_of(values)
    value, is_drawn = LAWS[law](rng, low, high), rng.random() < row.get("chance", 1.0)
    return value if is_drawn else row.get("otherwise", 0)
