"""Fibics NPVE, as on Zeiss Orion (tag 51023): XML with the field of view, in micrometres where it has no unit."""

from __future__ import annotations

from .facts import Facts, Tags, metadata_of, scaled, text_of, whole, xml_of
from .units import nanometres, number, written_rounding

TAG = 51023


def read(tags: Tags) -> Facts | None:
    """What the Fibics block says, None without one."""
    root = xml_of(text_of(tags.raw(TAG) or b""))
    if root is None:
        return None
    field = root.find(".//Scan/FOV_X")
    columns = whole(number(root.findtext(".//Image/Width")))
    value = number(field.text) if field is not None else None
    factor = nanometres(field.get("units", "um")) if field is not None else None
    voltage = next((item.text for item in root.iter("item") if item.get("name") == "AccV"), None)
    return Facts(
        nm_per_pixel=value * factor / columns if value and factor and columns else None,
        detail=f"Fibics tag {TAG}, field of view",
        relative_uncertainty=written_rounding(field.text) if field is not None else None,
        columns=columns,
        rows=whole(number(root.findtext(".//Image/Height"))),
        metadata=metadata_of(
            instrument=root.findtext(".//Image/Beam"),
            detector=root.findtext(".//Image/Detector"),
            voltage_kv=scaled(number(voltage), 1e-3),
            date=root.findtext(".//Application/Date"),
        ),
    )
