"""The exports `result.json`, which has all data of a result except pixels, and its JSON Schema
`result.schema.json`."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from segmentation import __version__

from ... import flags, tasks
from ...analysis import Analysis
from ...measure.objects.filters import by_reason
from ...measure.quantities import Value
from ...sample import AnalysisRecord, SampleAnalysis, SampleImage
from .. import facts
from ..wording import write_json
from .base import RESULT, Export

FORMAT, SAMPLE_FORMAT = "deepsegm-result/1", "deepsegm-sample/1"  # of an image, of a sample; stored in the file
SCHEMA = Path(__file__).parents[1] / "result.schema.json"  # made by core.report.schema


def as_dict(sample: SampleAnalysis) -> dict[str, Any]:
    """The content of result.json in plain JSON types, as result.schema.json describes it.

    The same sample gives the same content, because running times are not part of it. A number that
    is not finite becomes None. "settings" are as a person chose them, "used" are the values
    that were used for "auto" and None, "quantities" the numbers of the kind of analysis,
    "statistics" the size distribution, "set_aside" the counts of left out objects by reason. For
    several images, "settings", "used" and "model" have the entries that all pooled images share;
    "images" has these entries for each image, also for left out images. "method" exists only if a
    method was followed.
    """
    details = _of_sample(sample) if sample.analysis is None else _of_image(sample.analysis, sample)
    statistics = None if sample.pooled is None else sample.pooled.as_dict()
    if sample.method:
        details["method"] = sample.method.as_dict()
    content: dict[str, Any] = json_value(
        {**details, "statistics": statistics, "versions": versions(), **flags.as_json(sample.flags)}
    )
    return content


def _of_image(analysis: Analysis, sample: SampleAnalysis) -> dict[str, Any]:
    """The entries that only the result.json of one image has."""
    micrograph, record = analysis.micrograph, sample.members[0].record
    return {
        "format": FORMAT,
        "settings": analysis.settings.as_dict(),
        "used": facts.chosen_values(record),
        "calibration": asdict(analysis.calibration),
        "quantities": _quantities_json(analysis.quantities, record),
        "set_aside": by_reason([analysis.table]),
        "model": facts.model_identity(record.card),
        "image": {
            "name": micrograph.name,
            "sha256": micrograph.sha256,
            "width": record.width,
            "height": record.height,
            "data_bar": record.data_bar,
            "notes": list(micrograph.notes),
        },
        "metadata": micrograph.facts,
    }


def _quantities_json(quantities: Mapping[str, Value], record: AnalysisRecord) -> Any:
    """The quantities as JSON: a dictionary by name if particles are screened (programs rely on it),
    else a list."""
    by_name = {name: value.as_dict() for name, value in quantities.items()}
    return by_name if tasks.find(record.task).screened else [{"name": name, **value} for name, value in by_name.items()]


def _of_sample(sample: SampleAnalysis) -> dict[str, Any]:
    """The entries that only the result.json of a sample has."""
    return {
        "format": SAMPLE_FORMAT,
        "name": sample.name,
        **facts.as_json(sample),
        "images": [row | _of_member(image) for image, row in zip(sample.images, sample.rows, strict=True)],
        "calibration": sample.calibration,
        "corrected": sample.corrected,
        "interval_note": sample.interval_note,
        "histogram": sample.histogram,
        "quantities": _quantities_json(sample.quantities, sample.members[0].record),
    }


def _of_member(image: SampleImage) -> dict[str, Any]:
    """The entries of one image of a sample that its `ImageRow` does not have; their values are None
    if it was not analysed."""
    member = image.member
    record = AnalysisRecord() if member is None else member.record
    return {
        **({"method": record.method.as_dict()} if record.method else {}),
        "warning": image.warning,
        "sha256": image.sha256,
        "calibration": None if member is None else asdict(member.calibration),
        "clarity": None if member is None else member.clarity,
        "quantities": None if member is None else _quantities_json(member.quantities, record),
        "settings": dict(record.settings) or None,
        "used": facts.chosen_values(record) or None,
        "model": facts.model_identity(record.card) if record.card else None,
        "width": record.width,
        "height": record.height,
        "data_bar": record.data_bar,
        "metadata": dict(record.instrument),
    }


@cache
def versions() -> dict[str, str]:
    """The versions of the software that decides the numbers, without packages that are not
    installed.

    No package is imported for this.
    """
    version_of = {"deepsegm": __version__, "python": platform.python_version()}
    for package in ("numpy", "scipy", "scikit-image", "matplotlib", "tifffile", "openvino", "torch"):
        try:
            version_of[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return version_of


def json_value(value: Any) -> Any:
    """The value in plain JSON types. A number that is not finite becomes None, any other object its
    text."""
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, np.generic):
        return json_value(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


EXPORTS = (
    Export(
        RESULT,
        "All details, JSON",
        place=170,
        write=lambda context, path: write_json(as_dict(context.sample), path, indent=2),
        image="all numbers with intervals, settings, scale, model and versions, for programs",
        sample="numbers of all images with intervals and one entry per image, for programs",
        stored=True,
        usual=True,
    ),
    Export(
        "result.schema.json",
        "JSON Schema",
        place=175,
        write=lambda _, path: path.write_bytes(SCHEMA.read_bytes()),
        both="the JSON Schema of result.json",
    ),
)
