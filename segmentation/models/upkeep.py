"""Rows for running the site: workers, private links, folders to remove, and the log of changes by staff."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils import timezone

ALIVE = timedelta(seconds=45)  # a worker that has not updated its row for so long is not alive


class WorkerProcess(models.Model):
    """A worker process, which updates `seen` every few seconds. The row is deleted when the process ends as it should.

    name: Celery's name, the process id and random characters, such as "analyses@host 712-9c3f", so that no two
    processes share a row. queues: names, separated by commas. notice: a sentence for the staff about its machine, ""
    for none. hung: how many of its processes gave no sign of life and were ended. hung_at: when the last one was.
    """

    name = models.CharField(max_length=200, primary_key=True)
    queues = models.CharField(max_length=200)
    version = models.CharField(max_length=50)
    started = models.DateTimeField(default=timezone.now)
    seen = models.DateTimeField(default=timezone.now, db_index=True)
    notice = models.CharField(max_length=300, blank=True, default="", db_default="")
    hung = models.PositiveIntegerField(default=0, db_default=0)
    hung_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_alive(self) -> bool:
        return timezone.now() - self.seen < ALIVE


class Link(models.Model):
    """The private link of one job or sample. Without this row, a result without an account can be opened by its address
    for ever, and a result of an account only by the account.

    target: id of the job or sample. number: random text that the secret of the link is computed from
    (services.access.links), "" if no secret is needed. ends: when the link ends, None for never. off: whether it is
    switched off.
    """

    target = models.UUIDField(primary_key=True, editable=False)
    number = models.CharField(max_length=32, blank=True, default="", editable=False)
    ends = models.DateTimeField(null=True, blank=True)
    off = models.BooleanField(default=False)
    changed = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return str(self.target)


class Removal(models.Model):
    """A folder of the storage whose removal is due. The row is made in the transaction that makes
    the folder useless, and deleted when the folder is empty; so a killed process leaves no folder
    for ever."""

    folder = models.CharField(max_length=200)
    created = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ["created"]

    def __str__(self) -> str:
        return self.folder


class StaffAction(models.Model):
    """One change by a member of the staff or on the command line; also each change of the specification or reference
    material of a result, by anybody. The site never changes or deletes such a row.

    account: its name at that time. action: such as "cancelled". kind, target, name: what was changed. before, after:
    the values that differ; after a deletion only `before`.
    """

    created = models.DateTimeField("when", default=timezone.now, db_index=True, editable=False)
    account = models.CharField("who", max_length=150, editable=False)
    action = models.CharField(max_length=100, editable=False)
    kind = models.CharField(max_length=50, editable=False)
    target = models.CharField("id", max_length=100, db_index=True, editable=False)
    name = models.CharField(max_length=200, editable=False)
    before = models.JSONField(default=dict, editable=False)
    after = models.JSONField(default=dict, editable=False)

    class Meta:
        ordering = ["-created", "-pk"]

    def __str__(self) -> str:
        return f"{self.account}: {self.action} {self.name}"
