"""Reads FEI / Thermo Fisher's TIFF tags: INI text in 34680 and 34682, XML in 34683, resolution in 65450 and
65451."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from . import memento
from .facts import (
    Facts,
    Tags,
    lines_of,
    metadata_of,
    pixel_count,
    rational,
    rational_rounding,
    scaled,
    text_of,
    tilt_facts,
    xml_of,
    yes_or_no,
)
from .units import leading_number, nanometres, number, plausible_pixel, written_rounding

TAGS = (34682, 34680)
XML_TAG = 34683
RESOLUTION_TAGS = (65450, 65451)
MOST_VOLTS = 40_000  # of a scanning electron microscope
Sections = dict[str, dict[str, str]]  # of an INI text: values by section and key


def read(tags: Tags) -> Facts | None:
    """The facts in FEI's tags; None without them. Images of the navigation camera have no scan, so no pixel size.

    The pixel size is that of the first of tags 34682, 34680 and 34683 that has one. Metadata comes from all of them.
    """
    texts = {code: text_of(raw) for code in TAGS if (raw := tags.raw(code)) is not None}
    headers = [
        _transmission(tags, xml_of(text)) if text.lstrip().startswith("<") else _from_sections(code, _sections(text))
        for code, text in texts.items()
    ]
    xml = _from_xml(tags)
    with_size = next((facts for facts in headers if plausible_pixel(facts.nm_per_pixel)), None)
    known_headers = [*headers, *([xml] if xml else [])]
    if not known_headers:
        return None
    facts = with_size or (xml if xml and plausible_pixel(xml.nm_per_pixel) else known_headers[0])
    # Of equal keys the value of the tag with the pixel size is taken, else that of the first tag.
    all_metadata = {name: value for header in reversed(known_headers) for name, value in header.metadata.items()}
    return replace(facts, metadata={**all_metadata, **(with_size.metadata if with_size else {})})


def _sections(text: str) -> Sections:
    """The sections of an INI text; lines before the first section are in ""."""
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
    """The facts in the INI text of tag `code`."""
    scan = sections.get("Scan") or sections.get(sections.get("Beam", {}).get("Scan", "")) or {}
    image = sections.get("Image", {})
    width, height = number(scan.get("PixelWidth")), number(scan.get("PixelHeight"))
    return Facts(
        nm_per_pixel=width * 1e9 if width else None,
        detail=f"FEI tag {code}, Scan PixelWidth",
        relative_uncertainty=written_rounding(scan.get("PixelWidth")),
        height_nm=height * 1e9 if height else None,
        columns=pixel_count(number(image.get("ResolutionX"))),
        rows=pixel_count(number(image.get("ResolutionY"))),
        metadata=_metadata(sections),
    )


def _metadata(sections: Sections) -> dict[str, str | float]:
    if bar := sections.get("DatabarData"):  # XL and Sirion: it has no pixel size
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
    volts = number(beam.get("HV") or column.get("HV"))
    tilt, corrected_angle, rotation = (
        number(text or None)
        for text in (
            sections.get("Stage", {}).get("StageT") or column.get("StageTa"),
            column.get("TiltCorrectionAngle"),
            beam.get("ScanRotation") or column.get("ScanRotation"),
        )
    )
    return metadata_of(
        instrument=f"FEI {system.get('SystemType') or system.get('Type') or ''}",
        detector=sections.get("Detectors", {}).get("Name"),
        voltage_kv=scaled(volts, 1e-3),
        working_distance_mm=scaled(number(column.get("WD")), 1e3),
        date=f"{user.get('Date', '')} {user.get('Time', '')}",
        **tilt_facts(
            tilt,
            corrected=yes_or_no(column.get("TiltCorrectionIsOn", "")),
            angle=corrected_angle,
            rotation=rotation,
            radians=True,
            ion=beam.get("Beam", "").lower() == "ibeam",
        ),
    )


def _from_xml(tags: Tags) -> Facts | None:
    """The facts in the XML tag; None without it. A transmission microscope's stage is tilted to see a crystal along an
    axis. That shortens no particle in the image, so its tilt is left out."""
    root = xml_of(text_of(tags.raw(XML_TAG) or b""))
    if root is None:
        return None
    if memento.is_memento(root):
        return memento.read(root, f"FEI tag {XML_TAG}, PixelSize")
    across = root.find(".//BinaryResult/PixelSize/X")
    down = root.find(".//BinaryResult/PixelSize/Y")
    if across is None:  # desktop microscopes
        across, down = root.find(".//pixelWidth"), root.find(".//pixelHeight")
    scan = root.find(".//BinaryResult/ImageSize")
    volts = _xml_number(root, ".//Optics/AccelerationVoltage")
    model = root.findtext(".//Instrument/InstrumentModel") or root.findtext(".//Instrument/InstrumentClass", "")
    tilt = {} if volts and volts > MOST_VOLTS else _xml_tilt(root)
    return Facts(
        nm_per_pixel=_xml_nanometres(across),
        detail=f"FEI tag {XML_TAG}, PixelSize",
        relative_uncertainty=None if across is None else written_rounding(across.text),
        height_nm=_xml_nanometres(down),
        columns=None if scan is None else pixel_count(number(scan.findtext("X"))),
        rows=None if scan is None else pixel_count(number(scan.findtext("Y"))),
        metadata=metadata_of(
            instrument=f"FEI {model}",
            detector=root.findtext(".//ScanningDetector/DetectorName"),
            voltage_kv=scaled(volts, 1e-3),
            working_distance_mm=scaled(_xml_number(root, ".//Optics/WorkingDistance"), 1e3),
            date=root.findtext(".//AcquisitionDatetime"),
            **tilt,
        ),
    )


def _xml_tilt(root: ElementTree.Element) -> dict[str, str | float | None]:
    return tilt_facts(
        _xml_number(root, ".//StagePosition/Tilt/Alpha"),
        corrected=yes_or_no(root.findtext(".//Optics/SampleTiltCorrectionOn", "")),
        angle=_xml_number(root, ".//Optics/SamplePreTiltAngle"),
        rotation=_xml_number(root, ".//ScanSettings/ScanRotation"),
        radians=True,
        ion=root.findtext(".//Acquisition/BeamType", "").lower() == "ion",
    )


def _xml_number(root: ElementTree.Element, path: str) -> float | None:
    return number(root.findtext(path))


def _xml_nanometres(element: ElementTree.Element | None) -> float | None:
    """The length in an element with an attribute `unit`, in nm."""
    if element is None:
        return None
    value, factor = number(element.text), nanometres(element.get("unit", "m"))
    return value * factor if value and factor else None


def _transmission(tags: Tags, root: ElementTree.Element | None) -> Facts:
    """The facts of a transmission microscope (Tecnai, Titan): labels in XML, and the tags for pixels per centimetre."""
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
