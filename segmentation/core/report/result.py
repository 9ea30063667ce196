"""`result.json`: everything about an analysis but its pixels, for programs."""

from __future__ import annotations

import math
import platform
from dataclasses import asdict
from functools import cache
from importlib import metadata
from typing import Any

import numpy as np

from segmentation import __version__

from ..analysis import Analysis
from .wording import model_version


def as_dict(analysis: Analysis) -> dict[str, Any]:
    """Plain JSON types; a number that is not finite becomes None.

    settings: the Recipe as asked for; `used` says what "auto" and None became. statistics, set_aside (counts
    by reason), calibration, model, image, versions, timings (s by stage), warnings, metadata (of the file).
    """
    used = analysis.segmentation
    result = {
        "settings": analysis.recipe.as_dict(),
        "used": {"threshold": used.threshold, "polarity": used.polarity, "scale": used.scale},
        "calibration": asdict(analysis.calibration),
        "statistics": analysis.statistics.as_dict(),
        "set_aside": analysis.statistics.set_aside,
        "model": {"name": used.model, "version": model_version(used.model), "sha256": used.model_sha256},
        "image": _image(analysis),
        "versions": _versions(),
        "timings": analysis.timings,
        "warnings": list(analysis.warnings),
        "metadata": analysis.micrograph.metadata,
    }
    plain: dict[str, Any] = _plain(result)
    return plain


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
def _versions() -> dict[str, str]:
    """Of what decides the numbers; a package that is not installed is left out, none is imported."""
    versions = {"deepsegm": __version__, "python": platform.python_version()}
    for package in ("numpy", "scipy", "scikit-image", "matplotlib", "tifffile", "torch"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)
