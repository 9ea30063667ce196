"""The forms that set the limits and the reference material of a result, and the page of the decision alone."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from ...core.report.file_options import CONFORMITY
from ...http.access import address_of, changeable, row_of, see_other, visible
from ...models import Job, Reference, Sample
from ...services.ground.refusal import Refused
from ...services.results import exports
from ...views.forms import to_uuid
from ...views.job.job_page import job_page
from ...views.samples import sample_page
from . import services as judging
from .forms import SpecificationForm
from .panel import quality_context, specification_form

FRAGMENT = "#specification"
NO_MATERIAL = "This reference material is not in your list."


@require_http_methods(["GET", "HEAD", "POST"])
def specification(request: HttpRequest, pk: UUID, kind: type[Job | Sample]) -> HttpResponse:
    """Set the limits of a result; "remove" takes them away."""
    row = changeable(request, row_of(kind, pk))
    if request.method != "POST":
        return redirect(address_of(row) + FRAGMENT)
    limits = None
    if "remove" not in request.POST:
        form = specification_form(row, request.POST)
        if not form.is_valid():
            return _page_of(request, row, form)
        limits = form.cleaned_data["specification"]
    judging.set_specification(row=row, specification=limits, account=request.user)
    request.staff_action = None  # the service has noted it
    return see_other(address_of(row) + FRAGMENT)


@require_http_methods(["GET", "HEAD", "POST"])
def reference(request: HttpRequest, pk: UUID, kind: type[Job | Sample]) -> HttpResponse:
    """State which reference material a result is a measurement of: its id in the field reference, empty for none."""
    row = changeable(request, row_of(kind, pk))
    if request.method != "POST":
        return redirect(address_of(row) + FRAGMENT)
    material, text = None, request.POST.get("reference", "")
    if text:
        material = Reference.objects.listed_for(request.user, request.visitor).filter(pk=to_uuid(text)).first()
        if material is None:
            raise Refused(NO_MATERIAL, 404)
    judging.set_reference(row=row, reference=material, account=request.user)
    request.staff_action = None  # the service has noted it
    return see_other(address_of(row) + "#reference")


def _page_of(request: HttpRequest, row: Job | Sample, form: SpecificationForm) -> HttpResponse:
    """The page of a result with a form that was refused."""
    page = job_page if isinstance(row, Job) else sample_page
    return page(request, row, status=400, **quality_context(request, row, form))


@require_safe
@never_cache
def conformity(request: HttpRequest, pk: UUID, kind: type[Job | Sample]) -> HttpResponse:
    """The decision alone, for a supplier or a customer: one page to print."""
    row = visible(request, row_of(kind, pk))
    context = quality_context(request, row)
    if context["certificate"] is None:
        return redirect(address_of(row))
    is_job = isinstance(row, Job)
    name = row.micrograph.name if is_job else row.name
    further = CONFORMITY in exports.unwritten_files(row)
    context |= {"row": row, "name": name, "back": address_of(row), "further": further}
    context["facts"] = _facts(row)
    return render(request, "conformity.html", context)


def _facts(row: Job | Sample) -> list[tuple[str, str]]:
    """Material, laboratory, operator and preparation from the settings: (term, words) of each that is filled in."""
    titles = {"material": "Material", "laboratory": "Laboratory", "operator": "Operator", "preparation": "Preparation"}
    return [(title, row.settings[name]) for name, title in titles.items() if row.settings.get(name)]
