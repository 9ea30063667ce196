"""The page of a sample: its pooled numbers and a row for each image. Reads only rows of the database, no files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet
from django.urls import reverse

from ..core.analysis import AnalysisSettings
from ..core.flags import Flag, opening_words
from ..core.measure.quantities import OF, Value, value_in_micrometres
from ..core.measure.results import NO_PIXEL_SIZE, PooledStatistics, images_words
from ..core.measure.sizes.bins import FEWEST_IN_HISTOGRAM
from ..core.measure.sizes.distribution import FEWEST_IMAGES
from ..core.measure.uncertainty.pooled_fields import reason_and_warning
from ..core.micrograph.pairing import sort_key
from ..core.micrograph.types import Calibration, common_calibration
from ..core.quality.belonging import choice_words
from ..core.report.entries import Entry, known_number, quantity_entries
from ..core.report.wording import agreement_words, capital, corrected_images_words, sample_scale, scale_range
from ..core.stored import PooledImage, StoredResult
from ..core.tasks import UnknownTask, find
from ..core.tasks.base import Task
from ..http.serving import thumbnails
from ..models import Job, Measuring, Micrograph, Sample
from ..services.results.models_offered import BY_IMAGE, title_of
from ..services.results.samples import outdated_versions
from .drawings import ChartedSummary, ClassRow, Lines, class_rows, lines_of, rebin_to_common_edges
from .provenance import shown_settings

BARS_HEIGHT = 32.0  # of the small histograms, whose width is 100
MANY_IMAGES = 20  # a page with more images asks for their rows less often
EXCLUDED = "left out by you"
PENDING = "not counted yet"
STATES = {
    Sample.State.WAITING: "images under way",
    Sample.State.QUEUED: "waiting to be counted together",
    Sample.State.RUNNING: "being counted together",
    Sample.State.DONE: "done",
    Sample.State.FAILED: "counting together failed",
}


@dataclass(frozen=True)
class ImageRow:
    """One row of the table of images.

    job: None while the image is still to be read. mark: the state of its job; state: the same in words.
    reason: why it failed or is not pooled. outlier: why it may not belong to the sample, or "". warning: its warnings
    in short. n: number of counted objects, None if not known. bars: its histogram as an SVG path, "" without one.
    numbers: the median or the main number as on its own page. shares: of each class, for a kind without sizes.
    is_by_hand: whether people or another tool made or changed its outlines. other: the id of another result of the
    image that can count instead: an automatic one if this one is by hand, else one by hand; None without one. number:
    the number of the image in the notes of the sample, 0 without one. scale: in words, if the scales of the images
    differ.
    """

    job: Job | None
    name: str
    picture: str
    mark: str
    state: str
    reason: str
    n: int | None = None
    outlier: str = ""
    warning: str = ""
    bars: str = ""
    numbers: Sequence[Entry] = ()
    shares: Sequence[tuple[ClassRow, float]] = ()  # each class, and where its bar begins, in per cent
    is_by_hand: bool = False
    other: Any = None
    number: int = 0
    scale: str = ""

    @property
    def choice(self) -> str:
        """Who decided that it counts or is left out, as a sentence; "" if nobody did."""
        return choice_words(self.job.choice) if self.job else ""

    @property
    def is_left_out(self) -> bool:
        return self.mark == Job.State.DONE and self.reason not in ("", PENDING)

    @property
    def is_counted(self) -> bool:
        """Whether it is in the pooled numbers, or will be once it is done."""
        return self.job is not None and self.job.included and self.reason in ("", PENDING)

    @property
    def may_tick(self) -> bool:
        """Whether a person can count it, or leave it out, by its tick box: nothing else keeps it out."""
        return self.is_counted or (self.job is not None and not self.job.included and not self.needs_agreement)

    @property
    def needs_agreement(self) -> bool:
        """Whether it counts only after a person agrees; `reason` says why."""
        return self.job is not None and bool(self.job.waits)

    @property
    def needs_scale(self) -> bool:
        """Whether it does not count because it has no scale."""
        return self.reason == NO_PIXEL_SIZE

    @cached_property
    def address(self) -> str:
        """The address of the image's own result."""
        return reverse("job", args=[self.job.pk]) if self.job else ""


class Neighbours(NamedTuple):
    """The place of an image among the images of its sample that have outlines. before, after: the addresses of the
    results of the images before and after it, "" at the ends. number: from 1 on. total: how many images there are."""

    before: str
    after: str
    number: int
    total: int


def neighbours(job: Job, sample: Sample) -> Neighbours | None:
    """The neighbours of the image of `job` in the sample; None if the sample does not have the image, or no other one.
    An image that is being measured again stays in the order, with its earlier result."""
    fields = ("created", "micrograph__name", "micrograph__sha256")
    fields += tuple(f"{prefix}{name}" for prefix in ("", "parent__") for name in ("state", "segmentation", "parent"))
    members = sorted_by_name(sample.members.select_related("micrograph", "parent").only(*fields))
    ids = [(member.micrograph_id, outlined.pk) for member in members if (outlined := _with_outlines(member))]
    index = next((i for i, (micrograph, _) in enumerate(ids) if micrograph == job.micrograph_id), None)
    if index is None or len(ids) < 2:
        return None
    before, after = ids[max(index - 1, 0) : index], ids[index + 1 : index + 2]
    addresses = ["".join(reverse("job", args=[pk]) for _, pk in side) for side in (before, after)]
    return Neighbours(*addresses, index + 1, len(ids))


def _with_outlines(job: Job | None) -> Job | None:
    """The job; while it has no outlines, its nearest ancestor that has some, or None."""
    while job is not None and (job.state != Job.State.DONE or job.segmentation_id is None):
        job = job.parent
    return job


def sorted_by_name(jobs: QuerySet) -> list[Job]:
    """The jobs, sorted by the names of their files."""
    return sorted(jobs.order_by("created", "pk"), key=lambda job: sort_key(job.micrograph.name, job.micrograph.sha256))


class PooledResult(ChartedSummary):
    """A sample as its page, lists and the API show it."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        stored = self.stored = sample.stored
        self.warnings = stored.flags
        words: dict[str, str] = {}
        with suppress(UnknownTask):  # lists and API must work if this kind of analysis is not installed
            words = {"thing": self.task.thing, "things": self.task.things}
        super().__init__(stored.statistics, stored.quantities, **words)
        self.several, self.of_material = self.images_pooled > 1, self.images_pooled >= FEWEST_IMAGES
        self.interval_note, self.unsure = stored.interval_note, opening_words(self.warnings)
        self.unit: str = self.statistics.unit if self.statistics else stored.unit

    @property
    def state(self) -> str:
        """The state in words."""
        return "measuring corrections" if self.is_measuring else STATES[Sample.State(self.sample.state)]

    @cached_property
    def is_measuring(self) -> bool:
        """Whether corrected images are being measured again; then the sample is pooled again."""
        ended = self.sample.state in (Sample.State.DONE, Sample.State.FAILED)
        return ended and Measuring.objects.filter(job__sample=self.sample, finished=None).exists()

    @property
    def active(self) -> bool:
        """Whether its numbers will still change by themselves."""
        return self.sample.state not in (Sample.State.DONE, Sample.State.FAILED) or self.is_measuring

    @property
    def waiting(self) -> bool:
        """Whether it waits or runs, and has no numbers yet."""
        return self.active and not self.has_numbers

    @property
    def unscaled(self) -> int:
        """Images without a scale."""
        return self.stored.pixel_sizes.sources.get("none", 0)

    @property
    def in_pixels(self) -> bool:
        """Whether no image has a scale, so that sizes are pixels."""
        return self.has_numbers and self.unit == "px"

    @property
    def has_numbers(self) -> bool:
        """Whether there are pooled numbers."""
        return bool(self.kept or any(entry.number.value is not None for entry in self.quantities))

    @cached_property
    def task(self) -> Task:
        """The kind of analysis; raises UnknownTask."""
        return find(AnalysisSettings.from_dict(self.sample.settings).task)

    @property
    def scale_doubt(self) -> float | None:
        """See `Summary`."""
        return self.common_calibration.standard_uncertainty

    @cached_property
    def common_calibration(self) -> Calibration:
        """The least certain calibration among the images that count."""
        jobs = Job.objects.filter(pk__in=self.stored.counted_ids).select_related("micrograph")
        return common_calibration([job.calibration for job in jobs])

    @cached_property
    def curves(self) -> list[Lines]:
        """Charts that show the curves of all images together, for curves with one line, such as the thickness along a
        layer. The lines are in the order of the images, and empty for an image without one."""
        images = self.stored.images
        counted = {image.pk: i for i, image in enumerate(images) if not (self.statistics or image.excluded)}
        overlaid: dict[tuple[str, str], dict[int, Any]] = {}
        for pk, stored in Job.objects.filter(pk__in=counted).with_stored("curves").values_list("pk", "curves"):
            for curve in StoredResult.read({"curves": stored}).curves:
                if len(curve.lines) == 1:
                    overlaid.setdefault((curve.title, curve.across), {})[counted[str(pk)]] = curve
        charts = []
        for titles, group in overlaid.items():
            lines = dict(
                zip(
                    group,
                    (lines_of(curve, ())[0] for curve in rebin_to_common_edges(list(group.values()))),
                    strict=True,
                )
            )
            charts.append(Lines.of([lines.get(i, []) for i in range(len(images))], *titles, from_zero=True))
        return [chart for chart in charts if chart]

    @property
    def images_pooled(self) -> int:
        """The number of images whose objects are in the numbers."""
        return len(self.stored.counted_ids)

    @property
    def images_words(self) -> str:
        """How many images it has in words; and how many of them count, if not all do."""
        count = len(self.images)
        return images_words(self.images_pooled if self.has_numbers else count, count)

    @property
    def corrected_line(self) -> str:
        """How people changed the outlines of its images, in a sentence; "" if nobody did."""
        words = corrected_images_words(self.stored.corrections)
        return f"{words}." if words else ""

    @property
    def agreement(self) -> str:
        """How much the images differ, in words."""
        return agreement_words(self.statistics.between if isinstance(self.statistics, PooledStatistics) else None)

    @property
    def notices(self) -> list[Flag]:
        """The warnings; doubts about the numbers come first."""
        return self.notices_of(self.warnings, pooled=True)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The models that outlined its images, and the settings that differ from the default: terms and their words."""
        model = title_of(AnalysisSettings.from_dict(self.sample.settings).segmentation.model)
        titles = dict.fromkeys(row.job.model_title for row in self.images if row.job and row.job.model_title)
        model_names = ", ".join([*titles, *([model.lower()] if titles and model == BY_IMAGE else [])])
        return [("Kind of analysis", self.task.title), ("Model", model_names or model), *self._settings(changed=True)]

    @property
    def removed_count(self) -> int:
        """How many outlines were removed because they are probably wrong."""
        return sum(image.job.dropped or 0 for image in self.images if image.job and image.is_counted)

    @property
    def more_facts(self) -> list[tuple[str, str]]:
        """The settings at their default."""
        return self._settings(changed=False)

    def _settings(self, changed: bool) -> list[tuple[str, str]]:
        # The setting "scale" of a kind with classes is a factor of the model's own scale, which only images state.
        unused = {"scale"} if self.task.semantic and not changed else set()
        settings = shown_settings(AnalysisSettings.from_dict(self.sample.settings), changed)
        return [(setting.title, setting.words_for(value)) for setting, value in settings if setting.name not in unused]

    @property
    def histogram(self) -> str:
        """The range of the axis of the images' small histograms, such as "10 nm to 200 nm"; "" if there are too few
        sizes."""
        if not (bar_edges := self.stored.histogram[0]) or self.kept < FEWEST_IN_HISTOGRAM:
            return ""
        stored_unit = "px" if self.unit == "px" else "nm"
        edges = (Value(bar_edges[end], unit=stored_unit) for end in (0, -1))
        low, high = (Entry("", "", value_in_micrometres(edge) if self.unit == "µm" else edge).words for edge in edges)
        return f"{low} to {high}"

    @property
    def scale_line(self) -> str:
        """The calibration of the pooled images, in words."""
        sizes = self.stored.pixel_sizes
        is_known = sizes.sources and (sizes.low is not None or self.has_numbers)
        return sample_scale(sizes._asdict(), self.common_calibration) if is_known else ""

    @property
    def scale_word(self) -> str:
        """The pixel sizes of the images, in words."""
        sizes = self.stored.pixel_sizes
        return "not known" if sizes.low is None else scale_range(sizes.low, sizes.high)

    @cached_property
    def uncounted(self) -> int:
        """The number of images with corrections that are not yet in its numbers."""
        return outdated_versions(self.sample).count()

    @property
    def seconds_between_requests(self) -> int:
        """After how many seconds the page requests the images of a running sample again."""
        return 2 if len(self.images) <= MANY_IMAGES else 6

    @cached_property
    def images(self) -> list[ImageRow]:
        """A row for each image, in the order of the files; images that are still to be read come last. Summaries of
        jobs are large and not loaded: only three values of them, as attributes."""
        jobs = sorted_by_name(self._members().with_stored("nm_per_pixel", "model_title", "dropped"))
        return self._rows(jobs, thumbnails([job.pk for job in jobs]))

    @property
    def counted_images(self) -> list[ImageRow]:
        """A row for each image that has a job, without pictures and numbers: fast, for scripts that ask often."""
        return self._counted(sorted_by_name(self._members()), {})

    def _members(self) -> QuerySet[Job]:
        return self.sample.members.select_related("micrograph").defer("summary", "settings", "micrograph__metadata")

    def _counted(self, jobs: list[Job], pictures: dict[Any, str]) -> list[ImageRow]:
        pooled = {image.pk: (number, image) for number, image in enumerate(self.stored.images, 1)}
        return [_row_of_job(job, pictures.get(job.pk, ""), *pooled.get(str(job.pk), ())) for job in jobs]

    def _rows(self, jobs: list[Job], pictures: dict[Any, str]) -> list[ImageRow]:
        rows = self._counted(jobs, pictures)
        if " to " in self.scale_line:
            sizes = [job.nm_per_pixel for job in jobs]
            rows = [replace(row, scale=scale_range(nm, nm)) if nm else row for row, nm in zip(rows, sizes, strict=True)]
        rows = self._with_others(rows)
        names = ("stored_quantities", "unit", "median", "median_interval", "median_total")
        finished = Job.objects.filter(pk__in=[job.pk for job in jobs], state=Job.State.DONE)
        of_jobs = finished.with_stored(*names).values_list("pk", *names)
        by_job: dict[Any, dict[str, list[Any]]] = {}
        for pk, numbers, unit, median, counting, total in of_jobs:
            if median:  # with its interval, so that it gets the same digits as on its own page
                size = Value(median, *(counting or (None, None)), unit, total and tuple(total))
                by_job[pk] = {
                    "numbers": [Entry.of("median", value_in_micrometres(size) if self.unit == "µm" else size)]
                }
            else:
                by_job[pk] = self._numbers(numbers or {})
        rows = [replace(row, **by_job.get(row.job.pk, {})) for row in rows if row.job]
        arriving = self.sample.arriving.filter(state__in=Micrograph.UNFINISHED).order_by("created", "pk")
        return rows + [_row_of_upload(micrograph) for micrograph in arriving]

    def _numbers(self, quantities: dict[str, Any]) -> dict[str, list[Any]]:
        """The main numbers of one image as fields of `ImageRow`: the shares of all classes, or one number in the unit
        of the pooled one."""
        names = [name for name in self.stored.headline_quantities if name in quantities]
        values = StoredResult.read({"order": names, "quantities": quantities}).quantities
        if len(names) > 1:
            rows = class_rows(quantity_entries(values, every=True))
            ends = accumulate((row.share.place if row.share else 0.0 for row in rows), initial=0.0)
            return {"shares": list(zip(rows, ends, strict=False))}
        in_micrometre_names = {
            entry.name for entry in quantity_entries(self.stored_quantities, every=True) if "µm" in entry.number.unit
        }
        present = {
            name: value_in_micrometres(number) if name in in_micrometre_names else number
            for name, number in values.items()
            if number.value is not None
        }
        terms = {name: known_number(name.partition(OF)[0]).title for name in present}
        return {"numbers": [replace(Entry.of(name, value), term=terms[name]) for name, value in present.items()]}

    def _with_others(self, rows: list[ImageRow]) -> list[ImageRow]:
        """The rows, with `is_by_hand` and `other` filled in: the newest result by hand of the image if the row's result
        is automatic, else the newest automatic one."""
        images = {row.job.micrograph_id for row in rows if row.job}
        own_results = Q(sample=self.sample) | Q(sample=None, owner=self.sample.owner_id, visitor=self.sample.visitor)
        finished = Job.objects.filter(own_results, micrograph__in=images, state=Job.State.DONE).order_by(
            "created", "pk"
        )
        makers = "corrected", "imported"
        results = finished.with_stored(*makers).values_list(
            "pk", "micrograph", "sample", "settings__task", *makers, named=True
        )
        kind = self.sample.settings["task"]
        by_hand = {result.pk: bool(result.corrected or result.imported) for result in results}
        others = {
            (result.micrograph, by_hand[result.pk]): result.pk
            for result in results
            if not result.sample and result.settings__task == kind
        }

        def with_other(row: ImageRow) -> ImageRow:
            if row.job is None or row.job.pk not in by_hand:
                return row
            is_by_hand = by_hand[row.job.pk]
            return replace(row, is_by_hand=is_by_hand, other=others.get((row.job.micrograph_id, not is_by_hand)))

        return [with_other(row) for row in rows]


def _row_of_upload(micrograph: Micrograph) -> ImageRow:
    """The row of an image that is still to be read."""
    picture = reverse("upload-preview", args=[micrograph.pk]) if micrograph.preview else ""
    under_way = micrograph.state == Micrograph.State.RUNNING
    state = micrograph.stage if under_way and micrograph.stage else micrograph.get_state_display()
    return ImageRow(
        None, micrograph.name, picture, Job.State.RUNNING if under_way else Job.State.QUEUED, capital(state), ""
    )


def _state_words(job: Job) -> str:
    """The state of the job of an image, in words."""
    if job.state == Job.State.RUNNING:
        return f"{capital(job.stage or 'starting')}, {round(100 * job.progress)} %"
    if job.state == Job.State.QUEUED:
        return capital(job.stage) if job.stage else "Waiting for its turn"
    return capital(job.get_state_display())


def _row_of_job(job: Job, picture: str, number: int = 0, pooled: PooledImage | None = None) -> ImageRow:
    """The row of a job. number, pooled: its image in the numbers of the sample; 0 and None if it is not in them."""
    if not picture and job.micrograph.preview:
        picture = reverse("upload-preview", args=[job.micrograph_id])
    fields = (job, job.micrograph.name, picture, job.state, _state_words(job))
    if job.state != Job.State.DONE:
        return ImageRow(*fields, job.error if job.state == Job.State.FAILED else "")
    if pooled is None:
        return ImageRow(*fields, PENDING if job.included else job.waits or EXCLUDED, None if job.included else 0)
    excluded = pooled.excluded or ("" if job.included else job.waits or EXCLUDED)
    reason, warning = reason_and_warning(excluded, pooled.warning)
    bars = histogram_path(pooled.bars)
    return ImageRow(*fields, reason, 0 if reason else pooled.n, pooled.outlier, warning, bars, number=number)


def histogram_path(counts: Sequence[float]) -> str:
    """A histogram as the SVG path of its bars, in a box of 100 by BARS_HEIGHT; "" if nothing is counted."""
    highest = max(counts, default=0)
    if not highest:
        return ""
    width = 100 / len(counts)
    paths = (
        f"M{i * width:.2f} {BARS_HEIGHT:g}V{BARS_HEIGHT * (1 - count / highest):.2f}h{width:.2f}V{BARS_HEIGHT:g}z"
        for i, count in enumerate(counts)
        if count
    )
    return "".join(paths)
