"""Base classes of the models: rows with an owner, rows that workers take, and stored files."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Min, Q
from django.db.models.functions import Cast, Coalesce, NullIf
from django.utils import timezone

from ..core.names import file_name

SHOWN_NAME = 150  # characters of a name that pages show


def shown_name(name: str) -> str:
    """The name of an uploaded file as its row stores it (`core.names.file_name`)."""
    return file_name(name, SHOWN_NAME, unnamed="unnamed")


class OwnedQuerySet(models.QuerySet):
    """Rows of an `Owned` model."""

    def visible_to(self, user: Any, visitor: uuid.UUID | None) -> OwnedQuerySet:
        """The rows that "My results" lists: the rows of the account, or without an account of this browser."""
        if user is not None and user.is_authenticated:
            return self.filter(owner=user)
        if visitor is None or settings.DEEPSEGM_REQUIRE_LOGIN:
            return self.none()
        return self.filter(owner=None, visitor=visitor)

    def locked(self, pk: Any) -> Any:
        """The row as it is now, locked until the transaction ends; None if it is deleted."""
        return self.select_for_update().filter(pk=pk).first()


class Owned(models.Model):
    """A row that belongs to an account. A row without an account can be opened by its address,
    which nobody can guess."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # The rows of a deleted account are deleted, because rows without an owner are public.
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+")
    # The browser or script that made the row (services.ground.callers.visitor_id); used only without an owner.
    visitor = models.UUIDField(null=True, blank=True, db_index=True, editable=False)
    # Keyed hash of the maker's network address, for the limits.
    address = models.CharField(max_length=64, blank=True, default="", db_index=True, editable=False)
    created = models.DateTimeField(default=timezone.now, db_index=True, editable=False)

    class Meta:
        abstract = True
        ordering = ["-created"]

    @staticmethod
    def fields_of(user: Any, visitor: uuid.UUID | None, address: str) -> dict[str, Any]:
        """The fields of a new row that store who made it."""
        signed_in = user is not None and user.is_authenticated
        return {"owner": user if signed_in else None, "visitor": visitor, "address": address}

    @property
    def maker(self) -> dict[str, Any]:
        """The caller who made the row, as arguments of services and of `services.ground.limits`."""
        return {"user": self.owner, "visitor": self.visitor, "address": self.address}

    def is_visible_to(self, user: Any) -> bool:
        """Whether a user may see the row: the owner, and staff who may see such rows. A row without
        an owner may be seen by everybody who has its address, on a site that requires sign-in only
        with an account."""
        signed_in = user is not None and user.is_authenticated
        if self.owner_id is None:
            return signed_in or not settings.DEEPSEGM_REQUIRE_LOGIN
        return signed_in and (user.pk == self.owner_id or self.staff_may(user, "view"))

    def is_changeable_by(self, user: Any, visitor: uuid.UUID | None = None, action: str = "change") -> bool:
        """Whether the caller may change (cancel, retry) the row, or delete it (action "delete"):
        its maker and permitted staff may.

        The maker of a row without an owner is the browser or script that made it.
        """
        if not self.is_visible_to(user):
            return False
        is_maker = user.pk == self.owner_id if self.owner_id else self.visitor is not None and self.visitor == visitor
        return is_maker or self.staff_may(user, action)

    def staff_may(self, user: Any, action: str) -> bool:
        """Whether the user is staff with Django's permission for `action` ("view", "change", "delete") on this
        model."""
        is_staff = user is not None and user.is_authenticated and user.is_staff
        return is_staff and user.has_perm(f"{self._meta.app_label}.{action}_{self._meta.model_name}")


class JudgedResult(models.Model):
    """A result that may be compared with the limits of a specification or with a reference material.

    specification: a `core.quality.specification.Specification` as JSON, {} without one. reference: a copy of the
    `ReferenceMaterial` and the "id" of its row, {} without one. A copy, because the row may be deleted later.
    """

    specification = models.JSONField(default=dict, db_default={}, blank=True, editable=False)
    reference = models.JSONField(default=dict, db_default={}, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def judgement_fields(self) -> dict[str, Any]:
        """Both fields by name, for a new result that is made from this one."""
        return {"specification": self.specification, "reference": self.reference}


# New fields of a row that enters the queue. REQUEUE_FIELDS: for a further attempt, which keeps the progress of the last
# one. RESTART_FIELDS: for a new start without progress and errors, such as a retry by a person.
REQUEUE_FIELDS: dict[str, Any] = {"state": "queued", "enqueued": None, "stage": "", "started": None}
RESTART_FIELDS: dict[str, Any] = {**REQUEUE_FIELDS, "progress": 0.0, "deaths": 0, "faults": 0}
RESTART_FIELDS |= {"due": None, "error": "", "finished": None}


STARTING = "starting"  # the stage of a row that a worker has just claimed, until the worker reports another stage


class Superseded(Exception):
    """The row was cancelled, changed, deleted or given to another worker. The attempt must stop and store nothing."""


class WorkState(models.TextChoices):
    """The states of work that a person asks for and may cancel."""

    QUEUED = "queued", "waiting"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


class PageWorkState(models.TextChoices):
    """The states of work that a page asks for; nobody cancels it."""

    QUEUED = "queued", "waiting"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "failed"


class Attempted(models.Model):
    """A row with work for a worker, which may take several attempts.

    attempt: number of the last attempt; it grows with every claim, so that reports of earlier attempts are refused.
    progress: 0 to 1; it never decreases, also from one attempt to the next.
    deaths: number of attempts, without another in between, that ended because the worker's child process died; 0 again
        after a retry by a person.
    faults: number of attempts, without another in between, that ended by a fault of the machine (disk, storage,
        database) or because the worker was lost.
    due: no worker takes the row before this time. It is set after a fault, and for a message that was not accepted.
    enqueued: when a message of the broker was last sent for the row. message: id of the message by which a worker took
        the row last.
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
        """The folder of its files in the storage."""
        return f"{self._meta.model_name}s/{self.pk}"

    @property
    def is_finished(self) -> bool:
        return self.state not in self.UNFINISHED

    def change(self, **fields: Any) -> None:
        """Change fields of the row and set its heartbeat; raises `Superseded` if another attempt has the row now."""
        this_attempt = type(self).objects.filter(pk=self.pk, state="running", attempt=self.attempt)
        if not this_attempt.update(heartbeat=timezone.now(), **fields):
            raise Superseded(f"attempt {self.attempt} of {type(self).__name__.lower()} {self.pk}")

    def finish(self, state: str, **fields: Any) -> None:
        """End this attempt: set the row "done" or "failed" (`state`), with other fields; raises `Superseded`."""
        if state == "done":
            fields = {"stage": "", "progress": 1.0, **fields}
        self.change(state=state, finished=timezone.now(), deaths=0, faults=0, **fields)

    def report(self, **values: Any) -> None:
        """Store stage and progress (`values`), and the time as heartbeat; raises `Superseded`."""
        self.change(**values)


# Finds the few unfinished rows. The queries of `AttemptedQuerySet` contain its condition, so that it is used.
UNFINISHED_INDEX = models.Index(fields=["state"], name="%(class)s_unfinished", condition=Q(finished=None))


class PageWork(Attempted):
    """A row for work that a page asks for; nobody cancels it."""

    State = PageWorkState

    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True
        ordering = ["-created"]
        indexes = [models.Index(fields=["started"]), UNFINISHED_INDEX]


TURN_REMEMBERED = timedelta(
    hours=1
)  # a sender had a turn when a worker took a row of the sender; older turns do not count
MOST_TURNS_READ = 1000  # turns that are read; a sender without any among them has waited the longest
# Models whose analyses take turns: a study analyses images as a job does.
TURNS_OF_ANALYSES = ("Job", "Study")
# The longest time that a row waits after a fault. A later `due` was written while a clock was wrong, and is ignored.
LONGEST_DUE = timedelta(minutes=10)


class AttemptedQuerySet(OwnedQuerySet):
    """Rows of an `Attempted` model, and the choice of the row that a worker takes next: senders take turns."""

    related: tuple[str, ...] = ()  # related rows that `claim` reads with the claimed row
    longest_due = LONGEST_DUE
    owner_prefixes: tuple[str, ...] = ("",)  # prefixes of the lookups of the owner, such as "job__"
    turn: tuple[Any, ...] = ("created",)  # the order in which the rows of one sender are taken
    since = "created"  # the column with the time since when a row waits
    turns_with: tuple[str, ...] = ()  # models whose rows count as turns of their senders, too; () for this model alone

    def by_sender(self) -> AttemptedQuerySet:
        """The rows with an annotation `sender`: the account, otherwise the network address, otherwise the visitor. The
        address comes before the visitor, because anybody can make many visitors (cookies or secrets)."""
        text, senders = models.CharField(), []
        for prefix in self.owner_prefixes:
            address = NullIf(f"{prefix}address", models.Value(""))
            senders += [Cast(f"{prefix}owner", text), address, Cast(f"{prefix}visitor", text)]
        return self.annotate(sender=Coalesce(*senders, models.Value("")))

    def sender_in_turn(self, waiting: AttemptedQuerySet) -> str | None:
        """The sender of waiting rows whose last turn is longest ago: so many rows of one sender do not delay the only
        row of another. None if no row waits."""
        return self.first_sender(waiting.senders())

    def senders(self) -> dict[str, datetime]:
        """By sender of these rows: since when the first row waits."""
        return dict(self.by_sender().values_list("sender").annotate(Min(self.since)).order_by())

    def first_sender(self, waits_since: dict[str, datetime]) -> str | None:
        """Of these senders (sender -> since when it waits) the one whose turn it is; None without any."""
        if len(waits_since) < 2:
            return next(iter(waits_since), None)
        last_turns = self.last_turns()
        before_all = min(waits_since.values()) - TURN_REMEMBERED  # in place of the last turn of a sender without one
        return min(waits_since, key=lambda sender: (last_turns.get(sender, before_all), waits_since[sender]))

    def first_in_turn(self) -> Any:
        """The id of the row to take next: the first row of the sender whose turn it is; None if no row waits."""
        waiting = self.waiting().by_sender()
        sender = self.sender_in_turn(waiting)
        return waiting.filter(sender=sender).order_by(*self.turn).values_list("pk", flat=True).first()

    def last_turns(self) -> dict[str, datetime]:
        """By sender: when a worker last took a row of this sender, within the time TURN_REMEMBERED."""
        now, turns = timezone.now(), list[tuple[str, datetime]]()
        kinds = [apps.get_model("segmentation", name).objects.all() for name in self.turns_with] or [self]
        for rows in kinds:
            recent = rows.filter(started__gt=now - TURN_REMEMBERED, started__lte=now).by_sender().order_by("-started")
            turns += recent.values_list("sender", "started")[:MOST_TURNS_READ]
        return dict(sorted(turns, key=lambda turn: turn[1]))

    def waiting(self) -> AttemptedQuerySet:
        """The rows that a worker may take now."""
        now = timezone.now()
        return self.filter(~Q(due__range=(now, now + self.longest_due)), state="queued", finished=None)

    def running(self) -> AttemptedQuerySet:
        """The rows on which workers are working."""
        return self.filter(state="running", finished=None)

    def claim(self, pk: Any, message: str = "") -> Any:
        """Take the row `pk` for this worker and return it; None if it is no longer among the `waiting` rows.

        message: id of the broker's message by which the worker takes it.
        """
        if not self.waiting().filter(pk=pk).exists():  # a query costs less than a lock
            return None
        now = timezone.now()
        with transaction.atomic():
            # The condition uses only columns of this table: if two workers claim at once, PostgreSQL checks them again
            # for the second worker, but not the columns of a joined table.
            claimed_count = self.filter(pk=pk, state="queued").update(
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
            return self.select_related(*self.related).get(pk=pk) if claimed_count else None


def kind_in_turn(*kinds: type[Attempted]) -> type[Attempted]:
    """Of kinds whose rows take turns together (`turns_with`), the kind of the row that comes next. Of one sender, the
    first of `kinds` comes first."""
    senders = {kind: kind.objects.waiting().senders() for kind in kinds}
    waits_since: dict[str, datetime] = {}
    for rows in senders.values():
        waits_since |= {sender: min(since, waits_since.get(sender, since)) for sender, since in rows.items()}
    sender = kinds[0].objects.all().first_sender(waits_since)
    return next((kind for kind in kinds if sender in senders[kind]), kinds[0])


class StoredFile(models.Model):
    """A file that an attempt made. owner: the name of the field with the row to which the file belongs.

    size: bytes of the download; texts and archives take less in the storage (services.ground.bundles).
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
        """All files of the same row, including this file."""
        rows: models.QuerySet = getattr(self, self.owner).artifacts.all()
        return rows
