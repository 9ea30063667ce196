"""Pictures in colour: scales of colours that stand for grey, maps of elements, and everyday things."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from matplotlib import colormaps
from PIL import Image
from scipy import ndimage

from segmentation.core.micrograph.colours import CHANNEL, COLOURS, FALSE_COLOURS, MANY, MAP, RAINBOW
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import Micrograph, UnreadableImage

SIDE = 240
PURE = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0), "cyan": (0, 255, 255)}


def grey(seed: int = 0) -> np.ndarray:
    """Blurred bright spots on a noisy ground, (H, W) uint8."""
    rng = np.random.default_rng(seed)
    spots = ndimage.gaussian_filter((rng.random((SIDE, SIDE)) > 0.997).astype(float), 5)
    return np.clip(40 + 180 * spots / spots.max() + rng.normal(0, 8, spots.shape), 0, 255).astype(np.uint8)


def counts(seed: int) -> np.ndarray:
    """Single counts of an element in eight discs, (H, W) float in 0..1."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    rate = np.full((SIDE, SIDE), 0.04)
    for row, column in rng.uniform(20, SIDE - 20, (8, 2)):
        rate[np.hypot(y - row, x - column) < 16] = 0.9
    return np.minimum(rng.poisson(rate) / 3, 1)


def element_map(*colours: str) -> np.ndarray:
    mixed = sum(counts(number)[..., None] * PURE[colour] for number, colour in enumerate(colours))
    return np.minimum(mixed, 255).astype(np.uint8)


def landscape() -> np.ndarray:
    """Blue sky over a green meadow with flowers in several colours."""
    rng = np.random.default_rng(5)
    drawn = np.zeros((SIDE, SIDE, 3))
    drawn[:100] = np.linspace((80, 140, 230), (200, 220, 250), 100)[:, None]
    drawn[100:] = (60, 130, 40)
    y, x = np.mgrid[:SIDE, :SIDE]
    for row, column in rng.uniform((110, 10), SIDE - 10, (20, 2)):
        drawn[np.hypot(y - row, x - column) < 8] = rng.choice([(220, 40, 40), (240, 210, 40), (160, 60, 200)])
    return np.clip(drawn + rng.normal(0, 6, drawn.shape), 0, 255).astype(np.uint8)


def stored(folder: Path, pixels: np.ndarray, suffix: str = "png", **how: Any) -> Micrograph:
    path = folder / f"picture.{suffix}"
    if suffix == "tif":
        tifffile.imwrite(path, pixels, photometric="rgb")
    else:
        Image.fromarray(pixels).save(path, **({"quality": 85} if suffix == "jpg" else {}))
    return read(path, **how)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
@pytest.mark.parametrize(
    ("scale", "kind"), [("viridis", FALSE_COLOURS), ("hot", FALSE_COLOURS), ("copper", FALSE_COLOURS), ("jet", RAINBOW)]
)
def test_a_scale_of_colours_stands_for_grey(tmp_path: Path, scale: str, kind: str, suffix: str) -> None:
    even = grey().ravel().argsort(kind="stable").argsort().reshape(SIDE, SIDE) / SIDE**2  # all greys are as frequent
    pixels = (colormaps[scale](ndimage.gaussian_filter(even, 1))[..., :3] * 255).astype(np.uint8)
    micrograph = stored(tmp_path, pixels, suffix)
    assert micrograph.metadata[COLOURS] == kind and "in colour" in micrograph.notes[0]
    assert "pages" not in micrograph.metadata


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
@pytest.mark.parametrize("colours", [("red", "green"), ("yellow", "blue"), ("red", "green", "blue")])
def test_the_channels_of_a_map_of_elements_are_its_pages(tmp_path, colours, suffix) -> None:
    whole = stored(tmp_path, element_map(*colours), suffix)
    assert whole.metadata[COLOURS] == MAP and whole.metadata["channels"] == ", ".join(colours)
    assert whole.metadata["pages"] == len(colours) and f"pages 1-{len(colours)}." in whole.notes[-1]
    for number in range(len(colours)):
        channel = read(tmp_path / f"picture.{suffix}", page=number + 1)
        assert (channel.metadata[COLOURS], channel.metadata["channel"]) == (CHANNEL, colours[number])
        of_each = [np.corrcoef(channel.pixels.ravel(), counts(n).ravel())[0, 1] for n in range(len(colours))]
        if suffix != "jpg":  # which has the colours of four pixels together
            assert int(np.argmax(of_each)) == number and of_each[number] > 0.95
    with pytest.raises(UnreadableImage, match=f"{len(colours)} pages, so there is no page 4"):
        read(tmp_path / f"picture.{suffix}", page=4)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_a_picture_of_everyday_things_is_in_many_colours(tmp_path: Path, suffix: str) -> None:
    micrograph = stored(tmp_path, landscape(), suffix)
    assert micrograph.metadata[COLOURS] == MANY and micrograph.notes[-1].endswith("Is it the right file?")
    assert "pages" not in micrograph.metadata
    with pytest.raises(UnreadableImage, match="one page, so there is no page 2"):
        read(tmp_path / f"picture.{suffix}", page=2)


def test_a_grey_micrograph_with_letters_and_outlines_in_colour_is_grey(tmp_path: Path) -> None:
    pixels = np.repeat(grey()[..., None], 3, axis=2)
    pixels[20:60, 20:100], pixels[200:210] = (255, 220, 0), (0, 255, 0)
    assert COLOURS not in stored(tmp_path, pixels).metadata


def test_a_turned_map_has_turned_channels(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(element_map("red", "green")[:200]).save(tmp_path / "turned.png", exif=exif)
    assert read(tmp_path / "turned.png", page=1).shape == read(tmp_path / "turned.png").shape == (SIDE, 200)
