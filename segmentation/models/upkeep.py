"""Beside the results: workers alive, private links, folders to be removed, and what the staff changed."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils import timezone

ALIVE = timedelta(seconds=45)


class WorkerProcess(models.Model):
    """A worker, which says every few seconds that it is alive; gone once it ends as it should.

    name: Celery's, the number of the process and an end by chance, such as "analyses@host 712-9c3f", so that no two
    processes share a row. queues: names, separated by commas.
    """

    name = models.CharField(max_length=200, primary_key=True)
    queues = models.CharField(max_length=200)
    version = models.CharField(max_length=50)
    started = models.DateTimeField(default=timezone.now)
    seen = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_alive(self) -> bool:
        return timezone.now() - self.seen < ALIVE


class Link(models.Model):
    """How the link of one job or sample opens it. Without a row, a result that has no account opens by its address for
    ever. A result of an account then opens for nobody else.

    target: id of the job or sample. number: what its secret is made from (services.access.links), "" where the address
    alone opens it. ends: when it stops, None for never. off: whether it is switched off.
    """

    target = models.UUIDField(primary_key=True, editable=False)
    number = models.CharField(max_length=32, blank=True, default="", editable=False)
    ends = models.DateTimeField(null=True, blank=True)
    off = models.BooleanField(default=False)
    changed = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return str(self.target)


class Removal(models.Model):
    """A folder of the storage that is to be removed. The row is made in the transaction that makes the folder useless,
    and deleted once the folder is empty. So a process that is killed in between leaves nothing behind for ever."""

    folder = models.CharField(max_length=200)
    created = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ["created"]

    def __str__(self) -> str:
        return self.folder


class StaffAction(models.Model):
    """One change by a member of the staff, or on the command line, and each change of what a result is held against,
    whoever made it; nobody changes or deletes such a row here.

    account: the name as it was. action: such as "cancelled". kind, target, name: what was changed. before, after: the
    values that differ; after a deletion only those before.
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
