"""Coloured marks on a grey picture: found, kept as plain numbers, and filled in."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from segmentation.core.measure.objects.regions import mask_of
from segmentation.core.micrograph.drawn.marks import (
    coloured_marks,
    fill_in,
    regions_from_metadata,
    regions_of,
    regions_text,
)
from segmentation.core.micrograph.pages import write_page
from segmentation.core.micrograph.reader import read

RED, GREEN, YELLOW = (255, 0, 0), (0, 255, 0), (255, 255, 0)


def ground(rows: int = 240, columns: int = 320, seed: int = 1) -> np.ndarray:
    """Grey noise with three bright discs, (rows, columns, 3)."""
    grey = np.random.default_rng(seed).normal(70, 6, (rows, columns))
    for x, y, radius in ((80, 80, 22), (220, 90, 30), (150, 180, 16)):
        grey[np.hypot(*(np.mgrid[:rows, :columns] - [[[y]], [[x]]])) < radius] += 90
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., np.newaxis], 3, axis=2)


def drawn_over(picture: np.ndarray) -> np.ndarray:
    """A circle, an arrow, a measuring line and a number in colour."""
    drawn = picture.copy()
    cv2.circle(drawn, (80, 80), 32, RED, 2, cv2.LINE_AA)
    cv2.arrowedLine(drawn, (300, 20), (252, 66), GREEN, 3, cv2.LINE_AA)
    cv2.line(drawn, (190, 90), (250, 90), YELLOW, 2)
    cv2.putText(drawn, "60 nm", (170, 84), cv2.FONT_HERSHEY_SIMPLEX, 0.5, YELLOW, 1, cv2.LINE_AA)
    return drawn


def as_jpeg(picture: np.ndarray, quality: int = 80) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.mark.parametrize("form", [np.asarray, as_jpeg], ids=["png", "jpeg"])
def test_what_is_in_colour_on_a_grey_ground_is_a_mark_and_nothing_else(form):
    picture = ground()
    changed = np.abs(drawn_over(picture).astype(int) - picture).max(axis=2) > 20
    marks = coloured_marks(form(drawn_over(picture)))
    assert marks is not None and marks[changed].mean() > 0.98
    assert marks.mean() < 4 * changed.mean()
    assert not marks[70:90, 70:90].any(), "a circle does not claim what it holds"


def test_a_picture_coloured_all_over_or_without_colour_has_no_marks():
    picture = ground()
    false_colour = cv2.applyColorMap(picture[..., 0], cv2.COLORMAP_JET)
    assert coloured_marks(picture) is None and coloured_marks(as_jpeg(picture)) is None
    assert coloured_marks(false_colour) is None
    sepia = (picture * np.array([1.0, 0.8, 0.6])).astype(np.uint8)
    assert coloured_marks(drawn_over(sepia)) is None


def test_particles_that_somebody_coloured_are_no_marks():
    picture = ground()
    inside = np.hypot(*(np.mgrid[:240, :320] - [[[90]], [[220]]])) < 30
    noise = np.random.default_rng(3).normal(1.0, 0.12, inside.shape)
    tinted = (picture * np.where(inside, noise, 1.0)[..., np.newaxis]).clip(0, 255).astype(np.uint8)
    tinted[inside, 2] = tinted[inside, 2] // 3
    assert coloured_marks(tinted) is None


def test_regions_cover_their_mask_with_its_holes_and_survive_as_text():
    marks = coloured_marks(drawn_over(ground()))
    assert marks is not None
    regions = regions_of(marks)
    again = regions_from_metadata({"marks": regions_text(regions)})
    assert again == regions
    covered = mask_of(again, marks.shape)
    changed = np.abs(drawn_over(ground()).astype(int) - ground()).max(axis=2) > 20
    assert covered[changed].mean() > 0.97 and covered[~marks].mean() < 0.01


@pytest.mark.parametrize("text", ["", "1,2,3", "a,b;c", "1,2;;3,4"])
def test_marks_that_cannot_be_read_are_none(text):
    assert regions_from_metadata({"marks": text}) == [] and regions_from_metadata({}) == []


def test_regions_of_a_picture_full_of_marks_stay_few():
    dots = np.zeros((900, 900), np.bool_)
    dots[np.random.default_rng(2).random(dots.shape) < 0.05] = True
    assert sum(map(len, regions_of(dots))) <= 6000


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_line_over_a_particle_is_filled_in(dtype):
    true = cv2.GaussianBlur(ground()[..., 0], (0, 0), 2)
    mask = np.zeros(true.shape, np.bool_)
    mask[88:92, 180:260] = True
    filled_in = fill_in(np.where(mask, 255, true).astype(dtype), mask)
    assert filled_in.dtype == dtype
    assert np.abs(filled_in.astype(float) - true)[mask].mean() < 6
    assert np.array_equal(filled_in[~mask], true[~mask].astype(dtype))


@pytest.mark.parametrize("name", ["drawn.png", "drawn.jpg", "drawn.bmp", "drawn.tif", "palette.png"])
def test_the_reader_tells_the_marks_of_a_file(name: str, tmp_path: Path):
    image = Image.fromarray(drawn_over(ground()))
    file = tmp_path / name
    (image.quantize(200) if name.startswith("palette") else image).save(file)
    micrograph = read(file)
    mask = mask_of(regions_from_metadata(micrograph.metadata), micrograph.shape)
    assert 0.02 < mask.mean() < 0.12
    assert mask[112, 80] or mask[48, 80], "the circle"
    Image.fromarray(ground()).save(file)
    assert "marks" not in read(file).metadata
    assert "marks" not in micrograph.facts


def test_the_panel_of_a_figure_keeps_its_marks_as_a_page(tmp_path: Path):
    figure = np.full((260, 680, 3), 255, np.uint8)
    figure[10:250, 10:330], figure[10:250, 350:670] = ground(), drawn_over(ground())
    Image.fromarray(figure).save(tmp_path / "figure.png")
    panel = read(tmp_path / "figure.png", page=2)
    assert "marks" not in read(tmp_path / "figure.png", page=1).metadata
    write_page(panel, tmp_path / "page.tif")
    assert read(tmp_path / "page.tif").metadata["marks"] == panel.metadata["marks"]
