"""The export `images.csv`: a row for each image of a sample, with its numbers, its scale and its
settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from ...measure.quantities import OF, number
from ...sample import Member, SampleAnalysis
from ..tables.cells import csv_text, name_cell, with_byte_order_mark
from ..tables.images_table import contents_of_intervals
from ..wording import version
from .base import Export
from .particles_csv import as_decimal

SIZES = ("median", "low", "high")
NUMBERS = ("n", "n_set_aside", *SIZES)
ENDS = ("", "_low", "_high")  # of the names of columns: of a value and the ends of its interval
METHOD_COLUMNS: dict[str, Callable[[Member], Any]] = {  # how an image was measured
    "calibration_detail": lambda member: name_cell(member.calibration.detail),
    "calibration_relative_uncertainty": lambda member: as_decimal(member.calibration.relative_uncertainty),
    "instrument_relative_uncertainty": lambda member: as_decimal(member.calibration.instrument_uncertainty),
    "model": lambda member: name_cell(member.record.card.get("name", "")),
    "model_sha256": lambda member: member.record.card.get("sha256", ""),
    "threshold": lambda member: as_decimal(member.record.used.threshold),
    "polarity": lambda member: member.record.used.polarity,
    "working_scale": lambda member: as_decimal(member.record.used.scale),
    "corrected_by_hand": lambda member: member.record.used.corrected,
    "reviewed": lambda member: member.record.used.reviewed,
}


def _lines(sample: SampleAnalysis) -> Iterator[tuple[Any, ...]]:
    """The names of the columns, then the cells of each image."""
    heads, rows = numbers_of(sample)
    fields = ("outlier", "excluded", "choice", "warning", "sha256")
    includes = contents_of_intervals(sample)
    yield (
        "image",
        *heads,
        *(["interval_includes"] if includes else []),
        "nm_per_pixel",
        "calibration_source",
        *fields,
        *METHOD_COLUMNS,
        "software",
    )
    for index, (image, row) in enumerate(zip(sample.images, rows, strict=True)):
        calibration = None if image.member is None else image.member.calibration
        yield (
            name_cell(image.name),
            *(value if isinstance(value, int) else as_decimal(value) for value in row),
            *includes[index : index + 1],
            "" if calibration is None else as_decimal(calibration.nm_per_pixel),
            "" if calibration is None else calibration.source,
            *(getattr(image, field) for field in fields),
            *("" if image.member is None else cell(image.member) for cell in METHOD_COLUMNS.values()),
            version(),
        )


def _write(context: Any, path: Path) -> None:
    path.write_text(with_byte_order_mark(csv_text(_lines(context.sample))), encoding="utf-8", newline="")


def numbers_of(sample: SampleAnalysis) -> tuple[list[str], list[tuple[float | None, ...]]]:
    """The names of the columns with numbers, and the numbers of each image.

    These are the counts, then the median if particles are screened, else all quantities of the kind
    of analysis. The counts of all images add up to those of the sample.
    """
    if sample.task.screened:
        heads = [f"{name}_{sample.unit}" if name in SIZES else name for name in NUMBERS]
        return heads, [(row["n"], row["n_set_aside"], row["median"], row["low"], row["high"]) for row in sample.rows]
    heads, columns = ["n", "n_set_aside"], []
    for name in sample.quantities:
        figure, link, class_name = name.partition(OF)
        unit = number(figure).column(sample.unit).removeprefix(figure)  # such as "_per_nm"
        heads += [f"{figure}{end}{unit}{link}{class_name}" for end in ENDS]
        values = (value.reported for value in sample.by_image(name))
        columns.append([(value.value, value.low, value.high) for value in values])
    counts = (image.counts for image in sample.images)
    return heads, [tuple(chain(*row)) for row in zip(counts, *columns, strict=True)]


EXPORTS = (
    Export(
        "images.csv",
        "Images, CSV",
        place=65,
        write=_write,
        sample="one row per image",
        usual=True,
    ),
)
