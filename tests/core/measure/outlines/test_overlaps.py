from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.measure.outlines.overlaps import resolved

from .scenes import SHAPE, disc, labels_of, picture_of, rod


def same_objects(labels, masks):
    """Whether each of the masks is mostly one object of labels, and no object is left."""
    found = [np.bincount(labels[mask], minlength=labels.max() + 1)[1:].argmax() + 1 for mask in masks]
    return sorted(found) == list(range(1, int(labels.max()) + 1))


def test_an_overlap_of_two_discs_belongs_to_one_of_them():
    one, two = disc(90, 100, 50), disc(120, 110, 50)
    labels = labels_of([one, two, one & two])
    found = resolved(labels, picture_of([one, two]))
    assert same_objects(found.labels, [one & ~two, two & ~one])
    assert found.counts == {"parted": 0, "joined": 0, "lenses": 1, "several": 0}
    # A particle between two others that is no darker than these stays.
    opaque = resolved(labels, picture_of([one | two]))
    assert opaque.labels is labels


def test_two_discs_in_one_outline_are_parted_where_their_overlap_is_darker():
    one, two = disc(90, 100, 50), disc(120, 115, 46)
    labels = labels_of([disc(200, 200, 40), one | two])
    found = resolved(labels, picture_of([one, two]))
    assert found.parted == 1
    assert same_objects(found.labels, [disc(200, 200, 40), one & ~two, two & ~one])
    assert found.source.tolist() == [1, 2, 2]
    assert resolved(labels, picture_of([one | two])).labels is labels  # a dumb-bell


def test_two_rods_across_each_other_are_parted():
    one, two = rod(110, 110, 18, 90, 20), rod(115, 115, 18, 90, 100)
    found = resolved(labels_of([one | two]), picture_of([one, two]))
    assert same_objects(found.labels, [one & ~two, two & ~one])


@pytest.mark.parametrize("degrees", [0, 33, 90])
def test_pieces_of_a_cut_rod_are_joined(degrees):
    whole = rod(110, 110, 20, 90, degrees)
    cut = rod(110, 110, 200, 90, degrees, flat=True) & ~rod(85, 85, 400, 60, degrees, flat=True)
    found = resolved(labels_of([whole, whole & cut]), picture_of([whole]))
    assert found.joined == 1
    assert (found.labels == whole).all()


def test_two_discs_that_touch_are_two():
    labels = labels_of([disc(90, 100, 40), disc(129, 100, 40)])
    assert resolved(labels, picture_of([labels > 0])).labels is labels


def test_two_rods_end_to_end_are_two():
    labels = labels_of([rod(80, 100, 20, 60, 0), rod(139, 100, 20, 60, 0)])
    assert resolved(labels, picture_of([labels > 0])).labels is labels


def test_both_ends_of_a_rod_under_another_are_one():
    under, over = rod(110, 110, 18, 110, 10), rod(115, 110, 18, 80, 95)
    labels = labels_of([under, over])
    labels[(labels == 1) & (np.arange(SHAPE[1]) > 113)] = 3
    found = resolved(labels, picture_of([under, over]))
    assert same_objects(found.labels, [under & ~over, over])
    assert found.source.tolist() == [1, 2]


def test_cubes_side_by_side_stay_cubes():
    cubes = [rod(40 + 60 * x, 40 + 60 * y, 24, 24, 0, flat=True) for x in range(3) for y in range(2)]
    pair = [rod(80 + 24 * x, 200, 24, 24, 0, flat=True) for x in range(2)]
    labels = labels_of([*cubes, *pair])
    assert resolved(labels, picture_of([labels > 0])).labels is labels


def test_overlaps_are_the_same_turned_and_doubled():
    one, two = disc(90, 100, 50), disc(120, 115, 46)
    labels, grey = labels_of([one | two]), picture_of([one, two])
    once = resolved(labels, grey).labels
    turned = resolved(np.rot90(labels).copy(), np.rot90(grey).copy()).labels
    assert (np.rot90(turned, -1) > 0).sum() == (once > 0).sum()
    assert sorted(np.bincount(turned.ravel())) == pytest.approx(sorted(np.bincount(once.ravel())), abs=12)
    doubled = resolved(np.kron(labels, np.ones((2, 2), np.int32)), np.kron(grey, np.ones((2, 2), np.uint8)))
    assert sorted(np.bincount(doubled.labels.ravel()) / 4) == pytest.approx(sorted(np.bincount(once.ravel())), abs=12)


def test_ragged_outlines_that_cannot_be_parted_are_counted():
    rng = np.random.default_rng(3)
    lumps = [disc(110 + x, 110 + y, 30) for x, y in rng.uniform(-35, 35, (7, 2))]
    found = resolved(labels_of([np.any(lumps, axis=0)]), picture_of([np.any(lumps, axis=0)]))
    assert (found.parted, found.several) == (0, 1)


def test_an_image_without_objects_stays():
    labels = np.zeros(SHAPE, np.int32)
    found = resolved(labels, np.full(SHAPE, 200, np.uint8))
    assert found.labels is labels
    assert len(found.source) == 0
