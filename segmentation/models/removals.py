"""Folders of the storage that are no longer needed."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Removal(models.Model):
    """A folder of the storage that is to be removed. The row is made in the transaction that makes the folder useless,
    and deleted once the folder is empty. So a process that is killed in between leaves nothing behind for ever."""

    folder = models.CharField(max_length=200)
    created = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ["created"]

    def __str__(self) -> str:
        return self.folder
