"""The form of the private link by which others look at a sample or a job: set its end, renew it, switch it off or
on."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from ..http.access import changeable, see_other
from ..models import Job, Sample
from ..services.ground.refusal import Refused
from ..services.results.corrections import steps

# Value of the field "do" -> arguments of `steps.change_private_link`.
ARGUMENTS = {"end": {}, "renew": {"renew": True}, "off": {"off": True}, "on": {"off": False}}
NO_DATE = "Choose the day on which the link ends."


@require_http_methods(["GET", "HEAD", "POST"])
def link(request: HttpRequest, pk: UUID, kind: str) -> HttpResponse:
    """Change the link. Field do: end, renew, off or on. Field ends: when it ends; if it is "day", on the day in field
    day."""
    row = changeable(request, (Sample if kind == "sample" else Job).objects.filter(pk=pk).first())
    if request.method != "POST":
        return redirect(request.back)
    request.back += "#link"
    action, ends = request.POST.get("do", "end"), ""
    if action == "end":
        ends = request.POST.get("ends", "")
        ends = request.POST.get("day", "") if ends == "day" else ends
    if action not in ARGUMENTS or (action == "end" and not ends):
        raise Refused(NO_DATE)
    steps.change_private_link(row=row, ends=ends, **ARGUMENTS[action])
    return see_other(request.back)
