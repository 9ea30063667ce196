"""Makes the summary with the numbers of a result, and the files that are stored with every result."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from segmentation.core import flags
from segmentation.core.analysis import Analysis
from segmentation.core.micrograph.vendors.facts import MARKS
from segmentation.core.quality.method_file import OWN_APPROVAL
from segmentation.core.sample import Member
from segmentation.core.tasks import find
from segmentation.models import Job
from segmentation.plain import storable
from segmentation.quality.control_charts.points import out_of_control_words
from segmentation.services.ground import tables
from segmentation.services.results.pooled_outlines import COCO_FILE

from ..heartbeat import Progress


def with_method(job: Job, analysis: Analysis) -> Analysis:
    """The analysis with the present state of the method that its job follows; unchanged without a
    method."""
    if job.method is None:
        return analysis
    used = replace(job.method.written.record_for(analysis), control=out_of_control_words(job))
    return replace(analysis, method=replace(used, approval=OWN_APPROVAL) if job.method.is_own_approval else used)


def write_stored_files(
    analysis: Analysis, out: Path, *, in_sample: bool, progress: Progress | None = None
) -> dict[str, Path]:
    """Write the files that are stored with every result; for an image in a sample also the
    files that pooling needs. Returns their paths by name."""
    from segmentation.core.report.files import write_all

    files = write_all(analysis, out, stored_only=True, added_names=[COCO_FILE] if in_sample else [], progress=progress)
    if in_sample:
        clarity = analysis.segmentation.used.get("clarity", 1.0)
        files[tables.TABLE_FILE] = tables.save(analysis.table, clarity, out / tables.TABLE_FILE)
    return files


def summarise(analysis: Analysis, *, reused: bool, unread: bool) -> dict[str, Any]:
    """The summary of an analysis: a `JobResult` of JSON values, without NaN, which PostgreSQL does
    not allow in JSON.

    reused: whether its outlines existed before. unread: whether the data bar of the image was not
    read yet.
    """
    from segmentation.core.combine import histogram_of

    outlines, origin, statistics = analysis.segmentation, analysis.segmentation.provenance, analysis.statistics
    inputs = outlines, analysis.calibration, analysis.settings.measurement
    curves = () if analysis.refused else find(origin.task).curves(*inputs)
    rows, columns = analysis.micrograph.shape
    pixel_size, member = analysis.table.nm_per_pixel or 1.0, Member.of(analysis)
    return storable(
        {
            "task": origin.task,
            "order": list(analysis.quantities),
            "quantities": {name: value.as_dict() for name, value in analysis.quantities.items()},
            "found": len(outlines),
            "refused": analysis.refused,
            "statistics": statistics and statistics.as_dict(),
            "histogram": statistics and histogram_of([member.sized], statistics, pixel_size, pieces=[member.pieces]),
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
            "used": {name: value for name, value in outlines.used.items() if name not in ("by_others", MARKS)},
            "filter": analysis.settings.measurement.filter,
            "edge": analysis.settings.measurement.border_correction,
            "reused": reused,
            "unread": unread,
            **({"method": analysis.method.as_dict()} if analysis.method else {}),
            **flags.as_json(analysis.flags),
            "timings": analysis.timings,
        }
    )
