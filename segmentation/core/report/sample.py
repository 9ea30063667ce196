"""A sample of many images -> the files a user takes away."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from openpyxl import Workbook

from ..measure.distribution import Sizes
from ..measure.table import ParticleTable
from ..sample import Sample
from . import bundle, contents, result, sample_figure, sample_pages, table, xlsx
from .charts import Distribution
from .figure import as_png, packed, rendered, write
from .files import write_json

Progress = Callable[[str, float], None]
Writer = Callable[[Path], object]
FORMAT = "deepsegm-sample/1"
PER_IMAGE = ("n", "n_set_aside", "median", "low", "high")


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
    about = [f"Sample {sample.name}", f"{len(sample.members)} images, {sample.pooled.n_kept} particles kept"]
    write_one("bundle.zip", lambda path: bundle.write_bundle(written, sums, contents.SAMPLE, about, path))
    return written


def distribution(sample: Sample) -> Distribution:
    """The pooled sizes, in bins of a pixel's multiple where all images have one size of pixel."""
    tables = [each for _, each in pooled_tables(sample)]
    pixels = {each.nm_per_pixel or 1.0 for each in tables}
    sizes = Sizes.of(*tables, edge=sample.pooled.edge)
    return Distribution(sample.pooled, sizes, pixels.pop() if len(pixels) == 1 else 0.0)


def pooled_tables(sample: Sample) -> list[tuple[str, ParticleTable]]:
    """Names and tables of the images that are in the pooled numbers."""
    return [
        (row["name"], member.table)
        for row, member in zip(sample.pooled.images, sample.members, strict=True)
        if not row["excluded"]
    ]


def as_dict(sample: Sample) -> dict[str, Any]:
    """Plain JSON types, as result.schema.json describes them; the same sample gives the same."""
    images = [
        {**row, "sha256": member.sha256, "calibration": asdict(member.calibration), "clarity": member.clarity}
        for row, member in zip(sample.pooled.images, sample.members, strict=True)
    ]
    said: dict[str, Any] = result.plain(
        {
            "format": FORMAT,
            "name": sample.name,
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
    yield ("image", *sizes, "nm_per_pixel", "calibration_source", "outlier", "excluded", "sha256")
    for row, member in zip(sample.pooled.images, sample.members, strict=True):
        calibration = member.calibration
        values = [row[name] if isinstance(row[name], int) else table.number(row[name]) for name in PER_IMAGE]
        yield (
            table.name_cell(row["name"]),
            *values,
            table.number(calibration.nm_per_pixel),
            calibration.source,
            row["outlier"],
            row["excluded"],
            member.sha256,
        )


def _write_lines(path: Path, lines: Iterator[tuple[Any, ...]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    path.write_text(table.marked(text.getvalue()), encoding="utf-8", newline="")


def _write_xlsx(sample: Sample, path: Path) -> None:
    """Images, summary and notes; the particles, often too many for a sheet, are in particles.csv."""
    book = Workbook(write_only=True)
    unit = sample.pooled.unit
    head = ["image", "kept", "set aside", f"median ({unit})", "95 % from", "to", "nm per pixel", "outlier", "excluded"]
    lines = [
        (
            row["name"],
            *(row[name] for name in PER_IMAGE),
            member.calibration.nm_per_pixel,
            row["outlier"],
            row["excluded"],
        )
        for row, member in zip(sample.pooled.images, sample.members, strict=True)
    ]
    xlsx.add_sheet(book, "images", head, lines, widths=(36, 10, 10, 14, 12, 12, 14, 50, 50))
    xlsx.add_summary(book, sample.pooled)
    xlsx.add_sheet(book, "notes", ["note"], [(each,) for each in sample.warnings], widths=(120,))
    xlsx.save(book, path)
