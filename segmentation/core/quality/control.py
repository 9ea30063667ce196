"""What a control chart is of, and its state: the points that count, their limits and alarms.

A point that is excluded for a known cause keeps its number and its place, and nothing is calculated
with it: the chart goes on as if it had not been measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ..measure.distribution import Floats
from ..measure.quantities import number
from ..validation import LISTED, Settings
from .charts import TESTS, Alarm, Chart, Level, ewma, individuals, level_of
from .spread import NumberName

Way = Literal["individuals", "ewma"]
LARGEST = 1e12  # nm or nm², of a given limit
SAME_POINTS = "The points that the limits are made of are all equal: give the limits."


class ChartPlan(Settings):
    """What a chart shows and by what it warns.

    quantity: the number of a result. way: individuals with moving ranges, or the exponentially
    weighted moving average. centre, sigma: given limits, in the unit of result.json; None for those
    of the first points. rules: numbers of the tests of individuals that are made;
    the first four are those that Nelson advises always.
    """

    quantity: NumberName = "median"
    way: Way = "individuals"
    centre: float | None = Field(None, ge=-LARGEST, le=LARGEST)
    sigma: float | None = Field(None, gt=0, le=LARGEST)
    rules: Annotated[tuple[int, ...], LISTED] = (1, 2, 3, 4)

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
        """The given limits; None for those of the first points."""
        if self.centre is None or self.sigma is None:
            return None
        return Level(self.centre, self.sigma)

    @property
    def label(self) -> str:
        """The number as it is called within a sentence."""
        return number(self.quantity).label


@dataclass(frozen=True, eq=False)
class Control:
    """The n points of a chart in the order of time, and what they show.

    values: (n,) as measured, in the unit of result.json. counts: (n,) False for those excluded.
    chart: of the points that count. problem: why there are no limits, "" where that is not so.
    """

    values: Floats
    counts: tuple[bool, ...]
    chart: Chart
    problem: str = ""

    @classmethod
    def of(cls, plan: ChartPlan, values: Sequence[float], excluded: Sequence[bool]) -> Control:
        """values: (n,) in the order of time. excluded: (n,). Raises ValueError for values that are
        not finite."""
        counts = tuple(not out for out in excluded)
        kept = [value for value, is_kept in zip(values, counts, strict=True) if is_kept]
        level, problem = plan.level, ""
        try:
            level = level or level_of(kept)
        except ValueError:  # as all of them are equal
            problem = SAME_POINTS
        if problem:
            unknown = np.full(len(kept), np.nan)
            chart = Chart(np.asarray(kept), unknown, unknown, None, np.abs(np.diff(kept)), None, ())
        else:
            chart = ewma(kept, level) if plan.way == "ewma" else individuals(kept, level, plan.rules)
        return cls(np.asarray(values, np.float64), counts, chart, problem)

    @cached_property
    def places(self) -> list[int]:
        """Of each point that counts its number, from 0 on."""
        return [at for at, is_kept in enumerate(self.counts) if is_kept]

    @cached_property
    def alarms(self) -> tuple[Alarm, ...]:
        """The alarms, their points by the number among all."""
        places = self.places
        return tuple(
            replace(alarm, point=places[alarm.point], start=places[alarm.start]) for alarm in self.chart.alarms
        )

    def alarms_at(self, point: int) -> list[Alarm]:
        return [alarm for alarm in self.alarms if alarm.point == point]

    @property
    def last_alarms(self) -> list[Alarm]:
        """Those of the last point that counts; [] where the method is in control, or nothing is known."""
        return self.alarms_at(self.places[-1]) if self.places else []

    @property
    def sentence(self) -> str:
        """The state at the last point that counts."""
        if self.problem or self.chart.level is None or not self.last_alarms:
            return self.problem or (
                self.chart.sentence if self.places or self.chart.level is None else "No points yet."
            )
        return " ".join(["The last point is out of control.", *(alarm.sentence for alarm in self.last_alarms)])
