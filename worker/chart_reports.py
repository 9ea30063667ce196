"""Writes the PDF report of a control chart for one month."""

from __future__ import annotations

import io
from pathlib import Path

from segmentation.models import ChartReport
from segmentation.presenters.control import ChartView
from segmentation.services.results.months import points_until

from .heartbeat import Progress

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
    *("November", "December"),
)


def write_month(report: ChartReport, progress: Progress, folder: Path) -> None:
    """Write the report of a month, with all points up to its end in the chart, and store the PDF."""
    from segmentation.core.report import control_page

    progress("writing the month", 0.0)
    first_day = report.month
    points = points_until(report.chart, first_day)
    view = ChartView(report.chart, points)
    pks = {
        point.pk for point in points if (point.measured.year, point.measured.month) == (first_day.year, first_day.month)
    }
    rows = [row for row in reversed(view.all_rows) if row.point.pk in pks]
    out_of_control = sum(bool(row.sentences) for row in rows)
    counts = (
        f"{len(rows)} point{'' if len(rows) == 1 else 's'} in this month, {out_of_control or 'none'} out of control."
    )
    unit = f", {view.unit}" if view.unit else ""
    month = control_page.Month(
        view.title,
        f"{MONTHS[first_day.month - 1]} {first_day.year}",
        f"{counts} {view.sentence}",
        list(view.facts),
        f"{view.quantity.title}{unit}",
        view.factor,
        view.control,
        ("Point", "Measured", "Value", view.extra_column_title, "What happened"),
        [
            (str(row.number), f"{row.measured:%Y-%m-%d %H:%M}", row.value, row.average or row.range, row.remarks)
            for row in rows
        ],
    )
    file = io.BytesIO()
    control_page.write_month(month, file, points[-1].measured if points else report.created)
    report.finish(ChartReport.State.DONE, pdf=file.getvalue())
