"""How far an analysis is, and estimates of the remaining time.

For an analysis they rest on the durations of the stages of others on the same machine and on the progress of the
running stage, for a loop on its duration so far.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

# Where each stage begins as a fraction of the whole, as on a 1024 x 768 image (tests/tools/benchmarks).
BEGINS = {"load": 0.0, "search": 0.05, "network": 0.15, "labels": 0.60, "measure": 0.70, "report": 0.75}
PREPARING, SEARCHING, SEGMENTING, SEPARATING, MEASURING, DONE = BEGINS.values()  # DONE: only the report is left
NETWORK = "network"  # the stage that takes longest, and of which other stages tell nothing
OF_MEASURING = ("measure", "report")  # the stages of a job that already has its segmentation
# The fixed cost of a stage for an image of any size, as megapixels of equal cost; inf: its whole cost. Else it is 0.
FIXED_MEGAPIXELS = {"load": math.inf, "search": math.inf, "measure": 0.3, "report": 5.0}
OFTEN = 25  # turns of a long loop between two messages about its progress
LEAST_PROGRESS = 0.02  # fraction of the stage of the network from which on its own progress gives the estimate

T = TypeVar("T")
Progress = Callable[[str, float], None]  # is called with the current stage and the fraction done; may raise to stop


def quiet(stage: str, fraction: float) -> None:
    """A progress that reports nothing."""


@dataclass
class Clock:
    """Seconds spent by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


class Pace:
    """Seconds by stage, of images of any size."""

    def __init__(self, durations: Iterable[tuple[float, Mapping[str, float]]]) -> None:
        """durations: megapixels of an image, and its seconds by stage."""
        spent: dict[str, tuple[float, float]] = {}
        for megapixels, seconds in durations:
            for stage in BEGINS.keys() & seconds.keys():
                before, work = spent.get(stage, (0.0, 0.0))
                spent[stage] = before + max(seconds[stage], 0.0), work + _work(stage, megapixels)
        self._pace = {stage: seconds / work for stage, (seconds, work) in spent.items() if work > 0}

    def seconds(self, megapixels: float, stages: Iterable[str] = tuple(BEGINS)) -> float | None:
        """Seconds that an image will spend in these stages; None if no earlier job is known, or none that ran the
        network where this one does."""
        stages = tuple(stages)
        if NETWORK in stages and NETWORK not in self._pace:
            return None
        by_stage = [self._pace[stage] * _work(stage, megapixels) for stage in stages if stage in self._pace]
        return sum(by_stage) if by_stage else None


class Forecast:
    """The remaining time of a running analysis, from its progress."""

    def __init__(self, pace: Pace, megapixels: float) -> None:
        self._pace, self._megapixels = pace, megapixels
        self._stage, self._since = "", 0.0

    def left(self, fraction: float) -> float | None:
        """Remaining seconds at this fraction of the whole; None if no earlier job is known."""
        stages, now = list(BEGINS), time.monotonic()
        stage = max((name for name in stages if BEGINS[name] <= fraction), key=BEGINS.__getitem__)
        later = stages[stages.index(stage) + 1 :]
        if stage != self._stage:
            self._stage, self._since = stage, now
        spent, end = now - self._since, BEGINS[later[0]] if later else 1.0
        share = (fraction - BEGINS[stage]) / (end - BEGINS[stage])
        expected = self._pace.seconds(self._megapixels, [stage])
        later_seconds = self._pace.seconds(self._megapixels, later) if later else 0.0
        if stage == NETWORK and share > LEAST_PROGRESS:
            stage_seconds: float | None = spent * (1 - share) / share
        else:
            stage_seconds = None if expected is None else max(expected - spent, 0.0)
        return None if stage_seconds is None or later_seconds is None else stage_seconds + later_seconds


def _work(stage: str, megapixels: float) -> float:
    fixed = FIXED_MEGAPIXELS.get(stage, 0.0)
    return 1.0 if math.isinf(fixed) else megapixels + fixed


def time_words(seconds: float) -> str:
    """A time to wait in words, as rough as the estimate."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 90:
        return f"about {round(seconds / 10) * 10} seconds"
    if seconds < 5400:
        return f"about {round(seconds / 60)} minutes"
    return f"about {round(seconds / 3600)} hours"


def time_left(began: float, done: int, total: int) -> str:
    """ ", about 3 minutes left" for a loop of `total` turns that began at this time.monotonic(); "" at its end."""
    return f", {time_words((time.monotonic() - began) / done * (total - done))} left" if 0 < done < total else ""


def followed(items: Iterable[T], total: int, say: Callable[[str], None], often: int = OFTEN) -> Iterator[T]:
    """The items; each time so many of them are done, how many are and the time left are said."""
    began = time.monotonic()
    for number, item in enumerate(items, start=1):
        yield item
        if number % often == 0 and number < total:
            say(f"{number} of {total}{time_left(began, number, total)}")
