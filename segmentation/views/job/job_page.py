"""The page of a job: its result, or while it has none, what it waits for or why it failed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from ...core.labels.segmentation import MASKS
from ...core.micrograph.calibration.sources import Source
from ...core.micrograph.calibration.stated import StatedScale
from ...core.network import cards
from ...core.report.exports.viewer import PICTURE
from ...core.report.wording import corrections_in_effect
from ...core.tasks import UnknownTask
from ...forms.settings import SettingsForm
from ...http.access import link_context
from ...http.serving import files_of
from ...models import Job, Measuring
from ...presenters.listing import UNREADABLE
from ...presenters.result import Result
from ...quality.limits.panel import quality_context
from ...services.ground.refusal import Refused
from ...services.results import exports
from ...services.results.corrections import steps
from ...services.results.uploads import SOURCES, example_sha256
from ..forms import accept_attribute
from .calibration import acquisition_facts
from .job_status import scale_context, state_context
from .revisions import revisions, sample_context
from .work import work_page

logger = logging.getLogger(__name__)
# A job that ended within this time is shown as new. A tab in the background asks at least once in this time.
JUST_DONE = timedelta(minutes=2)


def readable(page: Callable[..., HttpResponse], request: HttpRequest, row: Any) -> HttpResponse:
    """`page` of a result; raises Refused (409) if its stored numbers or settings cannot be read."""
    try:
        return page(request, row)
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # what damaged numbers or settings raise
        is_of_other_kind = isinstance(error, UnknownTask) and row.stored.task  # one that is not installed here
        if row.state != Job.State.DONE or is_of_other_kind:
            raise
        logger.exception("The result %s cannot be read.", row.pk)
        request.back = reverse("results")
        raise Refused(UNREADABLE, 409) from error


def job_page(request: HttpRequest, job: Job, *, status: int = 200, **extra: Any) -> HttpResponse:
    """The page of a job: its result, or its picture and what it waits for or why it failed. extra: further entries of
    the context, from a form that was refused."""
    state = _common_context(request, job)
    if not job.is_done:
        scale = job.scale
        is_typed = scale.stated is not None and scale.stated.source == Source.TYPED
        typed_width = scale.width_text(scale.stated) if scale.stated and is_typed else ""
        stated_scale = StatedScale(typed_width if is_typed else job.asked.get("width") or "")
        return work_page(request, code=status, **{**state, "stated": stated_scale, **extra})
    shown_revisions, may_change = state["revisions"], state["may_change"]
    outlines = job.segmentation
    has_weights = outlines is not None and outlines.model_name != MASKS
    steps.ask_for_numbers(job)
    may_correct = may_change and job.segmentation_id is not None
    context = {
        **state,
        "measured": job.fixed or job.is_measured,
        # Whether there is a newer result, for a note to callers who only have the link; they get no link to it.
        "newer": not may_change and job.reruns.filter(owner=job.owner_id, visitor=job.visitor, state="done").exists(),
        "acquired": acquisition_facts(job.micrograph),
        "link": link_context(request, job) if may_change else None,
        "steps": corrections_in_effect(job.counts_in_effect),
        "may_correct": may_correct and not job.fixed,
        "may_go_on": may_correct and job.fixed,
        "width": request.POST.get("width", width_of(job)),
        "token": uuid4().hex,
        "accept": accept_attribute(),
        **quality_context(request, job),
        "model_changed": has_weights and outlines.weights not in {card.sha256 for card in cards.available()},
        **extra,
    }
    parent = job.parent if any(revision.job == job.parent for revision in shown_revisions) else None
    just_done = job.finished is not None and timezone.now() - job.finished < JUST_DONE
    is_example = job.micrograph.sha256 in (example_sha256(), *SOURCES)
    if unwritten := exports.unwritten_files(job):
        exports.write_in_advance(job)
    further = [*unwritten, *([PICTURE] if job.micrograph.viewer_image else [])]
    context |= files_of(job, "image", job.get_settings().task, "artifact", further)
    context |= {"further": further, "result": Result(job)}
    context |= {"parent": parent, "is_example": is_example, "just_done": just_done}
    context["source"] = SOURCES.get(job.micrograph.sha256, "")
    context |= sample_context(job, request.user, request.visitor)
    return render(request, "result.html", context, status=status)


def numbers_first(request: HttpRequest, job: Job, measuring: Measuring) -> str:
    """The parts of a result's page with its numbers after corrections, before the files are made. "" for so few objects
    that the page lists each size, because the sizes are in the files."""
    job.summary = measuring.summary  # only for these parts, it is not saved
    if Result(job).has_few:
        return ""
    may_change = job.is_changeable_by(request.user, request.visitor)
    context = {**state_context(job), **scale_context(request, job), "may_change": may_change, "width": width_of(job)}
    context |= {**quality_context(request, job), "result": Result(job)}
    return render_to_string("_numbers_first.html", context, request)


def width_of(job: Job) -> str:
    """The width of the image as text for the form's field."""
    return str(job.scale.width_text(job.scale.before_measurement.in_use))


def _common_context(request: HttpRequest, job: Job) -> dict[str, Any]:
    """Context that the page of a job needs with and without numbers: versions, and what the caller may do."""
    shown_revisions = revisions(job, request.user, request.visitor)
    return {
        **state_context(job),
        **scale_context(request, job),
        "form": SettingsForm(earlier=job.get_settings(), user=request.user),
        "revisions": shown_revisions,
        "revision": next(revision for revision in shown_revisions if revision.is_shown),
        "newest": shown_revisions[-1],
        "may_change": job.is_changeable_by(request.user, request.visitor),
        "may_delete": not job.signature_hash and job.is_changeable_by(request.user, request.visitor, "delete"),
    }
