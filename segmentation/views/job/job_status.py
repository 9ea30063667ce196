"""The progress of a job: the part of its page that the page requests every few seconds."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django_htmx.http import HttpResponseClientRefresh

from ...core.flags import DO_NOT_USE
from ...core.report.wording import calibration_words
from ...http.access import reload_if_gone, row_of, visible
from ...models import Job
from ...presenters.progress import status_of
from ...presenters.result import Result
from ...services.access.links import is_open
from ...services.ground import queue
from ...services.ground.refusal import Refused

SOON = timedelta(seconds=5)  # so long after it was queued, the page of a job asks more often


@reload_if_gone
def status(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Polled by the waiting page until the job ends; then the page reloads.

    GET `late`: the state of the scale check that a finished page shows (204 while unchanged). `part`: number of the
    early outlines already drawn. `unseen`: the page has no preview yet.
    """
    job = visible(request, row_of(Job, pk))
    if job.is_done and (late := request.GET.get("late", "")):
        if is_pending := job.scale_check == "pending" and job.micrograph.is_finished:
            with suppress(Refused):
                queue.ask_for_files(job)  # again, in case the first message was lost
        if late == ("measuring" if is_pending else job.scale_check):
            return HttpResponse(status=204)
        grave = next((flag.text for flag in Result(job).warnings if flag.level == DO_NOT_USE), "")
        may_change = job.is_changeable_by(request.user, request.visitor)
        return render(request, "_late.html", {"job": job, "late": late, "grave": grave, "may_change": may_change})
    if job.is_finished and request.htmx:
        return HttpResponseClientRefresh()
    context = state_context(job) | scale_context(request, job)
    if job.early.get("part") != request.GET.get("part"):
        context["early"] = job.early
    if "unseen" in request.GET and job.micrograph.preview:
        context["preview"] = reverse("upload-preview", args=[job.micrograph_id])
    return render(request, "_status.html", context)


def state_context(job: Job) -> dict[str, Any]:
    """Context of the page: `job`, `active`, `status` in words, `soon`; and `numbers`, the `Result` of a running job as
    soon as it has sizes, else None."""
    result = Result(job) if job.state == Job.State.RUNNING and job.summary else None
    numbers = None if result is None or result.is_refused or not result.statistics else result
    # Most jobs end within seconds; the pages of jobs that wait for longer ask less often.
    soon = timezone.now() - job.queued < SOON
    return {"job": job, "active": not job.is_finished, "status": status_of(job), "numbers": numbers, "soon": soon}


def scale_context(request: HttpRequest, job: Job) -> dict[str, Any]:
    """Context of the page: `calibration_line`, the scale in words, or that it is still being read; `address` of the
    result; `only_looks`, whether the caller may only look at the result."""
    scale, micrograph = job.scale.in_use, job.micrograph
    is_awaited = not (scale.is_known or job.ready or micrograph.is_finished)
    line = "scale still being read from the image" if is_awaited else calibration_words(scale, detail=False)
    address, only_looks = reverse("job", args=[job.pk]), not is_open(job, request.user, request.visitor)
    return {"calibration_line": line, "address": request.build_absolute_uri(address), "only_looks": only_looks}
