"""OME-TIFF: XML in the description (tag 270)."""

from __future__ import annotations

from .facts import Facts, Tags, kept, text_of, whole, xml_of
from .units import nanometres, number, rounding

DESCRIPTION = 270


def read(tags: Tags) -> Facts | None:
    """What the OME-XML says of its first image, None where there is none; lengths without a unit are in µm."""
    text = text_of(tags.raw(DESCRIPTION) or b"")
    if "<OME" not in text[:2000]:
        return None
    root = xml_of(text)
    pixels = None if root is None else root.find("{*}Image/{*}Pixels")
    if root is None or pixels is None:
        return None
    width, height = (_length(pixels.get(f"PhysicalSize{a}"), pixels.get(f"PhysicalSize{a}Unit")) for a in "XY")
    microscope = root.find("{*}Instrument/{*}Microscope")
    maker = "" if microscope is None else f"{microscope.get('Manufacturer', '')} {microscope.get('Model', '')}"
    return Facts(
        nm_per_pixel=width,
        detail="OME-XML, PhysicalSizeX",
        relative_uncertainty=rounding(pixels.get("PhysicalSizeX")),
        height_nm=height,
        columns=whole(number(pixels.get("SizeX"))),
        stored_rows=whole(number(pixels.get("SizeY"))),
        metadata=kept(instrument=maker, date=root.findtext("{*}Image/{*}AcquisitionDate")),
    )


def _length(value: str | None, unit: str | None) -> float | None:
    size, factor = number(value), nanometres(unit or "um")
    return size * factor if size and factor else None
