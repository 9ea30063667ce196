"""Makes, changes and deletes control charts of methods, and writes notes at their points."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.db import transaction
from django.utils import timezone

from ...core.names import clean_text
from ...core.quality.belonging import Choice
from ...core.quality.control_chart import ChartPlan
from ...models import ChartPoint, ControlChart, Job, Method, Reference, Sample
from ...services.ground import bounds, staff_log
from ...services.ground.refusal import Refused, lock
from ..methods.services import GONE, check_changeable
from .points import fields_of_point, is_same_material, mark_alarms_as_sent, put_point
from .rows import LONGEST_NOTE

PORTION = 100  # results that are read at once
TWICE = "There is a control chart of this number and material already."
MATERIALS = "The results of this method are of several materials: {names}. Choose the one that the chart is of."
NO_CHART = "This control chart has been deleted."
NO_REASON = f"Type the known cause, of at most {LONGEST_NOTE} characters."
TOO_LONG = f"A note has at most {LONGEST_NOTE} characters."


@transaction.atomic
def create_chart(
    *, method: Method, plan: ChartPlan, reference: Reference | None, user: Any, material: str | None = None
) -> ControlChart:
    """Make a chart of one number of a method, with a point for each existing result.

    reference: only measurements of this reference material become points; None: only results without
    a reference material, of one material. material: its text, "" for results without one; None: the only
    material of the results so far. Raises Refused (401, 403, 404, 409 there is such a chart already, 422).
    """
    check_changeable(method, user)
    lock(method, GONE)
    copy = {**reference.material, "id": str(reference.pk)} if reference else {}
    chosen = None if reference else _one_material(method, material)
    charts = list(method.charts.all())
    if any(
        chart.get_plan().quantity == plan.quantity
        and is_same_material(chart.reference, copy)
        and chart.material == chosen
        for chart in charts
    ):
        raise Refused(TWICE, 409)
    bounds.ask(ControlChart, of=method, user=user)
    chart = ControlChart(method=method, plan=plan.model_dump(mode="json"), reference=copy, material=chosen)
    chart.save(force_insert=True)
    staff_log.note(user, "made a control chart", chart, {}, chart.plan)
    single = ((row, fields_of_point(chart, row)) for row in _results_of(method, Job))
    points = (ChartPoint(chart=chart, job=row, **fields) for row, fields in single if fields)
    while portion := list(islice(points, PORTION)):
        ChartPoint.objects.bulk_create(portion)
    for row in _results_of(method, Sample):
        put_point(chart, row)
    mark_alarms_as_sent(chart)  # no webhook gets messages about old points
    return chart


def _results_of(method: Method, kind: type[Job | Sample]) -> Iterator[Any]:
    """The results of a method that can be points: images that were analysed alone, or samples."""
    rows = kind._default_manager.filter(method__method=method).select_related("method__method")
    if kind is Job:
        rows = rows.filter(state=Job.State.DONE, sample=None, parent=None).select_related("micrograph")
    return rows.iterator(PORTION)  # in portions, because each result has a long summary


def materials_of(method: Method) -> list[str]:
    """The materials that the results of a method name, "" for results that name none; in order."""
    by_method = {"method__method": method, "reference": {}}
    single = Job.objects.filter(state=Job.State.DONE, sample=None, parent=None, **by_method)
    names = [*single.values_list("settings__material", flat=True).distinct()]
    names += Sample.objects.filter(**by_method).values_list("settings__material", flat=True).distinct()
    return sorted({str(name or "") for name in names})


def _one_material(method: Method, material: str | None) -> str:
    """The material of a new chart; raises Refused (422) if it is to be chosen among several."""
    if material is not None:
        return clean_text(material)
    materials = materials_of(method)
    if len(materials) > 1:
        raise Refused(MATERIALS.format(names=", ".join(name or "none" for name in materials)), 422)
    return materials[0] if materials else ""


@transaction.atomic
def change_chart(*, chart: ControlChart, plan: ChartPlan, user: Any) -> None:
    """Change the rules, the limits or the drawing of a chart, but not the number that it shows. Raises
    Refused."""
    check_changeable(chart.method, user)
    lock(chart, NO_CHART)
    before, after = chart.plan, {**plan.model_dump(mode="json"), "quantity": chart.plan["quantity"]}
    if before == after:
        return
    chart.plan = after
    chart.save(update_fields=["plan"])
    mark_alarms_as_sent(chart)
    staff_log.note(user, "changed a control chart", chart, before, after)


@transaction.atomic
def delete_chart(*, chart: ControlChart, user: Any) -> None:
    """Delete a chart with its notes; raises Refused."""
    check_changeable(chart.method, user)
    staff_log.note(user, "deleted a control chart", chart, {**chart.plan, "points": chart.points.count()})
    chart.delete()


@transaction.atomic
def mark_point(
    *,
    point: ChartPoint,
    user: Any,
    note: str | None = None,
    excluded: str | None = None,
    included: bool | None = None,
) -> None:
    """Write a note at a point of a chart, exclude the point for a known cause, or say yes to one that waits.

    note: what happened. excluded: the cause for which the point is left out. None does not change a
    text, "" removes it. included: whether a point counts that waits for a yes; None changes nothing.
    Raises Refused (403, 404, 422 a text that is too long).
    """
    check_changeable(point.chart.method, user)
    lock(point.chart, NO_CHART)
    texts = {"note": note, "excluded": excluded}
    fields: dict[str, Any] = {name: clean_text(text) for name, text in texts.items() if text is not None}
    if any(len(text) > LONGEST_NOTE for text in fields.values()):
        raise Refused(TOO_LONG if len(fields.get("note", "")) > LONGEST_NOTE else NO_REASON, 422)
    before = {"note": point.note, "excluded": point.excluded, "choice": point.choice}
    if included is not None and point.waits and included == point.needs_agreement:
        by, at = staff_log.name_of(user), timezone.now().isoformat(timespec="seconds")
        fields["choice"] = Choice(by=by, at=at, included=included, waited=point.waits)
    if before == {**before, **fields}:
        return
    for name, text in fields.items():
        setattr(point, name, text)
    point.save(update_fields=list(fields))
    staff_log.note(user, "marked a point of a control chart", point, before, {**before, **fields})
