"""Images that are no longer what their header describes, uncertainties by source, and calibrations that disagree."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from segmentation.core.micrograph.calibration.crosscheck import crosscheck, largest_contradiction
from segmentation.core.micrograph.types import Calibration, Micrograph, Scale
from segmentation.core.micrograph.vendors.units import number, quantity_nm, rounding, written_rounding
from tests.core.micrograph.instrument_files import written
from tests.core.micrograph.vendors.test_headers import fei, zeiss
from tests.hostile import image, picture, tiff

SQRT3 = math.sqrt(3)


def headed(folder: Path, rows: int, columns: int, header: bytes, code: int = 34682) -> Micrograph:
    return written(folder, tiff(image(rows, columns), extratags=[(code, 2, len(header) + 1, header + b"\0", True)]))


@pytest.mark.parametrize(("rows", "columns"), [(100, 100), (192, 200), (20, 255), (96, 128), (384, 512), (192, 300)])
def test_cropped_or_resized_is_not_calibrated(tmp_path: Path, rows: int, columns: int) -> None:
    """Also of the same shape: a crop may have it, too."""
    micrograph = headed(tmp_path, rows, columns, fei("10e-9", columns=256, rows=192))
    assert micrograph.calibration.nm_per_pixel is None
    sizes = f"10 nm wide if the image was only cropped and {2560 / columns:.4g} nm wide if it was resized"
    assert sizes in micrograph.notes[0] and "image_rows" not in micrograph.metadata


def test_a_cut_off_data_bar_changes_nothing(tmp_path: Path) -> None:
    header = zeiss(AP_IMAGE_PIXEL_SIZE="Image Pixel Size = 10.00 nm", DP_IMAGE_STORE="Store resolution = 64 * 60")
    micrograph = headed(tmp_path, 48, 64, header, 34118)
    assert micrograph.calibration.nm_per_pixel == pytest.approx(10)
    assert micrograph.notes == ()


def test_zeiss_images_of_another_size(tmp_path: Path) -> None:
    header = zeiss(
        AP_IMAGE_PIXEL_SIZE="Image Pixel Size = 10.00 nm",
        AP_WIDTH="Width = 1.280 um",
        DP_IMAGE_STORE="Store resolution = 128 * 96",
    )
    for rows, columns in ((48, 64), (60, 64), (44, 64), (192, 128)):
        assert headed(tmp_path, rows, columns, header, 34118).calibration.nm_per_pixel is None


def test_print_resolution_never_calibrates(tmp_path: Path) -> None:
    for dots in (72, 96, 300, 25_400_000):
        for content in (
            tiff(image(), resolution=(dots, dots), resolutionunit=2),
            tiff(image(), resolution=(dots, dots), resolutionunit=3),
            tiff(image(), resolution=(dots, dots), resolutionunit=1),
            picture(image(), "PNG", dpi=(dots, dots)),
            picture(image(), "BMP", dpi=(dots, dots)),
        ):
            assert written(tmp_path, content).calibration == Calibration.absent()


@pytest.mark.parametrize(
    ("text", "relative"),
    [("7.344 nm", 0.0005 / 7.344 / SQRT3), ("7,344 nm", 0.0005 / 7.344 / SQRT3), ("24.80", 0.005 / 24.8 / SQRT3),
     ("107", 0.5 / 107 / SQRT3), (".52 µm", 0.005 / 0.52 / SQRT3), ("3.37240e-009", 0.000005 / 3.3724 / SQRT3),
     ("0.0000000015625", 0.5 / 15625 / SQRT3), ("0", None), ("0.00", None), ("", None), ("nm", None), (None, None)],
)  # fmt: skip
def test_rounding_of_the_last_digit(text: str | None, relative: float | None) -> None:
    assert rounding(text) == (None if relative is None else pytest.approx(relative))


def test_programs_leave_zeros_out() -> None:
    assert written_rounding("5e-009") == pytest.approx(0.5e-5 / 5 / SQRT3)
    assert written_rounding("2.5") == pytest.approx(0.5e-5 / 2.5 / SQRT3)
    assert written_rounding("3.37240123e-9") == rounding("3.37240123e-9")
    assert written_rounding("0") is None and written_rounding("x") is None


def test_uncertainty_by_source(tmp_path: Path) -> None:
    calibration = headed(tmp_path, 48, 64, zeiss(AP_IMAGE_PIXEL_SIZE="Image Pixel Size = 12.33 nm"), 34118).calibration
    assert calibration.relative_uncertainty == pytest.approx(0.005 / 12.33 / SQRT3)
    exact = zeiss("7.34375E-009", AP_IMAGE_PIXEL_SIZE="Image Pixel Size = 7.344 nm")
    calibration = headed(tmp_path, 48, 64, exact, 34118).calibration
    assert calibration.relative_uncertainty == pytest.approx(0.000005 / 7.34375 / SQRT3)
    assert Calibration.of_width(7520, 1024, typed="7.52 µm").relative_uncertainty == pytest.approx(0.005 / 7.52 / SQRT3)
    assert Calibration.of_width(7520, 1024).relative_uncertainty == pytest.approx(0.5 / 7520 / SQRT3)
    assert Calibration.absent().relative_uncertainty is None


@pytest.mark.parametrize(
    ("nm", "typed", "relative"),
    [(5.5, "5.5", 0.05 / 5.5), (5.5, "5.50 nm/px", 0.005 / 5.5), (5.5, "", 0.05 / 5.5), (0.5, ",5", 0.05 / 0.5),
     (7.34375, "", 0.000005 / 7.34375), (1e-5, "", 0.5)],
)  # fmt: skip
def test_a_typed_pixel_size(nm: float, typed: str, relative: float) -> None:
    calibration = Calibration.of_pixel(nm, typed=typed)
    assert (calibration.nm_per_pixel, calibration.source, calibration.detail) == (nm, "typed", f"{nm:g} nm per pixel")
    assert calibration.relative_uncertainty == pytest.approx(relative / SQRT3)


def test_a_drawn_line() -> None:
    calibration = Calibration.of_line(200, 40)
    assert calibration.source == "drawn"
    assert calibration.nm_per_pixel == pytest.approx(5)
    assert calibration.relative_uncertainty == pytest.approx(math.sqrt(2) / 40)
    assert Calibration.of_line(200, 400).relative_uncertainty == pytest.approx(math.sqrt(2) / 400)
    assert Calibration.of_line(200, 0.5).relative_uncertainty == 1.0
    for length, pixels in ((0, 40), (200, 0), (-1, 40), (float("nan"), 40), (200, float("inf"))):
        with pytest.raises(ValueError, match="more than 0"):
            Calibration.of_line(length, pixels)


@pytest.mark.parametrize(
    ("text", "nm"),
    [("1.5 µm", 1500), ("1.5 μm", 1500), ("1,5 um", 1500), ("2e-3 mm", 2000), ("7 pm", 0.007), ("5 m", 5e9),
     ("1,024.5 nm", None), ("1.2.3 nm", None), ("nm", None), ("5", None), ("5 px", None), ("5 nm2", None)],
)  # fmt: skip
def test_quantities(text: str, nm: float | None) -> None:
    assert quantity_nm(text) == (None if nm is None else pytest.approx(nm))


@pytest.mark.parametrize(
    ("text", "value"), [("1,5", 1.5), ("1.5", 1.5), ("1,024.5", None), ("nan", None), ("inf", None)]
)
def test_numbers(text: str, value: float | None) -> None:
    assert number(text) == value


def known(**sizes: float | None) -> dict[str, Calibration]:
    return {name.replace("_", " "): Calibration(size, "typed" if size else "none") for name, size in sizes.items()}


def test_calibrations_that_agree_say_nothing() -> None:
    assert crosscheck({}) == []
    assert crosscheck(known(metadata=10.0)) == []
    assert crosscheck(known(metadata=10.0, data_bar=10.19, typed_width=10.0)) == []
    assert crosscheck(known(metadata=10.0, data_bar=None)) == []


def test_calibrations_that_differ_are_both_named() -> None:
    (sentence,) = crosscheck(known(metadata=10.0, data_bar=10.21))
    assert re.search(r"metadata gives 10 nm\b.* data bar 10\.21 nm\b.* 2\.1 % apart", sentence)
    assert crosscheck(known(data_bar=10.21, metadata=10.0))[0].startswith("The data bar")
    assert "factor of 1,000 apart" in crosscheck(known(metadata=1.0, typed_width=1000.0))[0]
    assert len(crosscheck(known(metadata=1.0, data_bar=2.0, typed_width=3.0))) == 3
    assert len(crosscheck(known(metadata=1.0, data_bar=1.0, typed_width=3.0))) == 2


def test_a_difference_within_the_uncertainties_is_said_to_be() -> None:
    bar = {"metadata": Calibration(10.0, "metadata"), "data bar": Calibration(10.3, "data bar", "", 0.02)}
    assert crosscheck(bar)[0].endswith("uncertainties allow.")


def test_a_scale_that_is_surely_wrong_is_told_from_one_that_is_off():
    used, near, off, far = (Calibration(nm, "typed") for nm in (10.0, 10.9, 11.2, 0.01))
    assert largest_contradiction(used) == largest_contradiction(used, near) == 0
    assert largest_contradiction(used, near, off) == pytest.approx(1.12)
    assert largest_contradiction(used, near, far) == pytest.approx(1000)


def test_a_scale_that_a_person_has_kept_against_the_bar_is_not_doubted_again():
    typed, bar = Calibration.of_width(900, 600), Calibration(5.0, "read")
    scale = Scale(bar=bar, stated=typed, is_bar_sure=True)
    assert largest_contradiction(typed, bar) > 3 and scale.disagreements()
    kept = typed.kept
    assert (kept.is_kept, kept.kept, kept.nm_per_pixel) == (True, kept, typed.nm_per_pixel) and not typed.is_kept
    assert largest_contradiction(kept, bar) == 0
    assert scale.with_stated(kept).disagreements() == []
