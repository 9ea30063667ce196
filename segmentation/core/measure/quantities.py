"""The numbers that an analysis gives: each has a name, a unit and a definition."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Value:
    """One number as measured, with the ends of its 95 % interval; None where undefined. unit: "" where it has none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)
