"""The offer to keep, in the account, what this browser made before signing in."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from ..services import Refused
from ..services.claiming import claim_results
from .access import refused

LEFT = "claiming-left"  # in the session: the browser whose results this user does not want


@require_POST
def claim(request: HttpRequest) -> HttpResponse:
    """Keep the results, or stop asking for as long as this sign-in lasts."""
    if request.POST.get("answer") == "leave":
        request.session[LEFT] = str(request.visitor)
        return redirect("results")
    try:
        claim_results(user=request.user, visitor=request.visitor)
    except Refused as refusal:
        return refused(request, refusal)
    return redirect("results")
