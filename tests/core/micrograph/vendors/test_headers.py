"""Pixel sizes and instrument facts from every vendor's header, and none where a header is wrong."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from tifffile import TiffWriter

from segmentation.core.micrograph.reader import read
from segmentation.core.micrograph.types import Calibration, Micrograph
from segmentation.core.micrograph.vendors.facts import rational_rounding
from tests.core.micrograph.instrument_files import written as read_file
from tests.hostile import image, raw_tiff, tiff

ZEISS, FEI, FEI_SFEG, FEI_XML, TESCAN, FIBICS = 34118, 34682, 34680, 34683, 50431, 51023


def with_tags(folder: Path, tags: dict[int, bytes], **options: Any) -> Micrograph:
    """A 64 x 48 TIFF with these ASCII tags, read."""
    extra = [(code, 2, len(value) + 1, value + b"\0", True) for code, value in tags.items()]
    return written(folder, extratags=extra, **options)


def written(folder: Path, **options: Any) -> Micrograph:
    """A 64 x 48 TIFF written with these options, and read."""
    return read_file(folder, tiff(image(), **options), "a.ome.tif" if "ome" in options else "a.tif")


def zeiss(first: str = "0", **entries: str) -> bytes:
    """A SmartSEM header; values with their names as the microscope writes them."""
    lines = ["0", "0", "0", first, "50000", "6"]
    for key, line in entries.items():
        lines += [key, line]
    return "\r\n".join(lines).encode("cp1252")


FULL = {
    "DP_DETECTOR_CHANNEL": "Signal A = InLens",
    "AP_MAG": "Mag =   50.00 K X",
    "AP_WD": "WD =  2.8 mm",
    "AP_ACTUALKV": "EHT = 20.00 kV",
    "AP_DATE": "Date :18 Jul 2019",
    "AP_TIME": "Time :10:09:27",
    "SV_SERIAL_NUMBER": "Serial No. = SUPRA 40-25-44",
}


def test_zeiss_prefers_the_image_pixel_size(tmp_path: Path) -> None:
    header = zeiss(
        AP_PIXEL_SIZE="Pixel Size = 24.65 nm",
        AP_IMAGE_PIXEL_SIZE="Image Pixel Size = 12.33 nm",
        AP_WIDTH="Width = 789.1 nm",
        **FULL,
    )
    micrograph = with_tags(tmp_path, {ZEISS: header})
    assert micrograph.calibration.nm_per_pixel == pytest.approx(12.33)
    assert micrograph.calibration.source == "metadata"
    assert micrograph.calibration.detail == "Zeiss tag 34118, Image Pixel Size"
    assert micrograph.notes == ()
    facts = dict(micrograph.metadata)
    facts.pop("kind")
    assert facts == {
        "instrument": "Zeiss SUPRA 40-25-44",
        "detector": "InLens",
        "voltage_kv": 20.0,
        "working_distance_mm": 2.8,
        "magnification": 50000.0,
        "date": "18 Jul 2019 10:09:27",
    }


@pytest.mark.parametrize(
    ("written", "nm"),
    [("7.344 nm", 7.344), ("734.4 pm", 0.7344), ("1.25 µm", 1250), ("1.25 um", 1250), ("0.002 mm", 2000),
     ("900 fm", 9e-4)],
)  # fmt: skip
def test_zeiss_units(tmp_path: Path, written: str, nm: float) -> None:
    micrograph = with_tags(tmp_path, {ZEISS: zeiss(AP_PIXEL_SIZE=f"Pixel Size = {written}")})
    assert micrograph.calibration.nm_per_pixel == pytest.approx(nm)
    assert micrograph.calibration.detail.endswith(", Pixel Size")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8", "mac-roman", "cp437"])
def test_zeiss_micro_sign_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    header = "0\r\n" * 6 + "AP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 1.5 µm\r\nSV_USER_NAME\r\nUser = Müller\r\n"
    micrograph = with_tags(tmp_path, {ZEISS: header.encode(encoding)})
    assert micrograph.calibration.nm_per_pixel == pytest.approx(1500)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\r\n", "\r\r\r\n", "\r\n\r\n", "\n\n"])
def test_zeiss_with_the_line_ends_of_another_editor(tmp_path: Path, end: str) -> None:
    """Saved again in text mode, CR LF becomes CR CR LF: blank lines between a key and its value are no value."""
    header = zeiss("7.343750e-009", AP_IMAGE_PIXEL_SIZE="Image Pixel Size = 7.344 nm", **FULL)
    micrograph = with_tags(tmp_path, {ZEISS: header.replace(b"\r\n", end.encode())})
    assert micrograph.calibration.nm_per_pixel == pytest.approx(7.34375, rel=1e-9)
    assert micrograph.calibration.detail == "Zeiss tag 34118, Image Pixel Size"
    assert micrograph.metadata["detector"] == "InLens"


def test_zeiss_contradictions_are_said(tmp_path: Path) -> None:
    header = zeiss(AP_IMAGE_PIXEL_SIZE="Image Pixel Size = 10 nm", AP_WIDTH="Width = 1.280 µm")
    micrograph = with_tags(tmp_path, {ZEISS: header})
    assert micrograph.calibration.nm_per_pixel is None
    assert "width of 1280 nm" in micrograph.notes[0]


@pytest.mark.parametrize(("screen", "nm"), [("20.00", 320), ("19.00", None)])
def test_a_zeiss_image_of_other_pixels_than_the_screen_has_its_own(tmp_path: Path, screen: str, nm: float) -> None:
    """1,024 screen pixels are the width: the image of 64 x 48 px shows all of it."""
    entries = {"AP_PIXEL_SIZE": f"Pixel Size = {screen} nm", "AP_WIDTH": "Width = 20.48 µm"}
    micrograph = with_tags(tmp_path, {ZEISS: zeiss("0.2", **entries)})
    assert micrograph.calibration.nm_per_pixel == (nm and pytest.approx(nm))


def test_a_scale_may_stand_in_another_page_of_the_same_size(tmp_path: Path) -> None:
    def size_in(*pages: dict[str, Any]) -> float | None:
        with TiffWriter(tmp_path / "pages.tif") as file:
            for options in pages:
                file.write(**options)
        return read(tmp_path / "pages.tif").calibration.nm_per_pixel

    scaled = {"data": image(), "extratags": GATAN}
    assert size_in({"data": image()}, scaled) == pytest.approx(250)
    assert size_in({"data": image()[:32]}, scaled) is None


def fei(
    width: str = "3.37240e-009", height: str | None = None, columns: int = 64, rows: int = 48, scan: str = "Scan"
) -> bytes:
    return (
        "[User]\r\nDate=12/18/2017\r\nTime=01:04:14 PM\r\nUserText=a=b\r\n\r\n"
        "[System]\r\nType=SEM\r\nSystemType=Quanta FEG\r\n"
        "[Beam]\r\nHV=30000\r\nBeam=EBeam\r\nScan=EScan\r\n[EBeam]\r\nHV=30000\r\nWD=0.011051\r\n"
        f"[{scan}]\r\nPixelWidth={width}\r\nPixelHeight={height or width}\r\n"
        f"[Image]\r\nResolutionX={columns}\r\nResolutionY={rows}\r\n[Detectors]\r\nNumber=1\r\nName=LFD\r\n"
    ).encode("latin-1")


@pytest.mark.parametrize("code", [FEI, FEI_SFEG])
def test_fei_metres(tmp_path: Path, code: int) -> None:
    micrograph = with_tags(tmp_path, {code: fei()})
    assert micrograph.calibration.nm_per_pixel == pytest.approx(3.3724)
    assert micrograph.calibration.detail == f"FEI tag {code}, Scan PixelWidth"
    assert micrograph.notes == ()
    assert micrograph.metadata["instrument"] == "FEI Quanta FEG"
    assert micrograph.metadata["detector"] == "LFD"
    assert micrograph.metadata["voltage_kv"] == 30.0
    assert micrograph.metadata["working_distance_mm"] == pytest.approx(11.051)
    assert micrograph.metadata["date"] == "12/18/2017 01:04:14 PM"


@pytest.mark.parametrize("silent", [b"[User]\r\nUserText=x\r\n", fei("0"), fei("1"), fei(scan="NavCam"), b"<x/>"])
def test_fei_tag_without_a_size_hides_no_other(tmp_path: Path, silent: bytes) -> None:
    micrograph = with_tags(tmp_path, {FEI: silent, FEI_SFEG: fei()})
    assert micrograph.calibration.nm_per_pixel == pytest.approx(3.3724)
    assert micrograph.calibration.detail == "FEI tag 34680, Scan PixelWidth"
    assert micrograph.metadata["detector"] == "LFD"


def test_fei_rows_of_the_image_without_its_bar(tmp_path: Path) -> None:
    assert with_tags(tmp_path, {FEI: fei(rows=44)}).metadata["image_rows"] == 44
    assert "image_rows" not in with_tags(tmp_path, {FEI: fei(rows=48)}).metadata


XML = b"""<?xml version="1.0"?>
<Metadata xmlns:nil="http://schemas.fei.com/Metadata/v1/2013/07">
  <Instrument><InstrumentModel>Apreo</InstrumentModel></Instrument>
  <Optics><AccelerationVoltage>5000</AccelerationVoltage><WorkingDistance>0.007</WorkingDistance></Optics>
  <BinaryResult>
    <ImageSize><X>64</X><Y>48</Y></ImageSize>
    <PixelSize><X unit="m" unitPrefixPower="1">2.7e-08</X><Y unit="m" unitPrefixPower="1">2.7e-08</Y></PixelSize>
  </BinaryResult>
</Metadata>"""


IMAGE_SIZE, SCREEN_SIZE = "Image Pixel Size = {}", "Pixel Size = {}"
DESKTOP = b'<FeiImage><pixelWidth unit="nm">12.5</pixelWidth><pixelHeight unit="nm">12.5</pixelHeight></FeiImage>'
NPVE = (
    b'<?xml version="1.0" encoding="iso-8859-1"?><Fibics version="1.0"><Image><Width>64</Width><Height>48</Height>'
    b'<Beam>Orion</Beam><Aperture>10 \xb5m</Aperture></Image><Scan><FOV_X units="um">2.5</FOV_X></Scan>'
    b'<BeamInfo><item name="AccV">30000</item></BeamInfo></Fibics>'
)
NAVIGATION = b"[System]\r\nSystemType=Scios 2\r\n[Image]\r\nResolutionX=64\r\nResolutionY=48\r\n"
LONE_CR = b"thumbnail\rAccFrames=1\rPixelSizeX=2e-9\rPixelSizeY=2e-9\rDevice=TESCAN MIRA3\r"
XL = b"[DatabarData]\r\nMagnification = 20000\r\nHighTension = 10000\r\n"
HEADERS: dict[str, tuple[dict[int, bytes], float | None, dict[str, object]]] = {
    "zeiss: width only": ({ZEISS: zeiss(AP_WIDTH="Width = 6.400 µm")}, 100, {}),
    "zeiss: a key without a value does not get that of the next but one": (
        {ZEISS: b"\r\n".join([zeiss(), b"AP_WIDTH", b"", b"Width = 6.400 \xb5m"])}, None, {}
    ),
    "zeiss: the first block has more digits": (
        {ZEISS: zeiss("7.343750e-009", AP_IMAGE_PIXEL_SIZE=IMAGE_SIZE.format("7.344 nm"))}, 7.34375, {}
    ),
    "zeiss: another first block": (
        {ZEISS: zeiss("24.65e-9", AP_IMAGE_PIXEL_SIZE=IMAGE_SIZE.format("12.33 nm"))}, 12.33, {}
    ),
    "zeiss: the first block alone": ({ZEISS: zeiss("9.765625E-10")}, 0.9765625, {}),
    "zeiss: of three two agree, and the third may be the screen's": (
        {ZEISS: zeiss("1e-8", AP_PIXEL_SIZE=SCREEN_SIZE.format("20.00 nm"), AP_WIDTH="Width = 640 nm")}, 10, {}
    ),
    "fei: the first tag with a size counts, the other completes it": (
        {FEI: b"[Scan]\r\nPixelWidth=2e-9\r\n", FEI_SFEG: fei()}, 2, {"detector": "LFD"}
    ),
    "fei: the scan of the beam in use": ({FEI: fei(scan="EScan")}, 3.3724, {}),
    "fei: the navigation camera has no scan": ({FEI: NAVIGATION}, None, {"instrument": "FEI Scios 2"}),
    "fei: the data bar of an XL": ({FEI_SFEG: XL}, None, {"magnification": 20000, "voltage_kv": 10}),
    "fei: XML": ({FEI_XML: XML}, 27, {"voltage_kv": 5.0, "instrument": "FEI Apreo"}),
    "fei: XML beside text": ({FEI: b"[System]\r\nSystemType=X\r\n", FEI_XML: XML}, 27, {"instrument": "FEI X"}),
    "fei: XML of desktop microscopes": ({FEI_XML: DESKTOP}, 12.5, {}),
    "tescan: lone CR": ({TESCAN: LONE_CR}, 2, {"instrument": "TESCAN MIRA3"}),
    "fibics": ({FIBICS: NPVE}, 2500 / 64, {"voltage_kv": 30.0}),
    "the first vendor with a size": ({ZEISS: zeiss(AP_PIXEL_SIZE=SCREEN_SIZE.format("0 nm")), FEI: fei()}, 3.3724, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_sizes_and_facts(tmp_path: Path, name: str) -> None:
    tags, nm, facts = HEADERS[name]
    micrograph = with_tags(tmp_path, tags)
    assert micrograph.calibration.nm_per_pixel == (None if nm is None else pytest.approx(nm, rel=1e-9))
    assert facts.items() <= micrograph.metadata.items() and micrograph.notes == ()


def test_fei_transmission(tmp_path: Path) -> None:
    header = b"<Root><Data><Label>High tension</Label><Value>200</Value><Unit>kV</Unit></Data></Root>"
    extra = [
        (FEI, 2, len(header) + 1, header + b"\0", True),
        (65450, 5, 1, (2754452352, 1000), True),
        (65451, 5, 1, (2754452352, 1000), True),
    ]
    micrograph = written(tmp_path, extratags=extra)
    assert micrograph.calibration.nm_per_pixel == pytest.approx(3.6305, rel=1e-4)
    assert micrograph.metadata["voltage_kv"] == 200


def test_tescan(tmp_path: Path) -> None:
    block = (
        b"\xff\xd8thumbnail\x00=\xff" * 20
        + b"\xbd\x01\x00\x00\x02\x00"
        + (
            b"AccFrames=1\nDate=2025-12-03\nDevice=TESCAN AMBER X\nImageStripSize=4\nMagnification=160000.0\n"
            b"PixelSizeX=0.0000000015625\nPixelSizeY=0.0000000015625\nTime=17:19:26\n\x00\x1e\x05\x00\x00\x03\x00"
            b"AcceleratorVoltage=15000.0\nDetector=E-T\nHV=15000.0\nWD=0.005947501\n"
        )
    )
    micrograph = written(tmp_path, extratags=[(TESCAN, 7, len(block), block, True)])
    assert micrograph.calibration.nm_per_pixel == pytest.approx(1.5625)
    assert micrograph.metadata["instrument"] == "TESCAN AMBER X"
    assert micrograph.metadata["voltage_kv"] == 15.0
    assert micrograph.metadata["date"] == "2025-12-03 17:19:26"
    assert micrograph.metadata["image_rows"] == 44


def imagej(folder: Path, unit: str, across: float, down: float | None = None) -> Micrograph:
    description = {"unit": unit} if unit else {}
    return written(folder, imagej=True, resolution=(across, down or across), metadata=description)


@pytest.mark.parametrize(
    ("unit", "across", "nm"),
    [("nm", 0.5, 2), ("micron", 100, 10), ("um", 100, 10), ("\\u00B5m", 100, 10), ("mm", 1e5, 10), ("cm", 1e6, 10),
     ("inch", 2.54e6, 10), ("pm", 0.001, 1), ("A", 0.1, 1), ("\\u00C5", 0.1, 1), ("angstrom", 0.1, 1)],
)  # fmt: skip
def test_imagej_units(tmp_path: Path, unit: str, across: float, nm: float) -> None:
    micrograph = imagej(tmp_path, unit, across)
    assert micrograph.calibration.nm_per_pixel == pytest.approx(nm, rel=1e-4)
    assert micrograph.calibration.detail.startswith("ImageJ")
    assert micrograph.notes == ()


@pytest.mark.parametrize("units", [{"xunit": "nm"}, {"unit": "nm", "yunit": "pixel"}, {"unit": "A", "yunit": ""}])
def test_imagej_with_a_unit_along_x_alone(tmp_path: Path, units: dict[str, str]) -> None:
    micrograph = written(tmp_path, imagej=True, resolution=(2, 1 if "yunit" in units else 2), metadata=units)
    assert micrograph.calibration.nm_per_pixel == pytest.approx(0.05 if "A" in units.values() else 0.5)
    assert micrograph.shape == written(tmp_path, imagej=True).shape  # no pixel was taken as oblong


@pytest.mark.parametrize(
    ("unit", "across"), [("", 3.0), ("pixel", 1.0), ("furlong", 2.0), ("ms", 1000.0), ("nm", 1e-7)]
)
def test_imagej_without_a_usable_unit(tmp_path: Path, unit: str, across: float) -> None:
    assert imagej(tmp_path, unit, across).calibration.nm_per_pixel is None


@pytest.mark.parametrize(
    ("unit", "across"),
    [("inch", 72), ("inch", 300), ("inch", 75), ("inch", 500), ("inch", 4800), ("cm", 300 / 2.54), ("mm", 3.78)],
)
def test_imagej_print_resolution_is_no_calibration(tmp_path: Path, unit: str, across: float) -> None:
    micrograph = imagej(tmp_path, unit, across)
    assert micrograph.calibration.nm_per_pixel is None
    assert "printing" in micrograph.notes[0]


@pytest.mark.parametrize(
    ("unit", "nm"),
    [(None, 250), ("µm", 250), ("μm", 250), ("micron", 250), ("nm", 0.25), ("pm", 2.5e-4), ("mm", 250_000),
     ("Mm", None), ("dm", None), ("Å", 0.025), ("thou", 6350), ("pt", 0.25 * 25.4e6 / 72), ("pixel", None),
     ("reference frame", None)],
)  # fmt: skip
def test_ome(tmp_path: Path, unit: str | None, nm: float | None) -> None:
    metadata = {"axes": "YX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
    if unit:
        metadata |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    nm_per_pixel = written(tmp_path, ome=True, metadata=metadata).calibration.nm_per_pixel
    assert nm_per_pixel == (None if nm is None else pytest.approx(nm))


def test_ome_where_no_size_was_set(tmp_path: Path) -> None:
    micrograph = written(tmp_path, ome=True, metadata={"axes": "YX", "PhysicalSizeX": 1.0, "PhysicalSizeY": 1.0})
    assert micrograph.calibration == Calibration.absent() and "none was set" in micrograph.notes[0]


@pytest.mark.parametrize(("pixel", "nm"), [("10e-9", 10), ("20e-9", None)])
def test_two_headers_in_one_file(tmp_path: Path, pixel: str, nm: float | None) -> None:
    header = fei(pixel)
    tags = [(34682, 2, len(header) + 1, header + b"\0", True)]
    micrograph = written(tmp_path, imagej=True, resolution=(100, 100), metadata={"unit": "um"}, extratags=tags)
    assert micrograph.calibration.nm_per_pixel == (None if nm is None else pytest.approx(nm))
    assert ["contradict" in note for note in micrograph.notes[1:]] == ([] if nm else [True])


@pytest.mark.parametrize(
    ("unit", "size"),
    [("Ym", 1e-32), ("Pm", 1e-23), ("Mm", 1e-14), ("km", 1e-11), ("hm", 1e-10), ("dam", 1e-9), ("m", 1e-8),
     ("dm", 1e-7), ("cm", 1e-6), ("fm", 1e7), ("ym", 1e16), ("Å", 100.0), ("li", 10 / 25.4e6 * 12),
     ("in", 10 / 25.4e6), ("ft", 10 / 304.8e6), ("yd", 10 / 914.4e6), ("mi", 10 / 1.609344e12),
     ("ua", 10 / 1.495978707e20), ("ly", 10 / 9.4607304725808e24), ("pc", 10 / 3.0856775814913673e25)],
)  # fmt: skip
def test_every_length_of_ome(tmp_path: Path, unit: str, size: float) -> None:
    """10 nm in each unit of the schema, where "Mm" and "mm" differ."""
    metadata = {"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeXUnit": unit}
    assert written(tmp_path, ome=True, metadata=metadata).calibration.nm_per_pixel == pytest.approx(10)


@pytest.mark.parametrize("written", ["0 nm", "-5 nm", "nan nm", "1e300 nm", "2 mm", "0.05 fm", "nm", "7.3", "7.3 px"])
def test_impossible_sizes_are_ignored(tmp_path: Path, written: str) -> None:
    header = zeiss(AP_IMAGE_PIXEL_SIZE=f"Image Pixel Size = {written}")
    assert with_tags(tmp_path, {ZEISS: header}).calibration.nm_per_pixel is None


BROKEN = [
    b"", b"\xff\xfe\x00\x81garbage", b"AP_WIDTH\r\nAP_PIXEL_SIZE\r\nAP_PIXEL_SIZE",
    b"[Scan]\r\nPixelWidth=\r\nPixelHeight=abc", b"PixelSizeX=nan\nPixelSizeX=1e999\n", b"9" * 100_000,
    b"<a>" * 50_000,
]  # fmt: skip


@pytest.mark.parametrize("header", BROKEN, ids=range(len(BROKEN)))
@pytest.mark.parametrize("code", [ZEISS, FEI, FEI_SFEG, FEI_XML, TESCAN, FIBICS])
def test_a_broken_header_loses_no_picture(tmp_path: Path, code: int, header: bytes) -> None:
    micrograph = with_tags(tmp_path, {code: header})
    assert micrograph.shape == (48, 64)
    assert micrograph.calibration.nm_per_pixel is None


@pytest.mark.parametrize("description", ["ImageJ=", "ImageJ=1.53\nunit", "<OME>", "<OME", "<OME><Image/></OME>"])
def test_a_broken_description_loses_no_picture(tmp_path: Path, description: str) -> None:
    assert written(tmp_path, description=description).calibration.nm_per_pixel is None


def test_xml_that_defines_entities_is_not_parsed(tmp_path: Path) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + XML.split(b"?>", 1)[1]
    assert with_tags(tmp_path, {FEI_XML: bomb}).calibration.nm_per_pixel is None


def test_a_header_as_bytes_without_offset(tmp_path: Path) -> None:
    """Values of up to four bytes lie in the tag itself; that must not be taken for an offset."""
    value = struct.pack("<3B", 91, 83, 93)
    assert written(tmp_path, extratags=[(FEI, 7, 3, value, True)]).calibration.nm_per_pixel is None


GATAN = [(65003, 2, 4, b"\xb5m\0", True), (65009, 12, 1, 0.25, True), (65010, 12, 1, 0.25, True)]


def test_gatan_exports_have_the_pixel_size_in_the_unit_of_their_axis(tmp_path: Path) -> None:
    assert written(tmp_path, extratags=GATAN).calibration.nm_per_pixel == pytest.approx(250)
    in_reciprocal = [(65003, 2, 5, b"1/nm\0", True), *GATAN[1:]]
    pattern = written(tmp_path, extratags=in_reciprocal)
    assert not pattern.calibration.is_known, "a diffraction pattern has no lengths"


def tvips(nm: float, version: int = 2, magic: int = 0xAAAAAAAA) -> bytes:
    """TemData of EMMENU with this distance of two pixels."""
    second = bytearray(6068)
    struct.pack_into("<2f", second, 2724, nm, nm)
    second[2868 : 2868 + 16] = "CM200FEG".encode("utf-16-le")
    struct.pack_into("<f", second, 3028, 200_000.0)
    struct.pack_into("<I", second, 6064, magic)
    return struct.pack("<i", version) + bytes(240) + bytes(second)


def pointing(header: bytes) -> bytes:
    """A TIFF whose TVIPS tag points to the header, as EMMENU writes it."""
    return raw_tiff({37706: (4, 1, len(raw_tiff({37706: (4, 1, 0)})))}) + header


@pytest.mark.parametrize(("header", "nm"), [(tvips(0.5), 0.5), (tvips(0.5, 1), None), (tvips(0.5, magic=1), None)])
def test_tvips_has_the_pixel_size_in_nanometres(tmp_path: Path, header: bytes, nm: float | None) -> None:
    micrograph = read_file(tmp_path, pointing(header), "em.tif")
    assert micrograph.calibration.nm_per_pixel == (pytest.approx(nm) if nm else None)
    assert micrograph.metadata.get("voltage_kv") == (200 if nm else None)


JEOL_TEM = (
    '<?xml version="1.0"?><TemReporter><Instruments>JEM-2100</Instruments><DrawObject><PixelsPerMeter><Horizontal>4000'
    "</Horizontal><Vertical>4000</Vertical></PixelsPerMeter><InstrumentsParameter><Measurement_UnitType>UnitType_Length"
    "</Measurement_UnitType><SelectorValue>50000</SelectorValue></InstrumentsParameter></DrawObject></TemReporter>"
)


def test_jeol_tem_images_are_scaled_by_detector_and_magnification(tmp_path: Path) -> None:
    for text, nm in ((JEOL_TEM, 5.0), (JEOL_TEM.replace("UnitType_Length", "UnitType_Inverse"), None)):
        micrograph = written(tmp_path, description=text)
        assert micrograph.calibration.nm_per_pixel == (pytest.approx(nm) if nm else None)
        assert micrograph.metadata["instrument"] == "JEOL JEM-2100"


@pytest.mark.parametrize(
    ("over", "under", "rounded"),
    [(136171, 1_000_000, True), (500, 10, True), (1, 10, False), (5, 100, False), (1000, 7, False), (7, 1, False)],
)
def test_a_resolution_was_rounded_where_its_fraction_says_so(over, under, rounded):
    """0.1 px per nm, written as 1/10, is no number of one digit: 10 nm/px is not uncertain by 29 %."""
    doubt = rational_rounding(struct.pack("<II", over, under), True)
    assert (doubt == pytest.approx(0.5 / over / 3**0.5)) if rounded else doubt is None
