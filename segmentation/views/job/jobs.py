"""The views of a job: its page, its state, and the forms that cancel, delete, correct, name and sign it."""

from __future__ import annotations

from uuid import UUID, uuid4

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from ...http.access import button_view, changeable, deletion_view, reload_if_gone, row_of, see_other, visible
from ...middleware import sender
from ...models import Job
from ...presenters.result import Result
from ...services.access.links import is_open
from ...services.ground.refusal import Refused
from ...services.results import jobs, reruns
from ...services.results.corrections import signing, steps
from .job_page import job_page, numbers_first, readable
from .revisions import revisions


@require_safe
@never_cache
def job(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The page of a job, at the same address while it waits, runs and is done or failed."""
    return readable(job_page, request, visible(request, row_of(Job, pk)))


@reload_if_gone
def proposals(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Other settings for the image of a doubtful result (`Proposals`); the page asks again until all are there."""
    job = visible(request, row_of(Job, pk))
    result = Result(job) if is_open(job, request.user, request.visitor) and job.is_done else None
    if result is None or not result.may_propose:
        return HttpResponse()
    row = reruns.proposals_of(job)
    context = {
        "job": job,
        "active": not row.is_finished,
        "proposals": row.result.get("shown", []),
        "token": uuid4().hex,
    }
    return render(request, "_proposals.html", context | {"result": result})


cancel = button_view(Job, jobs.cancel_job)
retry = button_view(Job, jobs.retry_job)


@deletion_view(Job, "Delete this result?", jobs.delete_job, "results")
def delete(request: HttpRequest, job: Job) -> str:
    """The sentence that asks before a job is deleted."""
    others = len(revisions(job, request.user, request.visitor)) - 1
    versions_note = f" Its other versions ({others}) and the image stay." if others else ""
    sample_note = f" The sample “{job.sample.name}” will be counted again." if job.sample else ""
    is_in_dataset = job.dataset_images.count() > 0
    dataset_note = " Training data made of it stay: remove them on the page of their dataset." if is_in_dataset else ""
    notes = f"{versions_note}{sample_note}{dataset_note}"
    return f"The result of “{job.micrograph.name}” and its files will be deleted.{notes}"


@require_safe
@never_cache
def state(request: HttpRequest, pk: UUID) -> JsonResponse:
    """JSON for the page after corrections.

    step: how many corrections are in numbers and files; measured: whether these are all; error: why measuring failed,
    "" while it goes on. numbers: how many corrections are in the newest numbers, which are known before the files.
    parts: the HTML of the page with these numbers, "" if the page shows them already (query: shown).
    """
    job = visible(request, row_of(Job, pk))
    measuring = steps.ask_for_numbers(job)
    error = measuring.error if measuring and measuring.state == measuring.State.FAILED else ""
    numbers, parts = job.step, ""
    if measuring and measuring.summary:
        numbers = measuring.step
        parts = numbers_first(request, job, measuring) if request.GET.get("shown") != str(numbers) else ""
    answer = {"step": job.step, "measured": job.fixed or job.is_measured, "error": error}
    return JsonResponse({**answer, "numbers": numbers, "parts": parts})


@require_http_methods(["GET", "HEAD", "POST"])
def go_on(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Go on correcting a version: a new result with its outlines, whose page opens the tools."""
    if request.method != "POST":
        return redirect("job", pk)
    job = changeable(request, row_of(Job, pk))
    if not job.fixed:
        return see_other(f"{reverse('job', args=[pk])}#correct")
    return see_other(f"{reverse('job', args=[jobs.continue_version(job=job, **sender(request)).pk])}#correct")


@require_http_methods(["GET", "HEAD", "POST"])
def automatic(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Make a version with the outlines before all corrections of a result."""
    if request.method != "POST":
        return redirect("job", pk)
    job = changeable(request, row_of(Job, pk))
    return see_other(reverse("job", args=[jobs.version_before_corrections(job=job, **sender(request)).pk]))


@require_http_methods(["GET", "HEAD", "POST"])
def version(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Keep the present step of a result as a version with a name."""
    if request.method == "POST":
        job = changeable(request, row_of(Job, pk))
        steps.name_version(job=job, title=request.POST.get("title", ""))
    return see_other(f"{reverse('job', args=[pk])}#revisions")


@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Sign a result, with the password once more."""
    job = visible(request, row_of(Job, pk))
    if request.method != "POST":
        return redirect("job", pk)
    fields = {name: request.POST.get(name, "") for name in ("password", "name", "meaning")}
    try:
        signing.sign_job(job=job, request=request, **fields)
    except Refused as refusal:
        return job_page(request, job, sign_error=refusal.sentence, sign=fields, status=refusal.status)
    return see_other(f"{reverse('job', args=[pk])}#signatures")
