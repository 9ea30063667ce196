"""What the pages of samples say, from the rows that the worker filled; no file is opened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db.models import Count, QuerySet
from django.urls import reverse

from ..core.measure.convergence import more_images_words
from ..core.pace import about
from ..core.settings import AnalysisSettings
from ..core.tasks import find
from ..models import Artifact, Job, Micrograph, Sample, recent_pace
from .present import shown_settings
from .sizes import (
    Budget,
    Measure,
    Row,
    fit_words,
    group_words,
    headlines,
    interval_line,
    main_sizes,
    shape_table,
    shown,
    weighted_notes,
    weighted_table,
)
from .smallcharts import Convergence, NanoCard
from .words import capital, per_cent, significant, trimmed

THUMBNAIL = "thumbnail.png"
HEIGHT = 32.0
EXCLUDED = "left out by you"
ASSUMED = (
    "An earlier version took images for 7520 nm wide that nobody had measured, so the sizes of this sample are not"
    " shown: set the scale below, and everything is measured again."
)
PENDING = "not pooled yet"
BETWEEN = (
    "Share of the variance of ln(size) that lies between the images and not within them (one-way analysis of variance)."
)
STATES = {
    Sample.State.WAITING: "images under way",
    Sample.State.QUEUED: "waiting to be pooled",
    Sample.State.RUNNING: "being pooled",
    Sample.State.DONE: "done",
    Sample.State.FAILED: "pooling failed",
}


@dataclass(frozen=True)
class Progress:
    """How far the images of a sample are."""

    total: int
    done: int
    failed: int
    under_way: int
    now: tuple[Job, ...] = ()
    seconds: float | None = None
    arriving: int = 0

    @classmethod
    def of(cls, sample: Sample) -> Progress:
        counts = dict(sample.members.order_by().values_list("state").annotate(Count("pk")))
        arriving = sample.arriving.filter(state__in=Micrograph.UNFINISHED).count()
        left = sample.members.filter(state__in=Job.UNFINISHED)
        return cls(
            sum(counts.values()) + arriving,
            counts.get(Job.State.DONE, 0),
            counts.get(Job.State.FAILED, 0) + counts.get(Job.State.CANCELLED, 0),
            sum(counts.get(state, 0) for state in Job.UNFINISHED) + arriving,
            tuple(left.filter(state=Job.State.RUNNING).select_related("micrograph").defer("summary")),
            _seconds(left),
            arriving,
        )

    @property
    def ended(self) -> int:
        return self.total - self.under_way

    @property
    def per_cent(self) -> int:
        part = self.ended + sum(job.progress for job in self.now)
        return round(100 * part / self.total) if self.total else 0

    @property
    def line(self) -> str:
        """How many are done, and how long the rest takes."""
        said = f"{self.done} of {self.total} images done"
        said += f", {self.failed} without a result" if self.failed else ""
        said += f", {self.arriving} still to be read" if self.arriving else ""
        return said + (f", {about(self.seconds)} left" if self.seconds and self.under_way else "")

    @property
    def doing(self) -> list[str]:
        """What happens this moment."""
        return [f"{job.micrograph.name}: {job.stage or 'starting'}, {round(100 * job.progress)} %" for job in self.now]


def _seconds(left: QuerySet) -> float | None:
    pace = recent_pace()
    sizes = left.values_list("micrograph__width", "micrograph__height")
    each = [pace.seconds(width * height / 1e6) for width, height in sizes]
    known = [seconds for seconds in each if seconds is not None]
    return sum(known) / settings.DEEPSEGM_CONCURRENCY if known else None


@dataclass(frozen=True)
class Image:
    """One row of the table of images.

    job: None while the image is still to be read. mark: the state of its job, state: what happens to it, as words.
    reason: why it failed or is not pooled. outlier: "" or why it may not belong.
    bars: its histogram as an SVG path, "" where there is none.
    """

    job: Job | None
    name: str
    picture: str
    mark: str
    state: str
    reason: str
    n: str = ""
    median: str = ""
    interval: str = ""
    outlier: str = ""
    bars: str = ""

    @cached_property
    def address(self) -> str:
        """Of the image's own result."""
        return reverse("job", args=[self.job.pk]) if self.job else ""


class Pooled:
    """The page's view of a sample."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        self.said: dict[str, Any] = sample.pooled
        self.sources: dict[str, int] = (self.said.get("calibration") or {}).get("sources") or {}
        # Of a width that earlier versions assumed nothing is shown.
        self.statistics: dict[str, Any] | None = shown(self.said) if self.said.get("of") and not self.assumed else None
        self.unit: str = self.said.get("unit", "nm")

    @property
    def state(self) -> str:
        return STATES[Sample.State(self.sample.state)]

    @property
    def active(self) -> bool:
        return self.sample.state not in (Sample.State.DONE, Sample.State.FAILED)

    @property
    def assumed(self) -> bool:
        """Whether the numbers rest on a width that nobody has checked."""
        return "default" in self.sources

    @property
    def unscaled(self) -> int:
        """Images whose scale is not known."""
        return self.sources.get("default", 0) + self.sources.get("none", 0)

    @property
    def in_pixels(self) -> bool:
        """Whether no image has a scale, so that sizes are pixels."""
        return self.statistics is not None and self.unit == "px"

    @property
    def stale(self) -> bool:
        """Whether the numbers shown are from before a change that is still being worked on."""
        return self.active and self.statistics is not None

    @property
    def images_pooled(self) -> int:
        """Images whose particles are in the numbers."""
        return sum(not row.get("excluded") for row in self.said.get("images", []))

    @property
    def kept(self) -> int:
        return self.statistics["n_kept"] if self.statistics else 0

    @property
    def warnings(self) -> list[str]:
        return [*([ASSUMED] if self.assumed else []), *self.said.get("warnings", [])]

    @property
    def sizes(self) -> list[Measure]:
        return main_sizes(self.statistics) if self.statistics else []

    @property
    def kept_words(self) -> str:
        return f"particles of {self.images_pooled} image{'' if self.images_pooled == 1 else 's'}"

    @property
    def headlines(self) -> list[Measure]:
        """What is said first, beside the count."""
        return headlines(self.statistics) if self.statistics else []

    @property
    def interval_line(self) -> str:
        return interval_line(self.statistics) if self.statistics else ""

    @property
    def between(self) -> Measure | None:
        """How much the images differ."""
        found = self.said.get("between")
        if not found or found.get("share") is None:
            return None
        return Measure("Variance between images", per_cent(found["share"]), "%", BETWEEN)

    @property
    def nano(self) -> NanoCard | None:
        return NanoCard.of(self.statistics) if self.statistics and self.kept else None

    @property
    def budget(self) -> Budget | None:
        return Budget.of(self.statistics) if self.statistics else None

    @property
    def by_image(self) -> bool:
        """Whether the curve of the median counts images; of one image, and in older results, it counts particles."""
        return ((self.statistics or {}).get("convergence") or {}).get("by") == "image"

    @property
    def convergence(self) -> Convergence | None:
        """How the median settles; None where there are too few points for a curve."""
        if not self.statistics or not self.by_image:
            return Convergence.of(self.statistics) if self.statistics else None
        line = {**self.statistics["convergence"], "more": None}  # its sentence would be about particles
        chart = Convergence.of({**self.statistics, "convergence": line})
        if chart is None:
            return None
        points = (replace(point, words=point.words.replace(" particles:", " images:", 1)) for point in chart.points)
        return replace(chart, sentence=self.enough, points=tuple(points))

    @property
    def enough(self) -> str:
        """How many more images would do, "" where particles are counted."""
        if not self.statistics or not self.by_image:
            return ""
        found = self.statistics["convergence"]
        uncertainty = self.statistics.get("relative_uncertainty")
        return f"{capital(more_images_words(found['more'], found['wanted'], uncertainty))}."

    @property
    def weighted(self) -> list[Row]:
        return weighted_table(self.statistics) if self.statistics else []

    @property
    def weighted_notes(self) -> list[str]:
        return weighted_notes(self.statistics) if self.statistics else []

    @property
    def shape(self) -> list[Row]:
        return shape_table(self.statistics) if self.statistics and self.kept else []

    @property
    def fit(self) -> str:
        return fit_words(self.statistics) if self.statistics else ""

    @property
    def groups(self) -> str:
        return group_words(self.statistics) if self.statistics else ""

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The settings that its images were asked to be analysed with; what each came to is on its own page."""
        asked = AnalysisSettings.from_dict(self.sample.settings)
        unused = {"field_spread"} if (self.statistics or {}).get("interval_basis") == "by image" else set()
        return [
            ("Kind of analysis", find(asked.task).title),
            ("Model", asked.segmentation.model),
            *((each.title, each.says(value)) for each, value in shown_settings(asked) if each.name not in unused),
        ]

    @property
    def histogram(self) -> dict[str, str] | None:
        """The ends of the axis of the small multiples."""
        found = self.said.get("histogram")
        if not found:
            return None
        low, high = (f"{significant(found['edges'][end])} {self.unit}" for end in (0, -1))
        return {"low": low, "high": high}

    @property
    def scale_line(self) -> str:
        """The calibration of the pooled images."""
        found = self.said.get("calibration") or {}
        low, high = found.get("low"), found.get("high")
        if low is None or high is None:
            return "scale not known, sizes in pixels" if self.statistics else ""
        if high <= low * 1.001:
            return f"{trimmed(low)} nm/px"
        return f"{trimmed(low)} to {trimmed(high)} nm/px"

    @cached_property
    def images(self) -> list[Image]:
        """Every image, in the order in which they came."""
        jobs = self.sample.members.select_related("micrograph").defer("summary", "settings", "micrograph__metadata")
        jobs = list(jobs.order_by("created", "pk"))
        pictured = Artifact.objects.filter(job__sample=self.sample, name=THUMBNAIL).values_list("job_id", flat=True)
        return self._rows(jobs, set(pictured))

    def _rows(self, jobs: list[Job], pictured: set[Any]) -> list[Image]:
        counts = (self.said.get("histogram") or {}).get("counts") or [[]] * len(self.said.get("of", []))
        rows = zip(self.said.get("of", []), self.said.get("images", []), counts, strict=False)
        pooled = {pk: (row, bars(column)) for pk, row, column in rows}
        others = self._unpooled([job.pk for job in jobs if str(job.pk) not in pooled and job.state == Job.State.DONE])
        rows = [_image(job, job.pk in pictured, pooled.get(str(job.pk)), others.get(job.pk), self.unit) for job in jobs]
        arriving = self.sample.arriving.filter(state__in=Micrograph.UNFINISHED).order_by("created", "pk")
        return rows + [_arriving(micrograph) for micrograph in arriving]

    def _unpooled(self, pks: list[Any]) -> dict[Any, tuple[Any, ...]]:
        """n, median and unit of finished images that are not in the pooled numbers."""
        path = "summary__statistics__"
        found = Job.objects.filter(pk__in=pks).values_list("pk", f"{path}n_kept", f"{path}median", f"{path}unit")
        return {pk: rest for pk, *rest in found}


def _arriving(micrograph: Micrograph) -> Image:
    picture = reverse("upload-preview", args=[micrograph.pk]) if micrograph.preview else ""
    under_way = micrograph.state == Micrograph.State.RUNNING
    state = micrograph.stage if under_way and micrograph.stage else micrograph.get_state_display()
    return Image(
        None, micrograph.name, picture, Job.State.RUNNING if under_way else Job.State.QUEUED, capital(state), ""
    )


def _state(job: Job) -> str:
    """What happens to an image this moment, or has come of it."""
    if job.state == Job.State.RUNNING:
        return f"{capital(job.stage or 'starting')}, {round(100 * job.progress)} %"
    if job.state == Job.State.QUEUED:
        return capital(job.stage) if job.stage else "Waiting for its turn"
    return capital(job.get_state_display())


def _image(job: Job, pictured: bool, pooled: Any, other: Any, unit: str) -> Image:
    picture = reverse("artifact", args=[job.pk, THUMBNAIL]) if pictured else ""
    if not picture and job.micrograph.preview:
        picture = reverse("upload-preview", args=[job.micrograph_id])
    known = (job, job.micrograph.name, picture, job.state, _state(job))
    if job.state != Job.State.DONE:
        return Image(*known, job.error if job.state == Job.State.FAILED else "")
    if pooled is None:
        n, median, own_unit = other or (None, None, unit)
        words = ("" if n is None else str(n), _size(median, own_unit or unit))
        return Image(*known, PENDING if job.included else EXCLUDED, *words)
    row, path = pooled
    why = row.get("excluded") or ("" if job.included else EXCLUDED)
    own_unit = "px" if row.get("excluded") else unit
    return Image(
        *known,
        why,
        str(row["n"]),
        _size(row["median"], own_unit),
        _interval(row),
        row.get("outlier") or "",
        path,
    )


def _size(value: float | None, unit: str) -> str:
    return "" if value is None else f"{significant(value)} {unit}"


def _interval(row: dict[str, Any]) -> str:
    low, high = row.get("low"), row.get("high")
    return "" if low is None or high is None else f"{significant(low)}–{significant(high)}"


def bars(counts: list[int]) -> str:
    """A histogram as the path of its bars in a box of 100 by HEIGHT; "" where nothing is counted."""
    most = max(counts, default=0)
    if not most:
        return ""
    wide = 100 / len(counts)
    drawn = (
        f"M{i * wide:.2f} {HEIGHT:g}V{HEIGHT * (1 - count / most):.2f}h{wide:.2f}V{HEIGHT:g}z"
        for i, count in enumerate(counts)
        if count
    )
    return "".join(drawn)
