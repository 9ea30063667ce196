"""The numbers that an analysis answers with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from segmentation.core.report import result
from segmentation.core.tasks import particles

from .builders import make_analysis


def test_the_result_answers_with_the_quantities_of_its_task():
    analysis = make_analysis(12)
    found = result.as_dict(analysis)["quantities"]
    assert list(found) == list(particles.TASK.quantities)
    statistics = analysis.statistics
    low, high = statistics.intervals["median"]
    assert found["median"] == {"value": statistics.median, "low": low, "high": high, "unit": "nm"}
    nano = found["fraction_100nm"]
    assert nano == {
        "value": statistics.fraction_100nm,
        "low": pytest.approx(statistics.fraction_low),
        "high": pytest.approx(statistics.fraction_high),
        "unit": "",
    }


def test_a_task_without_sizes_has_a_result():
    analysis = replace(make_analysis(12), statistics=None)
    found = result.as_dict(analysis)
    assert found["statistics"] is None
    assert sum(found["set_aside"].values()) == (~analysis.table.kept).sum()
