"""Counts what each account has stored and analysed, and checks the quota of stored bytes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import Count, F, Max, Q, QuerySet, Sum
from django.template.defaultfilters import filesizeformat

from ... import models
from ..ground import bundles
from ..ground.limits import analyses_of_day, filter_for_sender, quota_of
from ..ground.refusal import Refused
from .publishing import SEGMENTATION_FILE

QUOTA = (
    "You have stored {stored}, and the limit is {limit}: delete results that you no longer need, or ask the"
    " administrator."
)
MOST_PEOPLE = 30  # accounts that the page for the staff lists
NO_ACCOUNT = "(without an account)"


class Spent(NamedTuple):
    """What a sender has used of its quota. stored: bytes. today: megapixels counted in the last 24
    hours."""

    stored: int
    today: float
    quota: models.Quota


class Usage(NamedTuple):
    """A line of `manage.py usage`. images, analyses, megapixels, worker_seconds: of the analyses that
    finished in the requested time. megapixels_today: counted in the last 24 hours. A limit is None if
    there is none."""

    account: str
    images: int
    analyses: int
    megapixels: float
    worker_seconds: int
    stored_bytes: int
    last_analysis: str
    stored_gb_limit: int | None
    megapixels_today: float
    megapixels_a_day_limit: int | None


def latest_accounts() -> list[tuple[Any, str, Spent]]:
    """The MOST_PEOPLE accounts that signed in last, the latest first: (account, its role in words, its use
    of the quota)."""
    users = get_user_model().objects.prefetch_related("groups").order_by(F("last_login").desc(nulls_last=True), "pk")
    people = []
    for user in users[:MOST_PEOPLE]:
        role = "administrator" if user.is_superuser else "staff" if user.is_staff else "user"
        groups = ", ".join(group.name for group in user.groups.all())
        role = "switched off" if not user.is_active else f"{role} ({groups})" if groups else role
        people.append((user, role, spent_by(user)))
    return people


def spent_by(user: Any) -> Spent:
    """What an account has used of its quota; user: None for all senders without an account."""
    mine = Q(owner=user)
    pixels = analyses_of_day(mine).aggregate(all=Sum("pixels"))["all"] or 0
    return Spent(stored_bytes(mine), pixels / 1e6, quota_of(user))


def check_quota(added: int, *, user: Any, visitor: UUID | None, address: str) -> None:
    """Raises Refused (507) if `added` more bytes exceed the quota of a sender."""
    limit = quota_of(user).stored_gb * 2**30
    if not limit:
        return
    used = stored_bytes(filter_for_sender(user, visitor, address))
    if used + added > limit:
        raise Refused(QUOTA.format(stored=filesizeformat(used), limit=filesizeformat(limit)), 507)


def stored_bytes(mine: Q) -> int:
    """The stored bytes of a sender: images, results, corrections, datasets and trainings, and files of
    outlines and archives that wait for a worker. mine: the result of `filter_for_sender`."""
    jobs, images = models.Job.objects.filter(mine), models.Micrograph.objects.filter(mine)
    artifacts = models.Artifact.objects.filter(job__in=jobs.values("pk")).exclude(name=SEGMENTATION_FILE)
    segmentations = models.Segmentation.objects.filter(pk__in=jobs.values("segmentation"))
    pooled = models.SampleArtifact.objects.filter(sample__in=models.Sample.objects.filter(mine).values("pk"))
    dataset_images = models.DatasetImage.objects.filter(dataset__in=models.Dataset.objects.filter(mine).values("pk"))
    trained = models.TrainingFile.objects.filter(training__in=models.Training.objects.filter(mine).values("pk"))
    waiting_files = [
        outlines for outlines in jobs.exclude(outlines={}).values_list("outlines", flat=True) if "file" in outlines
    ]
    for incoming in models.Dataset.objects.filter(mine).exclude(incoming=[]).values_list("incoming", flat=True):
        waiting_files += incoming
    others = bytes_of(images, "viewer_size") + bytes_of(jobs, "edit_bytes") + side_bytes(images)
    others += sum(file.get("size", 0) for file in waiting_files)
    return others + sum(map(bytes_of, (images, artifacts, segmentations, pooled, dataset_images, trained)))


def side_bytes(images: QuerySet) -> int:
    """The bytes of the side files of these images, each file counted once."""
    side_files = models.SideFile.objects.filter(micrograph__in=images.values("pk"))
    return side_files.values("file", "size").distinct().aggregate(all=Sum("size"))["all"] or 0


def bytes_of(rows: QuerySet, field: str = "size") -> int:
    """The sum of a field with bytes over rows. Archives are not counted, because only a small plan of
    each is stored."""
    if issubclass(rows.model, models.StoredFile):
        rows = rows.exclude(file__endswith=bundles.PLAN_SUFFIX)
    return rows.aggregate(all=Sum(field))["all"] or 0


def usage(since: datetime | None = None) -> Iterator[Usage]:
    """The usage of each account that stores something or has analysed images since the time `since`; the
    last line is for all senders without an account."""
    for user in (*get_user_model().objects.order_by("pk"), None):
        jobs = models.Job.objects.filter(owner=user, state=models.Job.State.DONE)
        jobs = jobs.filter(finished__gte=since) if since else jobs
        totals = jobs.aggregate(
            images=Count("micrograph__sha256", distinct=True),
            analyses=Count("pk"),
            pixels=Sum(F("micrograph__width") * F("micrograph__height")),
            took=Sum(F("finished") - F("started")),
            last=Max("finished"),
        )
        spent, took, last = spent_by(user), totals["took"], totals["last"]
        if totals["analyses"] or spent.stored or spent.today:
            name, ended = (
                user.get_username() if user else NO_ACCOUNT,
                last.isoformat(timespec="seconds") if last else "",
            )
            work = round((totals["pixels"] or 0) / 1e6, 1), round(took.total_seconds()) if took else 0
            today = spent.quota.stored_gb or None, round(spent.today, 1), spent.quota.megapixels_a_day or None
            yield Usage(name, totals["images"], totals["analyses"], *work, spent.stored, ended, *today)
