"""What is done with a picture before the network takes memory that grows with its pixels, whatever it shows.

A picture of 67 kB with fine diagonal lines took 5.6 GB: 3,000 masks of lines, each as large as its box.
"""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest

from segmentation.core.micrograph.drawn import writing
from segmentation.core.micrograph.drawn.marks import regions_of
from segmentation.core.micrograph.scale_bar.databar import find_first_bar_row
from segmentation.core.stages.preparation import smooth

MOST_BYTES = 28  # a pixel


def lines(y, x):
    return (x + y) % 24 < 2


def broken_lines(y, x):
    side, inside = len(y), (np.minimum(x, y) > len(y) // 8) & (np.maximum(x, y) < len(y) * 7 // 8)
    return ((x - y) % 20 < 2) & inside & (side > 0)


def short_lines(y, x):
    """Thousands of diagonals, each a fifth of the picture long, whose boxes overlap."""
    length = len(y) // 5
    return ((x - y) % 16 < 2) & (y % (length + 12) < length)


def checks(y, x):
    return (x // 8 + y // 8) % 2 == 1


def noise(y, x):
    return np.random.default_rng(0).random(x.shape) < 0.3


def rings(y, x):
    radius = np.hypot(x - len(y) / 2, y - len(y) / 2)
    return (radius % 12 < 2) & (radius < 0.36 * len(y))


def text(y, x):
    page = np.zeros(x.shape, np.uint8)
    for row in range(40, len(y), 40):
        cv2.putText(page, "Particles 200 nm " * (len(y) // 300), (5, row), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 1, 2)
    return page > 0


@pytest.mark.parametrize("side", [1024, 2048, pytest.param(4096, marks=pytest.mark.slow)])
@pytest.mark.parametrize("pattern", [lines, broken_lines, short_lines, checks, noise, rings, text])
def test_bytes_a_pixel(pattern, side, monkeypatch):
    monkeypatch.setattr(writing, "texts_on_picture", lambda *picture: [])  # recognised in a child, which has its limits
    y, x = np.mgrid[:side, :side].astype(np.int32)
    picture = np.where(pattern(y, x), 255, 40).astype(np.uint8)
    del y, x

    def marks(pixels):
        mask = writing.writing_on(pixels)
        return mask is not None and regions_of(mask)

    for stage in (find_first_bar_row, marks, smooth):
        tracemalloc.start()
        stage(picture)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= MOST_BYTES * picture.size, f"{stage.__name__}: {peak / picture.size:.1f} bytes a pixel"
