from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.measure.outlines.borders import find_pixel_borders
from segmentation.core.measure.outlines.completion import complete
from segmentation.core.measure.outlines.contours import contours
from segmentation.core.measure.pixels.hulls import convex_hulls, feret_diameters

from .scenes import SHAPE, disc, labels_of, rod


def completed(labels):
    return complete(contours(find_pixel_borders(labels)), labels, int(labels.max()))


def least_width(polygon):
    return float(feret_diameters(convex_hulls(polygon, np.zeros(len(polygon), np.int64)))[0][0])


def test_a_covered_disc_has_its_whole_size():
    found = completed(labels_of([disc(100, 100, 40), disc(126, 108, 44)]))
    assert found.completed.tolist() == [True, False]  # the second lies on top
    assert least_width(found.polygons[0]) == pytest.approx(40, rel=0.02)
    assert 0.6 < found.seen_share[0] < 0.8
    assert 0 < found.error[0] < 2
    assert list(found.polygons) == [0]
    assert np.isnan(found.error[1])


def test_both_of_two_discs_that_share_their_overlap_are_completed():
    one, two = disc(100, 100, 40), disc(128, 100, 40)
    labels = labels_of([one, two])
    labels[(labels == 2) & one & (np.arange(SHAPE[1]) < 114)] = 1
    found = completed(labels)
    assert found.completed.all()
    for polygon in found.polygons.values():
        assert least_width(polygon) == pytest.approx(40, rel=0.02)


def test_a_rod_under_another_has_its_whole_width():
    found = completed(labels_of([rod(110, 110, 18, 90, 20), rod(128, 116, 18, 70, 95)]))
    assert found.completed[0]
    assert least_width(found.polygons[0]) == pytest.approx(18, rel=0.04)


def test_an_irregular_object_stays_as_it_is():
    rng = np.random.default_rng(3)
    lumps = [disc(100 + x, 100 + y, 22) for x, y in rng.uniform(-22, 22, (9, 2))]
    found = completed(labels_of([np.any(lumps, axis=0), disc(135, 105, 40)]))
    assert not found.completed[0]


def test_objects_that_nothing_covers_stay():
    labels = labels_of([disc(60, 60, 30), disc(160, 60, 30), rod(110, 170, 20, 80, 30)])
    found = completed(labels)
    assert not found.completed.any()
    assert found.seen_share.tolist() == [1, 1, 1]


def test_no_outline_goes_on_beyond_the_frame():
    labels = labels_of([disc(4, 100, 40), disc(30, 108, 30)])
    found = completed(labels)
    assert not found.completed[0]


def test_no_objects_are_no_trouble():
    found = complete(contours(find_pixel_borders(np.zeros(SHAPE, np.int32))), np.zeros(SHAPE, np.int32), 0)
    assert len(found.completed) == 0


def test_completion_is_the_same_turned_and_doubled():
    labels = labels_of([disc(100, 100, 40), disc(126, 108, 44)])
    once, turned = (least_width(completed(image).polygons[0]) for image in (labels, np.rot90(labels).copy()))
    assert turned == pytest.approx(once, rel=0.005)
    doubled = np.kron(labels, np.ones((2, 2), np.int32))
    assert least_width(completed(doubled).polygons[0]) == pytest.approx(2 * once, rel=0.01)
