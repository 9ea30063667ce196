"""What the staff of a site changed."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class StaffAction(models.Model):
    """One change by a member of the staff, or on the command line; nobody changes or deletes such a row here.

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
