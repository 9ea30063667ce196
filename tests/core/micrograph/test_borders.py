"""The border of a picture: paper around it, empty corners of a stitched map, a line along its edge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from segmentation.core import pipeline, tasks
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.measure.objects.filters import Reason
from segmentation.core.micrograph.drawn.borders import border_of, cut_by_border, without_border
from segmentation.core.sample import AnalysisRecord
from tests.core.builders import disc_labels, grey_of, micrograph_of, segmentation_of

LABELS = disc_labels(24, (192, 256))


def picture(seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(70, 6, (200, 300)).clip(1, 254).astype(np.uint8)


def area(rectangles: list[list[list[float]]]) -> int:
    return int(sum((right - left) * (bottom - top) for (left, top), (right, bottom) in rectangles))


@pytest.mark.parametrize("grey", [0, 255, 70])
def test_paper_corners_and_lines_are_a_border(grey):
    framed, stitched, lined = picture(), picture(), picture()
    framed[:7] = framed[-9:] = framed[:, :11] = framed[:, -5:] = grey
    assert area(border_of(framed)) == np.count_nonzero(framed == grey) if grey != 70 else border_of(framed)
    stitched[:20, :140], stitched[:10], stitched[150:, 270:] = grey, grey, grey
    assert area(border_of(stitched)) == pytest.approx(np.count_nonzero(stitched == grey), rel=0.5 if grey == 70 else 0)
    lined[-1] = grey
    assert border_of(lined) == [[[0.0, 199.0], [300.0, 200.0]]]
    assert not border_of(np.full((50, 60), grey, np.uint8)), "a picture of one grey is all border"


def test_a_dark_or_bright_part_of_the_specimen_is_none():
    """Clipped greys reach the edge of many pictures; they end unevenly."""
    rows, columns = np.mgrid[:200, :300]
    for grey in (0, 255):
        hole, slope = picture(), picture()
        hole[np.hypot(rows - 20, columns - 60) < 90] = grey
        slope[rows + 0.4 * columns + np.random.default_rng(1).normal(0, 2, rows.shape) < 90] = grey
        assert not border_of(hole) and not border_of(slope)
        assert not border_of(np.where(np.hypot(rows - 90, columns - 150) < 60, grey, picture()).astype(np.uint8))


def test_a_border_is_shown_to_no_network():
    framed = picture().astype(np.uint16) * 100
    framed[:, :40] = 65535
    micrograph = micrograph_of(framed)
    shown = without_border(micrograph, border_of(framed))
    assert shown.pixels.max() < 20000 < micrograph.pixels.max() and shown.pixels.dtype == np.uint16
    assert without_border(micrograph, []) is micrograph


def test_what_a_border_cuts_touches_the_frame_and_its_area_does_not_count():
    micrograph = micrograph_of(grey_of(LABELS))
    plain = segmentation_of(LABELS)
    border = [[[0.0, 0.0], [256.0, 30.0]]]
    bordered = replace(plain, used={"border": border})
    cut = cut_by_border(LABELS, border)
    before, after = (
        pipeline.measure(micrograph, segmentation, AnalysisSettings.of("particles"))
        for segmentation in (plain, bordered)
    )
    framed = after.table.reasons == Reason.FRAME
    assert set(after.table["label"][framed]) == {
        *cut[cut > 0],
        *before.table["label"][before.table.reasons == Reason.FRAME],
    }
    assert framed.sum() > (before.table.reasons == Reason.FRAME).sum()
    assert any("16 % of the picture has exactly one grey" in flag.text for flag in after.flags)
    assert after.statistics.arrangement is None and before.statistics.arrangement is not None
    assert AnalysisRecord.of(after).counted_share == pytest.approx(1 - 30 / 192)


def test_numbers_per_area_of_other_kinds_leave_its_area_out():
    micrograph, task = micrograph_of(grey_of(LABELS)), tasks.find("grains")
    plain, settings = segmentation_of(LABELS), AnalysisSettings.of("grains").measurement
    whole, half = (
        task.measure(replace(plain, used=used), micrograph, settings, micrograph.calibration)
        for used in ({}, {"border": [[[128.0, 0.0], [256.0, 192.0]]]})
    )
    objects = [measured.table.kept.sum() - measured.table["touches_frame"].sum() / 2 for measured in (whole, half)]
    ratio = half.quantities["grain_density"].value / whole.quantities["grain_density"].value
    assert ratio == pytest.approx(2 * objects[1] / objects[0])
