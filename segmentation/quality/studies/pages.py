"""The pages of studies of methods: the list with its form, the page of one study, and its report. A button there
writes the precision into the method."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ...core.measure.quantities import number
from ...core.quality.fitness import FIGURES
from ...core.quality.study_report import CONDITIONS, parts_of, unit_of
from ...http.access import see_other
from ...models import Study
from ...services.ground.refusal import Refused
from ..methods import services as methods_service
from ..methods.words import address_of_version, method_of
from . import services as service
from .forms import sent_requirements, sent_rows, ticked_labels
from .words import candidates, report_of, rows_of, study_of


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def studies(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The studies of a method, and the form of a new one; POST makes it."""
    method = method_of(request, pk)
    quantity = methods_service.read_description(methods_service.newest_version(method)).quantity
    context: dict[str, Any] = {"title": request.POST.get("title", "")}
    if request.method == "POST":
        try:
            rows = rows_of(request, method, quantity, ticked_labels(request.POST))
            fields = {"quantity": quantity, "names": CONDITIONS, "rows": rows, "user": request.user}
            fields["agreed"] = request.POST.getlist("agreed")
            fields["requirements"] = sent_requirements(request.POST)
            return see_other(_address(service.create_study(method=method, title=context["title"], **fields)))
        except Refused as refusal:
            context |= {"error": refusal.sentence, "status": refusal.status}
    candidate_list = list(candidates(method, quantity, request.user, request.visitor))
    context |= {
        "method": method,
        "label": number(quantity).label,
        "conditions": CONDITIONS.values(),
        "figures": [(name, title, request.POST.get(f"required-{name}", "")) for name, title in FIGURES.items()],
        "studies": method.studies.order_by("-created").defer("pdf", "rows"),
        "candidates": sent_rows(candidate_list, request.POST),
        "may_change": method.is_changeable_by(request.user),
    }
    return render(request, "methods/studies.html", context, status=context.get("status", 200))


@require_safe
@never_cache
def study(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The page of a study: its outcome, and all results in it."""
    row = study_of(request, pk)
    context = {"study": row, "method": row.method, "label": number(row.quantity).label, "unit": unit_of(row.quantity)}
    may_change = row.method.is_changeable_by(request.user)
    context["may_cancel"] = may_change and not row.is_finished
    if row.state == Study.State.DONE:
        context["parts"] = parts_of(row.quantity, row.rows, row.result, row.requirements)
        context["meanings"] = service.meanings_for_study(row, request.user)
        context["may_apply"] = may_change and row.quantity == "median"
    return render(request, "methods/study.html", context)


@sensitive_post_parameters("password")
@require_POST
def sign(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Sign the report, with the password once more."""
    row = study_of(request, pk)
    request.back = _address(row)
    fields = {name: request.POST.get(name, "") for name in ("password", "name", "meaning")}
    service.sign_study(study=row, request=request, **fields)
    return see_other(f"{_address(row)}#signatures")


@require_safe
def report(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The validation report as PDF."""
    row = study_of(request, pk)
    return report_of(row)


@require_POST
def cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Stop a study that waits or runs."""
    row = study_of(request, pk)
    request.back = _address(row)
    service.cancel_study(study=row, user=request.user)
    return see_other(request.back)


@require_POST
def apply(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Write the precision into the next version of the method."""
    row = study_of(request, pk)
    request.back = _address(row)
    return see_other(address_of_version(service.apply_study(study=row, user=request.user)))


def _address(row: Study) -> str:
    return reverse("study", args=[row.pk])
