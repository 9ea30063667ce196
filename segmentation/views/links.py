"""The private link by which others look at a sample or at a job: its end, a new one, off and on."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from ..http.access import changeable, see_other
from ..models import Job, Sample
from ..services.ground.refusal import Refused
from ..services.results import steps

WAYS = {"end": {}, "renew": {"renew": True}, "off": {"off": True}, "on": {"off": False}}
NO_DATE = "Choose the day on which the link ends."


@require_http_methods(["GET", "HEAD", "POST"])
def link(request: HttpRequest, pk: UUID, kind: str) -> HttpResponse:
    """Change the link. do: end (at `ends`, or at `day` where `ends` is "day"), renew, off or on."""
    row = changeable(request, (Sample if kind == "sample" else Job).objects.filter(pk=pk).first())
    if request.method != "POST":
        return redirect(request.back)
    request.back += "#link"
    way, ends = request.POST.get("do", "end"), ""
    if way == "end":
        ends = request.POST.get("ends", "")
        ends = request.POST.get("day", "") if ends == "day" else ends
    if way not in WAYS or (way == "end" and not ends):
        raise Refused(NO_DATE)
    steps.share(row=row, ends=ends, **WAYS[way])
    return see_other(request.back)
