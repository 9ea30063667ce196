"""What is stored: uploads, jobs and the files that jobs made.

The Job row is the truth and the broker only a doorbell. A job's life:

    create_job ──> QUEUED ──claim──> RUNNING ──publish──> DONE
                    │  ^ ^            │  │ │
                    │  │ └──rescue────┘  │ └──fail──────> FAILED
                    │  │  (worker died)  │                  │
                    └──┼──cancel─────────┴────> CANCELLED   │
                       │                            │       │
                       └───────────retry────────────┴───────┘

Every arrow is one conditional UPDATE on the state (and, for a running job, on the attempt), so of two
processes that want the same arrow exactly one gets it. `attempt` only ever grows: a worker that was given up
for dead and comes back holds an old number, and each of its reports is refused with `Job.Lost`.
"""

from __future__ import annotations

import re
import unicodedata
import uuid
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q, Sum
from django.utils import timezone

from .core.recipe import Recipe

SHOWN_NAME = 150
RECENT_JOBS = 20


def shown_name(name: str) -> str:
    """A file's own name fit for display: no folders, no invisible or direction-changing characters, not too long."""
    base = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    base = "".join(c for c in base if unicodedata.category(c)[0] != "C").strip()
    if len(base) > SHOWN_NAME:
        suffix = PurePosixPath(base).suffix[:12]
        base = base[: SHOWN_NAME - len(suffix) - 1] + "…" + suffix
    return base or "unnamed"


def upload_path(upload: Upload, name: str) -> str:
    """Where an uploaded file lies: nothing of its own name but a harmless suffix."""
    suffix = PurePosixPath(name).suffix.lower()
    safe = suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else ""
    return f"{upload.folder}/image{safe}"


def preview_path(upload: Upload, name: str) -> str:
    return f"{upload.folder}/preview.png"


class OwnedQuerySet(models.QuerySet):
    def visible_to(self, user: Any, visitor: uuid.UUID | None) -> OwnedQuerySet:
        """What "My results" lists: an account's own rows, or for the anonymous what this browser made."""
        if user is not None and user.is_authenticated:
            return self.filter(owner=user)
        if visitor is None or settings.DEEPSEGM_REQUIRE_LOGIN:
            return self.none()
        return self.filter(owner=None, visitor=visitor)


class Owned(models.Model):
    """A row that belongs to an account, or to nobody and is then reached by its unguessable link."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # An account's rows go with it: left behind without an owner they would become public.
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+")
    visitor = models.UUIDField(null=True, blank=True, db_index=True, editable=False)
    created = models.DateTimeField(default=timezone.now, db_index=True, editable=False)

    class Meta:
        abstract = True

    def is_visible_to(self, user: Any, visitor: uuid.UUID | None = None) -> bool:
        """Owned: its owner and staff. Unowned: whoever has the link, unless the site is closed."""
        signed_in = user is not None and user.is_authenticated
        if self.owner_id is None:
            return signed_in or not settings.DEEPSEGM_REQUIRE_LOGIN
        return signed_in and (user.is_staff or user.pk == self.owner_id)

    def is_changeable_by(self, user: Any, visitor: uuid.UUID | None = None) -> bool:
        """Who may cancel, retry or delete: of an unowned row, the browser that made it (not whoever has the link)."""
        if not self.is_visible_to(user, visitor):
            return False
        staff = user is not None and user.is_staff
        return staff or self.owner_id is not None or self.visitor in (None, visitor)


class Upload(Owned):
    """A micrograph as it came, and what inspection found in it.

    name: the file's own name, for display only. address: keyed hash of the sender's IP, for the limits.
    calibration: `Calibration` as a dict. data_bar: first row of the data bar, None when there is none.
    reading: what was read in the data bar, a suggestion; {} when there is none.
    """

    file = models.FileField(upload_to=upload_path, max_length=200)
    preview = models.FileField(upload_to=preview_path, max_length=200)
    name = models.CharField(max_length=SHOWN_NAME + 12)
    sha256 = models.CharField(max_length=64, db_index=True)
    size = models.BigIntegerField("size in bytes")
    kind = models.CharField(max_length=100, blank=True)
    width = models.PositiveIntegerField("width in px")
    height = models.PositiveIntegerField("height in px")
    calibration = models.JSONField(default=dict)
    metadata = models.JSONField(default=dict, blank=True)
    notes = models.JSONField(default=list, blank=True)
    data_bar = models.PositiveIntegerField(null=True, blank=True)
    reading = models.JSONField(default=dict, blank=True)
    address = models.CharField(max_length=64, blank=True, db_index=True, editable=False)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.name

    @property
    def folder(self) -> str:
        return f"uploads/{self.pk}"

    @property
    def megapixels(self) -> float:
        return self.width * self.height / 1e6


class JobQuerySet(OwnedQuerySet):
    def claim(self, pk: Any) -> Job | None:
        """Take a queued job for this worker; None when it is not there to be taken (a second doorbell)."""
        now = timezone.now()
        with transaction.atomic():
            claimed = self.filter(pk=pk, state=Job.State.QUEUED).update(
                state=Job.State.RUNNING,
                attempt=F("attempt") + 1,
                started=now,
                heartbeat=now,
                finished=None,
                stage="starting",
                progress=0.0,
                error="",
            )
            return self.select_related("upload", "parent").get(pk=pk) if claimed else None


class Job(Owned):
    """One Recipe applied to one micrograph; see the top of this module for the states.

    attempt: grows with every claim and fences off workers given up for dead.
    losses: workers lost in a row; a retry by a person starts again at 0.
    queued, rung: when the job last entered the queue, and when the worker was last rung for it.
    submission: what makes a second submission of the same form the same job.
    summary: what the result page shows without opening a file.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "waiting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    class Lost(Exception):
        """The job was cancelled, deleted or given to another worker; stop without a trace."""

    UNFINISHED = (State.QUEUED, State.RUNNING)

    upload = models.ForeignKey(Upload, models.CASCADE, related_name="jobs")
    parent = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="reruns")
    recipe = models.JSONField()
    model_name = models.CharField("model", max_length=100, db_index=True)
    submission = models.CharField(max_length=64, unique=True, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    attempt = models.PositiveIntegerField(default=0, editable=False)
    losses = models.PositiveSmallIntegerField(default=0, editable=False)
    stage = models.CharField(max_length=100, blank=True)
    progress = models.FloatField(default=0.0)
    error = models.TextField(blank=True)
    queued = models.DateTimeField(default=timezone.now, editable=False)
    rung = models.DateTimeField(null=True, blank=True, editable=False)
    started = models.DateTimeField(null=True, blank=True, editable=False)
    heartbeat = models.DateTimeField(null=True, blank=True, editable=False)
    finished = models.DateTimeField(null=True, blank=True, editable=False)
    summary = models.JSONField(default=dict, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]
        indexes = [models.Index(fields=["state", "queued"])]

    def __str__(self) -> str:
        return f"{self.upload.name} ({self.get_state_display()})"

    @property
    def folder(self) -> str:
        return f"jobs/{self.pk}"

    @property
    def is_finished(self) -> bool:
        return self.state not in self.UNFINISHED

    @property
    def can_retry(self) -> bool:
        return self.state in (self.State.FAILED, self.State.CANCELLED)

    @property
    def duration(self) -> timedelta | None:
        """How long the last attempt took, or has been running."""
        if self.started is None:
            return None
        return (self.finished or timezone.now()) - self.started

    def get_recipe(self) -> Recipe:
        return Recipe.from_dict(self.recipe)

    def artifact(self, name: str) -> Artifact | None:
        return self.artifacts.filter(name=name).first()

    def change(self, **fields: Any) -> None:
        """Change the row while this attempt still runs it; raises `Job.Lost` when it no longer does."""
        mine = Job.objects.filter(pk=self.pk, state=self.State.RUNNING, attempt=self.attempt)
        if not mine.update(heartbeat=timezone.now(), **fields):
            raise Job.Lost(f"attempt {self.attempt} of job {self.pk}")

    def report(self, *, stage: str | None = None, progress: float | None = None) -> None:
        """Progress, heartbeat, cancellation and fencing in one UPDATE; raises `Job.Lost`."""
        said = {"stage": stage, "progress": progress}
        self.change(**{name: value for name, value in said.items() if value is not None})

    def position(self) -> int | None:
        """Place in the queue, 1 for the next one; None when the job does not wait."""
        if self.state != self.State.QUEUED:
            return None
        return self._ahead().count() + 1

    def expected_seconds(self) -> float | None:
        """Seconds until the result, from the pace of recent jobs; None when finished or without experience."""
        pace = None if self.is_finished else _seconds_per_megapixel()
        if pace is None:
            return None
        mine = pace * self.upload.megapixels
        if self.state == self.State.RUNNING:
            return self._remaining(mine)
        running = Job.objects.filter(state=self.State.RUNNING).select_related("upload")
        waiting = pace * _megapixels(self._ahead())
        waiting += sum(job._remaining(pace * job.upload.megapixels) for job in running)
        return waiting / settings.DEEPSEGM_CONCURRENCY + mine

    def _ahead(self) -> models.QuerySet:
        before = Q(queued__lt=self.queued) | Q(queued=self.queued, pk__lt=self.pk)
        return Job.objects.filter(before, state=self.State.QUEUED)

    def _remaining(self, expected: float) -> float:
        """Seconds left of a running job that should take `expected`, trusting its own progress once it is late."""
        elapsed = self.duration.total_seconds() if self.duration else 0.0
        if elapsed < expected:
            return expected - elapsed
        return elapsed * (1 - self.progress) / max(self.progress, 0.05)


def _seconds_per_megapixel() -> float | None:
    recent = Job.objects.filter(state=Job.State.DONE, finished__isnull=False).select_related("upload")
    jobs = list(recent.order_by("-finished").defer("summary")[:RECENT_JOBS])
    megapixels = sum(job.upload.megapixels for job in jobs)
    return sum(job.duration.total_seconds() for job in jobs) / megapixels if megapixels else None


def _megapixels(jobs: models.QuerySet) -> float:
    return (jobs.aggregate(pixels=Sum(F("upload__width") * F("upload__height")))["pixels"] or 0) / 1e6


class Artifact(models.Model):
    """A file that a job's successful attempt made."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="artifacts")
    attempt = models.PositiveIntegerField()
    name = models.CharField(max_length=50)
    file = models.FileField(max_length=200)
    size = models.BigIntegerField("size in bytes")
    content_type = models.CharField(max_length=50)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["job", "name"], name="one_artifact_of_a_name")]

    def __str__(self) -> str:
        return self.name
