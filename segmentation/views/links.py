"""The private links of jobs and samples: their owner ends, renews and switches them."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from ..http.access import changeable, see_other
from ..models import Job, Sample
from ..services import Refused
from ..services.access import links

WAYS = {"end": {}, "renew": {"renew": True}, "off": {"off": True}, "on": {"off": False}}
NO_DATE = "Choose the day on which the link ends."


@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, pk: UUID, kind: str) -> HttpResponse:
    """Change the link as a button of its form says."""
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
    links.change_link(row=row, ends=ends, **WAYS[way])
    return see_other(request.back)
