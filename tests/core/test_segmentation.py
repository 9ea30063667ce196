"""Segmentations as they are stored: everything comes back, and files of earlier versions can be read."""

import io
from dataclasses import fields, replace

import numpy as np
import pytest

from segmentation.core.labels.segmentation import Segmentation

LABELS = np.array([[0, 1], [2, 2]], np.int32)
CONFIDENCE = np.array([0.9, 0.25], np.float32)
FOUND = Segmentation(
    LABELS, CONFIDENCE, 2, "dark", 0.7, 0.45, "particles", "ab" * 32, 0.8, {"threshold +0.1": LABELS % 2}, 0.6, 3, 1.4
)


def stored(found):
    file = io.BytesIO()
    found.save(file)
    file.seek(0)
    return file


def same(one, other):
    for entry in fields(Segmentation):
        mine, theirs = getattr(one, entry.name), getattr(other, entry.name)
        np.testing.assert_equal(mine, theirs)


def test_everything_comes_back():
    same(Segmentation.load(stored(FOUND)), FOUND)


@pytest.mark.parametrize("known", [4, 6])
def test_files_of_earlier_versions_can_be_read(known):
    with np.load(stored(FOUND)) as data:
        arrays = {**data, "numbers": data["numbers"][:known]}
    older = io.BytesIO()
    np.savez_compressed(older, **arrays)
    older.seek(0)
    lost = {"closer": 1.0} if known == 6 else {"closer": 1.0, "expected": 1.0, "dropped": 0}
    same(Segmentation.load(older), replace(FOUND, **lost))
