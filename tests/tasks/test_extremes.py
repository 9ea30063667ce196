"""The extremes of shape, count and scale that are accepted: every kind of analysis makes all its files of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from segmentation.core import pipeline
from segmentation.core.labels.segmentation import Segmentation
from segmentation.core.micrograph.calibration.width import LARGEST_NM, SMALLEST_NM
from segmentation.core.micrograph.grey import LONGEST_SIDE, SMALLEST_SIDE
from segmentation.core.micrograph.types import Calibration
from segmentation.core.report import exports
from segmentation.core.report.files import write_all
from tests.core.builders import micrograph_of

from .kinds import Kind

PITCH = 4  # px from one square to the next
SHORT, LONG = SMALLEST_SIDE, LONGEST_SIDE * SMALLEST_SIDE
# Rows and columns, objects, nm per pixel. The smallest image is among the odd ones of the conformance test.
EXTREMES = {
    "widest, nothing found": ((SHORT, LONG), 0, None),
    "tallest": ((LONG, SHORT), 9, 1.0),
    "finest": ((SHORT, 16 * SHORT), 40, SMALLEST_NM / LONG),
    "coarsest": ((SHORT, 16 * SHORT), 40, LARGEST_NM / SHORT),
}
MOST = ((1100, 1100), 70_000, 1.0)  # more than 16 bits number


def squares(shape: tuple[int, int], count: int) -> NDArray[np.int32]:
    """Labels (H, W): so many squares of 3 px on a grid of PITCH, row by row; the first stands off the frame."""
    labels = np.zeros(shape, np.int32)
    abreast = shape[1] // PITCH
    for dy, dx in np.ndindex(3, 3):
        index = np.arange(count)
        labels[PITCH * (index // abreast) + dy + 1, PITCH * (index % abreast) + dx + 1] = index + 1
    return labels


def as_found(kind: Kind, golden: Segmentation, labels: NDArray[np.int32]) -> Segmentation:
    """What the kind of analysis would have found: these objects, or its first two classes, one on the other."""
    if kind.task.semantic:
        labels = np.where(labels > 0, 2, 1).astype(np.int32)
    n = int(labels.max(initial=0))
    return replace(
        golden,
        labels=labels,
        ids=np.arange(1, n + 1, dtype=np.int32),
        classes=np.arange(n, dtype=np.int32) if kind.task.semantic else np.zeros(n, np.int32),
        confidence=np.full(n, 0.9, np.float32),
        rows=len(labels),
        alternatives={},
        layers={name: np.full(labels.shape, 200, np.uint8) for name in golden.layers},
    )


@pytest.mark.slow
@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize(("shape", "count", "nm_per_pixel"), EXTREMES.values(), ids=EXTREMES)
def test_every_file_is_made(kind, golden, tmp_path, shape, count, nm_per_pixel):
    make_every_file(kind, golden, tmp_path, shape, count, nm_per_pixel)


@pytest.mark.slow
@pytest.mark.usefixtures("coarse")
@pytest.mark.parametrize("kind", ["particles"], indirect=True)  # other objects are measured in the same way
def test_every_file_of_the_most_objects_is_made(kind, golden, tmp_path):
    make_every_file(kind, golden, tmp_path, *MOST)


def make_every_file(kind, golden, tmp_path, shape, count, nm_per_pixel):
    labels = squares(shape, count)
    pixels = (60 + 120 * (labels > 0) + np.arange(labels.size).reshape(shape) % 7).astype(np.uint8)
    scale = {"calibration": Calibration.of_pixel(nm_per_pixel, typed=str(nm_per_pixel))} if nm_per_pixel else {}
    segmentation = as_found(kind, golden.segmentation, labels)
    made = pipeline.measure(micrograph_of(pixels), segmentation, kind.settings(data_bar=0, **scale))
    files = write_all(made, tmp_path / "files")
    assert set(files) == set(exports.by_file_name("image", kind.task))
    assert all(path.stat().st_size for path in files.values())
