"""Reads the tag of Fibics NPVE, as on Zeiss Orion (51023): XML with the field of view, in µm if it has no unit."""

from __future__ import annotations

from xml.etree import ElementTree

from .facts import Facts, Tags, metadata_of, pixel_count, scaled, text_of, tilt_facts, xml_of
from .units import nanometres, number, written_rounding

TAG = 51023


def read(tags: Tags) -> Facts | None:
    """The facts in Fibics' tag; None without it."""
    root = xml_of(text_of(tags.raw(TAG) or b""))
    if root is None:
        return None
    field, beam = root.find(".//Scan/FOV_X"), root.findtext(".//Image/Beam", "")
    columns, rows = (pixel_count(number(root.findtext(f".//Image/{side}"))) for side in ("Width", "Height"))
    voltage = next((item.text for item in root.iter("item") if item.get("name") == "AccV"), None)
    return Facts(
        nm_per_pixel=_pixel(field, columns),
        detail=f"Fibics tag {TAG}, field of view",
        relative_uncertainty=written_rounding(field.text) if field is not None else None,
        height_nm=_pixel(root.find(".//Scan/FOV_Y"), rows),
        columns=columns,
        rows=rows,
        metadata=metadata_of(
            instrument=beam,
            detector=root.findtext(".//Image/Detector"),
            voltage_kv=scaled(number(voltage), 1e-3),
            date=root.findtext(".//Application/Date"),
            # The stage's angle to the beam of a second column is not known.
            **({} if "FIB" in beam.upper() else _tilt(root)),
        ),
    )


def _pixel(field: ElementTree.Element | None, pixels: int | None) -> float | None:
    """The size in nm of a pixel of a field of view that has `pixels` along this side."""
    value = None if field is None else number(field.text)
    factor = None if field is None else nanometres(field.get("units", "um"))
    return value * factor / pixels if value and factor and pixels else None


def _tilt(root: ElementTree.Element) -> dict[str, str | float | None]:
    """The metadata of `tilt_facts`; angles are in degrees, and the header does not say whether a tilt was corrected."""
    return tilt_facts(number(root.findtext(".//Stage/Tilt")), rotation=number(root.findtext(".//Scan/ScanRot")))
