"""Jobs: made, cancelled, tried again, run again with other settings, deleted."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.utils import timezone

from ..core.network import cards
from ..core.recipe import Recipe
from ..models import Job, Upload
from .doorbell import ring_after_commit
from .limits import check_waiting
from .pooling import refresh_after_commit
from .refusal import Refused
from .uploads import discard_unused


@transaction.atomic
def create_job(
    *,
    upload: Upload,
    recipe: Recipe,
    user: Any,
    visitor: UUID | None,
    token: str,
    parent: Job | None = None,
) -> Job:
    """Queue an analysis and ring the worker.

    The same token, file and recipe give the same job again, so that a double click or a reload makes no second one;
    the surplus upload is then removed. An empty token never matches.
    """
    check_model(recipe.model)
    submission = _submission(token, upload.sha256, recipe, user)
    existing = Job.objects.filter(submission=submission).first()
    if existing is None:
        check_waiting(user=user, visitor=visitor, address=upload.address)
        existing, created = Job.objects.get_or_create(
            submission=submission,
            defaults={
                "upload": upload,
                "parent": parent,
                "recipe": recipe.as_dict(),
                "model_name": recipe.model,
                "owner": user if user is not None and user.is_authenticated else None,
                "visitor": visitor,
            },
        )
        if created:
            ring_after_commit(existing.pk)
    if existing.upload_id != upload.pk:
        discard_unused(upload)
    return existing


def rerun_job(*, job: Job, recipe: Recipe, user: Any, visitor: UUID | None, token: str) -> Job:
    """Analyse a job's micrograph again with other settings; the outlines are kept where they cannot change."""
    return create_job(upload=job.upload, recipe=recipe, user=user, visitor=visitor, token=token, parent=job)


def cancel_job(*, job: Job) -> Job:
    """Stop a job that waits or runs; cancelling twice is once."""
    return _move(
        job,
        Job.UNFINISHED,
        "This analysis has already ended, so there is nothing to cancel.",
        state=Job.State.CANCELLED,
        finished=timezone.now(),
    )


@transaction.atomic
def retry_job(*, job: Job) -> Job:
    """Queue a failed or cancelled job once more; retrying twice is once."""
    now = timezone.now()
    _move(
        job,
        (Job.State.FAILED, Job.State.CANCELLED),
        "Only an analysis that failed or was cancelled can be tried again.",
        state=Job.State.QUEUED,
        queued=now,
        rung=None,
        losses=0,
        stage="",
        progress=0.0,
        error="",
        started=None,
        finished=None,
    )
    if job.sample_id is None:
        ring_after_commit(job.pk)
    return job


@transaction.atomic
def delete_job(*, job: Job) -> None:
    """Remove a job and its files in any state, and its micrograph when no other job needs it."""
    upload = job.upload
    job.delete()
    discard_unused(upload)


def _move(job: Job, states: tuple[str, ...], otherwise: str, **fields: Any) -> Job:
    """One arrow of the state machine; already being there is as good as going."""
    moved = Job.objects.filter(pk=job.pk, state__in=states).update(**fields)
    try:
        job.refresh_from_db()
    except Job.DoesNotExist:
        raise Refused("This analysis has been deleted.", 404) from None
    if not moved and job.state != fields["state"]:
        raise Refused(otherwise, 409)
    refresh_after_commit(job.sample_id)
    return job


def check_model(name: str) -> None:
    """Raises Refused for a model that is not installed."""
    names = [card.name for card in cards.available()]
    if name not in names:
        raise Refused(f"There is no model named {name!r} here: choose one of {', '.join(names)}.", 400)


def _submission(token: str, sha256: str, recipe: Recipe, user: Any) -> str:
    """Hash of what makes two submissions one; the account is part of it, so that a token opens nobody else's job."""
    said = [token or uuid4().hex, sha256, recipe.as_dict(), getattr(user, "pk", None)]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
