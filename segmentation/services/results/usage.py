"""Counts what each account has stored and analysed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db.models import Count, F, Max, Q, Sum

from ... import models
from ..ground.limits import analyses_of_day, quota_of
from ..ground.stored import stored_bytes

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
    return Spent(stored_bytes(mine, user), pixels / 1e6, quota_of(user))


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
