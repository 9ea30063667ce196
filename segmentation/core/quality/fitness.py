"""Whether a method is fit for its use: the figures of a study beside what the use requires (ISO/IEC 17025:2017,
7.2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import Field

from ..measure.quantities import significant
from ..validation import Settings

FIGURES = {  # name -> title; all are in per cent of the number
    "intermediate": "intermediate precision",
    "bias": "bias against the certified values",
    "uncertainty": "half width of the 95 % interval of a result",
}


class Requirements(Settings):
    """What the use of a method requires. use: in words. intermediate, bias, uncertainty: the most that each of FIGURES
    may be, None without a requirement."""

    use: str = Field("", max_length=500)
    intermediate: float | None = Field(None, gt=0, le=1000)
    bias: float | None = Field(None, gt=0, le=1000)
    uncertainty: float | None = Field(None, gt=0, le=1000)


class Checked(NamedTuple):
    """One figure beside its requirement. figure: in per cent, None if it was not measured. required: None without a
    requirement."""

    name: str
    figure: float | None
    required: float | None

    @property
    def is_met(self) -> bool | None:
        """Whether the requirement is met; None if there is none, or if nothing was measured."""
        return None if self.figure is None or self.required is None else self.figure <= self.required

    @property
    def sentence(self) -> str:
        """The figure beside its requirement; "" without one."""
        if self.required is None:
            return ""
        measured = "not measured" if self.figure is None else f"{significant(self.figure, 2)} %"
        verdict = {True: ", so it is met", False: ", so it is not met", None: ""}[self.is_met]
        return f"Required: {FIGURES[self.name]} of at most {self.required:g} %. Found: {measured}{verdict}."


def checks_of(
    requirements: Requirements, result: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> list[Checked]:
    """Each of FIGURES beside its requirement. result, rows: as in `study_report`."""
    relative = result.get("relative_intermediate")
    biases = [abs(row["bias"]) for row in rows if row.get("bias") is not None]
    widths = [
        max(row["high"] - row["value"], row["value"] - row["low"]) / abs(row["value"])
        for row in rows
        if row["low"] is not None and row["high"] is not None and row["value"]
    ]
    figures = {"intermediate": relative, "bias": max(biases, default=None), "uncertainty": max(widths, default=None)}
    in_per_cent = {name: None if figure is None else 100 * figure for name, figure in figures.items()}
    return [Checked(name, in_per_cent[name], getattr(requirements, name)) for name in FIGURES]


def conclusion(requirements: Requirements, checks: Sequence[Checked]) -> Iterator[str]:
    """Whether the method is fit for its use, in sentences."""
    if requirements.use:
        yield f"Use: {requirements.use.rstrip('.')}."
    failed = [FIGURES[check.name] for check in checks if check.is_met is False]
    open_ones = [FIGURES[check.name] for check in checks if check.is_met is None]
    if failed:
        yield f"The method is not fit for this use: {', '.join(failed)}."
    elif open_ones:
        yield f"Whether the method is fit for its use is not shown: nothing is decided on {', '.join(open_ones)}."
    else:
        yield "The method is fit for this use: every requirement is met."
