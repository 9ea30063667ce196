"""Reads OME-TIFF: XML in the description (tag 270)."""

from __future__ import annotations

from .facts import Facts, Tags, metadata_of, pixel_count, text_of, xml_of
from .units import nanometres, number, written_rounding

DESCRIPTION = 270
_LARGE = zip(("da", *"hkMGTPEZY"), (1, 2, 3, 6, 9, 12, 15, 18, 21, 24), strict=True)
_SMALL = zip("dcmµnpfazy", (-1, -2, -3, -6, -9, -12, -15, -18, -21, -24), strict=True)
_INCH_NM = 2.54e7
# UnitsLength of the schema of 2016-06, where "Mm" and "mm" are two units; "pixel" and "reference frame" are no lengths.
_UNITS = {f"{prefix}m": 10.0 ** (power + 9) for prefix, power in (("", 0), *_LARGE, *_SMALL)} | {
    "Å": 0.1,
    "thou": _INCH_NM / 1000,
    "li": _INCH_NM / 12,
    "in": _INCH_NM,
    "ft": _INCH_NM * 12,
    "yd": _INCH_NM * 36,
    "mi": _INCH_NM * 63360,
    "ua": 1.495978707e20,
    "ly": 9.4607304725808e24,
    "pc": 3.0856775814913673e25,
    "pt": _INCH_NM / 72,
}
UNSET = "The file gives a pixel of 1 without a unit, as programs write where none was set, so it is not used."


def read(tags: Tags) -> Facts | None:
    """The facts of the first image in the OME-XML; None without one. Lengths without a unit are in µm."""
    text = text_of(tags.raw(DESCRIPTION) or b"")
    if "<OME" not in text[:2000]:
        return None
    root = xml_of(text)
    pixels = None if root is None else root.find("{*}Image/{*}Pixels")
    if root is None or pixels is None:
        return None
    sizes = [(pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit")) for axis in "XY"]
    is_unset = all(number(size) == 1.0 and unit is None for size, unit in sizes)
    width, height = (None if is_unset else _length(*size) for size in sizes)
    microscope = root.find("{*}Instrument/{*}Microscope")
    maker = "" if microscope is None else f"{microscope.get('Manufacturer', '')} {microscope.get('Model', '')}"
    return Facts(
        nm_per_pixel=width,
        detail="OME-XML, PhysicalSizeX",
        relative_uncertainty=written_rounding(pixels.get("PhysicalSizeX")),
        height_nm=height,
        columns=pixel_count(number(pixels.get("SizeX"))),
        stored_rows=pixel_count(number(pixels.get("SizeY"))),
        metadata=metadata_of(instrument=maker, date=root.findtext("{*}Image/{*}AcquisitionDate")),
        notes=(UNSET,) if is_unset else (),
    )


def _length(value: str | None, unit: str | None) -> float | None:
    """A length in nm. A unit that is not in the schema is read as in other files."""
    word = (unit or "µm").strip().replace("μ", "µ").replace("\u212b", "Å")
    size, factor = number(value), _UNITS.get(word) or nanometres(word)
    return size * factor if size and factor else None
