"""The sample image of the upload page: rendered, with a data bar and a calibration, so that no one else owns it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .render import render_settings

SHAPE = (704, 1024)
BAR_ROWS = 64
NM_PER_PIXEL = 5.0
SCALE_BAR_NM = 500
SEED = 10
SETTINGS = {
    "kind": "sem",
    "polarity": "bright",
    "family": "rounded",
    "mixing": 0.15,
    "diameter": 38,
    "law": "log-normal",
    "spread": 0.3,
    "cover": 0.75,
    "layout": "clustered",
    "clusters": 5,
    "overlap": 0.7,
    "stacking": 0.9,
    "flat": 0.3,
    "rounding": 0.45,
    "relief": "smooth",
    "ground": 0.15,
    "gradient": 0.06,
    "cloud": 0.03,
    "grain": 0.06,
    "texture": "wrinkles",
    "texture_contrast": 0.1,
    "specks": 0.4,
    "speck_contrast": 0.15,
    "scratches": 0,
    "patches": 0,
    "holes": 0,
    "frame": 0,
    "contrast": 0.4,
    "edge": 0.55,
    "edge_power": 1.3,
    "detector": 0.15,
    "occlusion": 0.8,
    "transparency": 0,
    "defocus": 0.8,
    "dose": 150,
    "line_noise": 0,
    "charging": 0,
    "drift": 0,
    "gamma": 1.0,
    "level": 25,
    "gain": 190,
    "filtering": "none",
    "resampling": 1,
    "sharpening": 0,
    "jpeg": 100,
    "annotation": "none",
}


def draw_sample(seed: int = SEED) -> NDArray[np.uint8]:
    """(768, 1024) uint8: a rendered micrograph above its data bar."""
    grey = render_settings(SHAPE, np.random.default_rng(seed), SETTINGS).grey
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


def write_sample(folder: Path, seed: int = SEED) -> list[Path]:
    """Write sem-sample.tif (calibrated as ImageJ does it) and sem-sample.png (to look at) into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = draw_sample(seed)
    tiff, png = folder / "sem-sample.tif", folder / "sem-sample.png"
    tifffile.imwrite(
        tiff,
        picture,
        imagej=True,
        resolution=(1 / NM_PER_PIXEL, 1 / NM_PER_PIXEL),
        metadata={"unit": "nm"},
    )
    Image.fromarray(picture).save(png, optimize=True)
    return [tiff, png]
