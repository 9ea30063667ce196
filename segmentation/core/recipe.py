"""The frozen settings of one analysis."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from .micrograph.types import Calibration

DEFAULT_MODEL = "particles"
DEFAULT_WIDTH_NM = 7520.0


@dataclass(frozen=True)
class Recipe:
    """One analysis, fully specified; stored as JSON on the Job.

    model: name of a ModelCard.
    threshold: foreground probability in (0, 1); None takes the card's.
    polarity: particles "bright" or "dark" against their surroundings; "auto" decides from the image.
    filter: whether particles that are small, unresolved or unlike a particle are set aside.
    data_bar: "auto" finds the data bar; an integer says how many rows at the bottom it takes (0: none).
    scale: factor by which the image is resampled for the network; None decides from the image.
    flips: whether the network also sees the image mirrored, the maps being averaged: four times the time.
    edge: what becomes of particles that touch the frame: "exclude" sets them aside; "weight" does so too and
        weights the others by how likely they were to touch it (Miles 1974, Lantuejoul 1978).
    calibration: None takes what the file says.
    """

    model: str = DEFAULT_MODEL
    threshold: float | None = None
    polarity: Literal["auto", "bright", "dark"] = "auto"
    filter: bool = False
    data_bar: Literal["auto"] | int = "auto"
    scale: float | None = None
    flips: bool = False
    edge: Literal["exclude", "weight"] = "exclude"
    calibration: Calibration | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types; `from_dict` is its inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Recipe:
        """The recipe written by `as_dict`; unknown keys raise TypeError."""
        calibration = data.get("calibration")
        return cls(**{**data, "calibration": Calibration(**calibration) if calibration else None})

    def segments_like(self, other: Recipe) -> bool:
        """Whether both recipes give the same outlines, so that only measuring differs."""
        same = {f.name for f in fields(self)} - {"filter", "edge", "calibration"}
        return all(getattr(self, name) == getattr(other, name) for name in same)

    def with_(self, **changes: Any) -> Recipe:
        return replace(self, **changes)
