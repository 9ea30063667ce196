"""The progress of an analysis or of a long loop, and estimates of the remaining time.

For an analysis the estimate uses the durations of earlier analyses on the same machine and the progress of the running
stage; for a loop it uses the time so far.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

# The fraction of an analysis that is done when each stage begins, measured on a 1024 x 768 image
# (tools/benchmarks).
STAGE_BEGINS = {"load": 0.0, "search": 0.05, "network": 0.15, "labels": 0.60, "measure": 0.70, "report": 0.75}
PREPARING, SEARCHING, SEGMENTING, SEPARATING, MEASURING, DONE = STAGE_BEGINS.values()  # DONE: only the report is left
NETWORK = "network"  # the longest stage; its duration cannot be estimated from those of other stages
MEASURING_STAGES = ("measure", "report")  # the stages of a job that already has its segmentation
# The part of a stage's duration that does not depend on the size of the image, given as megapixels that take as long;
# inf: the whole duration. Stages that are not listed have no such part.
FIXED_MEGAPIXELS = {"load": math.inf, "search": math.inf, "measure": 0.3, "report": 5.0}
REPORT_EVERY = 25  # items of a long loop between two messages about its progress
LEAST_PROGRESS = 0.02  # fraction of the network's stage after which its speed so far gives the remaining time

T = TypeVar("T")
Progress = Callable[[str, float], None]  # called with the words for a stage and the fraction done; may raise to stop


def quiet(stage: str, fraction: float) -> None:
    """A progress that reports nothing."""


@dataclass
class Clock:
    """A stopwatch: seconds spent in each stage, by its name."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A block whose duration is added to the stage of this name."""
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


class Pace:
    """The speed of each stage on this machine: it predicts the seconds of an image of any size."""

    def __init__(self, durations: Iterable[tuple[float, Mapping[str, float]]]) -> None:
        """durations: of earlier images, each its megapixels and its seconds by stage."""
        totals: dict[str, tuple[float, float]] = {}  # seconds and work of each stage
        for megapixels, seconds in durations:
            for stage in STAGE_BEGINS.keys() & seconds.keys():
                total_seconds, work = totals.get(stage, (0.0, 0.0))
                totals[stage] = total_seconds + max(seconds[stage], 0.0), work + _work(stage, megapixels)
        self._pace = {stage: seconds / work for stage, (seconds, work) in totals.items() if work > 0}

    def seconds(self, megapixels: float, stages: Iterable[str] = tuple(STAGE_BEGINS)) -> float | None:
        """Expected seconds of an image in these stages. None if the duration of no stage is known, or if NETWORK is
        among them and its duration is not known."""
        stages = tuple(stages)
        if NETWORK in stages and NETWORK not in self._pace:
            return None
        by_stage = [self._pace[stage] * _work(stage, megapixels) for stage in stages if stage in self._pace]
        return sum(by_stage) if by_stage else None


class Forecast:
    """The remaining time of a running analysis, from its progress."""

    def __init__(self, pace: Pace, megapixels: float) -> None:
        self._pace, self._megapixels = pace, megapixels
        self._stage, self._since = "", 0.0  # the current stage, and when it began by time.monotonic()

    def seconds_left(self, fraction: float) -> float | None:
        """Remaining seconds when this fraction of the whole is done; None if no earlier image is known."""
        stages, now = list(STAGE_BEGINS), time.monotonic()
        stage = max((name for name in stages if STAGE_BEGINS[name] <= fraction), key=STAGE_BEGINS.__getitem__)
        later = stages[stages.index(stage) + 1 :]
        if stage != self._stage:
            self._stage, self._since = stage, now
        spent, end = now - self._since, STAGE_BEGINS[later[0]] if later else 1.0
        share = (fraction - STAGE_BEGINS[stage]) / (end - STAGE_BEGINS[stage])
        expected = self._pace.seconds(self._megapixels, [stage])
        later_seconds = self._pace.seconds(self._megapixels, later) if later else 0.0
        if stage == NETWORK and share > LEAST_PROGRESS:
            stage_seconds: float | None = spent * (1 - share) / share
        else:
            stage_seconds = None if expected is None else max(expected - spent, 0.0)
        return None if stage_seconds is None or later_seconds is None else stage_seconds + later_seconds


def _work(stage: str, megapixels: float) -> float:
    """A number to which the duration of a stage is proportional: megapixels plus the fixed part, or 1 if all of it is
    fixed."""
    fixed = FIXED_MEGAPIXELS.get(stage, 0.0)
    return 1.0 if math.isinf(fixed) else megapixels + fixed


def time_words(seconds: float) -> str:
    """A duration in words, rounded because it is an estimate."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 90:
        return f"about {round(seconds / 10) * 10} seconds"
    if seconds < 5400:
        return f"about {round(seconds / 60)} minutes"
    return f"about {round(seconds / 3600)} hours"


def time_left(began: float, done: int, total: int) -> str:
    """The remaining time of a loop of which `done` of `total` items are done, such as ", about 3 minutes left"; "" at
    its start and end.

    began: time.monotonic() at the start of the loop.
    """
    return f", {time_words((time.monotonic() - began) / done * (total - done))} left" if 0 < done < total else ""


def reporting_progress(
    items: Iterable[T], total: int, say: Callable[[str], None], every: int = REPORT_EVERY
) -> Iterator[T]:
    """The items, unchanged. After each `every` items `say` is called with a text: their number and the remaining
    time."""
    began = time.monotonic()
    for number, item in enumerate(items, start=1):
        yield item
        if number % every == 0 and number < total:
            say(f"{number} of {total}{time_left(began, number, total)}")
