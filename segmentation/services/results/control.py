"""The points of control charts: put in as results are finished, told to webhooks, and said on later results."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q

from ...core.measure.quantities import number
from ...core.measure.results import Statistics
from ...core.quality.control import Control
from ...models import SHOWN_NAME, ChartPoint, ControlChart, Job, Sample
from ..access.site_address import address_of
from ..access.webhooks import announce_alarm

ALARM = "method.alarm"


def record(row: Job | Sample) -> None:
    """Put a finished result into the charts of its method, and tell of its alarms; within the transaction that gives
    it its numbers, or its reference material."""
    if row.method_id is None:
        return
    now = type(row).objects.select_related("method").filter(pk=row.pk).first()
    if now is None or now.method is None:
        return
    for chart in ControlChart.objects.select_for_update().filter(method=now.method.method_id):
        point = put(chart, now)
        if point is not None:
            _tell(chart, point, now)


def put(chart: ControlChart, row: Job | Sample) -> ChartPoint | None:
    """A result as a point of a chart, None where it is none: an image of a sample is none by itself, nor is a further
    version of a result."""
    is_job = isinstance(row, Job)
    held = ChartPoint.objects.filter(chart=chart, **{"job" if is_job else "sample": row})
    value = _value(row, chart.read().quantity) if same_material(chart.reference, row.reference) else None
    if is_job and (row.sample_id or row.parent_id):
        value = None
    if not is_job:
        chart.points.filter(job__sample=row).delete()
    if not is_job:
        # Results that are points, put together: each would count twice.
        twice = Q(job__reruns__sample=row) | Q(sample__jobs__reruns__sample=row)
        value = None if chart.points.filter(twice).exclude(sample=row).exists() else value
    if value is None:
        held.delete()
        return None
    stored = (row.summary if is_job else row.pooled).get("method") or {}
    fields = {"name": (row.micrograph.name if is_job else row.name)[:SHOWN_NAME], "measured": row.created}
    fields |= {"value": value, "version": stored.get("version", row.method.number)}
    fields |= {"departures": stored.get("departures", [])}
    point, _ = ChartPoint.objects.update_or_create(
        chart=chart, job=row if is_job else None, sample=None if is_job else row, defaults=fields
    )
    return point


def same_material(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.get("id") == other.get("id")


def _value(row: Job | Sample, name: str) -> float | None:
    """A number of a result in the unit of result.json; None where it has none, or only one in pixels."""
    stored = row.summary if isinstance(row, Job) else row.pooled
    if not stored or stored.get("refused"):
        return None
    if name in stored.get("quantities", {}):
        value = stored["quantities"][name]
        size, unit = value["value"], value["unit"]
    else:  # of a sample of particles the statistics are all that is stored
        fields = stored.get("statistics") if isinstance(row, Job) else stored if "n_kept" in stored else None
        try:
            held = Statistics.from_dict(fields).value(name) if fields else None
        except (KeyError, AttributeError):
            held = None
        if held is None:
            return None
        size, unit = held.value, held.unit
    return None if size is None or (number(name).power and unit.startswith("px")) else float(size)


def _tell(chart: ControlChart, point: ChartPoint, row: Job | Sample) -> None:
    """Send the alarms of a point that were not sent yet."""
    points = list(chart.points.all())
    at = next(place for place, one in enumerate(points) if one.pk == point.pk)
    alarms = chart.control(points).alarms_at(at)
    news = [alarm for alarm in alarms if alarm.rule not in point.sent_rules]
    rules = [alarm.rule for alarm in alarms]
    if rules != point.sent_rules:
        ChartPoint.objects.filter(pk=point.pk).update(sent_rules=rules)
    if news:
        body = {"name": str(chart), "sentence": " ".join(alarm.sentence for alarm in news), "point": at + 1}
        body |= {"value": point.value, "result": address_of(row, "/api/v1").rstrip("/")}
        announce_alarm(chart, {chart.method.owner_id, row.owner_id} - {None}, ALARM, body)


def control_words(row: Job) -> str:
    """What a result says of the control of its method when it is measured: where the last point before it in a chart is
    out of control; "" where none is."""
    if row.method is None:
        return ""
    sentences = []
    for chart in ControlChart.objects.filter(method=row.method.method_id).select_related("method"):
        points = list(chart.points.filter(measured__lt=row.created).exclude(job=row))
        control = chart.control(points)
        if control.last_alarms:
            last = points[control.places[-1]]
            sentences.append(_out_of_control(chart, last.measured, control))
    return " ".join(sentences)


def _out_of_control(chart: ControlChart, measured: datetime, control: Control) -> str:
    material = f" of {chart.reference['name']}" if chart.reference else ""
    why = " ".join(alarm.sentence for alarm in control.last_alarms)
    return (
        f"The method was out of control at the last point of its chart of the {chart.read().label}{material}, on"
        f" {measured:%Y-%m-%d}: {why}"
    )


def take_as_told(chart: ControlChart) -> None:
    """Take the alarms that there are as told."""
    points = list(chart.points.all())
    control = chart.control(points)
    for at, point in enumerate(points):
        point.sent_rules = [alarm.rule for alarm in control.alarms_at(at)]
    ChartPoint.objects.bulk_update(points, ["sent_rules"], batch_size=200)
