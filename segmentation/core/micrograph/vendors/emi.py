"""Reads FEI TIA's `.emi`, a side file of `.ser` images: XML with the settings of the microscope.

The pixel size is in the `.ser` itself.
"""

from __future__ import annotations

from .facts import Facts, metadata_of, scaled, text_of, xml_of
from .units import leading_number

MAGIC = b"JK\0\2"
_START, _END = b"<ObjectInfo>", b"</ObjectInfo>"
LARGEST_XML = 1 << 22  # bytes


def read_side(raw: bytes, columns: int, rows: int) -> Facts | None:
    """The facts in the first description in the file; empty Facts if it is missing or broken; None if this is no
    `.emi`."""
    start = raw.find(_START)
    end = raw.find(_END, start, start + LARGEST_XML) if start >= 0 else -1
    if end < 0:
        return Facts() if raw.startswith(MAGIC) else None
    root = xml_of(text_of(raw[start : end + len(_END)]))
    if root is None:
        return Facts()
    labels = {data.findtext("Label", "").strip(): data.findtext("Value", "").strip() for data in root.iter("Data")}
    return Facts(
        metadata=metadata_of(
            instrument=labels.get("Microscope"),
            detector=labels.get("Detector") or root.findtext(".//DetectorName"),
            voltage_kv=leading_number(labels.get("High tension"))
            or scaled(leading_number(root.findtext(".//AcceleratingVoltage")), 1e-3),
            magnification=leading_number(labels.get("Magnification")),
            date=root.findtext(".//AcquireDate"),
        )
    )
