"""The tilt of the stage and its correction, as each maker writes them."""

from __future__ import annotations

from math import radians
from pathlib import Path
from typing import Any

import pytest

from segmentation.core.micrograph.types import Micrograph
from segmentation.core.micrograph.vendors.facts import tilt_facts
from tests.core.micrograph.vendors.test_headers import FEI, FEI_XML, TESCAN, ZEISS, with_tags, zeiss
from tests.core.micrograph.vendors.test_side_files import HITACHI, JEOL, beside
from tests.core.micrograph.vendors.test_side_files import TESCAN as TESCAN_HDR


def tilt(micrograph: Micrograph) -> dict[str, Any]:
    names = "tilt_degrees", "tilt_corrected", "scan_rotation_degrees"
    return {name: micrograph.metadata[name] for name in names if name in micrograph.metadata}


def thermo(stage: float, beam: str = "EBeam", **entries: str) -> bytes:
    of_beam = "".join(f"{key}={value}\r\n" for key, value in entries.items())
    return (
        f"[Beam]\r\nHV=2000\r\nBeam={beam}\r\nScan=EScan\r\n[{beam}]\r\n{of_beam}[EScan]\r\nPixelWidth=4e-9\r\n"
        f"PixelHeight=4e-9\r\n[Stage]\r\nStageT={radians(stage):.6f}\r\n"
    ).encode()


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (thermo(52, TiltCorrectionIsOn="no"), {"tilt_degrees": 52.0, "tilt_corrected": "no"}),
        (
            thermo(52, TiltCorrectionIsOn="yes", TiltCorrectionAngle="-0.663242"),
            {"tilt_degrees": 52.0, "tilt_corrected": "yes"},
        ),
        # By an angle of 0 nothing is corrected.
        (
            thermo(52, TiltCorrectionIsOn="yes", TiltCorrectionAngle="0"),
            {"tilt_degrees": 52.0, "tilt_corrected": "no"},
        ),
        # The ion beam comes from 52 degrees.
        (thermo(52, "IBeam", TiltCorrectionIsOn="no"), {"tilt_degrees": 0.0, "tilt_corrected": "no"}),
        (thermo(-10, ScanRotation="1.570796"), {"tilt_degrees": 10.0, "scan_rotation_degrees": 90.0}),
    ],
)
def test_thermo(tmp_path: Path, header: bytes, told: dict[str, Any]) -> None:
    assert tilt(with_tags(tmp_path, {FEI: header})) == told


XML = """<?xml version="1.0"?><Metadata><Acquisition><BeamType>{beam}</BeamType></Acquisition><Optics>
<AccelerationVoltage>{volts}</AccelerationVoltage><SampleTiltCorrectionOn>false</SampleTiltCorrectionOn></Optics>
<StageSettings><StagePosition><Tilt><Alpha>0.785398</Alpha><Beta>0</Beta></Tilt></StagePosition></StageSettings>
<BinaryResult><PixelSize><X unit="nm">2</X><Y unit="nm">2</Y></PixelSize></BinaryResult></Metadata>"""


def test_thermo_xml(tmp_path: Path) -> None:
    text = XML.format(beam="Electron", volts=5000)
    told = {"tilt_degrees": 45.0, "tilt_corrected": "no"}
    assert tilt(with_tags(tmp_path, {FEI_XML: text.encode()})) == told
    assert tilt(with_tags(tmp_path, {FEI: b"[User]\r\nDate=1\r\n", FEI_XML: text.encode()})) == told
    assert tilt(with_tags(tmp_path, {FEI_XML: XML.format(beam="Ion", volts=5000).encode()}))["tilt_degrees"] == 7.0
    # The foil of a transmission microscope is tilted to see its crystals.
    assert tilt(with_tags(tmp_path, {FEI_XML: XML.format(beam="Electron", volts=200_000).encode()})) == {}


def item(name: str, inner: str, unit: str = "") -> str:
    """An item of a memento; inner: its value, or the items in it."""
    if not inner.startswith("<item>"):
        inner = f"<anyType>{inner}</anyType>"
    else:
        inner = f"<MementoItemSection>{inner}</MementoItemSection>"
    unit = f"<MementoItemUnit>MementoItemUnit{unit}</MementoItemUnit>" if unit else ""
    value = f"<MementoItem><Name>{name}</Name>{unit}{inner}</MementoItem>"
    return value if name == "Root" else f"<item><key><string>{name}</string></key><value>{value}</value></item>"


def memento(*items: str) -> bytes:
    return ('<?xml version="1.0"?>' + item("Root", "".join(items))).encode()


def beam(name: str, width: str, height: str, *further: str) -> str:
    size = item("PixelSize", item("Width", width, "Meter") + item("Height", height, "Meter"))
    return item(name, size + "".join(further))


def test_a_memento_has_scale_and_tilt(tmp_path: Path) -> None:
    """Drawn after the names that a public program asks the microscope for; no real file was seen."""
    stage = item("stage", item("Position", item("Tilt", "0.907571")))
    electron = beam("EBeam", "3.0E-09", "3.0E-09", item("TiltCorrection", "False"), item("HighVoltage", "2000"))
    ion = beam("IBeam", "7E-09", "7E-09", item("TiltCorrection", "True"))
    micrograph = with_tags(tmp_path, {FEI_XML: memento(ion, electron, stage)})
    assert micrograph.calibration.nm_per_pixel == pytest.approx(3)
    assert tilt(micrograph) == {"tilt_degrees": 52.0, "tilt_corrected": "no"} and micrograph.metadata["voltage_kv"] == 2
    active = item("View", item("ActiveBeam", "Ion"))
    micrograph = with_tags(tmp_path, {FEI_XML: memento(electron, ion, stage, active)})
    assert micrograph.calibration.nm_per_pixel == pytest.approx(7) and micrograph.metadata["tilt_degrees"] == 0


@pytest.mark.parametrize(
    ("items", "nm"),
    [
        ([item("PixelSize", item("Width", "2.5", "Nanometer"))], 2.5),
        ([item("PixelSize", item("Width", "2.5E-09"))], 2.5),
        ([item("PixelSize", item("Width", "2.5", "Furlong"))], None),
        ([item("PixelSize", item("Width", "wide", "Meter"))], None),
        ([item("Name", "1")], None),
        ([], None),
    ],
)
def test_units_of_a_memento(tmp_path: Path, items: list[str], nm: float | None) -> None:
    size = with_tags(tmp_path, {FEI_XML: memento(*items)}).calibration.nm_per_pixel
    assert size == (None if nm is None else pytest.approx(nm))


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({"AP_STAGE_AT_T": "Stage at T =  54.0 °", "DP_TILT_CORRN": "Tilt Corrn. = Off"}, (54.0, "no")),
        ({"AP_STAGE_AT_T": "Stage at T = -54.0 °", "DP_TILT_CORRECTION": "Tilt Corrn. = Off"}, (54.0, "no")),
        (
            {
                "AP_STAGE_AT_T": "Stage at T =  54.0 °",
                "DP_TILT_CORRN": "Tilt Corrn. = On",
                "AP_TILT_ANGLE": "Tilt Angle =  54.0 °",
            },
            (54.0, "yes"),
        ),
        ({"AP_TILT_ANGLE": "Tilt Angle =  20.0 °", "DP_TILT_CORRN": "Tilt Corrn. = Off"}, (20.0, "no")),
        ({"AP_STAGE_AT_T": "Stage at T =   0.0 °"}, (0.0, None)),
        ({"AP_STAGE_AT_T": "Stage at T =  154.0 °"}, (None, None)),
    ],
)
def test_zeiss(tmp_path: Path, entries: dict[str, str], told: tuple[float | None, str | None]) -> None:
    header = zeiss(AP_IMAGE_PIXEL_SIZE="Image Pixel Size = 4.000 nm", **entries)
    metadata = with_tags(tmp_path, {ZEISS: header}).metadata
    assert (metadata.get("tilt_degrees"), metadata.get("tilt_corrected")) == told


@pytest.mark.parametrize("state", ["Off", "On"])
def test_a_rotation_that_zeiss_does_not_apply(tmp_path: Path, state: str) -> None:
    header = zeiss(
        AP_STAGE_AT_T="Stage at T =  54.0 °",
        AP_SCANROTATION="Scan Rotation =  90.0 °",
        DP_SCAN_ROT=f"Scan Rot = {state}",
    )
    turned = with_tags(tmp_path, {ZEISS: header}).metadata.get("scan_rotation_degrees")
    assert turned == (90.0 if state == "On" else None)


@pytest.mark.parametrize(("correction", "corrected"), [("0.0", "no"), ("35.0", "yes"), ("yes", "yes"), ("1", "yes")])
def test_tescan(tmp_path: Path, correction: str, corrected: str) -> None:
    text = TESCAN_HDR.format("4e-9") + f"StageTilt=35.0\r\nTiltCorrection={correction}\r\nScanRotation=180.0\r\n"
    told = {"tilt_degrees": 35.0, "tilt_corrected": corrected, "scan_rotation_degrees": 180.0}
    assert tilt(beside(tmp_path, "a.hdr", text)) == told
    block = b"\0\x01AccFrames=1\r\n" + text.encode()
    assert tilt(with_tags(tmp_path, {TESCAN: block})) == told
    assert tilt(beside(tmp_path, "a.hdr", text.replace("[SEM]", "[FIB]"))) == {}


@pytest.mark.parametrize(
    ("entry", "degrees"),
    [
        ("$CM_STAGE_POS 2.044 0.704 10.2 11.0 30.0 0", 30.0),
        ("$CM_STAGE_POSITION X=37.1761, Y=44.9344, R=12.0, Z=10.1, T=-30.0", 30.0),
        ("$CM_STAGE_POS 2.044 0.704 10.2", None),
    ],
)
def test_jeol(tmp_path: Path, entry: str, degrees: float | None) -> None:
    assert tilt(beside(tmp_path, "a.txt", JEOL + entry + "\r\n")).get("tilt_degrees") == degrees


def test_hitachi(tmp_path: Path) -> None:
    text = HITACHI + "StagePositionR=20.0\r\nStagePositionT=45.0\r\n"
    assert tilt(beside(tmp_path, "a.txt", text)) == {"tilt_degrees": 45.0}


def test_nothing_is_told_without_a_stage_or_of_an_impossible_one() -> None:
    assert tilt_facts(None, corrected=True) == {} and tilt_facts(120.0) == {}
