"""How much each account uses, and the limit on what a sender may store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Count, F, Max, Q, Sum
from django.template.defaultfilters import filesizeformat

from ... import models
from ..ground import bundles
from ..ground.limits import sender_of
from ..ground.refusal import Refused
from .publishing import NAME

QUOTA = (
    "You have stored {stored}, and the limit is {limit}: delete results that you no longer need, or ask the"
    " administrator."
)
MOST_PEOPLE = 30


class Usage(NamedTuple):
    """One account; name "" stands for all senders without one. images, analyses, megapixels, seconds: of the finished
    analyses since the time asked for; seconds: of workers. stored: bytes now. last: end of the last analysis."""

    name: str
    images: int
    analyses: int
    megapixels: float
    seconds: float
    stored: int
    last: datetime | None


class Person(NamedTuple):
    """An account for the staff. stored: bytes of all that is its own; last: its last signing in."""

    pk: int
    name: str
    role: str
    stored: int
    last: datetime | None


def people() -> list[Person]:
    """The first MOST_PEOPLE accounts; who signed in last comes first."""
    users = get_user_model().objects.prefetch_related("groups").order_by(F("last_login").desc(nulls_last=True), "pk")
    people = []
    for user in users[:MOST_PEOPLE]:
        role = "administrator" if user.is_superuser else "staff" if user.is_staff else "user"
        groups = ", ".join(group.name for group in user.groups.all())
        role = "switched off" if not user.is_active else f"{role} ({groups})" if groups else role
        people.append(Person(user.pk, user.get_username(), role, stored_bytes(Q(owner=user)), user.last_login))
    return people


def check_quota(added: int, *, user: Any, visitor: UUID | None, address: str) -> None:
    """Raises Refused (507) where a sender would store more than DEEPSEGM_STORED_GB; 0 is no limit."""
    limit = settings.DEEPSEGM_STORED_GB * 2**30
    if not limit:
        return
    used = stored_bytes(sender_of(user, visitor, address))
    if used + added > limit:
        raise Refused(QUOTA.format(stored=filesizeformat(used), limit=filesizeformat(limit)), 507)


def stored_bytes(mine: Q) -> int:
    """Bytes of images, results, corrections, datasets and trainings that `mine` finds; of a bundle a list is stored."""
    jobs = models.Job.objects.filter(mine).values("pk")
    artifacts = models.Artifact.objects.filter(job__in=jobs).exclude(name=NAME).exclude(file__endswith=bundles.PLAN)
    segmentations = models.Segmentation.objects.filter(pk__in=models.Job.objects.filter(mine).values("segmentation"))
    pooled = models.SampleArtifact.objects.filter(sample__in=models.Sample.objects.filter(mine).values("pk"))
    taught = models.DatasetImage.objects.filter(dataset__in=models.Dataset.objects.filter(mine).values("pk"))
    trained = models.TrainingFile.objects.filter(training__in=models.Training.objects.filter(mine).values("pk"))
    images = models.Micrograph.objects.filter(mine).aggregate(all=Sum(F("size") + F("viewer_size")))["all"] or 0
    edits = models.Job.objects.filter(mine).aggregate(all=Sum("edit_bytes"))["all"] or 0
    return (
        int(images)
        + edits
        + sum(
            (rows.aggregate(all=Sum("size"))["all"] or 0)
            for rows in (artifacts, segmentations, pooled, taught, trained)
        )
    )


def usage(since: datetime | None = None) -> Iterator[Usage]:
    """Every account that stores something or has analysed since then, and last those without one."""
    for user in (*get_user_model().objects.order_by("pk"), None):
        mine = Q(owner=user)
        jobs = models.Job.objects.filter(mine, state=models.Job.State.DONE)
        jobs = jobs.filter(finished__gte=since) if since else jobs
        counted = jobs.aggregate(
            images=Count("micrograph__sha256", distinct=True),
            analyses=Count("pk"),
            pixels=Sum(F("micrograph__width") * F("micrograph__height")),
            spent=Sum(F("finished") - F("started")),
            last=Max("finished"),
        )
        stored_now, spent = stored_bytes(mine), counted["spent"]
        if counted["analyses"] or stored_now:
            name = user.get_username() if user else ""
            work = (counted["pixels"] or 0) / 1e6, spent.total_seconds() if spent else 0.0
            yield Usage(name, counted["images"], counted["analyses"], *work, stored_now, counted["last"])
