"""My results: what this account, or this browser, has made."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ..models import Artifact, Job, Micrograph
from .present import is_scaled, main_number
from .words import capital

A_PAGE = 50


@require_safe
@never_cache
def results(request: HttpRequest) -> HttpResponse:
    """The list, newest first; for HTMX only its fragment, which asks again while something runs."""
    mine = Job.objects.visible_to(request.user, request.visitor).filter(sample=None).select_related("micrograph")
    page = Paginator(mine.order_by("-created", "pk"), A_PAGE).get_page(request.GET.get("page"))
    pictured = Artifact.objects.filter(job__in=[job.pk for job in page], name="thumbnail.png")
    pictures = set(pictured.values_list("job_id", flat=True))
    rows = [_row(job, job.pk in pictures) for job in page]
    archives = _archives(request)
    any_active = any(row["active"] for row in rows) or any(not archive.is_finished for archive in archives)
    context = {"page": page, "rows": rows, "archives": archives, "any_active": any_active}
    return render(request, "_results.html" if request.htmx else "results.html", context)


def _archives(request: HttpRequest) -> list[Micrograph]:
    """Archives whose images are to be analysed one by one: those being unpacked, or with something left out."""
    mine = Micrograph.objects.visible_to(request.user, request.visitor).filter(is_archive=True, sample=None)
    asked = mine.exclude(asked={}).order_by("created")
    return [archive for archive in asked if not archive.is_finished or archive.notes or archive.error]


def _row(job: Job, pictured: bool) -> dict[str, Any]:
    statistics = job.summary.get("statistics") if job.state == Job.State.DONE else None
    number = main_number(job.summary) if job.state == Job.State.DONE else ""
    preview = reverse("upload-preview", args=[job.micrograph_id]) if job.micrograph.preview else ""
    return {
        "job": job,
        "active": not job.is_finished,
        "state": capital(job.get_state_display()),
        "per_cent": round(100 * job.progress),
        "kept": statistics["n_kept"] if statistics else "",
        "unscaled": statistics is not None and not is_scaled(job.summary),
        "median": number.removeprefix("median "),
        "picture": reverse("artifact", args=[job.pk, "thumbnail.png"]) if pictured else preview,
    }
