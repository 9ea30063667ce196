"""Samples: many images of one specimen whose numbers are pooled, and the files of the pooled result."""

from __future__ import annotations

from typing import Any

from django.db import models

from ..core.micrograph.scale_bar.readings import CUT_OFF
from ..core.micrograph.types import Calibration
from ..core.settings import DEFAULT_TASK
from ..core.stored import StoredResult
from ..quality.methods.rows import LONGEST_ACCOUNT, LONGEST_REASON, MethodVersion
from .base import SHOWN_NAME, Attempted, AttemptedQuerySet, JudgedResult, Owned, StoredFile
from .micrographs import Micrograph

LONGEST_TYPED = 100  # characters of a typed number and its unit


class Sample(Owned, Attempted, JudgedResult):
    """Many images of one specimen, analysed one by one and pooled; see the top of this package for the states.

    settings: of the images, without the calibration. rule: where the calibration comes from. value:
    the width of an image, or by the rule PIXEL of a pixel, in nm; None without one. typed: the text
    that the user typed for `value`, such as "7.52 µm", "" without one; the uncertainty of `value`
    is taken from its last digit.
    notes: sentences about uploads that were left out, as {"name", "sentence"}.
    method: the version of a method by which its images are analysed; None without one.
    closed: when it was closed; after that no images are added. closed_by: the account. closed_reason: why it was closed
        before enough was measured, "" otherwise.
    history: its ends and openings, as `core.quality.stopping.ClosedOrOpened`, the last one last.
    pooled: the pooled numbers that the page shows, and under "of" the ids of the pooled jobs.
    submission: id of the request; sending it twice makes one sample. content: hash of the submitted content.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "images under way"
        QUEUED = "queued", "waiting"
        RUNNING = "running", "pooling"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    class Rule(models.TextChoices):
        OWN = "own", "each image's own scale; where it has none, the width given"
        WIDTH = "width", "one image width for all"
        PIXEL = "pixel", "one pixel size for all"

    name = models.CharField(max_length=SHOWN_NAME)
    settings = models.JSONField()
    rule = models.CharField("calibration", max_length=10, choices=Rule.choices, default=Rule.OWN)
    value = models.FloatField("nm", null=True, blank=True)
    typed = models.CharField("as typed", max_length=LONGEST_TYPED, blank=True, default="")
    notes = models.JSONField(default=list, blank=True)
    method = models.ForeignKey(MethodVersion, models.SET_NULL, null=True, blank=True, related_name="samples")
    closed = models.DateTimeField(null=True, blank=True, editable=False)
    closed_by = models.CharField(max_length=LONGEST_ACCOUNT, blank=True, default="", db_default="", editable=False)
    closed_reason = models.CharField(max_length=LONGEST_REASON, blank=True, default="", db_default="", editable=False)
    history = models.JSONField(default=list, db_default=[], blank=True, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING, db_index=True)
    pooled = models.JSONField(default=dict, blank=True)
    submission = models.CharField(max_length=64, unique=True, editable=False)
    content = models.CharField(max_length=64, blank=True, default="", editable=False)

    objects = AttemptedQuerySet.as_manager()

    class Meta(Owned.Meta):
        permissions = [("reopen_sample", "Can open closed samples again")]

    def __str__(self) -> str:
        return self.name

    @property
    def stored(self) -> StoredResult:
        """Its pooled numbers as stored."""
        return StoredResult.read(
            self.pooled, self._dates_of_counted, sample_task=self.settings.get("task", DEFAULT_TASK)
        )

    def _dates_of_counted(self) -> list[Any]:
        counted = self.jobs.filter(pk__in=self.stored.counted_ids)
        return list(counted.values_list("micrograph__metadata__date", flat=True))

    @property
    def members(self) -> models.QuerySet:
        """The jobs of its images; for an image that was measured again, only the latest job."""
        return self.jobs.exclude(reruns__sample=self.pk)

    def waits_for_bar(self, micrograph: Micrograph) -> bool:
        """Whether the scale of an arriving image depends on a data bar that has not been read yet."""
        return self.rule == self.Rule.OWN and micrograph.waits_for_bar(micrograph.asked)

    @property
    def scale_check(self) -> str:
        """`Job.scale_check` for all counted images: "pending" or "cut off" if it is so for one
        image, otherwise "done"."""
        counted = self.members.filter(state="done", included=True)
        rows = counted.with_stored("unread").values_list("unread", "micrograph__reading__note")
        are_unread, notes = zip((False, ""), *rows, strict=True)
        return "pending" if any(are_unread) else "cut off" if CUT_OFF in notes else "done"

    def stated_calibration(self, micrograph: Micrograph) -> Calibration | None:
        """The calibration that the rule gives an image; None if the scale in its file or picture is used."""
        if self.rule == self.Rule.PIXEL:
            return Calibration.of_pixel(self.value, typed=self.typed, detail="one pixel size for the whole sample")
        scale = micrograph.scale
        has_own = scale.file.is_known or scale.in_use.is_known
        if self.value is None or (self.rule == self.Rule.OWN and has_own):
            return None
        return Calibration.of_width(self.value, micrograph.width, typed=self.typed)


class SampleArtifact(StoredFile):
    """A file that the pooling of a sample made."""

    owner = "sample"
    sample = models.ForeignKey(Sample, models.CASCADE, related_name="artifacts")

    class Meta(StoredFile.Meta):
        constraints = [models.UniqueConstraint(fields=["sample", "name"], name="one_sample_artifact_of_a_name")]
