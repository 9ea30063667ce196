"""What the result page shows without opening a file."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from segmentation.core.network import cards
from segmentation.plain import plain

if TYPE_CHECKING:
    from segmentation.core.analysis import Analysis


def summarise(analysis: Analysis, *, reused: bool) -> dict[str, Any]:
    """Plain JSON types, numbers always finite (PostgreSQL's JSON knows no NaN)."""
    found = analysis.segmentation
    rows, columns = analysis.micrograph.shape
    card = cards.find(found.model)
    return plain(
        {
            "quantities": {name: value.as_dict() for name, value in analysis.quantities.items()},
            "statistics": analysis.statistics and analysis.statistics.as_dict(),
            "calibration": asdict(analysis.calibration),
            "model": {
                "name": found.model,
                "title": card.title,
                "version": card.version,
                "sha256": found.model_sha256,
            },
            "image": {"width": columns, "height": rows},
            "data_bar": found.rows if found.rows < rows else None,
            "polarity": found.polarity,
            "scale": found.scale,
            "threshold": found.threshold,
            "filter": analysis.settings.measurement.filter,
            "edge": analysis.settings.measurement.border_correction,
            "reused": reused,
            "warnings": list(analysis.warnings),
            "timings": analysis.timings,
        }
    )
