"""Studies of methods: the precision from results under changed conditions, and the report of it."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models

from .base import SHOWN_NAME, AttemptedQuerySet, Made
from .methods import ACCOUNT, Method


class StudyQuerySet(AttemptedQuerySet):
    def by_sender(self) -> StudyQuerySet:
        """Each account is a sender: a study is never made without one."""
        return self.annotate(sender=models.F("author"))


class Study(Made):
    """The study of a method, which a worker makes once and nobody changes.

    author: the account that asked for it. quantity: the number that was studied. names: of the conditions, the outer
    ones first. rows: the results as they were, see `core.quality.study_report`. result: what the analysis of variance
    gave. pdf: the report.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    method = models.ForeignKey(Method, models.CASCADE, related_name="studies")
    title = models.CharField(max_length=SHOWN_NAME)
    author = models.CharField(max_length=ACCOUNT)
    quantity = models.CharField(max_length=100)
    names = models.JSONField()
    rows = models.JSONField()
    result = models.JSONField(default=dict, blank=True)
    pdf = models.BinaryField(null=True, blank=True, editable=False)

    objects = StudyQuerySet.as_manager()

    class Meta(Made.Meta):
        indexes = []

    def __str__(self) -> str:
        return self.title

    @property
    def content(self) -> dict[str, Any]:
        """What report and page are made of."""
        names = ("title", "author", "quantity", "names", "rows", "result")
        return {**{name: getattr(self, name) for name in names}, "method": self.method.name, "created": self.created}
