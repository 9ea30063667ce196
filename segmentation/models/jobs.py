"""Jobs (each analyses one image) and their files; and work on finished jobs: exports, measuring after corrections,
proposals of other settings, comparisons of two results."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import mean
from typing import Any

from django.conf import settings as site
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from ..core.analysis import AnalysisSettings
from ..core.micrograph.calibration.stated import StatedScale
from ..core.micrograph.scale_bar.readings import CUT_OFF
from ..core.micrograph.types import Calibration, Scale
from ..core.stages.pace import MEASURING_STAGES, STAGE_BEGINS, Forecast, Pace
from ..core.stored import PATHS, StoredResult
from ..quality.methods.rows import LONGEST_ACCOUNT, MethodVersion
from .base import (
    TURNS_OF_ANALYSES,
    UNFINISHED_INDEX,
    Attempted,
    AttemptedQuerySet,
    JudgedResult,
    Owned,
    PageWork,
    StoredFile,
    WorkState,
)
from .micrographs import Micrograph, Segmentation
from .samples import Sample
from .upkeep import ALIVE, WorkerProcess

ANALYSES = "analyses"  # name of the broker's queue for analyses
RECENT_JOBS = 20  # the jobs from whose durations the time of the next one is estimated
# A job comes later in the queue by so much for each megapixel, and as an image of a sample: small and single images go
# first, but no job waits for ever.
DELAY_PER_MEGAPIXEL, DELAY_IN_SAMPLE = timedelta(seconds=10), timedelta(minutes=10)
LONGEST_TITLE = 80  # characters of the name of a version
# The next job is chosen among so many single jobs of a sender, and as many jobs of samples.
MOST_CANDIDATES = 200


class JobQuerySet(AttemptedQuerySet):
    related = ("micrograph", "segmentation")
    since = "queued"
    turns_with = TURNS_OF_ANALYSES

    def waiting(self) -> JobQuerySet:
        """The jobs that are ready, and jobs that lack only the scale because the data bar of the image is not read yet:
        their outlines can be found without the scale. Not those whose file of outlines is still to be imported."""
        only_scale_missing = Q(ready=False, segmentation=None, micrograph__width__gt=0, micrograph__is_archive=False)
        has_no_file_to_import = Q(segmentation__isnull=False) | Q(outlines={})
        return super().waiting().filter(has_no_file_to_import, Q(ready=True) | only_scale_missing)

    def with_stored(self, *names: str) -> JobQuerySet:
        """The jobs with parts of their results, as attributes named in `core.stored.PATHS`; the whole results may be
        deferred."""
        return self.annotate(**{name: F(f"summary__{PATHS[name]}") for name in names})

    def arriving(self) -> JobQuerySet:
        """The jobs that wait for a worker or for the reading of their image, without those whose
        outlines are found and that wait for the scale."""
        return self.filter(Q(ready=True) | Q(segmentation=None), state=WorkState.QUEUED, finished=None)

    def first_in_turn(self) -> Any:
        """The id of the job to take next. Of one sender, large images and images of samples come later."""
        waiting = self.waiting()
        sender = self.sender_in_turn(waiting)
        if sender is None:
            return None
        rows = waiting.by_sender().filter(sender=sender).order_by("queued", "pk")
        sizes = "micrograph__width", "micrograph__height"
        rows = rows.values_list("pk", "queued", "sample", *sizes)
        candidates = [*rows.filter(sample=None)[:MOST_CANDIDATES], *rows.exclude(sample=None)[:MOST_CANDIDATES]]
        return min(candidates, key=lambda row: _turn_of(*row[1:]), default=(None,))[0]


def _turn_of(queued: datetime, sample: Any, width: int, height: int) -> datetime:
    """The time by which the jobs of one sender are sorted."""
    return queued + width * height / 1e6 * DELAY_PER_MEGAPIXEL + (DELAY_IN_SAMPLE if sample else timedelta())


class ImportQuerySet(AttemptedQuerySet):
    """Jobs whose file of outlines from another tool is not read yet; a worker of the queue "inspections" reads it."""

    related = JobQuerySet.related

    def waiting(self) -> AttemptedQuerySet:
        return super().waiting().filter(segmentation=None, ready=True).exclude(outlines={})


class JobWorkQuerySet(AttemptedQuerySet):
    """Rows that belong to a job, whose maker is their sender."""

    related = ("job__micrograph", "job__segmentation")
    owner_prefixes = ("job__",)


class ExportJobQuerySet(AttemptedQuerySet):
    related = (*JobWorkQuerySet.related, "sample")
    owner_prefixes = (*JobWorkQuerySet.owner_prefixes, "sample__")
    # First files that somebody requested; then files of the newest result, whose page is probably open.
    turn = (models.Case(models.When(asked=True, then="created")).asc(nulls_last=True), "-created")

    def waiting(self) -> ExportJobQuerySet:
        """The exports that a worker may take now. Files that nobody has requested wait until the data bar of the image
        is read, because the scale in it may change them all."""
        return super().waiting().filter(Q(asked=True) | ~Q(job__micrograph__state__in=Micrograph.UNFINISHED))


class Job(Owned, Attempted, JudgedResult):
    """One analysis of one micrograph; see the top of this package for the states.

    settings: the AnalysisSettings, as JSON. segmentation: the measured outlines; None until they are found.
    parent: the job from whose result this job was made, None without one.
    method: the version of a method that it follows, None without one. The summary names a deleted method, too.
    queued: when the job last entered the queue.
    sample, included: the sample that the image belongs to, and whether it counts there.
    waits: the reason why a person must agree before it counts in its sample, "" if nobody must.
        agreed_by: who agreed, "" for nobody; after that the image never waits again.
    choice: the last decision of a person about it in its sample, a `core.quality.belonging.Choice`; {} without one.
    submission: id of the request; sending it twice makes one job. content: hash of the submitted content.
    ready: whether its upload has been read, and also the data bar if the scale depends on it. asked: the scale that the
        maker stated, as `StatedScale.as_dict`; it is applied when the job becomes ready.
    summary: the data that the result page shows without opening a file.
    early: the outlines that the running attempt has found so far (core.report.outlines.unfinished_outlines), with
        their number "part", by which the page recognises new ones; {} once the attempt has ended.
    ends: the expected end of the running attempt.
    edit_count, edit_hash, edit_bytes: number of corrections of its outlines, the hash of the last one, and the bytes in
        the database of the corrections that were made since version 2.0.
    corrects: how many corrections of the parent this job measures; None if it does not measure corrections.
    outlines: the file of another tool whose outlines it measures: name, sha256, file, size; {} without one.
    signature_hash: the hash of the last signature, "" without one.
    step: number of corrections that its numbers and files include. If it differs from `edit_count`, a worker measures
        the job again (`Measuring`), because the page shows the state after all corrections.
    fixed: whether it is a version: a result that is signed, shared or named never changes, and corrections of it make
        another result. title: the name that a person gave the version.
    """

    State = WorkState

    micrograph = models.ForeignKey(Micrograph, models.CASCADE, related_name="jobs")
    parent = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="reruns")
    settings = models.JSONField()
    segmentation = models.ForeignKey(
        Segmentation, models.SET_NULL, null=True, blank=True, related_name="jobs", editable=False
    )
    method = models.ForeignKey(MethodVersion, models.SET_NULL, null=True, blank=True, related_name="jobs")
    model_name = models.CharField("model", max_length=100, db_index=True)
    submission = models.CharField(max_length=64, unique=True, editable=False)
    content = models.CharField(max_length=64, blank=True, default="", editable=False)
    ready = models.BooleanField(default=True, editable=False)
    asked = models.JSONField(default=dict, blank=True, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    queued = models.DateTimeField(default=timezone.now, editable=False)
    sample = models.ForeignKey(Sample, models.CASCADE, null=True, blank=True, related_name="jobs")
    included = models.BooleanField(default=True)
    waits = models.TextField(blank=True, default="", db_default="", editable=False)
    agreed_by = models.CharField(max_length=LONGEST_ACCOUNT, blank=True, default="", db_default="", editable=False)
    choice = models.JSONField(default=dict, db_default={}, blank=True, editable=False)
    summary = models.JSONField(default=dict, blank=True)
    early = models.JSONField(default=dict, db_default={}, blank=True, editable=False)
    ends = models.DateTimeField(null=True, blank=True, editable=False)
    edit_count = models.PositiveIntegerField(default=0, editable=False)
    edit_hash = models.CharField(max_length=64, blank=True, default="", editable=False)
    edit_bytes = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)
    corrects = models.PositiveIntegerField(null=True, blank=True, editable=False)
    outlines = models.JSONField(default=dict, blank=True, editable=False)
    signature_hash = models.CharField(max_length=64, blank=True, default="", editable=False)
    step = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    fixed = models.BooleanField(default=False, db_default=False, editable=False)
    title = models.CharField(max_length=LONGEST_TITLE, blank=True, default="", db_default="")

    objects = JobQuerySet.as_manager()
    imports = ImportQuerySet.as_manager()

    class Meta(Owned.Meta):
        indexes = [
            models.Index(fields=["state", "queued"]),
            models.Index(fields=["state", "-finished"]),
            models.Index(fields=["started"]),
            UNFINISHED_INDEX,
            models.Index(fields=["micrograph", "owner", "created"]),  # the newest result of an image, for the lists
        ]

    def __str__(self) -> str:
        return f"{self.micrograph.name} ({self.get_state_display()})"

    @property
    def inherited_place(self) -> dict[str, Any]:
        """The fields of this job about its sample, for a new result of the same image. (Whether that result waits for
        agreement is decided anew.)"""
        place = {"included": self.included or bool(self.waits), "agreed_by": self.agreed_by, "waits": ""}
        return {**place, "choice": self.choice}

    @property
    def name(self) -> str:
        """The name of its image, as a sample has a name of its own."""
        return self.micrograph.name

    @property
    def is_done(self) -> bool:
        return self.state == self.State.DONE

    @property
    def makers(self) -> set[str]:
        """The names of the accounts that made the result: its owner, who corrected its outlines or those that it
        measures again, and who signed it as made."""
        names: set[str] = set()
        job: Job | None = self
        while job is not None:
            names |= {job.owner.get_username()} if job.owner else set()
            names |= set(job.edits.exclude(author="").values_list("author", flat=True))
            names |= set(job.signatures.filter(meaning="made").values_list("account", flat=True))
            parent = job.parent
            measures_its_outlines = parent and (
                job.corrects is not None or job.segmentation_id == parent.segmentation_id
            )
            job = parent if measures_its_outlines else None
        return names

    @property
    def is_by_hand(self) -> bool:
        """Whether it measures corrections of its parent, or outlines of another tool."""
        return self.corrects is not None or bool(self.outlines)

    @property
    def is_measured(self) -> bool:
        """Whether its numbers and files include all its corrections."""
        return self.step == self.edit_count or (not self.step and not self.is_corrected)

    @property
    def steps_in_effect(self) -> int:
        """The number of corrections of its outlines that are not undone. An undo and the undone edit are both in
        `edit_count`, hence the 2; a redo is stored as a new edit."""
        return self.edit_count and self.edit_count - 2 * self.edits.filter(undoes__isnull=False).count()

    @property
    def counts_in_effect(self) -> dict[str, int]:
        """Of the corrections that are not undone: "corrected", how many changed outlines; "reviewed", how many outlines
        were confirmed as right. {} without corrections."""
        if not self.edit_count:
            return {}
        undone = self.edits.filter(undoes__isnull=False).values_list("undoes", flat=True)
        reviews = self.edits.filter(operation__op="reviewed").exclude(sequence__in=undone)
        reviewed_ids = list(reviews.values_list("operation__ids", flat=True))
        corrected = self.edit_count - 2 * len(undone) - len(reviewed_ids)
        return {"corrected": corrected, "reviewed": sum(map(len, reviewed_ids))}

    @property
    def is_corrected(self) -> bool:
        """Whether there are corrections of its outlines that were not undone."""
        return self.steps_in_effect > 0

    @property
    def needs_network(self) -> bool:
        """Whether a network has to find its outlines; otherwise it measures existing ones."""
        return self.segmentation_id is None and not self.is_by_hand

    @property
    def can_retry(self) -> bool:
        """Whether a failed or cancelled job can be tried again. (An unreadable image stays unreadable.)"""
        return self.state in (self.State.FAILED, self.State.CANCELLED) and not self.micrograph.is_useless

    @property
    def scale_check(self) -> str:
        """Whether its scale was compared with the bar in the image: "pending", "done", or "cut off" if there was not
        enough time to read the bar."""
        is_unread = self.stored.unread
        if not self.micrograph.is_finished if is_unread is None else is_unread:
            return "pending"
        return "cut off" if self.micrograph.reading.get("note") == CUT_OFF else "done"

    @property
    def duration(self) -> timedelta | None:
        """How long the last attempt took, or has been running."""
        if self.started is None:
            return None
        return (self.finished or timezone.now()) - self.started

    def get_settings(self) -> AnalysisSettings:
        """The settings of the analysis."""
        return AnalysisSettings.from_dict(self.settings)

    @property
    def stored(self) -> StoredResult:
        """Its numbers as stored."""
        return StoredResult.read(self.summary, lambda: [self.micrograph.metadata.get("date")])

    @property
    def calibration(self) -> Calibration:
        """The calibration in use. (`scale.in_use` is slower: it also reads the settings of a job that has numbers.)"""
        return self.stored.calibration or self.scale.in_use

    @property
    def scale(self) -> Scale:
        """The scale of its image from all sources: file, picture, statement of the maker, and last measuring.

        If the image is read but the job is not ready, the stated scale is taken from `asked`.
        """
        measurement, scale = self.get_settings().measurement, self.micrograph.scale
        if measurement.calibration is None and not self.ready and self.micrograph.is_read:
            with suppress(ValueError):
                stated = StatedScale.of(self.asked).calibration(scale)
                measurement = measurement.replaced(calibration=stated)
        return replace(measurement.scaled(scale), measured=self.stored.calibration)

    def artifact(self, name: str) -> Artifact | None:
        """The stored file with this name; None without one."""
        return self.artifacts.filter(name=name).first()

    def position(self, line: WaitingLine | None = None) -> int | None:
        """The place in the queue, 1 for the next job; None if the job does not wait. The number never grows. line: the
        waiting jobs, if the caller has read them already."""
        if self.state != self.State.QUEUED or not self.ready:
            return None
        return sum(count for count, _ in (line or WaitingLine()).jobs_before(self)) + 1

    def expected_seconds(self) -> float | None:
        """Seconds until the job is done, estimated from recent jobs. None if it is finished, if no recent job is
        known, or if no worker is alive.

        For a running job the estimate of its worker (`ends`) is used, which includes the progress of each stage.
        """
        if self.is_finished:
            return None
        if self.state == self.State.RUNNING and self.ends is not None:
            return max((self.ends - timezone.now()).total_seconds(), 0.0)
        pace = recent_pace()
        own_seconds = self._seconds(pace)
        if own_seconds is None or self.state == self.State.RUNNING:
            return own_seconds
        running = Job.objects.running().select_related("micrograph").defer("summary")
        before = [job.expected_seconds() if job.ends else job._seconds(pace) for job in running]
        for count, megapixels in WaitingLine().jobs_before(self):
            before += [pace.seconds(megapixels)] * count
        at_once = site.DEEPSEGM_CONCURRENCY * count_workers(ANALYSES)
        if not at_once or None in before:
            return None
        return sum(seconds or 0.0 for seconds in before) / at_once + own_seconds

    def _seconds(self, pace: Pace) -> float | None:
        """Seconds that the whole job takes at this pace."""
        stages = tuple(STAGE_BEGINS) if self.needs_network else MEASURING_STAGES
        return pace.seconds(self.micrograph.megapixels, stages)

    def forecast(self) -> Forecast:
        """An object that estimates the remaining time of an attempt from its progress."""
        return Forecast(recent_pace(), self.micrograph.megapixels)


class WaitingLine:
    """The waiting analyses, read from the database when the object is made."""

    def __init__(self) -> None:
        waiting = Job.objects.filter(state=WorkState.QUEUED, finished=None, ready=True).by_sender().order_by()
        columns = "pk", "sender", "queued", "sample", "attempt", "micrograph__width", "micrograph__height"
        self.rows = list(waiting.values_list(*columns))

    def jobs_before(self, job: Job) -> list[tuple[int, float]]:
        """For each sender: how many jobs are expected to run before this one, and their mean megapixels.

        As senders take turns, another sender has at most one job more before this one than its own sender. Only jobs
        that came before this one and were never begun are counted, whatever the sizes of their images. So the number
        never grows, even if a later job is taken first or a job is taken again because its worker was lost.
        """
        own_sender = next((sender for pk, sender, *_ in self.rows if pk == job.pk), None)
        later = DELAY_IN_SAMPLE if job.sample_id else timedelta()
        own_turn = job.queued + later, job.pk
        sizes: dict[Any, list[float]] = {}
        for pk, sender, queued, sample, attempt, width, height in self.rows:
            is_before = (queued + (DELAY_IN_SAMPLE if sample else timedelta()), pk) < own_turn
            if not attempt and (queued, pk) < (job.queued, job.pk) and (sender != own_sender or is_before):
                sizes.setdefault(sender, []).append(width * height / 1e6)
        own_sizes = sizes.pop(own_sender, [])
        others = [(min(len(megapixels), len(own_sizes) + 1), mean(megapixels)) for megapixels in sizes.values()]
        return [(len(own_sizes), mean(own_sizes) if own_sizes else 0.0), *others]


def count_workers(queue: str) -> int:
    """How many workers of a queue are alive."""
    alive = WorkerProcess.objects.filter(seen__gt=timezone.now() - ALIVE).values_list("queues", flat=True)
    return sum(queue in names.split(",") for names in alive)


def recent_pace() -> Pace:
    """The durations of the stages of recent jobs. The time outside all stages (reading the image, writing files) is
    included in "report"."""
    recent = Job.objects.filter(state=Job.State.DONE, finished__isnull=False, started__isnull=False)
    rows = recent.order_by("-finished").with_stored("timings")
    rows = rows.values_list("micrograph__width", "micrograph__height", "timings", "started", "finished")
    return Pace(
        (
            width * height / 1e6,
            {**(timings or {}), "report": (finished - started).total_seconds() - sum((timings or {}).values())},
        )
        for width, height, timings, started, finished in rows[:RECENT_JOBS]
    )


class ExportJob(PageWork):
    """Work of writing the files of a finished job or sample that are not stored with every result.

    asked: whether somebody has requested one of these files. Before that an idle worker writes only
    the files that pages show or most people take. figures: names of the last requested figures with
    options.
    """

    job = models.OneToOneField(Job, models.CASCADE, null=True, related_name="export")
    sample = models.OneToOneField(Sample, models.CASCADE, null=True, related_name="export")
    asked = models.BooleanField(default=True, editable=False)
    figures = models.JSONField(default=list, db_default=[], blank=True, editable=False)

    objects = ExportJobQuerySet.as_manager()

    class Meta(PageWork.Meta):
        indexes = [
            *PageWork.Meta.indexes,
            models.Index(fields=["finished"], name="export_ahead", condition=Q(asked=False)),
        ]

    def __str__(self) -> str:
        return f"files of {self.result}"

    @property
    def result(self) -> Job | Sample:
        """The job or sample whose files are written."""
        return self.job or self.sample


class Measuring(PageWork):
    """Work of measuring a result after corrections; it replaces the numbers and files of the result.

    step: how many corrections are measured. large: whether the image needs so much memory that a child process of the
    pool for analyses must measure it. summary: the new numbers while files are still being written, otherwise {}.
    """

    job = models.OneToOneField(Job, models.CASCADE, related_name="measuring")
    step = models.PositiveIntegerField(default=0, editable=False)
    large = models.BooleanField(default=False, editable=False)
    summary = models.JSONField(default=dict, db_default={}, blank=True, editable=False)

    objects = JobWorkQuerySet.as_manager()

    def __str__(self) -> str:
        return f"measuring of {self.job}"


class Proposals(PageWork):
    """Proposals of other settings for the image of a doubtful result, with small pictures of the
    outlines that they give.
    They are made when a page first shows the result, and only while no job waits.

    result: "tried": number of settings that were tried. "shown": for each that found objects, its description, the
    count, the settings to change by name, and the picture (WebP, base64).
    """

    job = models.OneToOneField(Job, models.CASCADE, related_name="proposals")
    result = models.JSONField(default=dict, blank=True)

    objects = JobWorkQuerySet.as_manager()

    def __str__(self) -> str:
        return f"other ways for {self.job}"


class Artifact(StoredFile):
    """A file of a finished job: stored with its result, or written later by its `ExportJob`."""

    owner = "job"
    job = models.ForeignKey(Job, models.CASCADE, related_name="artifacts")

    class Meta(StoredFile.Meta):
        constraints = [models.UniqueConstraint(fields=["job", "name"], name="one_artifact_of_a_name")]


Compared = Job | Sample  # one of the two results of a comparison


def _result_key(model: type[models.Model]) -> Any:
    return models.ForeignKey(model, models.CASCADE, null=True, related_name="+")


class ComparisonQuerySet(AttemptedQuerySet):
    owner_prefixes = ("first_job__", "first_sample__")


class Comparison(PageWork):
    """The comparison of two results; each is a job or a sample.

    content: a hash of the state of both results. It changes when a sample is pooled again; then it is compared again.
    result: a `core.compare.results.Comparison`.
    """

    first_job, first_sample = _result_key(Job), _result_key(Sample)
    second_job, second_sample = _result_key(Job), _result_key(Sample)
    content = models.CharField(max_length=64, unique=True, editable=False)
    result = models.JSONField(default=dict, blank=True)

    objects = ComparisonQuerySet.as_manager()

    class Meta(PageWork.Meta):
        indexes = []

    def __str__(self) -> str:
        return f"comparison of {self.first_result} and {self.second_result}"

    @property
    def first_result(self) -> Compared:
        return self.first_job or self.first_sample

    @property
    def second_result(self) -> Compared:
        return self.second_job or self.second_sample
