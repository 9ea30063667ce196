"""How far objects touch each other."""

from __future__ import annotations

import numpy as np
import pytest

from segmentation.core.labels import bands
from segmentation.core.measure.pixels.contacts import longest_contacts


@pytest.mark.parametrize("band", [3, 1024])
def test_the_longest_contact_is_a_share_of_the_border(monkeypatch, band):
    monkeypatch.setattr(bands, "BAND_ROWS", band)
    labels = np.zeros((12, 20), np.int32)
    labels[2:6, 2:6], labels[2:6, 6:10], labels[6:8, 2:4], labels[9:11, 15:18] = 1, 2, 3, 4
    assert longest_contacts(labels).tolist() == [4 / 16, 4 / 16, 2 / 8, 0]
    assert longest_contacts(np.rot90(labels)).tolist() == [4 / 16, 4 / 16, 2 / 8, 0]
    assert longest_contacts(np.kron(labels, np.ones((2, 2), np.int32))).tolist() == [4 / 16, 4 / 16, 2 / 8, 0]


def test_without_objects_or_borders_there_is_none():
    assert longest_contacts(np.zeros((5, 4), np.int32)).tolist() == []
    assert longest_contacts(np.ones((5, 4), np.int32)).tolist() == [0]
