"""Studies of methods: the precision of a method from results under changed conditions, with a report."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models

from .base import SHOWN_NAME, AttemptedQuerySet, PageWork
from .methods import LONGEST_ACCOUNT, Method


class StudyQuerySet(AttemptedQuerySet):
    def by_sender(self) -> StudyQuerySet:
        """The rows with an annotation `sender`: the author. (A study is never made without an account.)"""
        return self.annotate(sender=models.F("author"))


class Study(PageWork):
    """The study of a method. A worker computes it once, and nobody changes it.

    author: the account that requested it. quantity: the name of the number that was studied. names: of the conditions,
    the outer ones first. rows: a copy of the results (`presenters.studies.study_row`). result: the outcome of the
    analysis of variance. pdf: the report.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    method = models.ForeignKey(Method, models.CASCADE, related_name="studies")
    title = models.CharField(max_length=SHOWN_NAME)
    author = models.CharField(max_length=LONGEST_ACCOUNT)
    quantity = models.CharField(max_length=100)
    names = models.JSONField()
    rows = models.JSONField()
    result = models.JSONField(default=dict, blank=True)
    pdf = models.BinaryField(null=True, blank=True, editable=False)

    objects = StudyQuerySet.as_manager()

    class Meta(PageWork.Meta):
        indexes = []

    def __str__(self) -> str:
        return self.title

    @property
    def content(self) -> dict[str, Any]:
        """The content of the report, as plain values."""
        names = ("title", "author", "quantity", "names", "rows", "result")
        return {**{name: getattr(self, name) for name in names}, "method": self.method.name, "created": self.created}
