"""The settings of a control chart (`ChartPlan`), and its points with their limits and alarms (`ChartState`).

A point that a person excluded for a known cause keeps its number, but limits and alarms ignore it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ..measure.quantities import number
from ..measure.sizes.distribution import Floats
from ..validation import LISTED, Settings
from .control_limits import TESTS, Alarm, Chart, Level, ewma_chart, individuals_chart, level_of
from .spread import NumberName

ChartKind = Literal["individuals", "ewma"]
LARGEST_LEVEL = 1e12  # of a given centre line or standard deviation, in the unit of the number
SAME_POINTS = "The points that the limits are made of are all equal: give the limits."


class ChartPlan(Settings):
    """What a chart shows, and by which rules it warns.

    quantity: name of a number of a result. way: the kind of chart: individuals with moving ranges, or
    the exponentially weighted moving average. centre, sigma: given centre line and standard deviation,
    in the unit of result.json; None: they follow from the first points. rules: numbers of the tests of
    individuals; Nelson advises the first four for every chart.
    """

    quantity: NumberName = "median"
    way: ChartKind = "individuals"
    centre: float | None = Field(None, ge=-LARGEST_LEVEL, le=LARGEST_LEVEL)
    sigma: float | None = Field(None, gt=0, le=LARGEST_LEVEL)
    rules: Annotated[tuple[int, ...], Field(max_length=len(TESTS)), LISTED] = (1, 2, 3, 4)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.centre is None) != (self.sigma is None):
            raise ValueError("give the centre line and the standard deviation, or none of them.")
        if unknown := sorted({*self.rules} - {*TESTS}):
            raise ValueError(f"there is no test {unknown[0]}: they are 1 to {max(TESTS)}.")
        object.__setattr__(self, "rules", tuple(sorted({*self.rules})))
        return self

    @property
    def level(self) -> Level | None:
        """The given level; None if it follows from the first points."""
        if self.centre is None or self.sigma is None:
            return None
        return Level(self.centre, self.sigma)

    @property
    def label(self) -> str:
        """The name of the number within a sentence."""
        return number(self.quantity).label


@dataclass(frozen=True, eq=False)
class ChartState:
    """The state of a chart: its n points in the order of time, with alarms.

    values: (n,) as measured, in the unit of result.json. is_counted: (n,) False for excluded points.
    chart: the chart of the points that count. problem: a sentence if limits cannot be calculated,
    else "".
    """

    values: Floats
    is_counted: tuple[bool, ...]
    chart: Chart
    problem: str = ""

    @classmethod
    def of(cls, plan: ChartPlan, values: Sequence[float], excluded: Sequence[bool]) -> ChartState:
        """The state from all values (n,) in the order of time. excluded: (n,) whether a point is excluded. Raises
        ValueError for values that are not finite."""
        is_counted = tuple(not is_excluded for is_excluded in excluded)
        counted = [value for value, counts in zip(values, is_counted, strict=True) if counts]
        level, problem = plan.level, ""
        try:
            level = level or level_of(counted)
        except ValueError:  # all of the first points are equal
            problem = SAME_POINTS
        if problem:
            unknown = np.full(len(counted), np.nan)
            chart = Chart(np.asarray(counted), unknown, unknown, None, np.abs(np.diff(counted)), None, ())
        else:
            chart = ewma_chart(counted, level) if plan.way == "ewma" else individuals_chart(counted, level, plan.rules)
        return cls(np.asarray(values, np.float64), is_counted, chart, problem)

    @cached_property
    def places(self) -> list[int]:
        """For each point of `chart` its number among all n points, from 0."""
        return [number for number, counts in enumerate(self.is_counted) if counts]

    @cached_property
    def alarms(self) -> tuple[Alarm, ...]:
        """The alarms of the chart, with the numbers of the points among all n points."""
        places = self.places
        return tuple(
            replace(alarm, point=places[alarm.point], start=places[alarm.start]) for alarm in self.chart.alarms
        )

    def alarms_at(self, point: int) -> list[Alarm]:
        """The alarms at a point, by its number among all n points."""
        return self._alarms_by_point.get(point, [])

    @cached_property
    def _alarms_by_point(self) -> dict[int, list[Alarm]]:
        by_point: dict[int, list[Alarm]] = {}
        for alarm in self.alarms:
            by_point.setdefault(alarm.point, []).append(alarm)
        return by_point

    @property
    def last_alarms(self) -> list[Alarm]:
        """The alarms at the last point that counts; [] if the method is in control, or if that is not known."""
        return self.alarms_at(self.places[-1]) if self.places else []

    @property
    def sentence(self) -> str:
        """Whether the last point that counts is in control, in words."""
        if self.problem:
            return self.problem
        if self.chart.level is not None and not self.places:
            return "No points yet."
        if not self.last_alarms:
            return self.chart.sentence
        return " ".join(["The last point is out of control.", *(alarm.sentence for alarm in self.last_alarms)])
