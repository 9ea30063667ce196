"""The scorer of the judged training counts as a person would."""

from __future__ import annotations

import numpy as np

from tools.accuracy.real.learnt import score


def test_an_object_is_right_over_half_of_the_union():
    true, labels = np.zeros((2, 60, 60), np.int32)
    true[5:15, 5:15], true[30:40, 5:15], true[30:40, 30:40] = 1, 2, 3
    labels[5:15, 5:15], labels[30:40, 5:10], labels[50:60, 50:60] = 7, 8, 9  # one right, half of one, one invented
    result = score(labels, true)
    assert result[:3] == (1, 2, 2) and result.off == 0
    assert np.isnan(score(np.zeros_like(labels), true).off)
