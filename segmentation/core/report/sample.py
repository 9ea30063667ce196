"""A sample of many images -> the files a user takes away."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from openpyxl import Workbook

from ..measure.distribution import Sizes
from ..measure.table import Table
from ..sample import Image, Sample
from . import bundle, contents, result, sample_facts, sample_figure, sample_pages, table, xlsx
from .charts import Distribution
from .figure import as_png, packed, rendered, write
from .files import write_json
from .method import left_out_words
from .wording import version

Progress = Callable[[str, float], None]
Writer = Callable[[Path], object]
FORMAT = "deepsegm-sample/1"
PER_IMAGE = ("n", "n_set_aside", "median", "low", "high")
HOW = (
    "calibration_detail",
    "calibration_relative_uncertainty",
    "model",
    "model_sha256",
    "threshold",
    "polarity",
    "working_scale",
)


def write_sample(sample: Sample, folder: Path, *, progress: Progress | None = None) -> dict[str, Path]:
    """Write the pooled files into `folder` (made if need be): file name -> path.

    figure.png, .svg and .pdf, particles.csv, images.csv, sample.xlsx, result.json, its schema, report.pdf and all of
    them as bundle.zip. progress(stage, fraction) is told before each file and may raise to stop.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, Path] = {}

    def write_one(name: str, writer: Writer) -> None:
        if progress is not None:
            progress("writing the files", len(written) / (len(contents.SAMPLE) + 1))
        writer(folder / name)
        written[name] = folder / name

    shown = distribution(sample)
    for name, writer in _writers(sample, shown).items():
        write_one(name, writer)
    sums = {name: bundle.sha256(path) for name, path in written.items()}
    write_one("report.pdf", lambda path: sample_pages.write_report(sample, shown, sums, path))
    sums["report.pdf"] = bundle.sha256(written["report.pdf"])
    write_one("bundle.zip", lambda path: bundle.write_bundle(written, sums, contents.SAMPLE, _about(sample), path))
    return written


def _about(sample: Sample) -> list[str]:
    left_out = left_out_words(sample)
    counts = f"{len(sample.counted)} images, {sample.pooled.n_kept} particles kept"
    return [f"Sample {sample.name}", counts, *([left_out] if left_out else [])]


def distribution(sample: Sample) -> Distribution:
    """The pooled sizes, in bins of a pixel's multiple where all images have one size of pixel."""
    tables = [each for _, each in pooled_tables(sample)]
    pixels = {each.nm_per_pixel or 1.0 for each in tables}
    sizes = Sizes.of(*tables, edge=sample.pooled.edge)
    return Distribution(sample.pooled, sizes, pixels.pop() if len(pixels) == 1 else 0.0)


def pooled_tables(sample: Sample) -> list[tuple[str, Table]]:
    """Names and tables of the images that are in the pooled numbers."""
    return [(image.name, member.table) for image, member in sample.counted]


def as_dict(sample: Sample) -> dict[str, Any]:
    """Plain JSON types, as result.schema.json describes them; the same sample gives the same.

    images: all, also those that are left out, each with how its particles were found; settings, used and model: what
    the pooled images have in common.
    """
    images = [
        {
            "name": image.name,
            **{name: getattr(image, name) for name in (*PER_IMAGE, "outlier", "excluded")},
            **sample_facts.of_image(image),
        }
        for image in sample.images
    ]
    said: dict[str, Any] = result.plain(
        {
            "format": FORMAT,
            "name": sample.name,
            **sample_facts.as_json(sample),
            "statistics": sample.pooled.as_dict(),
            "images": images,
            "calibration": sample.calibration,
            "histogram": sample.histogram,
            "versions": result.versions(),
            "warnings": list(sample.warnings),
        }
    )
    return said


def _writers(sample: Sample, shown: Distribution) -> dict[str, Writer]:
    drawn = sample_figure.draw(sample, shown)
    return {
        "figure.png": lambda path: path.write_bytes(as_png(packed(rendered(drawn)))),
        "figure.svg": lambda path: write(drawn, path, "svg"),
        "figure.pdf": lambda path: write(drawn, path, "pdf"),
        "particles.csv": lambda path: _write_lines(path, _particles(sample)),
        "images.csv": lambda path: _write_lines(path, _images(sample)),
        "sample.xlsx": lambda path: _write_xlsx(sample, path),
        "result.json": lambda path: write_json(as_dict(sample), path, indent=2),
        "result.schema.json": lambda path: path.write_bytes(result.SCHEMA.read_bytes()),
    }


def _particles(sample: Sample) -> Iterator[tuple[Any, ...]]:
    """All particles of the pooled images, those set aside included."""
    for i, (name, each) in enumerate(pooled_tables(sample)):
        if not i:
            yield ("image", *each.columns)
        cell = table.name_cell(name)
        for line in table.rows(each):
            yield (cell, *line)


def _images(sample: Sample) -> Iterator[tuple[Any, ...]]:
    unit = sample.pooled.unit
    sizes = [f"{name}_{unit}" if name in ("median", "low", "high") else name for name in PER_IMAGE]
    yield ("image", *sizes, "nm_per_pixel", "calibration_source", "outlier", "excluded", "sha256", *HOW)
    for image in sample.images:
        member = image.member
        values = [_cell(getattr(image, name)) for name in PER_IMAGE]
        yield (
            table.name_cell(image.name),
            *values,
            "" if member is None else table.number(member.calibration.nm_per_pixel),
            "" if member is None else member.calibration.source,
            image.outlier,
            image.excluded,
            image.sha256,
            *_how(image),
        )


def _cell(value: float | int | None) -> str | int:
    return value if isinstance(value, int) else table.number(value)


def _how(image: Image) -> tuple[Any, ...]:
    """The cells of HOW, empty for what is not known."""
    member = image.member
    if member is None:
        return ("",) * len(HOW)
    found, calibration = member.found, member.calibration
    return (
        table.name_cell(calibration.detail),
        table.number(calibration.relative_uncertainty),
        table.name_cell(found.model),
        found.model_sha256,
        table.number(found.threshold),
        found.polarity,
        table.number(found.scale),
    )


def _write_lines(path: Path, lines: Iterator[tuple[Any, ...]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    path.write_text(table.marked(text.getvalue()), encoding="utf-8", newline="")


def _write_xlsx(sample: Sample, path: Path) -> None:
    """Images, summary, metadata and notes; the particles, often too many for a sheet, are in particles.csv."""
    book = Workbook(write_only=True)
    unit = sample.pooled.unit
    head = ["image", "kept", "set aside", f"median ({unit})", "95 % from", "to", "nm per pixel", "outlier", "excluded"]
    lines = [
        (
            image.name,
            *(getattr(image, name) for name in PER_IMAGE),
            None if image.member is None else image.member.calibration.nm_per_pixel,
            image.outlier,
            image.excluded,
        )
        for image in sample.images
    ]
    xlsx.add_sheet(book, "images", head, lines, widths=(36, 10, 10, 14, 12, 12, 14, 50, 50))
    xlsx.add_summary(book, sample.pooled)
    xlsx.add_sheet(book, "metadata", ["group", "name", "value", "image"], _metadata(sample), widths=(18, 36, 70, 36))
    xlsx.add_sheet(book, "notes", ["note"], [(each,) for each in _notes(sample)], widths=(120,))
    xlsx.save(book, path)


def _metadata(sample: Sample) -> Iterator[tuple[str, str, Any, str]]:
    """What all pooled images share, without an image's name, and then what each has of its own."""
    yield "software", "version", version(), ""
    for name, value in result.versions().items():
        yield "software", name, value, ""
    for group, name, value in xlsx.basis(sample.pooled):
        yield group, name, value, ""
    for (group, name), value in sample_facts.common(sample).items():
        yield group, name, value, ""
    for image, each in sample_facts.differing(sample):
        for (group, name), value in each.items():
            yield group, name, value, image.name
    for image in sample.images:
        yield "image", "sha256", image.sha256, image.name


def _notes(sample: Sample) -> list[str]:
    said = (left_out_words(sample), sample_facts.unknown(sample))
    return [*(f"{each.removesuffix('.')}." for each in said if each), *sample.warnings]
