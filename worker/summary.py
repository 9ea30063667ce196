"""The data that the result page shows without opening a file."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from segmentation.core import flags
from segmentation.plain import storable

if TYPE_CHECKING:
    from segmentation.core.analysis import Analysis


def summarise(analysis: Analysis, *, reused: bool, unread: bool) -> dict[str, Any]:
    """A `JobResult` in plain JSON types, numbers always finite (PostgreSQL's JSON knows no NaN)."""
    from segmentation.core.combine import histogram_of
    from segmentation.core.sample import Member
    from segmentation.core.tasks import find

    outlines, origin, statistics = analysis.segmentation, analysis.segmentation.provenance, analysis.statistics
    curves = () if analysis.refused else find(origin.task).curves(outlines, analysis.calibration)
    rows, columns = analysis.micrograph.shape
    pixel_size = analysis.table.nm_per_pixel or 1.0
    return storable(
        {
            "task": origin.task,
            "order": list(analysis.quantities),
            "quantities": {name: value.as_dict() for name, value in analysis.quantities.items()},
            "found": len(outlines),
            "refused": analysis.refused,
            "statistics": statistics and statistics.as_dict(),
            "histogram": statistics and histogram_of([Member.of(analysis).sized], statistics, pixel_size),
            "curves": [asdict(curve) for curve in curves],
            "calibration": asdict(analysis.calibration),
            "model": {
                "name": origin.model,
                "title": origin.card.get("title", origin.model),
                "version": origin.card.get("version"),
                "sha256": origin.weights,
            },
            "image": {"width": columns, "height": rows},
            "data_bar": outlines.rows if outlines.rows < rows else None,
            **{name: outlines.used.get(name) for name in ("polarity", "scale", "threshold")},
            "used": outlines.used,
            "filter": analysis.settings.measurement.filter,
            "edge": analysis.settings.measurement.border_correction,
            "reused": reused,
            "unread": unread,
            **flags.as_json(analysis.flags),
            "timings": analysis.timings,
        }
    )
