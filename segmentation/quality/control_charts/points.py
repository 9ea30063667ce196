"""Puts finished results as points into control charts, sends alarms to webhooks, and finds whether a
method was out of control before a result."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone

from ...core.quality.belonging import reasons_not_to_count
from ...core.quality.control_chart import ChartState
from ...core.tasks import find
from ...models import SHOWN_NAME, ChartPoint, ControlChart, Job, Sample
from ...services.access.site_address import address_of
from ...services.access.webhooks import announce_alarm

ALARM = "method.alarm"


def add_to_charts(row: Job | Sample) -> None:
    """Put a finished result into the charts of its method, and send new alarms to webhooks. Call it in
    the transaction that stores the numbers or the reference material of the result."""
    if row.method_id is None:
        return
    result = type(row).objects.select_related("method").filter(pk=row.pk).first()
    if result is None or result.method is None:
        return
    for chart in ControlChart.objects.select_for_update().filter(method=result.method.method_id):
        point = put_point(chart, result)
        if point is not None:
            _send_alarms(chart, point, result)


def put_point(chart: ControlChart, row: Job | Sample) -> ChartPoint | None:
    """Make, change or remove the point of a result in a chart; returns the point, or None if the
    result gets none.

    A result gets no point if it lacks the number of the chart, measures another reference material or
    another material, is an image of a sample, or is made from another result. What the method does not
    allow (`reasons_of`) is a point that counts only after a person's yes.
    """
    is_job = isinstance(row, Job)
    fields = fields_of_point(chart, row)
    if not is_job:
        chart.points.filter(job__sample=row).delete()
        # If results of the sample have points already, the sample gets none: they would count twice.
        is_result_in_sample = Q(job__reruns__sample=row) | Q(sample__jobs__reruns__sample=row)
        if chart.points.filter(is_result_in_sample).exclude(sample=row).exists():
            fields = None
    if fields is None:
        ChartPoint.objects.filter(chart=chart, **{"job" if is_job else "sample": row}).delete()
        return None
    point, _ = ChartPoint.objects.update_or_create(
        chart=chart, job=row if is_job else None, sample=None if is_job else row, defaults=fields
    )
    return point


def fields_of_point(chart: ControlChart, row: Job | Sample) -> dict[str, Any] | None:
    """What the point of a result stores of it; None if the result gets none by itself (`put_point`)."""
    is_part = isinstance(row, Job) and (row.sample_id or row.parent_id)
    is_same = is_same_material(chart.reference, row.reference) and chart.material in (None, material_of(row))
    stored = row.stored
    if is_part or not is_same or (value := stored.scaled_value(chart.get_plan().quantity).value) is None:
        return None
    method = stored.method
    return {
        "name": row.name[:SHOWN_NAME],
        "measured": measured_at(row),
        "value": value,
        "version": method.version if method else row.method.number,
        "departures": list(method.departures) if method else [],
        "waits": " ".join(reasons_of(row)),
    }


def measured_at(row: Job | Sample) -> datetime:
    """When the last image of a result was taken, if its file tells it; else when the result was made."""
    acquired = row.stored.acquired
    acquisition = timezone.make_aware(acquired[1]) if acquired else row.created
    return min(acquisition, row.created)  # no image is taken after its analysis


def reasons_of(row: Job | Sample) -> list[str]:
    """Why a result counts in charts and studies only after a person's yes (`reasons_not_to_count`)."""
    stored, method = row.stored, None
    with suppress(ValueError):  # another release wrote the method
        method = row.method.written.read() if row.method else None
    images = 1 if isinstance(row, Job) else len(stored.counted_ids)
    particles = None if find(row.settings["task"]).semantic or not stored.statistics else stored.statistics.n_kept
    return reasons_not_to_count(method, stored.method, stored.doubt, images, particles)


def material_of(row: Job | Sample) -> str:
    """The text by which a result names its material, "" without one."""
    return str(row.settings.get("material") or "")


def is_same_material(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two stored references are copies of the same reference material, or both empty."""
    return one.get("id") == other.get("id")


def _send_alarms(chart: ControlChart, point: ChartPoint, row: Job | Sample) -> None:
    """Send the alarms of a point that were not sent yet to webhooks."""
    points = list(chart.points.all())
    index = next(place for place, other in enumerate(points) if other.pk == point.pk)
    alarms = chart.control(points).alarms_at(index)
    new_alarms = [alarm for alarm in alarms if alarm.rule not in point.sent_rules]
    rules = [alarm.rule for alarm in alarms]
    if rules != point.sent_rules:
        ChartPoint.objects.filter(pk=point.pk).update(sent_rules=rules)
    if new_alarms:
        body = {"name": str(chart), "sentence": " ".join(alarm.sentence for alarm in new_alarms), "point": index + 1}
        body |= {"value": point.value, "result": address_of(row, "/api/v1").rstrip("/")}
        announce_alarm(chart, {chart.method.owner_id, row.owner_id} - {None}, ALARM, body)


def out_of_control_words(row: Job) -> str:
    """Sentences for a result that is being measured, one for each chart of its method whose last point
    before this result is out of control; "" for none."""
    if row.method is None:
        return ""
    sentences = []
    for chart in ControlChart.objects.filter(method=row.method.method_id).select_related("method"):
        points = list(chart.points.filter(measured__lt=measured_at(row)).exclude(job=row))
        control = chart.control(points)
        if control.last_alarms:
            last = points[control.places[-1]]
            sentences.append(_out_of_control(chart, last.measured, control))
    return " ".join(sentences)


def _out_of_control(chart: ControlChart, measured: datetime, control: ChartState) -> str:
    """The sentence about one chart. measured: the time of its last point."""
    material = f" of {chart.reference['name']}" if chart.reference else ""
    why = " ".join(alarm.sentence for alarm in control.last_alarms)
    return (
        f"The method was out of control at the last point of its chart of the {chart.get_plan().label}{material}, on"
        f" {measured:%Y-%m-%d}: {why}"
    )


def mark_alarms_as_sent(chart: ControlChart) -> None:
    """Store that the present alarms of a chart need not be sent to webhooks."""
    points = list(chart.points.all())
    control = chart.control(points)
    changed = []
    for index, point in enumerate(points):
        rules = [alarm.rule for alarm in control.alarms_at(index)]
        if rules != point.sent_rules:
            point.sent_rules = rules
            changed.append(point)
    ChartPoint.objects.bulk_update(changed, ["sent_rules"], batch_size=200)
