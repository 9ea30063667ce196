"""The pictures of the start page and the README show what the shipped models find (`python -m tests.examples`)."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segmentation.core.report.figures.picture import captioned_webp

from .__main__ import CAPTION, DRAWN, analysed, panels, write_figure

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "static" / "sample"
LEAST_OVERLAP = 0.9  # of the coloured pixels; of masks 20 of 200 px beside their place it is 0.6
COLOURED = 40  # grey levels between a pixel's channels


def coloured(picture):
    return np.ptp(np.asarray(Image.open(picture).convert("RGB")).astype(int), axis=2) > COLOURED


def assert_alike(stored, made):
    one, other = coloured(stored), coloured(made)
    assert one.shape == other.shape and (one & other).sum() >= LEAST_OVERLAP * (one | other).sum(), stored


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["particles", *DRAWN])
def test_pictures_show_what_the_shipped_model_finds(kind):
    for name, panel in panels(kind, analysed(kind, SAMPLE)).items():
        assert_alike(SAMPLE / f"{name}.webp", io.BytesIO(captioned_webp(panel, CAPTION)))


@pytest.mark.slow
def test_the_figure_of_the_readme_shows_what_the_shipped_model_finds(tmp_path, printed):
    made = write_figure(analysed("particles", SAMPLE), tmp_path)
    assert_alike(ROOT / "docs" / "screenshots" / made.name, made)
