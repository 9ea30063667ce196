"""Pages of stacks: which ones a text asks for, each format's, and a page as a file of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageDraw

from segmentation.core.micrograph.pages import TOO_MANY, WRONG, WrongPages, page_name, pages_of, write_page
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import UnreadableImage
from segmentation.core.micrograph.vendors.page import BEGINNING
from segmentation.core.settings import MeasurementSettings
from segmentation.core.tasks.file_signals import file_signals
from tests.core.micrograph.instrument_files import berkeley, dm, mrc, velox, written
from tests.hostile import image, tiff

THREE = np.stack([image(), image()[::-1], image()[:, ::-1]])


def sections() -> bytes:
    content = bytearray(mrc(THREE[0].astype(np.int16)))
    content[8:12] = (3).to_bytes(4, "little")
    return bytes(content) + THREE[1:].astype("<i2").tobytes()


def imagej() -> bytes:
    return tiff(THREE, imagej=True, resolution=(2, 2), metadata={"unit": "nm", "axes": "ZYX"})


def ome() -> bytes:
    sizes = {f"PhysicalSize{axis}{end}": value for axis in "XY" for end, value in (("", 0.5), ("Unit", "nm"))}
    return tiff(THREE, ome=True, photometric="minisblack", metadata={"axes": "TYX", **sizes})


STACKS: dict[str, tuple[Callable[[], bytes], float]] = {
    "ImageJ": (imagej, 0.5),
    "OME": (ome, 0.5),
    "MRC": (sections, 2.5),
    "DM4": (lambda: dm(THREE, 4), 0.5),
    "Velox": (lambda: velox(np.moveaxis(THREE, 0, 2), chunks=(24, 32, 2), compression="gzip"), 0.25),
    "NCEM": (lambda: berkeley(THREE), 0.5),
}


opened = partial(written, file="stack")


def figure(form: str) -> Image.Image:
    """Two micrographs with letters, the second in a frame, above two charts, with white gutters."""
    grey, chart = np.random.default_rng(1).normal(110, 30, (2, 200, 300)), Image.new("L", (300, 200), 255)
    pen = ImageDraw.Draw(chart)
    pen.rectangle((40, 10, 290, 170), outline=0)
    for left in range(60, 260, 20):
        pen.rectangle((left, 170 - (left * 7) % 110, left + 16, 170), fill=120)
    drawn = Image.new("L", (640, 440), 255)
    for number, pixels in enumerate(np.clip(grey, 0, 255).astype(np.uint8)):
        panel = Image.fromarray(pixels)
        ImageDraw.Draw(panel).text((6, 6), "ab"[number], fill=255)
        if number:
            ImageDraw.Draw(panel).rectangle((0, 0, 299, 199), outline=0)
        drawn.paste(panel, (12 + 314 * number, 14))
        drawn.paste(chart, (12 + 314 * number, 230))
    changed = {"turned": drawn.rotate(90, expand=True), "small": drawn.resize((427, 293), Image.Resampling.LANCZOS)}
    return changed.get(form, drawn)


@pytest.mark.parametrize(
    ("form", "suffix"), [("", ".png"), ("", ".jpg"), ("turned", ".png"), ("small", ".jpg")], ids=" ".join
)
def test_the_micrographs_of_a_figure_are_offered_as_its_pages(tmp_path: Path, form: str, suffix: str) -> None:
    path = tmp_path / f"figure{suffix}"
    figure(form).save(path)
    whole = read(path)
    entries = [list(map(int, entry.split(","))) for entry in str(whole.metadata["panels"]).split()]
    pages = [entry[0] for entry in entries]
    assert whole.pixels.shape == figure(form).size[::-1] and whole.metadata["pages"] == 4
    assert pages == ([1, 3] if form == "turned" else [1, 2])  # in the order of reading
    assert whole.notes == (
        f"This is a figure of 4 panels. Panels {pages[0]} and {pages[1]} are pictures. Take each as an image: pages"
        f" {pages[0]},{pages[1]}.",
    )
    for page, top, left, bottom, right in entries:
        part = read(path, page=page)
        assert np.array_equal(part.pixels, whole.pixels[top:bottom, left:right]) and "panels" not in part.metadata
        assert abs(bottom - top) * abs(right - left) == pytest.approx(
            60_000 * (4 / 9 if form == "small" else 1), rel=0.05
        )
    with pytest.raises(UnreadableImage, match="4 pages, so there is no page 5"):
        read(path, page=5)


def beside(gutter: int, grey: int, seed: int = 4, grounds: tuple[int, ...] = (60, 120, 140, 50)) -> Image.Image:
    """Four micrographs of the brightness `grounds` with white tags, in two rows, with gutters of one grey or none."""
    rng, side = np.random.default_rng(seed), 160
    drawn = Image.new("L", (2 * side + gutter,) * 2, grey)
    y, x = np.mgrid[:side, :side]
    for number, ground in enumerate(grounds):
        pixels = rng.normal(ground, 8, (side, side))
        for row, column in rng.uniform(0, side, (12, 2)):
            pixels[np.hypot(y - row, x - column) < 6 + 3 * number] += 70
        panel = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        ImageDraw.Draw(panel).rectangle((0, 0, 22, 22), fill=255)
        drawn.paste(panel, (number % 2 * (side + gutter), number // 2 * (side + gutter)))
    return drawn


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize(("gutter", "grey"), [(2, 0), (5, 0), (4, 200), (6, 20), (0, 0)])
def test_panels_with_dark_or_grey_gutters_or_none_are_parted(tmp_path, gutter, grey, suffix) -> None:
    beside(gutter, grey).save(tmp_path / f"figure.{suffix}")
    whole = read(tmp_path / f"figure.{suffix}")
    assert whole.metadata["pages"] == 4
    for entry in str(whole.metadata["panels"]).split():
        _, top, left, bottom, right = map(int, entry.split(","))
        assert abs(bottom - top - 160) <= 3 and abs(right - left - 160) <= 3
    (flag,) = file_signals(whole, MeasurementSettings())
    assert (flag.moves, flag.by) == ("sizes", 1.0) and "different scales" in flag.text


@pytest.mark.parametrize("seed", range(4))
def test_panels_of_nearly_one_grey_that_touch_are_a_figure(tmp_path: Path, seed: int) -> None:
    """Their edge is fainter than the noise of single pixels."""
    beside(0, 0, seed, (60, 66, 72, 65)).save(tmp_path / "figure.png")
    assert "panels" in read(tmp_path / "figure.png").metadata


@pytest.mark.parametrize("kind", ["bar", "line", "layer", "dark"])
def test_what_crosses_a_micrograph_is_no_gutter(tmp_path: Path, kind: str) -> None:
    """A black data bar, a lost scan line, a layer that bends, and a dark field whose ground is black."""
    pixels = np.random.default_rng(7).normal(110, 12, (420, 400))
    if kind == "bar":
        pixels[300:] = 0
        pixels[340:380, 30:300] = np.where(np.arange(270) % 9 < 3, 255, 0)
    if kind == "line":
        pixels[200] = 0
    if kind == "layer":
        y, x = np.mgrid[:420, :400]
        pixels[np.abs(y - 210 - 4 * np.sin(x / 40)) < 5] = 220
    if kind == "dark":
        pixels = np.zeros((420, 400))
        for row, column in np.random.default_rng(8).uniform(20, 380, (9, 2)).astype(int):
            pixels[row : row + 14, column : column + 14] = 200
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(tmp_path / "a.png")
    assert "panels" not in read(tmp_path / "a.png").metadata


def test_a_micrograph_with_a_white_edge_or_bar_is_no_figure(tmp_path: Path) -> None:
    grey = np.random.default_rng(2).integers(40, 200, (400, 400)).astype(np.uint8)
    grey[330:], grey[345:385, 40:200] = 255, 0
    Image.fromarray(np.pad(grey, 20, constant_values=255)).save(tmp_path / "a.png")
    assert not {"pages", "panels"} & read(tmp_path / "a.png").metadata.keys()


@pytest.mark.parametrize(("build", "size"), STACKS.values(), ids=STACKS)
def test_each_page_with_the_scale_of_its_stack(tmp_path: Path, build: Callable[[], bytes], size: float) -> None:
    content = build()
    for page in (1, 2, 3):
        micrograph = opened(tmp_path, content, page=page)
        assert np.array_equal(micrograph.pixels, THREE[page - 1])
        assert micrograph.calibration.nm_per_pixel == pytest.approx(size)
        assert (micrograph.metadata["page"], micrograph.metadata["pages"]) == (page, 3)
        assert not any("is used" in note for note in micrograph.notes)
    assert opened(tmp_path, content).metadata["pages"] == 3
    with pytest.raises(UnreadableImage, match=r"3 pages, so there is no page 4: choose one from 1 to 3\.$"):
        opened(tmp_path, content, page=4)


@pytest.mark.parametrize("build", [lambda: tiff(image()), lambda: mrc(image().astype(np.int16)), lambda: dm(image())])
def test_a_file_with_one_page(tmp_path: Path, build: Callable[[], bytes]) -> None:
    assert "pages" not in opened(tmp_path, build(), page=1).metadata
    with pytest.raises(UnreadableImage, match="one page, so there is no page 2"):
        opened(tmp_path, build(), page=2)


def test_pages_of_several_sizes_and_a_thumbnail(tmp_path: Path) -> None:
    path = tmp_path / "mixed.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(image(), resolution=(2, 2), description="ImageJ=1.5\nunit=nm\n", metadata=None)
        file.write(image(30, 40), metadata=None)
        file.write(image(24, 32), metadata=None, subfiletype=1)
    second = read(path, page=2)
    assert second.shape == (30, 40) and not second.calibration.is_known  # of another size: of another scale, perhaps
    with pytest.raises(UnreadableImage, match="small copy"):
        read(path, page=3)


@pytest.mark.parametrize("build", [sections, imagej])
def test_a_page_as_a_file_of_its_own(tmp_path: Path, build: Callable[[], bytes]) -> None:
    """What was known of the page is known of the file, and the stack is named; equal pages are equal files."""
    page, file = opened(tmp_path, build(), page=2), tmp_path / page_name("stack.mrc", 2)
    write_page(page, file)
    alone = read(file)
    assert alone.name == "stack page 2.tif"
    assert np.array_equal(alone.pixels, page.pixels) and alone.pixels.dtype == page.pixels.dtype
    assert (alone.calibration, alone.notes) == (page.calibration, page.notes)
    stack = {"stack": f"stack, page 2 of 3, {page.metadata['kind']}", "stack_sha256": page.sha256}
    entries = {name: value for name, value in page.metadata.items() if name not in ("page", "pages")}
    assert alone.metadata == {**entries, **stack, "kind": alone.metadata["kind"]}
    assert read(file, page=1).metadata == alone.metadata  # a page is no stack
    before = file.read_bytes()
    write_page(page, file)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        {"calibration": {}, "metadata": {}, "notes": []},
        {"calibration": None, "metadata": None, "notes": None},
        {"calibration": {"nm_per_pixel": -1, "detail": 3, "relative_uncertainty": "x"}, "metadata": [], "notes": 1},
        {"calibration": {"nm_per_pixel": 10**400}, "metadata": {"image_rows": "many", "kind": "x"}, "notes": []},
        {
            "calibration": {"nm_per_pixel": float("nan"), "detail": "", "relative_uncertainty": None, "source": "none"},
            "metadata": {"image_rows": float("inf"), "kind": "x", "pages": "abc", "n": float("nan"), "list": [1]},
            "notes": [],
        },
    ],
)
def test_an_untrue_description_loses_no_image(tmp_path: Path, content: dict[str, Any]) -> None:
    text = BEGINNING + ", " + json.dumps(content)[1:]
    micrograph = opened(tmp_path, tiff(image(), description=text))
    assert not micrograph.calibration.is_known and micrograph.metadata == {"kind": "TIFF, 8 bit"}


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("3", [3]), ("2-4", [2, 3, 4]), (" 4, 1 - 2,4", [4, 1, 2]), ("all", [1, 2, 3, 4, 5]), ("5, ALL", [5, 1, 2, 3, 4])],
)
def test_pages_that_are_asked_for(text: str, numbers: list[int]) -> None:
    assert pages_of(text, 5) == numbers


@pytest.mark.parametrize("text", ["0", "x", "1,,2", "", "4-2", "-3", "1-", "1.5", "99999", "1," * 60 + "1", "٣"])
def test_what_is_no_page(text: str) -> None:
    with pytest.raises(WrongPages) as wrong:
        pages_of(text, 5)
    assert str(wrong.value) == WRONG


@pytest.mark.parametrize("pages", [300, 2**31 - 1])
def test_too_many_pages(pages: int) -> None:
    with pytest.raises(WrongPages) as wrong:
        pages_of("all", pages, limit=200)
    assert str(wrong.value) == TOO_MANY.format(count=pages, most=200)


def test_a_long_name_keeps_its_page() -> None:
    assert page_name("a" * 200 + ".mrc", 12).endswith(" page 12.tif") and len(page_name("a" * 200, 12)) <= 120
