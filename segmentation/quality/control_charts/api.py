"""Control charts of methods in the API: make, read, change limits, and write notes at points."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from ninja import Schema, Status
from pydantic import Field

from ...api.shared.request_bodies import Body, json_body
from ...api.shared.routes import JSON, Routes, request_body
from ...api.shared.schemas import Answer, FromRow, Id, text_of, url_of_view
from ...core.quality.control_chart import ChartPlan
from ...models import Reference
from ...services.ground.refusal import Refused
from ..methods.words import chart_of, method_of
from . import services as service
from .words import ChartView

router = Routes(tags=["Control charts"])
methods_router = Routes(tags=["Methods"])
NO_REFERENCE = "You list no reference material with this id."
# The description of a plan, a `ChartPlan` as JSON.
PLAN = (
    "quantity (such as median), way (individuals or ewma), centre and sigma (given limits, null for those of the first"
    " 20 points; nm, fractions from 0 to 1), rules (numbers of the tests)."
)


class NewChart(Body):
    """A chart of one number of a method."""

    plan: dict[str, Any] = Field(default_factory=dict, description=PLAN)
    reference: UUID | None = Field(None, description="A reference material whose measurements it shows.")
    material: str | None = Field(
        None, description="Without a reference material: the material of its results, as they name it; empty for none."
    )


class ChangedChart(Body):
    plan: dict[str, Any] = Field(description=f"What changes: {PLAN} The quantity stays.")


class PointMark(Body):
    """What happened at a point; what is not sent stays as it is."""

    note: str | None = Field(None, description="Such as: new filament. An empty text deletes the note.")
    excluded: str | None = Field(None, description="The known cause for which it does not count; empty: it counts.")
    included: bool | None = Field(None, description="Whether it counts although it waits for a yes.")


class PointAlarm(Schema):
    rule: int = Field(description="1 to 8 of Nelson's tests, 9 for the moving range, 10 for the weighted average.")
    sentence: str


class Point(Schema):
    """One result of a chart, in the unit of result.json."""

    id: int
    number: int = Field(description="From 1 on, in the order of time.")
    measured: datetime = Field(description="When the image was taken if its file tells it, else the result's time.")
    value: float
    average: float | None = Field(description="The weighted average; null for individuals.")
    moving_range: float | None = Field(description="The difference from the last point before it that counts.")
    lower: float | None
    upper: float | None
    alarms: list[PointAlarm]
    note: str
    excluded: str
    counts: bool = Field(description="Whether limits and tests include it.")
    waits: str = Field(description="Why it counts only after a yes; empty if it counts without.")
    choice: str = Field(description="Who said yes or no to it; empty if nobody did.")
    version: int
    departures: list[str]
    job: str | None = Field(description="The id of the result, if you may see it.")
    sample: str | None


class Chart(Answer):
    """A control chart and its state at the last point."""

    id: Id
    url: Annotated[str, url_of_view("api:chart")]
    page: Annotated[str, url_of_view("chart")] = Field(description="The page of the same chart for people.")
    method: Annotated[str, text_of("method_id")]
    name: Annotated[str, FromRow(lambda row, _: str(row))]
    plan: dict[str, Any] = Field(description=PLAN)
    reference: dict[str, Any] = Field(description="The reference material with its certificate; {} without one.")
    material: str | None = Field(description="The material of its results; null for one of a reference material.")
    sentence: Annotated[str, FromRow(lambda row, request: _view(row, request).sentence)]
    in_control: Annotated[bool | None, FromRow(lambda row, request: _view(row, request).is_in_control)] = Field(
        description="Whether the last point that counts raises no alarm; null before there are limits."
    )


class ChartLevel(Schema):
    centre: float
    sigma: float
    source: Literal["given", "the first 20 points"]
    greatest_range: float | None = Field(description="Upper limit of the moving ranges.")


class ChartInFull(Chart):
    level: Annotated[ChartLevel | None, FromRow(lambda row, request: _view(row, request).level_as_dict())]
    points: Annotated[list[Point], FromRow(lambda row, request: _view(row, request).as_dicts())]


def _view(row: Any, request: HttpRequest) -> ChartView:
    """The chart in words, made once for all fields of an answer."""
    if not hasattr(row, "view"):
        row.view = ChartView(row, row.points.all(), request)
    return row.view  # type: ignore[no-any-return]


@methods_router.operation("GET", "/{uuid:pk}/charts", "method-charts", list[Chart], (404,))
def charts(request: HttpRequest, pk: UUID) -> Any:
    """The control charts of a method, each with its state."""
    return list(method_of(request, pk).charts.select_related("method"))


@methods_router.operation(
    "POST",
    "/{uuid:pk}/charts",
    "method-charts",
    {201: ChartInFull},
    (401, 403, 404, 409, 422),
    request_body(NewChart, JSON),
)
def create(request: HttpRequest, response: HttpResponse, pk: UUID) -> Any:
    """Make a control chart of one number; the results so far are its first points."""
    method, body = method_of(request, pk), json_body(request, NewChart)
    reference = None
    if body.reference:
        reference = Reference.objects.listed_for(request.user, request.visitor).filter(pk=body.reference).first()
        if reference is None:
            raise Refused(NO_REFERENCE, 422)
    fields = {"plan": _plan(body.plan), "reference": reference, "material": body.material, "user": request.user}
    row = service.create_chart(method=method, **fields)
    response["Location"] = reverse("api:chart", args=[row.pk])
    return Status(201, row)


@router.operation("GET", "/{uuid:pk}", "chart", ChartInFull, (404,))
def chart(request: HttpRequest, pk: UUID) -> Any:
    """Limits, points and alarms."""
    return chart_of(request, pk)


@router.operation("PATCH", "/{uuid:pk}", "chart", ChartInFull, (403, 404, 422), request_body(ChangedChart, JSON))
def change(request: HttpRequest, pk: UUID) -> Any:
    """Change the rules, the way or the limits of a chart."""
    row, body = chart_of(request, pk), json_body(request, ChangedChart)
    service.change_chart(chart=row, plan=_plan({**row.plan, **body.plan}), user=request.user)
    return row


@router.operation("DELETE", "/{uuid:pk}", "chart", {204: None}, (403, 404))
def delete(request: HttpRequest, pk: UUID) -> Any:
    """Delete a chart with its notes. Results stay."""
    service.delete_chart(chart=chart_of(request, pk), user=request.user)
    return Status(204, None)


@router.operation(
    "PATCH", "/{uuid:pk}/points/{int:point}", "chart-point", ChartInFull, (403, 404, 422), request_body(PointMark, JSON)
)
def mark(request: HttpRequest, pk: UUID, point: int) -> Any:
    """Write a note at a point, or the known cause for which the point does not count."""
    row = chart_of(request, pk)
    point_row = get_object_or_404(row.points.select_related("chart__method"), pk=min(point, 2**62))  # larger: no id
    service.mark_point(point=point_row, user=request.user, **json_body(request, PointMark).model_dump())
    return row


def _plan(fields: dict[str, Any]) -> ChartPlan:
    try:
        return ChartPlan.read(fields)
    except ValueError as problem:
        raise Refused(str(problem), 422) from None
