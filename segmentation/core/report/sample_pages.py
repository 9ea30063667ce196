"""`report.pdf` of a sample: the pooled numbers, then every image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from reportlab.platypus import Flowable

from ..sample import Sample
from . import sample_facts, sections
from .charts import Distribution
from .document import LEAD, SMALL, TITLE, abreast, chart, facts, heading, space, table, together, words, write
from .method import CITATION, left_out_words, references, sample_method
from .result import versions
from .sample_figure import draw_medians
from .wording import SOURCES, interval, one_line, significant

MEDIANS = (6.8, 2.6)
LONGEST = 600  # characters of what one image has of its own


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
    yield from _how(sample)
    yield from _models(sample)
    yield heading("Versions and checksums (SHA-256)")
    yield words(", ".join(f"{name} {value}" for name, value in versions().items()), SMALL)
    yield table(("File", "SHA-256"), list(files.items()), (1, 2.4), numbers_from=2, small=True)
    inputs = [(one_line(image.name, 40), image.sha256 or "–") for image in sample.images]
    yield table(("Image", "SHA-256"), inputs, (1, 2.4), 2, small=True)


def _how(sample: Sample) -> Iterator[Flowable]:
    """Scale, settings and instrument: what all pooled images share, then what each has of its own."""
    yield heading("Calibration, settings, instrument")
    shared = sample_facts.common(sample)
    yield facts([(one_line(name, 60), one_line(value, 160)) for name, value in sample_facts.lines(shared)])
    differing = sample_facts.differing(sample)
    if not differing:
        return
    yield space(4)
    yield words("What is not the same for all images in the numbers, or of an image that is left out:", SMALL)
    lines = [(one_line(image.name, 40), one_line(sample_facts.text(each), LONGEST)) for image, each in differing]
    yield table(("Image", "Of its own"), lines, (1, 3.4), numbers_from=2, small=True)


def _models(sample: Sample) -> Iterator[Flowable]:
    yield heading("Model")
    for name, sha256 in sample.models:
        yield facts([("Model", sections.model_label(name, sha256)), *sections.model(name, sha256)])
        yield space(4)
    unknown = sample_facts.unknown(sample)
    if unknown:
        yield words(unknown)


def _scale(sample: Sample) -> str:
    low, high = sample.calibration["low"], sample.calibration["high"]
    counted = len(sample.counted)
    count = f"{counted} image{'' if counted == 1 else 's'}"
    left_out = left_out_words(sample)
    tail = f". {left_out}" if left_out else ""
    if low is None:
        return f"{count}, not calibrated: lengths are in pixels{tail}"
    sizes = f"{significant(low)} nm/px" if low == high else f"{significant(low)} to {significant(high)} nm/px"
    ways = ", ".join(f"{number} {SOURCES[source]}" for source, number in sample.calibration["sources"].items())
    return f"{count}, {sizes} ({ways}){tail}"


def _images(sample: Sample) -> Iterator[Flowable]:
    found = sample.pooled
    between = found.between
    yield heading("Images")
    if between is not None:
        yield words(
            f"{100 * between['share']:.0f} % of the variance of ln(size) lies between the images (standard deviation"
            f" {significant(between['sd'])})."
        )
    yield words(
        "The median of each image with its 95 % interval by particle; dashed: of all together; red: see the remark.",
        SMALL,
    )
    yield chart(lambda ax: draw_medians(ax, sample), 0.25, MEDIANS)
    lines = [
        [
            one_line(image.name, 60),
            "–" if image.n is None else f"{image.n:,}",
            "–" if image.n_set_aside is None else f"{image.n_set_aside:,}",
            interval(image.median, (image.low, image.high), ""),
            image.excluded or image.outlier,
        ]
        for image in sample.images
    ]
    head = ("Image", "Kept", "Set aside", f"Median ({found.unit}) and 95 % interval", "Remark")
    yield table(head, lines, (2, 0.6, 0.6, 1.5, 2.2))
