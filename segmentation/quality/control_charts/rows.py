"""ChartState charts of methods, and their points."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from ...core.quality.control_chart import ChartPlan, ChartState
from ...models.base import SHOWN_NAME
from ...models.jobs import Job
from ...models.samples import Sample
from ..methods.rows import Method

LONGEST_NOTE = 500  # characters
# What a chart needs of the results of its points: whose they are, not their numbers.
RESULTS_OF_POINTS = (
    models.Prefetch("job", Job.objects.only("owner", "visitor", "sample")),
    models.Prefetch("sample", Sample.objects.only("owner", "visitor")),
)

PORTION = 500  # SQLite takes no more than 1,000 ids in one query


def prefetch_results(points: Sequence[ChartPoint]) -> None:
    """Read the results of these points, a portion at once."""
    for start in range(0, len(points), PORTION):
        models.prefetch_related_objects(points[start : start + PORTION], *RESULTS_OF_POINTS)


class ControlChart(models.Model):
    """A chart of one number of the results of a method, over all its versions.

    plan: a `core.quality.control_chart.ChartPlan` as JSON. reference: the reference material whose measurements it
    shows, as
    `JudgedResult.reference` stores it; {} for results of no reference material. material: the text by which these
    results name their material, "" for results without one; None in a chart of a reference material, and in one of
    before version 2.0, which has results of all materials.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    method = models.ForeignKey(Method, models.CASCADE, related_name="charts")
    plan = models.JSONField()
    reference = models.JSONField(default=dict, blank=True)
    material = models.TextField(null=True, blank=True, editable=False)
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["created"]
        verbose_name = "control chart"

    def __str__(self) -> str:
        name = self.reference["name"] if self.reference else self.material
        material = f" of {name}" if name else ""
        return f"{self.method.name}: {self.get_plan().label}{material}"

    @property
    def folder(self) -> str:
        """The path of its page."""
        return f"charts/{self.pk}"

    def get_plan(self) -> ChartPlan:
        """The plan of the chart: its number, limits and rules."""
        return ChartPlan.read(self.plan)

    def control(self, points: list[ChartPoint]) -> ChartState:
        """Limits and alarms of the chart with these points, which are in the order of time."""
        return ChartState.of(self.get_plan(), [point.value for point in points], [not point.counts for point in points])


class ChartPoint(models.Model):
    """One result as a point of a chart.

    job, sample: the result; both are None once it is deleted, the point stays. name: of the image
    or sample. version: of the method. measured: when the last image was taken if its file tells it, else when the
    result was made; points are in this order.
    value: in the unit of result.json.
    departures: how the result departs from the method. waits: why it counts only after a person's yes, "" if it counts
    without. choice: the last yes, a `core.quality.belonging.Choice`; {} without one. note: a comment of a person.
    excluded: the known cause for which the point is left out, "" if it counts. sent_rules: numbers of the rules whose
    alarm at this point was sent.
    """

    chart = models.ForeignKey(ControlChart, models.CASCADE, related_name="points")
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="chart_points")
    sample = models.ForeignKey(Sample, models.SET_NULL, null=True, blank=True, related_name="chart_points")
    name = models.CharField(max_length=SHOWN_NAME)
    version = models.PositiveIntegerField()
    measured = models.DateTimeField(db_index=True)
    value = models.FloatField()
    departures = models.JSONField(default=list, blank=True)
    waits = models.TextField(blank=True, default="", db_default="")
    choice = models.JSONField(default=dict, db_default={}, blank=True)
    note = models.CharField(max_length=LONGEST_NOTE, blank=True, default="")
    excluded = models.CharField(max_length=LONGEST_NOTE, blank=True, default="")
    sent_rules = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["measured", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["chart", "job"], condition=Q(sample=None), name="one_point_of_a_job"),
            models.UniqueConstraint(fields=["chart", "sample"], condition=Q(job=None), name="one_point_of_a_sample"),
        ]

    def __str__(self) -> str:
        return f"{self.name} in {self.chart}"

    @property
    def needs_agreement(self) -> bool:
        """Whether it counts only after a person says yes. A yes holds for the reasons that stood there then."""
        return bool(self.waits) and not (self.choice.get("included") and self.choice["waited"] == self.waits)

    @property
    def counts(self) -> bool:
        """Whether limits and tests include it."""
        return not self.excluded and not self.needs_agreement

    @property
    def result(self) -> Any:
        """The job or the sample, None once it is deleted."""
        return self.job or self.sample
