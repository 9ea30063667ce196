"""Rendered micrographs with a data bar, as the sample image of the upload page is one."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from segmentation.lab.training.synthesis.render import random_rendering

SHAPE = (704, 1024)
BAR_ROWS = 64
NM_PER_PIXEL = 5.0
SCALE_BAR_NM = 500
SEED = 10
SETTINGS = Path(__file__).with_suffix(".toml")


def draw_sample(seed: int = SEED) -> NDArray[np.uint8]:
    """(768, 1024) uint8: a rendered micrograph above its data bar."""
    grey = random_rendering(SHAPE, np.random.default_rng(seed), tomllib.loads(SETTINGS.read_text())).grey
    return np.concatenate([grey, data_bar(SHAPE[1])])


def data_bar(columns: int) -> NDArray[np.uint8]:
    """(64, columns) uint8: a black strip with settings and a scale bar, as microscopes write it."""
    strip = Image.new("L", (columns, BAR_ROWS), 0)
    pen = ImageDraw.Draw(strip)
    large, small = ImageFont.load_default(size=18), ImageFont.load_default(size=15)
    length = round(SCALE_BAR_NM / NM_PER_PIXEL)
    right = columns - 24
    pen.line([(right - length, 44), (right, 44)], fill=255, width=3)
    for end in (right - length, right):
        pen.line([(end, 36), (end, 52)], fill=255, width=3)
    pen.text((right - length / 2, 20), f"{SCALE_BAR_NM} nm", fill=255, font=large, anchor="mm")
    width_um = columns * NM_PER_PIXEL / 1000
    pen.text((20, 10), "DeepSegm sample", fill=255, font=large)
    pen.text((20, 36), "rendered, not acquired", fill=255, font=small)
    pen.text((300, 12), f"Width = {width_um:.3f} um", fill=255, font=small)
    pen.text((300, 36), f"Pixel = {NM_PER_PIXEL:g} nm", fill=255, font=small)
    pen.text((520, 12), f"{columns} x {SHAPE[0]} px", fill=255, font=small)
    return np.asarray(strip)
