"""Uploaded files, and the segmentations of their images."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from ..core.labels.segmentation import Provenance
from ..core.micrograph.calibration.stated import StatedScale
from ..core.micrograph.colours import CHANNELS
from ..core.micrograph.scale_bar.readings import scale_of
from ..core.micrograph.types import Calibration, Scale
from ..core.names import harmless_suffix
from .base import SHOWN_NAME, UNFINISHED_INDEX, Attempted, AttemptedQuerySet, Owned
from .upkeep import ALIVE, WorkerProcess


def upload_path(micrograph: Micrograph, name: str) -> str:
    """The path of an uploaded file in the storage. Only the suffix of its name is used, if it is harmless."""
    return f"{micrograph.folder}/image{harmless_suffix(name)}"


def preview_path(micrograph: Micrograph, name: str) -> str:
    """The path of a preview in the storage."""
    return f"{micrograph.folder}/{name}"


class Arrival(Owned):
    """A record of one upload or of one analysis, for the limits of an hour and a day. It is stored
    for a day, even if the upload is deleted, so that deleting does not get around a limit.

    job: id of the job of the analysis, None for an upload. pixels: number of pixels of the image.
    """

    job = models.UUIDField(null=True, unique=True, editable=False)
    pixels = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)

    class Meta:  # no order, as nobody lists them
        pass


MOST_FILES_AT_ONCE = 2  # files of one sender that a worker reads at once, so that others need not wait
# While jobs run, a data bar is read only after it has waited so long: a BAR_IS_NEEDED one, for
# which a job waits, and any other.
NEEDED_BAR_WAITS, OTHER_BAR_WAITS = timedelta(seconds=10), timedelta(minutes=10)
LATEST_IMAGES, MOST_BARS = 24, 8  # whose data bars are compared with a new one, and how many different bars of them
# Uploads whose data bar a waiting job or sample needs.
BAR_IS_NEEDED = Q(jobs__ready=False, jobs__state__in=Attempted.UNFINISHED) | Q(sample__isnull=False)


class MicrographQuerySet(AttemptedQuerySet):
    def waiting(self) -> MicrographQuerySet:
        """The uploads that a worker may take now: files that are not read yet, and data bars by the rule of
        `bars_to_read`."""
        waiting = super().waiting()
        return waiting.filter(Q(width=0) | Q(pk__in=waiting.bars_to_read().values("pk")))

    def bars_to_read(self) -> MicrographQuerySet:
        """The uploads whose data bar may be read now: all of them if no job waits or runs,
        otherwise uploads that have waited long enough. (A data bar and a job at the same time slow
        each other down.) A job that waits for a data bar is not counted as waiting."""
        has_job = Q(Q(jobs__ready=True) | Q(width=0), jobs__state__in=Attempted.UNFINISHED, jobs__finished=None)
        if not Micrograph.objects.filter(has_job).exists():
            return self
        now = timezone.now()
        needed_is_due, other_is_due = (
            ~Q(created__range=(now - wait, now)) for wait in (NEEDED_BAR_WAITS, OTHER_BAR_WAITS)
        )
        return self.filter(other_is_due | (BAR_IS_NEEDED & needed_is_due))

    def earlier_readings(self, micrograph: Micrograph) -> list[dict[str, Any]]:
        """The latest readings of data bars in other images of the same account, or without an account of the same
        visitor; of equal bars only the latest.

        If the new image has one of these bars, the reading is reused
        (`core.micrograph.scale_bar.barresult.reading_of_same_bar`).
        """
        if micrograph.owner_id is None and micrograph.visitor is None:
            return []
        is_senders = Q(owner=micrograph.owner_id) if micrograph.owner_id else Q(owner=None, visitor=micrograph.visitor)
        rows = self.filter(is_senders, reading__layout__rows__gt=0).exclude(pk=micrograph.pk).order_by("-created")
        bars: dict[str, dict[str, Any]] = {}
        for name, reading in rows.values_list("name", "reading")[:LATEST_IMAGES]:
            same_as = reading["same_as"] or name
            bars.setdefault(reading["layout"]["sha256"], {**reading, "same_as": same_as, "texts": []})
        return list(bars.values())[:MOST_BARS]

    def first_in_turn(self) -> Any:
        """As for any row, except that a worker reads at most MOST_FILES_AT_ONCE files of one sender
        at a time. Files that are not read yet come first, then data bars that a job waits for, then
        other data bars."""
        running = self.running().by_sender().values_list("sender").annotate(models.Count("pk")).order_by()
        workers = WorkerProcess.objects.filter(seen__gt=timezone.now() - ALIVE, queues__contains="inspections").count()
        limit = MOST_FILES_AT_ONCE * max(1, workers)
        waiting = self.waiting().by_sender().exclude(sender__in=[sender for sender, count in running if count >= limit])
        sender = self.sender_in_turn(waiting)
        if sender is None:
            return None
        rows = waiting.filter(sender=sender)
        for condition in (Q(width=0), BAR_IS_NEEDED):
            if rows.filter(condition).exists():
                rows = rows.filter(condition)
                break
        return rows.order_by("created", "pk").values_list("pk", flat=True).first()


class Micrograph(Owned, Attempted):
    """An uploaded file: a micrograph with what its inspection found, or an archive of micrographs.

    The upload is stored and answered at once; a worker inspects it later:

        RECEIVING ──stored──> QUEUED ──claim──> RUNNING ──> DONE, or FAILED: `error` says what is wrong with the file
                                ^                  │
                                └───── once more, for its data bar (`bars_to_read`)

    name: the name of the sent file, for display only. sha256: of the bytes of the file.
    kind, width, height, calibration, metadata, notes: stored when it has been read (`is_read`). kind: the format of the
        file in words. calibration: a `Calibration` as a dict.
    data_bar: first pixel row of the data bar, None without one.
    reading: the `BarReading` of data bar or picture as a dict, {} without one; it may come from an
        earlier image with the same data bar (`earlier_readings`). read_bar: whether the bar is read
        even if the file states the scale.
    side: the files of the microscope that were sent with it, as {"name", "sha256", "file": path in the storage}; each
        has a row `SideFile`. size: bytes of the file, without the side files.
    viewer_image, viewer_tiles: the picture in the viewer, whole and in tiles (core.report.exports.viewer);
        viewer_size: bytes of both.
    is_archive: whether several images are made of the file: a ZIP archive, or a stack of which pages were requested.
    archive: the archive or stack from which this file was made, None without one.
    pages: for a file with several images, the requested pages, such as "3", "2-5" or "all"; "": it
    is used as one image.
        Each requested page becomes a separate file.
    sample: the sample that waits for this image; None once the image belongs to it.
    asked: what the sender stated about its scale and, for an archive, about the analysis of its images
        (services.results.after_inspection).
    """

    class State(models.TextChoices):
        RECEIVING = "receiving", "arriving"
        QUEUED = "queued", "waiting to be read"
        RUNNING = "running", "being read"
        DONE = "done", "read"
        FAILED = "failed", "cannot be read"

    UNFINISHED = (State.RECEIVING, State.QUEUED, State.RUNNING)

    file = models.FileField(upload_to=upload_path, max_length=200)
    preview = models.FileField(upload_to=preview_path, max_length=200)
    viewer_image = models.FileField(max_length=200, blank=True, default="", editable=False)
    viewer_tiles = models.FileField(max_length=200, blank=True, default="", editable=False)
    viewer_size = models.BigIntegerField("size of the viewer's files in bytes", default=0, editable=False)
    name = models.CharField(max_length=SHOWN_NAME + 12)
    sha256 = models.CharField(max_length=64, db_index=True)
    size = models.BigIntegerField("size in bytes")
    state = models.CharField(max_length=10, choices=State.choices, default=State.RECEIVING, db_index=True)
    kind = models.CharField(max_length=100, blank=True)
    width = models.PositiveIntegerField("width in px", default=0)
    height = models.PositiveIntegerField("height in px", default=0)
    calibration = models.JSONField(default=dict)
    metadata = models.JSONField(default=dict, blank=True)
    notes = models.JSONField(default=list, blank=True)
    data_bar = models.PositiveIntegerField(null=True, blank=True)
    reading = models.JSONField(default=dict, blank=True)
    read_bar = models.BooleanField(default=True, editable=False)
    side = models.JSONField(default=list, blank=True)
    is_archive = models.BooleanField(default=False, editable=False)
    archive = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="images")
    pages = models.CharField(max_length=100, blank=True, default="", db_default="", editable=False)
    sample = models.ForeignKey(
        "segmentation.Sample", models.CASCADE, null=True, blank=True, related_name="arriving", editable=False
    )
    asked = models.JSONField(default=dict, blank=True, editable=False)

    objects = MicrographQuerySet.as_manager()

    class Meta(Owned.Meta):
        indexes = [models.Index(fields=["started"]), UNFINISHED_INDEX]

    def __str__(self) -> str:
        return self.name

    @property
    def is_useless(self) -> bool:
        """Whether it could not be read, so that its bytes were deleted."""
        return self.state == self.State.FAILED and not self.file

    @property
    def is_read(self) -> bool:
        """Whether the image can be analysed; its data bar may be still unread."""
        return bool(self.width) and self.state != self.State.FAILED and not self.is_archive

    @property
    def page_count(self) -> int:
        """The number of images in its file; one of them is analysed."""
        pages = self.metadata.get("pages")
        return pages if isinstance(pages, int) else 1

    @property
    def panels(self) -> list[tuple[int, str]]:
        """The pictures in a figure of several pictures: (page, place of the picture as an SVG viewBox) for each."""
        entries = (map(int, entry.split(",")) for entry in str(self.metadata.get("panels", "")).split())
        return [(page, f"{left} {top} {right - left} {bottom - top}") for page, top, left, bottom, right in entries]

    @property
    def channels(self) -> list[str]:
        """The names of the channels of an element map; each channel is a page of the file."""
        return str(self.metadata.get(CHANNELS, "")).split(", ") if CHANNELS in self.metadata else []

    @property
    def scale(self) -> Scale:
        """The scale as stated by the file, a side file of the microscope, and the image."""
        file = Calibration(**self.calibration) if self.calibration else Calibration.absent()
        return scale_of(file, self.reading, (self.height, self.width))

    def waits_for_bar(self, asked: Mapping[str, Any]) -> bool:
        """Whether its scale depends on a bar that has not been read yet. asked: as `Job.asked`.

        If the scale is known from elsewhere, nothing waits for the bar:
        `services.results.publishing.apply_bar_reading` compares both later.
        """
        return not self.is_finished and StatedScale.of(asked).needs_bar(self.scale)

    @property
    def folder(self) -> str:
        return f"uploads/{self.pk}"

    @property
    def megapixels(self) -> float:
        return self.width * self.height / 1e6


class SideFile(models.Model):
    """A file of the microscope that was sent beside an image; one row for each such image. The file
    is stored once for all images of its sender (`services.results.uploads`), and deleted with the
    last of them (`services.ground.files`).

    micrograph: id of the image; not a foreign key, because an older version of the site, which
    lacks this table, must be able to delete the image. file: path in the storage; the file has a
    folder for itself. size: in bytes.
    """

    micrograph = models.UUIDField(db_index=True, editable=False)
    name = models.CharField(max_length=SHOWN_NAME, editable=False)
    sha256 = models.CharField(max_length=64, db_index=True, editable=False)
    file = models.FileField(max_length=200, db_index=True, editable=False)
    size = models.BigIntegerField("size in bytes", editable=False)

    class Meta:  # no order, as nobody lists them
        pass

    def __str__(self) -> str:
        return self.name

    @property
    def folder(self) -> str:
        return str(PurePosixPath(self.file.name).parent)


class Segmentation(models.Model):
    """A stored `core.labels.segmentation.Segmentation`; it is deleted with the last job that measured it.

    provenance: a `Provenance` as JSON: task, settings and the complete ModelCard at that time. size: bytes of the file.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    micrograph = models.ForeignKey(Micrograph, models.CASCADE, related_name="segmentations")
    parent = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="corrections")
    task = models.CharField(max_length=100)
    model_name = models.CharField("model", max_length=100, db_index=True)
    weights = models.CharField("SHA-256 of the weights", max_length=64)
    provenance = models.JSONField(default=dict)
    file = models.FileField(max_length=200)
    size = models.BigIntegerField("size in bytes")
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created"]
        indexes = [models.Index(fields=["created"])]

    def __str__(self) -> str:
        return f"{self.micrograph.name}: {self.task} by {self.model_name}"

    @property
    def folder(self) -> str:
        return f"segmentations/{self.pk}"

    def get_provenance(self) -> Provenance:
        """How the outlines were made."""
        return Provenance.from_dict(self.provenance)
