"""Help, models, sign-in, health, and the pages for requests that went wrong."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.core.exceptions import RequestDataTooBig, TooManyFilesSent
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ..core.measure.filters import Reason
from ..core.network import cards
from ..models import Job

FIGURES = {
    "dice": "Dice",
    "iou": "IoU",
    "ap50": "AP50",
    "ap75": "AP75",
    "f50": "F1 at 0.5",
    "f75": "F1 at 0.75",
}


class SignIn(LoginView):
    """Django's own, which sends the signed-in on; told whether the site is closed to others."""

    template_name = "accounts/login.html"
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**kwargs, site_closed=settings.DEEPSEGM_REQUIRE_LOGIN)


@require_safe
def help_page(request: HttpRequest) -> HttpResponse:
    """What every number means and how to work with the files."""
    context = {
        "reasons": [(str(reason), reason.definition) for reason in Reason],
        "max_upload_mb": settings.DEEPSEGM_MAX_UPLOAD_MB,
        "max_megapixels": settings.DEEPSEGM_MAX_MEGAPIXELS,
        "retention_days": settings.DEEPSEGM_RETENTION_DAYS,
        "site": request.build_absolute_uri("/").rstrip("/"),
    }
    return render(request, "help.html", context)


@require_safe
def models(request: HttpRequest) -> HttpResponse:
    """Every model that can be chosen, as its card describes it."""
    shown = [
        {
            "name": card.name,
            "title": card.title,
            "summary": card.summary,
            "sha256": card.sha256,
            "facts": _facts(card),
            "limits": card.limits,
            "scores": _scores(card),
        }
        for card in cards.available()
    ]
    return render(request, "models.html", {"models": shown})


def _facts(card: cards.ModelCard) -> list[tuple[str, str]]:
    facts = [
        ("Name", card.name),
        ("Version", card.version),
        ("Threshold", f"{card.threshold:g}"),
        ("Working size", f"particles of about {card.diameter:g} px; images are resampled to that"),
        ("Licence", card.licence),
    ]
    return facts + [("Trained on", _joined(source, ("title", "split", "licence"))) for source in card.data]


def _scores(card: cards.ModelCard) -> list[dict[str, Any]]:
    """On which data, of which split, and the figures by name."""
    return [
        {
            "data": score["data"],
            "split": score["split"],
            "figures": [(title, score[name]) for name, title in FIGURES.items() if name in score],
        }
        for score in card.scores
    ]


def _joined(entry: dict[str, Any], names: tuple[str, ...]) -> str:
    return ", ".join(str(entry[name]) for name in names if entry.get(name))


@require_safe
@login_not_required
def healthz(request: HttpRequest) -> JsonResponse:
    """For monitors: whether the site and its database answer."""
    try:
        Job.objects.exists()
    except DatabaseError:
        return JsonResponse({"ok": False}, status=503)
    return JsonResponse({"ok": True})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400: what was too large says so."""
    if isinstance(exception, RequestDataTooBig | TooManyFilesSent):
        return render(request, "413.html", status=413)
    return render(request, "400.html", status=400)
