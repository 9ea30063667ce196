"""Objects like some others: the same ones, however the picture was taken."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from segmentation.core.labels.particles.contrast import contrasts
from segmentation.core.measure.review.similarity import CONTRAST, SHAPES, similarity, similarity_to_all
from segmentation.core.measure.shape.shapes import measure

SIDE, SPECKS = 480, 12


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Grey and labels: 24 bright discs, and after them twelve faint specks, in other sizes each."""
    random = np.random.default_rng(3)
    y, x = np.mgrid[:SIDE, :SIDE]
    grey, labels = np.full((SIDE, SIDE), 60.0), np.zeros((SIDE, SIDE), np.int32)
    for number in range(36):
        is_speck = number >= 36 - SPECKS
        radius = random.uniform(4, 7) if is_speck else random.uniform(16, 26)
        inside = np.hypot(x - 40 - 80 * (number % 6), y - 40 - 80 * (number // 6)) < radius
        grey[inside], labels[inside] = random.normal(95 if is_speck else 200, 8), number + 1
    return grey, labels


def columns_of(grey: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    pixels, count = np.clip(grey, 0, 255).astype(np.uint8), int(labels.max())
    table = measure(labels, pixels, np.full(count, np.nan, np.float32), None, len(labels))
    columns = {name: table.length(name) for name in ("min_feret", "area")}
    columns |= {name: np.asarray(table[name], float) for name in SHAPES}
    return columns | {CONTRAST: contrasts(pixels, labels).relative}


CHANGES = {
    "as it is": lambda grey, labels: (grey, labels),
    "inverted": lambda grey, labels: (255 - grey, labels),
    "turned": lambda grey, labels: (np.rot90(grey), np.rot90(labels)),
    "twice the size": lambda grey, labels: tuple(np.kron(each, np.ones((2, 2), each.dtype)) for each in (grey, labels)),
    "blurred": lambda grey, labels: (ndimage.gaussian_filter(grey, 1), labels),
    "noisy": lambda grey, labels: (grey + np.random.default_rng(5).normal(0, 10, grey.shape), labels),
}


@pytest.mark.parametrize("change", CHANGES)
def test_three_specks_find_the_other_specks_before_anything_else(change: str):
    columns = columns_of(*(np.ascontiguousarray(each) for each in CHANGES[change](*scene())))
    specks = np.arange(36 - SPECKS, 36)
    for three in (specks[:3], specks[4:7], specks[-3:]):
        value = similarity_to_all(columns, three.tolist(), "min_feret")
        assert set(np.argsort(-value)[:SPECKS]) == set(specks)
        assert ((value >= 0) & (value <= 1)).all()


def test_all_of_several_count_where_the_nearest_alone_would_do():
    """Of two objects, one like the first example alone and one between all three, the second is more alike to all."""
    size = np.r_[10.0, 14.0, 20.0, 10.0, 14.0, np.linspace(10, 40, 20)]
    columns = {"min_feret": size, "area": size**2}
    assert similarity(columns, [0, 1, 2], "min_feret")[3] == 1 == similarity(columns, [0, 1, 2], "min_feret")[4]
    to_all = similarity_to_all(columns, [0, 1, 2], "min_feret")
    assert to_all[4] > to_all[3] > 0


def test_what_has_no_measure_in_common_is_not_alike():
    columns = {"min_feret": np.array([10.0, np.nan, 11.0]), "area": np.array([80.0, np.nan, 90.0])}
    assert similarity_to_all(columns, [0, 2], "min_feret")[1] == 0 == similarity(columns, [0], "min_feret")[1]
    assert (similarity(columns, [], "min_feret") == 0).all()
