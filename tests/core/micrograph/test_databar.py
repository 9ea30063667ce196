"""Where the data bar begins: found at its row, and never found where there is none."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.scale_bar.databar import find_first_bar_row, first_bar_row
from tests.core.micrograph.vendors.test_shared_files import SHARED, VENDORS
from tests.hostile import picture

WORDS = ("EHT = 20.00 kV", "WD = 2.8 mm", "Mag = 50.00 K X", "Signal A = InLens", "18 Jul 2019")


def micrograph(rows: int = 450, columns: int = 640, seed: int = 0, grey: float = 60) -> np.ndarray:
    """Bright discs on a noisy background, 0..255."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns]
    pixels = np.full((rows, columns), grey)
    for _ in range(40):
        row, column, radius = rng.integers(rows), rng.integers(columns), rng.integers(6, 30)
        pixels[(y - row) ** 2 + (x - column) ** 2 < radius**2] = 170
    return (pixels + rng.normal(0, 8, pixels.shape)).clip(0, 255).astype(np.uint8)


def bar(columns: int, rows: int, paper: int, ink: int, lines: int = 2, frame: bool = False) -> np.ndarray:
    """A data bar with text, separators and a scale bar."""
    strip = Image.new("L", (columns, rows), paper)
    draw = ImageDraw.Draw(strip)
    font = ImageFont.load_default(max(9, rows // 3))
    x = 10.0
    for word in WORDS:
        if x < 0.7 * columns:
            draw.text((x, rows * 0.12), word, font=font, fill=ink)
            if lines == 2:
                draw.text((x, rows * 0.55), word[::-1], font=font, fill=ink)
            x += draw.textlength(word, font=font) + 12
            if frame:
                draw.line([(x - 6, 0), (x - 6, rows)], fill=ink)
    draw.line([(0.8 * columns, 0.3 * rows), (0.95 * columns, 0.3 * rows)], fill=ink, width=2)
    draw.text((0.85 * columns, 0.4 * rows), "200 nm", font=font, fill=ink)
    if frame:
        draw.rectangle([0, 0, columns - 1, rows - 1], outline=ink)
    return np.asarray(strip)


STYLES: dict[str, dict[str, Any]] = {
    "black": {"paper": 0, "ink": 255},
    "black, one line": {"paper": 0, "ink": 255, "lines": 1},
    "black, framed": {"paper": 0, "ink": 255, "frame": True},
    "white": {"paper": 255, "ink": 0},
    "grey, framed": {"paper": 46, "ink": 255, "frame": True},
    "silver": {"paper": 192, "ink": 0, "lines": 1},
}


@pytest.mark.parametrize("height", [24, 36, 60])
@pytest.mark.parametrize("style", STYLES)
def test_drawn_bars_are_found_at_their_row(style: str, height: int) -> None:
    whole = np.concatenate([micrograph(seed=height), bar(640, height, **STYLES[style])])
    assert find_first_bar_row(whole) == 450
    assert find_first_bar_row(whole.astype(np.uint16) * 257) == 450
    assert find_first_bar_row(whole.astype(np.float32) / 99 - 1) == 450


@pytest.mark.parametrize("style", STYLES)
def test_bars_survive_jpeg(style: str) -> None:
    content = picture(np.concatenate([micrograph(), bar(640, 48, **STYLES[style])]), "JPEG", quality=88)
    assert abs(find_first_bar_row(np.asarray(Image.open(io.BytesIO(content)))) - 450) <= 2


def test_bar_with_acquired_rows_around_it() -> None:
    """Zeiss draws its bar into the image: one column at each side and two rows below stay acquired."""
    whole = micrograph(768, 1024)
    whole[712:766, 1:1023] = bar(1022, 54, 0, 243)
    assert find_first_bar_row(whole) == 712


def test_bar_under_a_nearly_black_image() -> None:
    whole = np.concatenate([micrograph(grey=3), bar(640, 40, 0, 255)])
    assert abs(find_first_bar_row(whole) - 450) <= 2


def test_bar_of_a_large_image() -> None:
    whole = np.concatenate([np.tile(micrograph(600, 640), (3, 7)), bar(4480, 140, 46, 255, frame=True)])
    assert find_first_bar_row(whole) == 1800


def blobs_on_black(seed: int) -> np.ndarray:
    """Saturated particles on an exactly black background: as flat as a bar, with ink."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:300, :400]
    pixels = np.zeros((300, 400))
    for _ in range(60):
        row, column, radius = rng.integers(300), rng.integers(400), rng.integers(3, 18)
        pixels[(y - row) ** 2 + (x - column) ** 2 < radius**2] = 200
    return pixels


def dark_bottom(seed: int) -> np.ndarray:
    """A sharp horizontal edge, as of a cleaved substrate, with noise below it."""
    noise = np.random.default_rng(seed).normal(0, 3, (300, 400))
    return (np.arange(300)[:, None] < 240) * 100 + 10 + noise


NO_BAR = {
    "uniform noise": lambda seed: np.random.default_rng(seed).integers(0, 256, (300, 400)),
    "dark noise": lambda seed: np.random.default_rng(seed).normal(15, 10, (300, 400)),
    "rare events": lambda seed: np.random.default_rng(seed).poisson(0.3, (300, 400)) * 40,
    "gradient": lambda seed: np.arange(300)[:, None] * 0.5 + np.random.default_rng(seed).normal(0, 2, (300, 400)),
    "dark bottom": dark_bottom,
    "dark bottom without noise": lambda seed: np.repeat((np.arange(300)[:, None] < 230 + seed) * 100, 400, axis=1),
    "blobs on black": blobs_on_black,
    "discs": lambda seed: micrograph(300, 400, seed),
    "all black": lambda seed: np.zeros((300, 400)),
    "all one grey": lambda seed: np.full((300, 400), 77),
}


@pytest.mark.parametrize("kind", NO_BAR)
def test_no_bar_where_there_is_none(kind: str) -> None:
    for seed in range(8):
        pixels = np.asarray(NO_BAR[kind](seed)).clip(0, 255).astype(np.uint8)
        assert find_first_bar_row(pixels) == 300


def test_a_scale_bar_over_the_image_is_no_data_bar() -> None:
    image = Image.fromarray(micrograph())
    draw = ImageDraw.Draw(image)
    draw.rectangle([500, 430, 620, 438], fill=255)
    draw.text((530, 405), "200 nm", fill=255, font=ImageFont.load_default(18))
    assert find_first_bar_row(np.asarray(image)) == 450


@pytest.mark.parametrize("shape", [(16, 16), (16, 4000), (4000, 16), (39, 640), (64, 64)])
def test_small_images_have_none(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    assert find_first_bar_row(pixels) == shape[0]


def shared(folder: str, pattern: str) -> list[Path]:
    files = sorted((SHARED / folder).glob(pattern))
    if not files:
        pytest.skip(f"the shared data {folder} is not here")
    return files


def test_real_zeiss_bars() -> None:
    rows = {find_first_bar_row(read(path).pixels) for path in shared("evaluation-only/tio2-sem/images", "*.tif")}
    assert rows == {712}


def test_real_jeol_bars() -> None:
    files = [*VENDORS.glob("jeol-*.jpg")]
    files += (SHARED / "particles/nanocomposite-agglomerates/originals_with_databar").glob("*/*.jpg")
    rows = [find_first_bar_row(read(path).pixels) for path in files]
    assert len(rows) >= 2
    assert all(960 <= row <= 965 for row in rows), rows


def test_their_cropped_versions_have_none() -> None:
    for path in shared("particles/nanocomposite-agglomerates/images", "*.jpg")[::3]:
        pixels = read(path).pixels
        assert find_first_bar_row(pixels) == pixels.shape[0]


def test_the_header_comes_first() -> None:
    assert first_bar_row(read(VENDORS / "quanta_image.tif")) == 884
    assert find_first_bar_row(read(VENDORS / "quanta_image.tif").pixels) == 884
    assert first_bar_row(read(VENDORS / "scios_multigis_metadata_sections.tif")) == 2048
    assert abs(find_first_bar_row(read(VENDORS / "scios_multigis_metadata_sections.tif").pixels) - 2048) <= 2
    assert first_bar_row(read(VENDORS / "tescan-pfib_dataZeroed.tif")) == 1280


def test_no_false_bars_on_published_crops() -> None:
    """Of every tenth crop three have a bar, seen by eye; many others have a scale bar or text over the image."""
    files = shared("particles/emps-train/images", "*.png")[::10]
    names = {path.name[:8] for path in files if find_first_bar_row(image := read(path).pixels) < image.shape[0]}
    assert names == {"555eb05b", "a4027c07", "fcc97c01"}
