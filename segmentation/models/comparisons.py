"""Two results side by side: made by a worker when somebody first asks for it, then kept."""

from __future__ import annotations

from typing import Any

from django.db import models

from .base import AttemptedQuerySet, Made
from .jobs import Job
from .samples import Sample

Compared = Job | Sample


def _link(kind: type[models.Model]) -> Any:
    return models.ForeignKey(kind, models.CASCADE, null=True, related_name="+")


class ComparisonQuerySet(AttemptedQuerySet):
    made_by = ("first_job__", "first_sample__")


class Comparison(Made):
    """The comparison of two results; each is a job or a sample.

    content: identifies both as they were when they were compared: a sample that is pooled again is compared again.
    result: a `core.compare.results.Comparison`.
    """

    first_job, first_sample = _link(Job), _link(Sample)
    second_job, second_sample = _link(Job), _link(Sample)
    content = models.CharField(max_length=64, unique=True, editable=False)
    result = models.JSONField(default=dict, blank=True)

    objects = ComparisonQuerySet.as_manager()

    class Meta(Made.Meta):
        indexes = []

    def __str__(self) -> str:
        return f"comparison of {self.first} and {self.second}"

    @property
    def first(self) -> Compared:
        return self.first_job or self.first_sample

    @property
    def second(self) -> Compared:
        return self.second_job or self.second_sample
