"""`report.pdf`: what was found in one image, for filing: two to four pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from reportlab.platypus import Flowable

from ..analysis import Analysis
from . import sections
from .charts import Distribution
from .document import HALF, LEAD, SMALL, TITLE, Picture, abreast, facts, heading, space, table, together, words, write
from .method import CITATION, chosen, method, references
from .png import Deflated
from .result import as_dict
from .wording import SOURCES, calibration_words, model_words, one_line

TALLEST = 235.0
MOST_FACTS = 16


def write_report(
    analysis: Analysis, pictures: Mapping[str, Deflated], files: Mapping[str, str], file: Path | BinaryIO
) -> None:
    """Write the report as PDF.

    pictures: the panels of the figure by file name (`figure.panels`). files: SHA-256 of the other files by name.
    """
    name = one_line(analysis.micrograph.name, 80)
    write(file, f"Particle sizes in {name}", list(_story(analysis, pictures, files)))


def _story(analysis: Analysis, pictures: Mapping[str, Deflated], files: Mapping[str, str]) -> Iterator[Flowable]:
    found, shown = analysis.statistics, Distribution.of(analysis)
    yield from _head(analysis, pictures)
    yield abreast(sections.key_numbers(found), sections.nano_card(found))
    yield space(4)
    yield sections.histogram(shown)
    yield from sections.distribution(shown)
    yield from sections.sensitivity(found)
    yield from sections.set_aside(found)
    yield from sections.shape(found)
    yield from sections.notes((*analysis.warnings, *analysis.micrograph.notes))
    yield from _how(analysis)
    yield from _provenance(analysis, files)


def _head(analysis: Analysis, pictures: Mapping[str, Deflated]) -> Iterator[Flowable]:
    rows, columns = analysis.micrograph.shape
    yield words(one_line(analysis.micrograph.name), TITLE)
    yield words(f"{columns} × {rows} px, {calibration_words(analysis.calibration)}", LEAD)
    yield space(6)
    yield abreast(*(Picture(pictures[name], HALF, TALLEST) for name in ("panel-image.png", "panel-possibly-wrong.png")))
    yield words(
        "Left: the image as analysed. Right: particles kept (green, solid) and possibly wrong (red, dashed).", SMALL
    )
    yield space(4)


def _how(analysis: Analysis) -> Iterator[Flowable]:
    yield together(heading("Method"), words(method(analysis)))
    yield words(f"Cite: {CITATION}")
    yield words("Rests on: " + " ".join(references(analysis.statistics)), SMALL)
    calibration = analysis.calibration
    lines = [
        ("Pixel size", "not calibrated" if calibration.nm_per_pixel is None else f"{calibration.nm_per_pixel:.7g} nm"),
        ("Source", SOURCES[calibration.source]),
        ("Detail", one_line(calibration.detail, 160) or "–"),
        ("Relative standard uncertainty", _uncertainty(calibration.relative_uncertainty)),
        *((f"Setting: {name}", value) for name, value in chosen(analysis).items()),
    ]
    instrument = [
        (one_line(name, 30), one_line(_said(value), 60)) for name, value in analysis.micrograph.metadata.items()
    ]
    yield heading("Calibration, settings, instrument")
    yield facts([*lines, *((f"Instrument: {name}", value) for name, value in instrument[:MOST_FACTS])])


def _uncertainty(relative: float | None) -> str:
    return "not known" if relative is None else f"{100 * relative:.3g} %"


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _provenance(analysis: Analysis, files: Mapping[str, str]) -> Iterator[Flowable]:
    yield heading("Model")
    used = analysis.segmentation
    yield facts([("Model", model_words(analysis)), *sections.model(used.provenance.model, used.provenance.weights)])
    versions = ", ".join(f"{name} {value}" for name, value in as_dict(analysis)["versions"].items())
    yield heading("Versions and checksums (SHA-256)")
    yield words(versions, SMALL)
    yield table(
        ("File", "SHA-256"),
        [(f"input: {one_line(analysis.micrograph.name, 40)}", analysis.micrograph.sha256), *files.items()],
        (1, 2.4),
        numbers_from=2,
        small=True,
    )
