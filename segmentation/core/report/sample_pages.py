"""`report.pdf` of a sample: the pooled numbers, then every image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from reportlab.platypus import Flowable

from ..sample import Sample
from . import sections
from .charts import Distribution
from .document import LEAD, SMALL, TITLE, abreast, chart, heading, space, table, together, words, write
from .method import CITATION, references, sample_method
from .result import versions
from .sample_figure import draw_medians
from .wording import SOURCES, interval, one_line, significant

MEDIANS = (6.8, 2.6)


def write_report(sample: Sample, shown: Distribution, files: Mapping[str, str], file: Path | BinaryIO) -> None:
    """Write the report as PDF. files: SHA-256 of the other files by name."""
    write(file, f"Particle sizes in sample {one_line(sample.name, 70)}", list(_story(sample, shown, files)))


def _story(sample: Sample, shown: Distribution, files: Mapping[str, str]) -> Iterator[Flowable]:
    found = sample.pooled
    yield words(one_line(sample.name), TITLE)
    yield words(_scale(sample), LEAD)
    yield space(4)
    yield abreast(sections.key_numbers(found), sections.nano_card(found))
    yield space(4)
    yield sections.histogram(shown)
    yield from sections.distribution(shown)
    yield from sections.sensitivity(found)
    yield from _images(sample)
    yield from sections.set_aside(found)
    yield from sections.shape(found)
    yield from sections.notes(sample.warnings)
    yield together(heading("Method"), words(sample_method(sample)))
    yield words(f"Cite: {CITATION}")
    yield words("Rests on: " + " ".join(references(found)), SMALL)
    yield heading("Versions and checksums (SHA-256)")
    yield words(", ".join(f"{name} {value}" for name, value in versions().items()), SMALL)
    yield table(("File", "SHA-256"), list(files.items()), (1, 2.4), numbers_from=2, small=True)
    inputs = [(f"{row['name']}", member.sha256) for row, member in zip(found.images, sample.members, strict=True)]
    yield table(
        ("Image", "SHA-256"), [(one_line(name, 40), digest) for name, digest in inputs], (1, 2.4), 2, small=True
    )


def _scale(sample: Sample) -> str:
    low, high = sample.calibration["low"], sample.calibration["high"]
    count = f"{len(sample.members)} image{'' if len(sample.members) == 1 else 's'}"
    if low is None:
        return f"{count}, not calibrated: lengths are in pixels"
    sizes = f"{significant(low)} nm/px" if low == high else f"{significant(low)} to {significant(high)} nm/px"
    ways = ", ".join(f"{number} {SOURCES[source]}" for source, number in sample.calibration["sources"].items())
    return f"{count}, {sizes} ({ways})"


def _images(sample: Sample) -> Iterator[Flowable]:
    found = sample.pooled
    between = found.between
    yield heading("Images")
    if between is not None:
        yield words(
            f"{100 * between['share']:.0f} % of the variance of ln(size) lies between the images (standard deviation"
            f" {significant(between['sd'])})."
        )
    yield words("The median of each image with its 95 % interval by particle; dashed: of all together.", SMALL)
    yield chart(lambda ax: draw_medians(ax, sample), 0.25, MEDIANS)
    lines = [
        [
            one_line(row["name"], 60),
            f"{row['n']:,}",
            f"{row['n_set_aside']:,}",
            interval(row["median"], (row["low"], row["high"]), ""),
            row["excluded"] or row["outlier"],
        ]
        for row in found.images
    ]
    head = ("Image", "Kept", "Set aside", f"Median ({found.unit}) and 95 % interval", "Remark")
    yield table(head, lines, (2, 0.6, 0.6, 1.5, 2.2))
