"""How long measuring and the statistics take. Prints; asserts nothing about seconds, since machines are noisy.

Run: make benchmarks
"""

import time

import numpy as np
import pytest
from skimage.measure import regionprops_table

from segmentation.core.measure.filters import set_aside
from segmentation.core.measure.pooling import pool
from segmentation.core.measure.shapes import measure
from segmentation.core.measure.statistics import summarise
from segmentation.core.micrograph.types import Calibration

pytestmark = pytest.mark.benchmark
CALIBRATION = Calibration(5.0, "metadata", relative_uncertainty=0.01)


def crowd(n, cell=30):
    """(H, W) int32 of n ellipses of 8 to 26 px."""
    rng = np.random.default_rng(0)
    columns = int(np.ceil(np.sqrt(n)))
    labels = np.zeros((columns * cell, columns * cell), np.int32)
    y, x = np.mgrid[:cell, :cell] - cell / 2 + 0.5
    for k in range(n):
        row, column = divmod(k, columns)
        angle, radius, ratio = rng.uniform(0, 3.14), rng.uniform(4, 13), rng.uniform(0.6, 1)
        u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        part = labels[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell]
        part[(u / radius) ** 2 + (v / radius / ratio) ** 2 <= 1] = k + 1
    return labels


def tabled(n):
    labels = crowd(n)
    return set_aside(measure(labels, labels.astype(np.uint8), np.ones(n, np.float32), 5.0, len(labels)), False)


def seconds(work):
    """CPU seconds of the fastest of three."""
    spent = []
    for _ in range(3):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent)


def test_measuring_20000_particles():
    labels = crowd(20_000)
    pixels, confidence = labels.astype(np.uint8), np.ones(20_000, np.float32)
    spent = seconds(lambda: measure(labels, pixels, confidence, 5.0, len(labels)))
    print(f"\n20,000 particles in {labels.shape[1]} x {labels.shape[0]} px: measured in {spent:.2f} s of CPU")


def test_measuring_against_skimage():
    labels = crowd(1000)
    pixels, confidence = labels.astype(np.uint8), np.ones(1000, np.float32)
    ours = seconds(lambda: measure(labels, pixels, confidence, 5.0, len(labels)))
    names = ("area", "equivalent_diameter_area", "feret_diameter_max", "perimeter", "solidity", "centroid", "bbox")
    theirs = seconds(lambda: regionprops_table(labels, pixels, properties=names))
    print(f"\n1,000 particles: ours takes {ours / theirs:.3f} of skimage's time, with both Feret diameters")


@pytest.mark.parametrize("n", [300, 20_000])
def test_statistics_with_all_draws(n):
    table = tabled(n)
    spent = seconds(lambda: summarise(table, calibration=CALIBRATION))
    print(f"\nstatistics of {n:,} particles, 2,000 draws of each figure: {spent:.2f} s of CPU")


def test_pooling_200_images():
    table = tabled(300)
    tables = [table.rescaled(5.0 + 0.001 * number) for number in range(200)]  # images alike have no interval
    spent = seconds(lambda: pool(tables, calibration=CALIBRATION))
    print(f"\n200 images of 300 particles pooled in {spent:.2f} s of CPU")
