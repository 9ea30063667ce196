"""`result.json`: everything about an analysis but its pixels, for programs."""

from __future__ import annotations

import math
import platform
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from segmentation import __version__

from ..analysis import Analysis
from ..measure.statistics import by_reason

FORMAT = "deepsegm-result/1"
SCHEMA = Path(__file__).with_name("result.schema.json")


def as_dict(analysis: Analysis) -> dict[str, Any]:
    """Plain JSON types; a number that is not finite becomes None.

    format: the version of this layout, described by result.schema.json. settings: as asked for; `used` says what "auto"
    and None became. quantities: what the task answers with. statistics: of the sizes, None for a task that has none.
    set_aside: counts by reason. calibration, model, image, versions, warnings, metadata (of the file). The same
    analysis gives the same: running times are not part of it.
    """
    used, origin = analysis.segmentation.used, analysis.segmentation.provenance
    result = {
        "format": FORMAT,
        "settings": analysis.settings.as_dict(),
        "used": {name: used[name] for name in ("threshold", "polarity", "scale") if name in used},
        "calibration": asdict(analysis.calibration),
        "quantities": {name: value.as_dict() for name, value in analysis.quantities.items()},
        "statistics": analysis.statistics and analysis.statistics.as_dict(),
        "set_aside": by_reason([analysis.table]),
        "model": {"name": origin.model, "version": origin.card.get("version"), "sha256": origin.weights},
        "image": _image(analysis),
        "versions": versions(),
        "warnings": list(analysis.warnings),
        "metadata": analysis.micrograph.metadata,
    }
    made: dict[str, Any] = plain(result)
    return made


def _image(analysis: Analysis) -> dict[str, Any]:
    rows, columns = analysis.micrograph.shape
    first_of_bar = analysis.segmentation.rows
    return {
        "name": analysis.micrograph.name,
        "sha256": analysis.micrograph.sha256,
        "width": columns,
        "height": rows,
        "data_bar": first_of_bar if first_of_bar < rows else None,
        "notes": list(analysis.micrograph.notes),
    }


@cache
def versions() -> dict[str, str]:
    """Of what decides the numbers; a package that is not installed is left out, none is imported."""
    found = {"deepsegm": __version__, "python": platform.python_version()}
    for package in ("numpy", "scipy", "scikit-image", "matplotlib", "tifffile", "torch"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def plain(value: Any) -> Any:
    """The value in plain JSON types; None for what is no finite number."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)
