"""Compares the expected number of wrong outlines with the true number, on images with ground truth. It prints both, and
asserts that the suggested order of images finds more errors than chance.

The images are the smallest of EMPS that the shipped model's recipe holds out (../shared/data/particles/emps-train). Its
confidences were calibrated on images of the same source.

Run: make benchmarks ARGS=tools/benchmarks/test_suggesting.py (about 5 minutes)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segmentation.core import pipeline
from segmentation.core.analysis import AnalysisSettings
from segmentation.core.learning.suggesting import expected_wrong, rank_images, texture
from segmentation.core.masks.truth import BadDataset
from segmentation.core.measure.objects.matching import count_pairs, overlap_of, without_specks
from segmentation.lab.training.data import held_out_pairs
from segmentation.lab.training.settings import read_recipe

pytestmark = pytest.mark.benchmark
ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "segmentation" / "lab" / "recipes" / "particles.toml"
IMAGES, FIRST, RIGHT = 26, 6, 0.5


def pixels(pair):
    with Image.open(pair.image) as image:
        return image.width * image.height


def test_expected_and_true_errors(capsys):
    try:
        pairs = sorted(held_out_pairs(read_recipe(RECIPE), ROOT), key=pixels)[:IMAGES]
    except (BadDataset, FileNotFoundError) as missing:
        pytest.skip(f"the images of EMPS are not there: {missing}")
    wrong, expected, textures = [], [], []
    for pair in pairs:
        micrograph, truth = pair.load()
        analysis = pipeline.analyse(micrograph, AnalysisSettings.of())
        expectation = expected_wrong(analysis.table)
        spurious = count_pairs(overlap_of(analysis.segmentation.labels, without_specks(truth)).iou, RIGHT)[1]
        wrong.append(spurious)
        expected.append(expectation.expected if expectation else 0.0)
        textures.append(texture(micrograph.pixels[::2, ::2]))
    chance = FIRST * float(np.mean(wrong))
    by_number = sum(wrong[index] for index in np.argsort(expected)[::-1][:FIRST])
    suggested = sum(wrong[index] for index, _ in rank_images(expected, textures, [])[:FIRST])
    ranks = np.corrcoef(*(np.argsort(np.argsort(values)) for values in (wrong, expected)))[0, 1]
    with capsys.disabled():
        print(f"\n{len(pairs)} images: {sum(wrong)} wrong outlines, {sum(expected):.0f} expected.", end=" ")
        print(f"Correlation {np.corrcoef(wrong, expected)[0, 1]:.2f}, of ranks {ranks:.2f}.", end=" ")
        print(
            f"The first {FIRST}: {suggested} as suggested, {by_number} by expected errors alone, {chance:.0f} by chance"
        )
    assert suggested > chance
