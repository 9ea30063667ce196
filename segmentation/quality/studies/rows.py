"""Studies of methods: the precision of a method from results under changed conditions, with a report."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Cast, Coalesce

from ...models.base import SHOWN_NAME, TURNS_OF_ANALYSES, AttemptedQuerySet, PageWork, WorkState
from ..methods.rows import LONGEST_ACCOUNT, Method


class StudyQuerySet(AttemptedQuerySet):
    turns_with = TURNS_OF_ANALYSES

    def by_sender(self) -> StudyQuerySet:
        """The rows with an annotation `sender`: the account, as for a job; "" once it is deleted."""
        return self.annotate(sender=Coalesce(Cast("owner", models.CharField()), models.Value("")))


class Study(PageWork):
    """The study of a method. A worker computes it once, and nobody changes it. Its analyses take turns with other work.

    owner, author: the account that requested it; its name stays when it is deleted. analyses: how many analyses of
    images it needs. outcomes: of those that are made, by the id of the image's job, then by the form. quantity: the
    name of the number that was studied. names: of the conditions, the outer ones first. rows: a copy of the results
    (`quality.studies.words.study_row`). requirements: what the method must reach for its use, a
    `core.quality.fitness.Requirements`. result: the outcome of the analysis of variance. pdf: the report.
    signatures: of the report, each {"account", "name", "meaning", "time", "pdf_sha256", "hash"}; the hash is of the
    other entries and of the hash before.
    """

    State = WorkState

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    analyses = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    outcomes = models.JSONField(default=dict, db_default={}, blank=True, editable=False)
    method = models.ForeignKey(Method, models.CASCADE, related_name="studies")
    title = models.CharField(max_length=SHOWN_NAME)
    author = models.CharField(max_length=LONGEST_ACCOUNT)
    quantity = models.CharField(max_length=100)
    names = models.JSONField()
    rows = models.JSONField()
    requirements = models.JSONField(default=dict, db_default={}, blank=True, editable=False)
    result = models.JSONField(default=dict, blank=True)
    signatures = models.JSONField(default=list, db_default=[], blank=True, editable=False)
    pdf = models.BinaryField(null=True, blank=True, editable=False)

    objects = StudyQuerySet.as_manager()

    class Meta(PageWork.Meta):
        indexes = []

    def __str__(self) -> str:
        return self.title

    @property
    def content(self) -> dict[str, Any]:
        """The content of the report, as plain values."""
        names = ("title", "author", "quantity", "names", "rows", "requirements", "result")
        numbers = {row["version"] for row in self.rows}
        versions = self.method.versions.filter(number__in=numbers).order_by("number")
        checksums = [
            (version.number, version.checksum, str(version.description.get("model_sha256", ""))) for version in versions
        ]
        content = {name: getattr(self, name) for name in names} | {"checksums": checksums, "number": str(self.pk)[:8]}
        return {**content, "method": self.method.name, "created": self.created}
