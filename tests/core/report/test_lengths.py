"""Figure and report show long sizes in µm; what is stored keeps nm."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.measure.quantities import Value
from segmentation.core.micrograph.types import Calibration
from segmentation.core.report.figures.charts import Distribution, Sheet, draw_histogram
from segmentation.core.sample import SampleAnalysis
from tests.core.builders import make_analysis

LONG = Calibration(400.0, "metadata", relative_uncertainty=0.001)


@pytest.fixture(scope="module")
def sample():
    return SampleAnalysis.of(make_analysis(150, (400, 500), calibration=LONG))


def test_every_length_is_scaled_and_nothing_else(sample):
    statistics, readable = sample.pooled, sample.in_readable_unit().pooled
    assert (statistics.unit, readable.unit) == ("nm", "µm")
    for name in ("median", "mean", "sd", "d10", "d90", "ecd_median"):
        assert getattr(readable, name) == pytest.approx(getattr(statistics, name) / 1000)
    assert readable.intervals["median"] == pytest.approx([end / 1000 for end in statistics.intervals["median"]])
    assert readable.weighted["volume"]["d90"] == pytest.approx(statistics.weighted["volume"]["d90"] / 1000)
    assert readable.weighted["number"]["geometric_sd"] == statistics.weighted["number"]["geometric_sd"]
    assert (
        readable.fit["median"] == pytest.approx(statistics.fit["median"] / 1000)
        and readable.fit["gsd"] == statistics.fit["gsd"]
    )
    assert readable.convergence["low"] == pytest.approx(np.array(statistics.convergence["low"]) / 1000)
    assert readable.convergence["n"] == statistics.convergence["n"]
    assert readable.budget["median"]["ends"] == pytest.approx(
        [end / 1000 for end in statistics.budget["median"]["ends"]]
    )
    assert readable.budget["median"]["expanded"] == statistics.budget["median"]["expanded"]


def test_short_sizes_and_pixels_stay():
    for calibration in (Calibration(2.0, "metadata"), Calibration.absent()):
        sample = SampleAnalysis.of(make_analysis(40, calibration=calibration))
        assert sample.in_readable_unit() is sample


def test_the_histogram_is_drawn_in_micrometres(sample):
    ax = Sheet((4, 3)).add_axes((0.1, 0.1, 0.8, 0.8))
    distribution = Distribution.of(sample)
    draw_histogram(ax, distribution)
    assert "(µm)" in ax.get_xlabel() and "µm" in ax.get_title(loc="left")
    assert ax.get_xlim()[1] < 1.2 * sample.members[0].table.length("min_feret").max() / 1000
    assert len(distribution.sizes) == int(distribution.bars.expected_counts.sum())


def test_the_numbers_of_images_follow_the_pooled_ones_into_micrometres():
    from types import SimpleNamespace

    def of(value):
        return SimpleNamespace(member=SimpleNamespace(value={"size": value}.get), excluded="", has_numbers=True)

    images = [of(Value(2500.0, 2400.0, 2600.0, "nm")), of(Value(12.0, unit="px"))]
    sample = SimpleNamespace(pooled=None, images=images, quantities={"size": Value(2.5, unit="µm")})
    assert SampleAnalysis.by_image(sample, "size") == [Value(2.5, 2.4, 2.6, "µm"), Value(None)]
