"""`images.csv`: the images of a sample, each with its numbers and how its objects were found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .base import Export
from .particles_csv import lines, marked, name_cell, number

if TYPE_CHECKING:
    from ...sample import Image, Sample
    from ..context import Context

NUMBERS = ("n", "n_set_aside", "median", "low", "high")
HOW = (
    "calibration_detail",
    "calibration_relative_uncertainty",
    "instrument_relative_uncertainty",
    "model",
    "model_sha256",
    "threshold",
    "polarity",
    "working_scale",
)


def _lines(sample: Sample) -> Iterator[tuple[Any, ...]]:
    unit = sample.members[0].table.unit if sample.pooled is None else sample.pooled.unit
    sizes = [f"{name}_{unit}" if name in ("median", "low", "high") else name for name in NUMBERS]
    yield ("image", *sizes, "nm_per_pixel", "calibration_source", "outlier", "excluded", "sha256", *HOW)
    for image in sample.images:
        calibration = None if image.member is None else image.member.calibration
        yield (
            name_cell(image.name),
            *(_cell(getattr(image, name)) for name in NUMBERS),
            "" if calibration is None else number(calibration.nm_per_pixel),
            "" if calibration is None else calibration.source,
            image.outlier,
            image.excluded,
            image.sha256,
            *_how(image),
        )


def _cell(value: float | int | None) -> str | int:
    return value if isinstance(value, int) else number(value)


def _how(image: Image) -> tuple[Any, ...]:
    """The cells of HOW, empty for what is not known."""
    if image.member is None:
        return ("",) * len(HOW)
    found, calibration = image.member.found, image.member.calibration
    return (
        name_cell(calibration.detail),
        number(calibration.relative_uncertainty),
        number(calibration.instrument_uncertainty),
        name_cell(found.card.get("name", "")),
        found.card.get("sha256", ""),
        number(found.used.get("threshold")),
        found.used.get("polarity", ""),
        number(found.used.get("scale")),
    )


def _write(context: Context, path: Path) -> None:
    path.write_text(marked(lines(_lines(context.sample))), encoding="utf-8", newline="")


EXPORTS = (Export("images.csv", "Images, CSV", "text/csv", 65, _write, sample="one row per image"),)
