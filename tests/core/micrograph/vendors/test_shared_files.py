"""Real vendors' files: those in files/, which cut_down.py made, and TiO2 images where the shared data is at hand, since
their licence forbids changed copies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import UnreadableImage

SHARED = Path(os.environ.get("DEEPSEGM_SHARED") or Path(__file__).resolve().parents[5] / "shared") / "data"
VENDORS = Path(__file__).parent / "files"
TIO2 = SHARED / "evaluation-only" / "tio2-sem" / "images"

SIZES = {
    "orion-fibics_dataZeroed.tif": (1.220703125, "Fibics"),
    "orion-zeiss_dataZeroed.tif": (0.9765625, "Zeiss"),
    "quanta-fei_2_dataZeroed.tif": (3.33333, "FEI"),
    "quanta_image.tif": (441.942, "FEI"),
    "scios_multigis_metadata_sections.tif": (3.3724, "FEI"),
    "scios_with_xml_metadata.tif": (26.9792, "FEI"),
    "tescan-pfib_dataZeroed.tif": (1.5625, "TESCAN"),
    "titan_tem_bf_image_dataZeroed.tif": (3.6305, "FEI"),
}


@pytest.mark.parametrize("name", SIZES)
def test_vendor_files(name: str) -> None:
    micrograph = read(VENDORS / name)
    size, vendor = SIZES[name]
    assert micrograph.calibration.nm_per_pixel == pytest.approx(size, rel=1e-4)
    assert micrograph.calibration.detail.startswith(vendor)
    assert "instrument" in micrograph.metadata


def test_vendor_files_that_cannot_be_used() -> None:
    for name in ("quanta_bad_metadata.tif", "quanta_just_modded_mdata.tif", "quanta_no_beam_scan_or_system_meta.tif"):
        with pytest.raises(UnreadableImage):
            read(VENDORS / name)
    assert read(VENDORS / "quanta_image_32bit.tif").calibration.nm_per_pixel is None


@pytest.mark.skipif(not TIO2.is_dir(), reason="the licence of the TiO2 images forbids changed copies")
def test_zeiss_files() -> None:
    for path in sorted(TIO2.glob("*.tif")):
        micrograph = read(path)
        assert micrograph.calibration.width_nm(1024) == pytest.approx(7520)
        assert micrograph.metadata["detector"] == "InLens"
        assert micrograph.pixels.max() == 254
        assert micrograph.notes == ()
