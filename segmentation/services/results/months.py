"""PDF reports of control charts, one for each month; a report is written again if its points change."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from django.db import transaction
from django.utils import timezone

from ...models import RESTART_FIELDS, ChartPoint, ChartReport, ControlChart
from ..ground.callers import fingerprint
from ..ground.queue import RETRY_AFTER, enqueue_after_commit
from ..ground.refusal import Refused

NO_MONTH = "Send a month such as 2026-11."


def month_of(text: str) -> date:
    """The first day of a month such as "2026-11"; "" means the present month. Raises Refused (422)."""
    if not text:
        return timezone.now().astimezone(UTC).date().replace(day=1)
    match = re.fullmatch(r"(\d{4})-(\d{2})", text)
    try:
        if match:
            return date(int(match[1]), int(match[2]), 1)
    except ValueError:
        pass
    raise Refused(NO_MONTH, 422)


def points_until(chart: ControlChart, month: date) -> list[ChartPoint]:
    """The points of a chart up to the end of a month (UTC)."""
    year, next_month = (month.year + 1, 1) if month.month == 12 else (month.year, month.month + 1)
    return list(chart.points.filter(measured__lt=datetime(year, next_month, 1, tzinfo=UTC)))


def report_of(chart: ControlChart, month: date) -> ChartReport:
    """The row of the report of a month. If it is new or has failed, a worker writes the report. Raises
    Refused (422)."""
    if month.year > timezone.now().year + 1:
        raise Refused(NO_MONTH, 422)
    rows = [
        (
            point.pk,
            point.value,
            str(point.measured),
            point.name,
            point.version,
            point.note,
            point.excluded,
            point.counts,
        )
        for point in points_until(chart, month)
    ]
    content = fingerprint("month of a control chart", str(chart.pk), str(month), str(chart), chart.plan, rows)
    fields = {"chart": chart, "month": month}
    with transaction.atomic():
        # Remove reports with earlier points.
        ChartReport.objects.filter(**fields).exclude(content=content).delete()
        row, is_new = ChartReport.objects.get_or_create(content=content, defaults=fields)
        failed = ChartReport.objects.filter(
            pk=row.pk, state=ChartReport.State.FAILED, finished__lt=timezone.now() - RETRY_AFTER
        )
        if is_new or failed.update(**RESTART_FIELDS):
            enqueue_after_commit(row.pk, ChartReport)
    row.refresh_from_db()
    return row
