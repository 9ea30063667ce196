"""`StoredResult`: what a result says of itself, for everything that asks: pages, files, API, samples, comparisons,
specifications, reference materials, control charts and studies.

Only this module reads the keys of `Job.summary`, `Sample.pooled` and result.json, of every version since 1.0, and of
`Segmentation.used` in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple, Self

from .analysis import MethodUsed
from .flags import NOTE, Flag, Level, from_json, judging_doubt, ranked, warning_texts
from .labels.segmentation import MASKS
from .measure.objects.filters import Reason
from .measure.quantities import Value
from .measure.results import PooledStatistics, Statistics, value_of
from .micrograph.types import Calibration
from .micrograph.vendors.facts import moment_of
from .tasks import UnknownTask, find
from .tasks.base import Curve

# Where the parts of a result lie in `Job.summary`, for queries that do not load it whole (`JobQuerySet.with_stored`).
PATHS = {
    "timings": "timings",
    "unread": "unread",
    "curves": "curves",
    "stored_quantities": "quantities",
    "nm_per_pixel": "calibration__nm_per_pixel",
    "model_used": "model__name",
    "model_title": "model__title",
    "dropped": "used__dropped",
    "corrected": "used__corrected",
    "imported": "used__imported",
    "measurand": "statistics__counted",
    "pieces": "statistics__pieces",
    "unit": "statistics__unit",
    "median": "statistics__median",
    "median_interval": "statistics__intervals__median",
    "median_total": "statistics__budget__median__ends",
}


def known_entries(kind: Any, content: Mapping[str, Any], without: set[str]) -> dict[str, Any]:
    """The stored values of the fields of a dataclass, without null and the fields of these names."""
    names = {entry.name for entry in fields(kind)} - without
    return {name: content[name] for name in names & content.keys() if content[name] is not None}


class ModelOfResult(NamedTuple):
    """The model whose outlines were measured. title, version: None if the result does not say them."""

    name: str
    title: str | None
    version: str | None
    sha256: str


@dataclass(frozen=True)
class Used:
    """What the settings left open and the analysis chose, and its diagnostics, as they were stored.

    entries: `Segmentation.used`. Fields with the names of entries have their values.
    expected: the share of the outlines that are probably right, 0 to 1; 1 for a model that does not say it.
    dropped: how many outlines were removed because they are probably wrong.
    corrected, reviewed: how many outlines people corrected by hand, and how many they found right. step: the number of
        the last correction in the log. imported: the file of another tool that made the outlines.
    chosen: why this model was chosen. resembles, small: another model whose training images resemble the picture, or
        that sees many more small objects. beside: the other polarity, if it shows more objects, too. unlike_own: the
        model before the training with the user's own images, if the picture is unlike these.
    concentric: the two edges of particles with shells.
    """

    entries: Mapping[str, Any] = field(default_factory=dict)
    expected: float = 1.0
    dropped: int = 0
    polarity: str = ""
    scale: float | None = None
    second_scale: float = 1.0
    threshold: float | None = None
    corrected: int = 0
    reviewed: int = 0
    step: int | None = None
    imported: Mapping[str, Any] = field(default_factory=dict)
    chosen: str = ""
    resembles: Mapping[str, Any] = field(default_factory=dict)
    small: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)
    unlike_own: Mapping[str, Any] = field(default_factory=dict)
    concentric: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, entries: Mapping[str, Any]) -> Self:
        return cls(entries, **known_entries(cls, entries, {"entries"}))

    @property
    def is_by_network_alone(self) -> bool:
        """Whether no other tool made the outlines and nobody has corrected or reviewed them."""
        return not {"imported", "corrected", "reviewed"} & self.entries.keys()

    @property
    def advised_model(self) -> str:
        """The name of the model that the warnings advise: it sees many small objects, or else its training images
        resemble the picture. "" without such a warning."""
        return str((self.small or self.resembles).get("model", ""))


class PixelSizes(NamedTuple):
    """The smallest and the largest nm per pixel of several images, and the number of images by source of the scale."""

    low: float | None
    high: float | None
    sources: Mapping[str, int]


class PooledImage(NamedTuple):
    """One image of a sample. pk: of its result, "" in a result.json. n: counted objects, None for classes of pixels.
    excluded: why it is left out, "" if it counts. bars: its part of the height of each bar of the histogram."""

    pk: str
    name: str
    n: int | None
    outlier: str
    excluded: str
    warning: str
    bars: list[float]


@dataclass(frozen=True, eq=False)
class StoredResult:
    """The numbers of an image or of a sample, as they were stored.

    content: a `schema.JobResult`, a `schema.StoredSample` or a result.json; {} before there are numbers. Fields with
        the names of entries have their values.
    dates: gives what the files of the images say of the time of acquisition, None or "" where a file is silent.
    is_of_sample: whether it is the result of several images.
    task: the name of the kind of analysis, "" if it is not known. found: outlines, counted or left out.
    reused: whether the outlines are those of an earlier result. unread: whether a bar in the image is yet to be
        compared with the scale, None if the result does not say it. timings: seconds by stage.
    interval_note: why the numbers of a sample have no intervals. headline_quantities: the numbers by which its images
        are compared, by name.
    """

    content: Mapping[str, Any]
    dates: Callable[[], Iterable[Any]] = tuple
    is_of_sample: bool = False
    task: str = ""
    found: int | None = None
    reused: bool = False
    unread: bool | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    interval_note: str = ""
    headline_quantities: Sequence[str] = ()

    @classmethod
    def read(
        cls, content: Mapping[str, Any], dates: Callable[[], Iterable[Any]] = tuple, *, sample_task: str = ""
    ) -> Self:
        """The result with this content. sample_task: the kind of analysis of a sample, which its content lacks."""
        known = known_entries(cls, content, {"content", "dates", "is_of_sample"})
        return cls(content, dates, bool(sample_task) or "images" in content, **{"task": sample_task, **known})

    # ---- numbers -------------------------------------------------------------------------------------

    @cached_property
    def statistics(self) -> Statistics | None:
        """The size distribution; None without one."""
        if "n_kept" in self.content:  # a sample, whose statistics are not apart
            return PooledStatistics.from_dict(self.content)
        stored = self.content.get("statistics")
        return Statistics.from_dict(stored) if stored else None

    @cached_property
    def quantities(self) -> dict[str, Value]:
        """The numbers of the kind of analysis as stored, in the order of reading ("order": PostgreSQL keeps none)."""
        stored = self.content.get("quantities") or {}
        entries = stored if isinstance(stored, Mapping) else {entry["name"]: entry for entry in stored}
        names = self.content.get("order", () if "task" in self.content else entries)
        return {name: Value.from_dict(entries[name]) for name in names}

    @cached_property
    def values(self) -> dict[str, Value]:
        """The numbers of the result by name, in the unit of result.json; {} without numbers. A sample of particles
        stores only its statistics."""
        if not self.has_numbers:
            return {}
        if self.quantities or self.statistics is None or not self.statistics.screened:
            return self.quantities
        try:
            return {name: self.statistics.value(name) for name in find(self.task).quantities}
        except UnknownTask:
            return {}

    def value(self, name: str) -> Value:
        """One number by name, in the unit of result.json (`value_of`)."""
        return value_of(name, self.values, self.statistics if self.has_numbers else None)

    def scaled_value(self, name: str) -> Value:
        """As `value`, but without a value where it is a length or an area in pixels."""
        value = self.value(name)
        return Value(None) if value.unit.startswith("px") else value

    @property
    def has_numbers(self) -> bool:
        """Whether it was measured or pooled; not if its image is of another kind."""
        return bool(self.content.get("of", self.content)) and not self.is_refused

    @property
    def is_refused(self) -> bool:
        """Whether nothing was measured, because the image is of another kind."""
        return bool(self.content.get("refused")) or str(Reason.UNLIKE) in self.set_aside

    @property
    def set_aside(self) -> Mapping[str, int]:
        """How many objects were left out, by reason."""
        return self.statistics.set_aside if self.statistics else self.content.get("set_aside", {})

    @property
    def unit(self) -> str:
        """The unit of its lengths, "nm" or "px"."""
        return self.statistics.unit if self.statistics else self.content.get("unit", "nm")

    @property
    def size(self) -> str:
        """The measure of an object that is its size, such as "min_feret"; "" without a size distribution."""
        return self.statistics.size if self.statistics else ""

    @cached_property
    def curves(self) -> list[Curve]:
        """The curves of a kind without a size distribution, which 1.0 did not store."""
        return [Curve(**entries) for entries in self.content.get("curves") or ()]

    @cached_property
    def histogram(self) -> tuple[list[float], list[list[float]]]:
        """(edges of the bars, the heights of each image); both are empty without a histogram."""
        stored = self.content.get("histogram") or {}
        return stored.get("edges", []), stored.get("counts", [])

    # ---- whether the numbers may be used -------------------------------------------------------------

    @cached_property
    def flags(self) -> list[Flag]:
        """The warnings and notes."""
        return from_json(self.content)

    @property
    def warning(self) -> str:
        """The gravest warnings with their level, "" without any."""
        return "; ".join(warning_texts(self.flags))

    @property
    def level(self) -> Level:
        """The level of the gravest flag."""
        return next((flag.level for flag in ranked(self.flags)), NOTE)

    @property
    def doubt(self) -> str:
        """Why nothing may be decided by the numbers, in the middle of a sentence; "" if something may."""
        return judging_doubt(self.flags, is_refused=self.is_refused)

    @property
    def may_be_judged(self) -> bool:
        """Whether something may be decided by the numbers: a specification, a reference material, the limits of a
        control chart, the precision of a method."""
        return self.has_numbers and not self.doubt

    # ---- how it was made -----------------------------------------------------------------------------

    def used_value(self, setting: str) -> Any:
        """The value that was used for a setting; None if the result does not say it."""
        return self.content.get(setting)

    @cached_property
    def used(self) -> Used:
        """What the settings left open and the analysis chose."""
        return Used.read(self.content.get("used") or {})

    @property
    def corrections(self) -> Mapping[str, int]:
        """How many "outlines" people corrected by hand, and how many they "reviewed" and found right; of a sample a
        `measure.results.Corrected`, {} if nobody did."""
        of_image = {"outlines": self.used.corrected, "reviewed": self.used.reviewed}
        return (self.content.get("corrected") or {}) if self.is_of_sample else of_image

    @property
    def is_hand_made(self) -> bool:
        """Whether people corrected outlines of the image, or another tool made them."""
        return bool(self.corrections.get("outlines") or self.used.imported or self.model.name == MASKS)

    @property
    def model(self) -> ModelOfResult:
        """The model whose outlines were measured."""
        stored = self.content.get("model") or {}
        name, sha256 = stored.get("name", ""), stored.get("sha256", "")
        return ModelOfResult(name, stored.get("title"), stored.get("version"), sha256)

    @cached_property
    def method(self) -> MethodUsed | None:
        """The version of a method that it followed; None without one."""
        stored = self.content.get("method")
        return MethodUsed.from_dict(stored) if stored else None

    @cached_property
    def calibration(self) -> Calibration | None:
        """The scale of an image with which it was measured; None for a sample, and before there are numbers."""
        stored = self.content.get("calibration")
        return Calibration(**stored) if stored and not self.is_of_sample else None

    @property
    def frame(self) -> tuple[int, int, int | None]:
        """Width and height of the image in px, and the first row of its data bar (None without one)."""
        image = self.content["image"]
        return image["width"], image["height"], self.content.get("data_bar")

    @cached_property
    def acquired(self) -> tuple[datetime, datetime] | None:
        """When the first and the last image were taken, by the clock of the microscope; None if the file of an image
        does not tell it, or in a way that can be read in two ways."""
        moments = [moment_of(str(date or "")) for date in self.dates()]
        known = [moment for moment in moments if moment is not None]
        return (min(known), max(known)) if known and len(known) == len(moments) else None

    @property
    def day(self) -> str:
        """The day of acquisition, such as "2026-11-03", or "2026-11-03 to 2026-11-05"; "" if it is not known."""
        days = dict.fromkeys(f"{moment:%Y-%m-%d}" for moment in self.acquired or ())
        return " to ".join(days)

    # ---- the images of a sample ----------------------------------------------------------------------

    @property
    def pooled_ids(self) -> list[str]:
        """The ids of the results that were pooled, in the order of `images`."""
        return list(self.content.get("of", ()))

    @cached_property
    def images(self) -> list[PooledImage]:
        """The pooled images of a sample, in the order of their numbers in its warnings."""
        rows, (_, bars) = self.content.get("images", []), self.histogram
        texts = [[row.get(name) or "" for name in ("name", "outlier", "excluded", "warning")] for row in rows]
        return [
            PooledImage(pk, name, row.get("n"), outlier, excluded, warning, counts)
            for pk, row, (name, outlier, excluded, warning), counts in zip(
                self.pooled_ids, rows, texts, bars or [[]] * len(rows), strict=False
            )
        ]

    @property
    def counted_ids(self) -> list[str]:
        """The ids of the results whose objects are in the numbers."""
        return [image.pk for image in self.images if not image.excluded]

    @property
    def pixel_sizes(self) -> PixelSizes:
        """The pixel sizes of the images of a sample."""
        stored = (self.content.get("calibration") or {}) if self.is_of_sample else {}
        return PixelSizes(stored.get("low"), stored.get("high"), stored.get("sources", {}))
