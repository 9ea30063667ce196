"""Control charts of methods: the form on the page of a method, and the page of each chart."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from ...core.quality.control_chart import ChartPlan
from ...http.access import see_other
from ...models import ControlChart, Method, Reference
from ...services.ground.refusal import Refused
from ..methods import services as methods
from ..methods.forms import answer_choices
from ..methods.words import chart_of, method_of
from . import services as service
from .forms import ChartForm
from .words import ChartView

OF_MATERIAL = "material "  # before the name of a material, in the field of the reference material


def form_for(request: HttpRequest, method: Method, data: Any = None) -> ChartForm:
    """The form of a new chart of a method."""
    description = methods.read_description(methods.newest_version(method))
    rows = Reference.objects.listed_for(request.user, request.visitor).order_by("name")
    materials = service.materials_of(method)
    of_none = [(f"{OF_MATERIAL}{name}", name or "no reference material, and no named one") for name in materials]
    references = [*(of_none if any(materials) else []), *((str(row.pk), row.name) for row in rows)]
    plan = ChartPlan(quantity=description.quantity)
    return ChartForm(data, plan, answer_choices(description.task), references)


@require_POST
def create(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Make a chart of a method; if the form is refused, show it again."""
    method = method_of(request, pk)
    methods.check_changeable(method, request.user)
    form, status = form_for(request, method, request.POST), 400
    if form.is_valid():
        references = Reference.objects.listed_for(request.user, request.visitor)
        reference_id = form.cleaned_data["reference"]
        material = reference_id.removeprefix(OF_MATERIAL) if reference_id.startswith(OF_MATERIAL) else None
        is_reference = reference_id and material is None
        reference = references.filter(pk=reference_id).first() if is_reference else None
        fields = {"plan": form.cleaned_data["plan"], "reference": reference, "material": material}
        try:
            chart = service.create_chart(method=method, user=request.user, **fields)
        except Refused as refusal:
            form.add_error(None, refusal.sentence)
            status = refusal.status
        else:
            return see_other(reverse("chart", args=[chart.pk]))
    return render(request, "methods/new_chart.html", {"method": method, "form": form}, status=status)


@require_safe
@never_cache
def chart(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The page of a chart: its state in a sentence, the pictures, and the points."""
    return _page(request, chart_of(request, pk))


@require_POST
def change(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Change the tests for alarms, the kind or the limits of a chart."""
    row = chart_of(request, pk)
    methods.check_changeable(row.method, request.user)
    form = _form(
        row, {**request.POST.dict(), "rules": request.POST.getlist("rules"), "quantity": row.get_plan().quantity}
    )
    if not form.is_valid():
        return _page(request, row, form=form, status=400)
    service.change_chart(chart=row, plan=form.cleaned_data["plan"], user=request.user)
    return see_other(reverse("chart", args=[pk]))


@require_POST
def point(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Store the note of a point, or the known cause for which the point is excluded."""
    row, number = chart_of(request, pk), request.POST.get("point", "")
    if not number.isdecimal() or len(number) > 18:  # more digits than an id of the database has
        raise Http404
    point_row = get_object_or_404(row.points.select_related("chart__method"), pk=int(number))
    request.back = reverse("chart", args=[pk])
    texts: dict[str, Any] = {name: request.POST[name] for name in ("note", "excluded") if name in request.POST}
    if "included" in request.POST:
        texts["included"] = request.POST["included"] == "on"
    service.mark_point(point=point_row, user=request.user, **texts)
    return see_other(f"{request.back}#points")


@require_POST
def delete(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Delete a chart with its notes."""
    row = chart_of(request, pk)
    request.back = reverse("chart", args=[pk])
    service.delete_chart(chart=row, user=request.user)
    return see_other(reverse("method", args=[row.method_id]))


def _form(row: ControlChart, data: Any = None) -> ChartForm:
    plan = row.get_plan()
    return ChartForm(data, plan, [(plan.quantity, plan.label)])


def _page(request: HttpRequest, row: ControlChart, *, form: ChartForm | None = None, status: int = 200) -> HttpResponse:
    context = {
        "chart": row,
        "method": row.method,
        "view": ChartView(row, row.points.all(), request),
        "may_change": row.method.is_changeable_by(request.user),
        "form": form or _form(row),
    }
    return render(request, "methods/chart.html", context, status=status)
