"""The pages of reference materials: the list with its form, and the page of one material with its measurements."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from ...core.quality.reference import ReferenceMaterial
from ...http.access import address_of, deletion_view, row_of, see_other, visible
from ...middleware import sender
from ...models import Job, Reference, Sample
from ...services.ground.refusal import Refused
from ..limits.words import MeasuredReference, certificate_facts
from . import services as references_service
from .forms import ReferenceForm

MOST_SHOWN = 100  # jobs, and as many samples, on the page of a reference material


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def references(request: HttpRequest) -> HttpResponse:
    """The form of a reference material; POST adds it. The page of Quality lists those that the caller may choose."""
    signed_in = request.user.is_authenticated
    groups = list(request.user.groups.values_list("name", flat=True)) if signed_in else []
    form = ReferenceForm(request.POST if request.method == "POST" else None, groups)
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            fields = {name: form.cleaned_data[name] for name in ("material", "group")}
            try:
                reference = references_service.create_reference(**fields, **sender(request))
            except Refused as refusal:
                form.add_error(None, refusal.sentence)
                status = refusal.status
            else:
                return see_other(address_of(reference))
    return render(request, "references/list.html", {"form": form}, status=status)


@require_safe
@never_cache
def reference(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One reference material: its certificate, and the caller's results that are measurements of it."""
    row = visible(request, row_of(Reference, pk))
    measured: list[MeasuredReference] = []
    for model in (Job, Sample):
        results = model._default_manager.visible_to(request.user, request.visitor).filter(reference__id=str(pk))
        results = results.select_related("micrograph") if model is Job else results
        measured += [MeasuredReference.of(result) for result in results.order_by("-created")[:MOST_SHOWN]]
    measured.sort(key=lambda result: result.created, reverse=True)
    context = {
        "reference": row,
        "facts": certificate_facts(ReferenceMaterial.read(row.material)),
        "measured": measured,
        "may_delete": row.is_changeable_by(request.user, request.visitor, "delete"),
        "back": reverse("references"),
    }
    return render(request, "references/reference.html", context)


@deletion_view(
    Reference, "Delete this reference material?", references_service.delete_reference, "references", is_noted=True
)
def delete(request: HttpRequest, reference: Reference) -> str:
    """The sentence that asks before a reference material is deleted."""
    return f"“{reference.name}” will leave the list. Results that were compared with it keep its certificate."
