"""Pages of stacks: which ones a text asks for, each format's, and a page as a file of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from segmentation.core.micrograph.pages import TOO_MANY, WRONG, WrongPages, page_name, pages_of, write_page
from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import Micrograph, UnreadableImage
from segmentation.core.micrograph.vendors.page import BEGINS
from tests.core.micrograph.instrument_files import berkeley, dm, mrc, velox
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


def opened(folder: Path, content: bytes, **how: Any) -> Micrograph:
    path = folder / "stack.any"
    path.write_bytes(content)
    return read(path, name="stack", **how)


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
    text = BEGINS + ", " + json.dumps(content)[1:]
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
        pages_of("all", pages, most=200)
    assert str(wrong.value) == TOO_MANY.format(count=pages, most=200)


def test_a_long_name_keeps_its_page() -> None:
    assert page_name("a" * 200 + ".mrc", 12).endswith(" page 12.tif") and len(page_name("a" * 200, 12)) <= 120
