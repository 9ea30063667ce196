"""The time that an analysis will still take."""

from __future__ import annotations

import pytest

from segmentation.core.stages import pace
from segmentation.core.stages import pace as pace_module
from segmentation.core.stages.pace import FIXED_MEGAPIXELS, STAGE_BEGINS, Forecast, Pace, reporting_progress, time_left

KNOWN = [(1.0, {"load": 0.0, "search": 0.5, "network": 1.0, "labels": 0.5, "measure": 0.13, "report": 1.2})]


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])

    def forward(seconds):
        now[0] += seconds

    return forward


def test_without_experience_nothing_is_foretold():
    assert Pace([]).seconds(1.0) is None
    assert Forecast(Pace([]), 1.0).seconds_left(0.0) is None


def test_a_large_image_takes_more_time_for_its_pixels_alone():
    assert Pace(KNOWN).seconds(1.0) == pytest.approx(3.33)
    report = 1.2 / (1 + FIXED_MEGAPIXELS["report"]) * (36 + FIXED_MEGAPIXELS["report"])
    assert Pace(KNOWN).seconds(36.0) == pytest.approx(0.5 + 36 * 1.5 + 0.1 * 36.3 + report)


def test_a_running_network_tells_its_own_pace(clock):
    """A 6000 x 6000 image was foretold 4 minutes and took 82 s: what had been measured was another scale."""
    forecast = Forecast(Pace(KNOWN), 10.0)
    later = Pace(KNOWN).seconds(10.0, ["labels", "measure", "report"])
    assert forecast.seconds_left(STAGE_BEGINS["network"]) == pytest.approx(10 + later)
    clock(4.0)
    assert forecast.seconds_left(STAGE_BEGINS["network"]) == pytest.approx(6 + later)
    assert forecast.seconds_left((STAGE_BEGINS["network"] + STAGE_BEGINS["labels"]) / 2) == pytest.approx(4 + later)
    clock(40.0)
    assert forecast.seconds_left(STAGE_BEGINS["labels"]) == pytest.approx(later)


def test_a_stage_that_takes_longer_than_foretold_does_not_run_backwards(clock):
    forecast = Forecast(Pace(KNOWN), 1.0)
    later = Pace(KNOWN).seconds(1.0, ["measure", "report"])
    assert forecast.seconds_left(STAGE_BEGINS["labels"]) == pytest.approx(0.5 + later)
    clock(30.0)
    assert forecast.seconds_left(STAGE_BEGINS["labels"]) == pytest.approx(later)


def test_a_loop_tells_what_is_left_and_nothing_at_its_end(monkeypatch):
    monkeypatch.setattr(pace_module.time, "monotonic", lambda: 160.0)
    assert time_left(100.0, 1, 4) == ", about 3 minutes left"
    assert time_left(100.0, 4, 4) == ""


def test_a_long_loop_says_now_and_then_how_far_it_is():
    lines = []
    assert list(reporting_progress(iter(range(60)), 60, lines.append)) == list(range(60))
    assert [line.split(",")[0] for line in lines] == ["25 of 60", "50 of 60"] and all("left" in line for line in lines)
    assert list(reporting_progress([], 0, lines.append)) == [] and len(lines) == 2
