"""FEI / Thermo Fisher: INI text in tags 34680 and 34682, XML in 34683, pixels per centimetre in 65450 and 65451."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from .facts import Facts, Tags, lines_of, metadata_of, rational, rational_rounding, scaled, text_of, whole, xml_of
from .units import leading_number, nanometres, number, plausible_pixel, written_rounding

TAGS = (34682, 34680)
XML_TAG = 34683
RESOLUTION_TAGS = (65450, 65451)
Sections = dict[str, dict[str, str]]


def read(tags: Tags) -> Facts | None:
    """What the FEI header says, None without one; images of the navigation camera have no scan, so no size.

    Of tags 34682 and 34680 the first with a pixel size counts, else the XML of 34683; both complete its metadata.
    """
    texts = {code: text_of(raw) for code in TAGS if (raw := tags.raw(code)) is not None}
    headers = [
        _transmission(tags, xml_of(text)) if text.lstrip().startswith("<") else _from_sections(code, _sections(text))
        for code, text in texts.items()
    ]
    if not headers:
        return _from_xml(tags, {})
    sized = next((facts for facts in headers if plausible_pixel(facts.nm_per_pixel)), None)
    facts = sized or _from_xml(tags, headers[0].metadata) or headers[0]
    others = {name: value for header in reversed(headers) for name, value in header.metadata.items()}
    return replace(facts, metadata={**others, **facts.metadata})


def _sections(text: str) -> Sections:
    sections: Sections = {}
    section: dict[str, str] = sections.setdefault("", {})
    for line in lines_of(text):
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = sections.setdefault(line[1:-1], {})
        elif "=" in line:
            key, value = line.split("=", 1)
            section.setdefault(key.strip(), value.strip())
    return sections


def _from_sections(code: int, sections: Sections) -> Facts:
    scan = sections.get("Scan") or sections.get(sections.get("Beam", {}).get("Scan", "")) or {}
    image = sections.get("Image", {})
    width, height = number(scan.get("PixelWidth")), number(scan.get("PixelHeight"))
    return Facts(
        nm_per_pixel=width * 1e9 if width else None,
        detail=f"FEI tag {code}, Scan PixelWidth",
        relative_uncertainty=written_rounding(scan.get("PixelWidth")),
        height_nm=height * 1e9 if height else None,
        columns=whole(number(image.get("ResolutionX"))),
        rows=whole(number(image.get("ResolutionY"))),
        metadata=_metadata(sections),
    )


def _metadata(sections: Sections) -> dict[str, str | float]:
    if bar := sections.get("DatabarData"):  # XL and Sirion: no size of a pixel, and the magnification's is disputed
        return metadata_of(
            instrument="FEI XL or Sirion",
            voltage_kv=scaled(number(bar.get("HighTension")), 1e-3),
            working_distance_mm=number(bar.get("FWD")),
            magnification=number(bar.get("Magnification")),
        )
    beam = sections.get("Beam", {})
    column = sections.get(beam.get("Beam", ""), {})
    system = sections.get("System", {})
    user = sections.get("User", {})
    return metadata_of(
        instrument=f"FEI {system.get('SystemType') or system.get('Type') or ''}",
        detector=sections.get("Detectors", {}).get("Name"),
        voltage_kv=scaled(number(beam.get("HV") or column.get("HV")), 1e-3),
        working_distance_mm=scaled(number(column.get("WD")), 1e3),
        date=f"{user.get('Date', '')} {user.get('Time', '')}",
    )


def _from_xml(tags: Tags, metadata: dict[str, str | float]) -> Facts | None:
    """What the XML tag says, None where it has no pixel size. metadata: used in place of its own, unless empty."""
    root = xml_of(text_of(tags.raw(XML_TAG) or b""))
    if root is None:
        return None
    across = root.find(".//BinaryResult/PixelSize/X")
    down = root.find(".//BinaryResult/PixelSize/Y")
    if across is None:  # desktop microscopes
        across, down = root.find(".//pixelWidth"), root.find(".//pixelHeight")
    if across is None:
        return None
    scan = root.find(".//BinaryResult/ImageSize")
    return Facts(
        nm_per_pixel=_xml_nanometres(across),
        detail=f"FEI tag {XML_TAG}, PixelSize",
        relative_uncertainty=written_rounding(across.text),
        height_nm=_xml_nanometres(down),
        columns=None if scan is None else whole(number(scan.findtext("X"))),
        rows=None if scan is None else whole(number(scan.findtext("Y"))),
        metadata=metadata
        or metadata_of(
            instrument=f"FEI {root.findtext('.//Instrument/InstrumentModel', '')}",
            detector=root.findtext(".//ScanningDetector/DetectorName"),
            voltage_kv=scaled(number(root.findtext(".//Optics/AccelerationVoltage")), 1e-3),
            working_distance_mm=scaled(number(root.findtext(".//Optics/WorkingDistance")), 1e3),
            date=root.findtext(".//AcquisitionDatetime"),
        ),
    )


def _xml_nanometres(element: ElementTree.Element | None) -> float | None:
    if element is None:
        return None
    value, factor = number(element.text), nanometres(element.get("unit", "m"))
    return value * factor if value and factor else None


def _transmission(tags: Tags, root: ElementTree.Element | None) -> Facts:
    """Tecnai and Titan: labels in XML; pixels per centimetre in tags of their own."""
    labels = {
        data.findtext("Label", "").strip(): data.findtext("Value", "").strip()
        for data in ([] if root is None else root.iter("Data"))
    }
    across, down = (rational(tags.raw(code), tags.little_endian) for code in RESOLUTION_TAGS)
    return Facts(
        nm_per_pixel=1e7 / across if across else None,
        detail=f"FEI tag {RESOLUTION_TAGS[0]}, pixels per centimetre",
        relative_uncertainty=rational_rounding(tags.raw(RESOLUTION_TAGS[0]), tags.little_endian),
        height_nm=1e7 / down if down else None,
        metadata=metadata_of(
            instrument=labels.get("Microscope"),
            voltage_kv=leading_number(labels.get("High tension")),
            magnification=leading_number(labels.get("Magnification")),
        ),
    )
