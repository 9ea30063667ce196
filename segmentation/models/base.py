"""The common parts of the rows: an owner, attempts of workers, stored files."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Min, Q
from django.db.models.functions import Cast, Coalesce, NullIf
from django.utils import timezone

from ..core.names import file_name

SHOWN_NAME = 150


def shown_name(name: str) -> str:
    """A file's own name as its row stores it (`core.names.file_name`)."""
    return file_name(name, SHOWN_NAME, unnamed="unnamed")


class OwnedQuerySet(models.QuerySet):
    def visible_to(self, user: Any, visitor: uuid.UUID | None) -> OwnedQuerySet:
        """The rows that "My results" lists: those of the account, or without an account those of this browser."""
        if user is not None and user.is_authenticated:
            return self.filter(owner=user)
        if visitor is None or settings.DEEPSEGM_REQUIRE_LOGIN:
            return self.none()
        return self.filter(owner=None, visitor=visitor)

    def locked(self, pk: Any) -> Any:
        """The row as it is now, locked until the transaction ends; None if it is gone."""
        return self.select_for_update().filter(pk=pk).first()


class Owned(models.Model):
    """A row that belongs to an account or to nobody; then only its unguessable link leads to it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # An account's rows go with it: left behind without an owner they would become public.
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+")
    # The browser, or the script's secret (services.ground.callers), that made the row; it counts only without an owner.
    visitor = models.UUIDField(null=True, blank=True, db_index=True, editable=False)
    # Keyed hash of the maker's network address, for the limits.
    address = models.CharField(max_length=64, blank=True, default="", db_index=True, editable=False)
    created = models.DateTimeField(default=timezone.now, db_index=True, editable=False)

    class Meta:
        abstract = True
        ordering = ["-created"]

    @staticmethod
    def fields_of(user: Any, visitor: uuid.UUID | None, address: str) -> dict[str, Any]:
        """The fields that make a caller the maker of a row."""
        signed_in = user is not None and user.is_authenticated
        return {"owner": user if signed_in else None, "visitor": visitor, "address": address}

    @property
    def maker(self) -> dict[str, Any]:
        """The caller who made it, as the services and their limits expect it."""
        return {"user": self.owner, "visitor": self.visitor, "address": self.address}

    def is_visible_to(self, user: Any) -> bool:
        """An owned row is visible to its owner and to staff who may see such rows; any other row to everybody with the
        link, on a closed site to every account with it."""
        signed_in = user is not None and user.is_authenticated
        if self.owner_id is None:
            return signed_in or not settings.DEEPSEGM_REQUIRE_LOGIN
        return signed_in and (user.pk == self.owner_id or self.staff_may(user, "view"))

    def is_changeable_by(self, user: Any, visitor: uuid.UUID | None = None, action: str = "change") -> bool:
        """Whether the user may cancel or retry it or, with the `action` "delete", delete it: its maker and permitted
        staff may.

        The maker of an unowned row is the browser or script that made it, not whoever has the link.
        """
        if not self.is_visible_to(user):
            return False
        is_maker = user.pk == self.owner_id if self.owner_id else self.visitor is not None and self.visitor == visitor
        return is_maker or self.staff_may(user, action)

    def staff_may(self, user: Any, action: str) -> bool:
        """Whether the admin lets a member of staff do that with rows of this kind."""
        staff = user is not None and user.is_authenticated and user.is_staff
        return staff and user.has_perm(f"{self._meta.app_label}.{action}_{self._meta.model_name}")


class Judged(models.Model):
    """A result that may be held against limits, or be the measurement of a reference material.

    specification: a `core.quality.specification.Specification` as JSON, {} without one. reference: a copy of the
    `ReferenceMaterial` as it was when it was chosen, so that the result keeps it whatever becomes of that row, with
    "id", the row's; {} without one.
    """

    specification = models.JSONField(default=dict, db_default={}, blank=True, editable=False)
    reference = models.JSONField(default=dict, db_default={}, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def judged_by(self) -> dict[str, Any]:
        """These fields, for a result that is made from this one."""
        return {"specification": self.specification, "reference": self.reference}


# What a row has when it enters the queue: AGAIN for another attempt, whose progress goes on from that of the last one;
# AFRESH for a first attempt or one that a person wants.
AGAIN: dict[str, Any] = {"state": "queued", "enqueued": None, "stage": "", "started": None}
AFRESH: dict[str, Any] = {**AGAIN, "progress": 0.0, "deaths": 0, "faults": 0}
AFRESH |= {"due": None, "error": "", "finished": None}


STARTING = "starting"  # stage of a row that is claimed, until its attempt reports the first one of its own


class Superseded(Exception):
    """The row was cancelled, changed, deleted or given to another worker; stop without a trace."""


class WorkState(models.TextChoices):
    """Of work that a person asks for and may cancel."""

    QUEUED = "queued", "waiting"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


class MadeState(models.TextChoices):
    """Of work that a page asks for, which nobody cancels."""

    QUEUED = "queued", "waiting"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"


class Attempted(models.Model):
    """A row that workers take, one attempt at a time.

    attempt: grows with every claim, so that reports of superseded workers are refused.
    progress: 0 to 1; it never goes back, not from one attempt to the next either.
    deaths: how often in a row a worker's own child died while it worked on the row. A retry by a person starts at 0.
    faults: how often in a row the machine had a fault (disk, storage, database) or the worker was lost.
    due: the time before which no worker takes the row, because of such a fault or a message that was not accepted.
    enqueued: when a message was last sent for it. message: id of the one that made the last attempt claim it.
    """

    UNFINISHED: tuple[str, ...] = ("queued", "running")

    attempt = models.PositiveIntegerField(default=0, editable=False)
    deaths = models.PositiveSmallIntegerField(default=0, editable=False)
    faults = models.PositiveSmallIntegerField(default=0, editable=False)
    due = models.DateTimeField(null=True, blank=True, editable=False)
    stage = models.CharField(max_length=100, blank=True)
    progress = models.FloatField(default=0.0)
    error = models.TextField(blank=True)
    enqueued = models.DateTimeField(null=True, blank=True, editable=False)
    message = models.CharField(max_length=64, blank=True, default="", editable=False)
    started = models.DateTimeField(null=True, blank=True, editable=False)
    heartbeat = models.DateTimeField(null=True, blank=True, editable=False)
    finished = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def folder(self) -> str:
        """Where its files lie in the storage."""
        return f"{self._meta.model_name}s/{self.pk}"

    @property
    def is_finished(self) -> bool:
        return self.state not in self.UNFINISHED

    def change(self, **fields: Any) -> None:
        """Change the row while this attempt still runs it; raises `Superseded` when it no longer does."""
        mine = type(self).objects.filter(pk=self.pk, state="running", attempt=self.attempt)
        if not mine.update(heartbeat=timezone.now(), **fields):
            raise Superseded(f"attempt {self.attempt} of {type(self).__name__.lower()} {self.pk}")

    def finish(self, state: str, **fields: Any) -> None:
        """End this attempt; raises `Superseded`."""
        if state == "done":
            fields = {"stage": "", "progress": 1.0, **fields}
        self.change(state=state, finished=timezone.now(), deaths=0, faults=0, **fields)

    def report(self, **values: Any) -> None:
        """Stage and progress, heartbeat, cancellation and fencing in one UPDATE; raises `Superseded`."""
        self.change(**values)


# The few rows that wait or run, among all that ended; `AttemptedQuerySet` asks for them as its condition has it.
UNFINISHED = models.Index(fields=["state"], name="%(class)s_unfinished", condition=Q(finished=None))


class Made(Attempted):
    """Work that a page asks for, which nobody cancels."""

    State = MadeState

    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True
        ordering = ["-created"]
        indexes = [models.Index(fields=["started"]), UNFINISHED]


RECENT = timedelta(hours=1)  # how long a sender's turn counts
LATEST = 1000  # rows taken: who is not among their senders has waited for longer than all who are
# The longest that a row is made to wait after a fault. Whoever asks whether a time has passed asks whether it lies
# outside a span that ends or begins now: times far ahead were written while a clock was wrong.
LONGEST_DUE = timedelta(minutes=10)


class AttemptedQuerySet(OwnedQuerySet):
    related: tuple[str, ...] = ()  # rows that `claim` fetches with its own
    longest_due = LONGEST_DUE
    made_by: tuple[str, ...] = ("",)  # paths to the row that has an owner
    turn: tuple[Any, ...] = ("created",)  # the order of one sender's rows

    def by_sender(self) -> AttemptedQuerySet:
        """With `sender`: an account, else a network address, as cookies and secrets are easily made, else a visitor."""
        text, named = models.CharField(), []
        for prefix in self.made_by:
            address = NullIf(f"{prefix}address", models.Value(""))
            named += [Cast(f"{prefix}owner", text), address, Cast(f"{prefix}visitor", text)]
        return self.annotate(sender=Coalesce(*named, models.Value("")))

    def sender_in_turn(self, waiting: AttemptedQuerySet, since: str) -> str | None:
        """The sender of waiting rows whose last turn is longest ago, so that a hundred rows of one do not delay the
        only row of another. since: the column that says since when a row waits. None if nothing waits."""
        oldest = dict(waiting.by_sender().values_list("sender").annotate(Min(since)).order_by())
        if len(oldest) < 2:
            return next(iter(oldest), None)
        served = self.last_turns()
        never = min(oldest.values()) - RECENT
        return min(oldest, key=lambda sender: (served.get(sender, never), oldest[sender]))

    def first_in_turn(self) -> Any:
        """Id of the row to take next, the first one of the sender whose turn it is; None if none waits."""
        waiting = self.waiting().by_sender()
        sender = self.sender_in_turn(waiting, "created")
        return waiting.filter(sender=sender).order_by(*self.turn).values_list("pk", flat=True).first()

    def last_turns(self) -> dict[str, datetime]:
        """When a row of each sender was last taken, as far as that is recent."""
        now = timezone.now()
        recent = self.filter(started__gt=now - RECENT, started__lte=now).by_sender().order_by("-started")
        return dict(reversed(recent.values_list("sender", "started")[:LATEST]))

    def waiting(self) -> AttemptedQuerySet:
        """The rows that a worker may take now."""
        now = timezone.now()
        return self.filter(~Q(due__range=(now, now + self.longest_due)), state="queued", finished=None)

    def running(self) -> AttemptedQuerySet:
        """The rows that workers have taken."""
        return self.filter(state="running", finished=None)

    def claim(self, pk: Any, message: str = "") -> Any:
        """Take one of the `waiting` rows for this worker; None if it is none of them any more.

        message: id of the broker's message that led to it.
        """
        if not self.waiting().filter(pk=pk).exists():  # a query costs less than a lock
            return None
        now = timezone.now()
        with transaction.atomic():
            # By columns of its own: of two that claim at once PostgreSQL looks at these again, not at a join.
            claimed = self.filter(pk=pk, state="queued").update(
                state="running",
                attempt=F("attempt") + 1,
                started=now,
                heartbeat=now,
                finished=None,
                stage=STARTING,
                message=message,
                error="",
                due=None,
            )
            return self.select_related(*self.related).get(pk=pk) if claimed else None


class StoredFile(models.Model):
    """A file that an attempt made. owner: the name of the field with the row that it belongs to.

    size: bytes of the download; a bundle takes less in the storage (services.ground.bundles).
    """

    owner: str
    attempt = models.PositiveIntegerField()
    name = models.CharField(max_length=50)
    file = models.FileField(max_length=200)
    size = models.BigIntegerField("size in bytes")
    content_type = models.CharField(max_length=100)

    class Meta:
        abstract = True
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def siblings(self) -> models.QuerySet:
        """All files of the same row, this one among them."""
        rows: models.QuerySet = getattr(self, self.owner).artifacts.all()
        return rows
