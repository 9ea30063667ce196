"""The pictures of the start page and the README show what the shipped models find (`python -m tests.examples`)."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segmentation.core.report.picture import captioned_webp

from .__main__ import CAPTION, DRAWN, analysed, panels

SAMPLE = Path(__file__).resolve().parents[2] / "static" / "sample"
LEAST_OVERLAP = 0.9  # of the coloured pixels; of masks 20 of 200 px beside their place it is 0.6
COLOURED = 40  # grey levels between a pixel's channels


def coloured(webp):
    return np.ptp(np.asarray(Image.open(webp).convert("RGB")).astype(int), axis=2) > COLOURED


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["particles", *DRAWN])
def test_pictures_show_what_the_shipped_model_finds(kind):
    for name, panel in panels(kind, analysed(kind, SAMPLE)).items():
        stored, made = coloured(SAMPLE / f"{name}.webp"), coloured(io.BytesIO(captioned_webp(panel, CAPTION)))
        assert (stored & made).sum() >= LEAST_OVERLAP * (stored | made).sum(), name
