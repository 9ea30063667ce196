"""Several images of one specimen as one result; one image is a sample of one (`combine` pools them)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from . import tasks
from .analysis import Analysis, MethodUsed
from .flags import Flag, as_json, short_forms
from .labels.segmentation import MASKS
from .measure.filters import sized
from .measure.histograms import pieces_table
from .measure.quantities import NUMBERS, Unit, Value, in_micrometres, in_readable_units, micrometres
from .measure.regions import share_of
from .measure.results import Between, Corrected, ImageRow, PooledStatistics, Statistics, images_words, unscaled_note
from .measure.table import Table
from .measure.tilt import Tilt
from .micrograph.types import Calibration, common_calibration
from .settings import DEFAULT_TASK, TILT_SETTINGS, MeasurementSettings, regions_of
from .tasks.base import Task

BY_USER = "Left out by the user."
WAITS = "It waits for a yes"  # then a colon and why
FAILED = "Not analysed"


@dataclass(frozen=True)
class AnalysisRecord:
    """How the objects of one image were found; None or {} if not known.

    task: the kind of analysis. settings: all requested settings, by name. card: the entries of the ModelCard at that
    time. used: values that the settings left open, see `Segmentation`. width, height: of the image in px. data_bar:
    its first row, None without a data bar. instrument: data about it from the file, by name. method: by which it was
    made, None without one.
    """

    task: str = DEFAULT_TASK
    settings: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    used: Mapping[str, Any] = field(default_factory=dict)
    width: int | None = None
    height: int | None = None
    data_bar: int | None = None
    instrument: Mapping[str, Any] = field(default_factory=dict)
    method: MethodUsed | None = None

    @classmethod
    def of(cls, analysis: Analysis) -> AnalysisRecord:
        rows, columns = analysis.micrograph.shape
        segmentation = analysis.segmentation
        origin = segmentation.provenance
        return cls(
            origin.task,
            {**analysis.settings.as_dict(), **origin.settings},
            origin.card,
            segmentation.used,
            columns,
            rows,
            segmentation.rows if segmentation.rows < rows else None,
            analysis.micrograph.facts,
            analysis.method,
        )

    @property
    def frame(self) -> tuple[int, int]:
        """Width and height of the analysed rows in px, 0 where they are not known."""
        return self.width or 0, (self.height if self.data_bar is None else self.data_bar) or 0

    @property
    def ignored_share(self) -> float:
        """The share of the analysed rows that lies in regions to ignore, 0 to 1."""
        width, rows = self.frame
        return share_of(regions_of(self.settings.get("ignore", ())), (rows, width))

    @property
    def by_model(self) -> bool:
        """False only if another tool is known to have found them."""
        return self.card.get("name") != MASKS


@dataclass(frozen=True, eq=False)
class Member:
    """One analysed image of a sample.

    table: judged objects. calibration: the one that was used. clarity: how clearly the image shows its objects.
    sha256: of the file. record: how its objects were found. picture: a small PNG of the image with its
    objects, b"" if there is none. statistics: its own ones, None without sizes.
    quantities: the results of its kind of analysis, by name. flags: those of its `Analysis`.
    """

    name: str
    table: Table
    calibration: Calibration
    clarity: float = 1.0
    sha256: str = ""
    record: AnalysisRecord = field(default_factory=AnalysisRecord)
    picture: bytes = b""
    statistics: Statistics | None = None
    quantities: Mapping[str, Value] = field(default_factory=dict)
    flags: Sequence[Flag] = ()

    @classmethod
    def of(cls, analysis: Analysis, picture: bytes = b"") -> Member:
        micrograph = analysis.micrograph
        clarity = analysis.segmentation.used.get("clarity", 1.0)
        record = AnalysisRecord.of(analysis)
        parts = (clarity, micrograph.sha256, record, picture, analysis.statistics, analysis.quantities, analysis.flags)
        return cls(micrograph.name, analysis.table, analysis.calibration, *parts)

    @property
    def tilt(self) -> float:
        """Degrees of the tilt that its settings corrected for, 0 for none."""
        asked = {name: self.record.settings[name] for name in TILT_SETTINGS if name in self.record.settings}
        tilt = Tilt.to_correct(MeasurementSettings(**asked), self.record.instrument)
        return tilt.degrees if tilt else 0.0

    def value(self, name: str) -> Value:
        """One of its numbers, or its median size."""
        if name == "median" and self.statistics is not None:
            return self.statistics.value(name)
        return self.quantities.get(name, Value(None))

    @property
    def pieces(self) -> Table | None:
        """What its outlines may be instead, as far as they have possible cuts, where all particles count."""
        statistics = self.statistics
        if statistics is None or statistics.counted != "all":
            return None
        return pieces_table(statistics.pieces, self.table.nm_per_pixel)

    @property
    def sized(self) -> Table:
        """Its table, in which only the objects of the size distribution are kept."""
        return sized(self.table, screened=tasks.find(self.record.task).screened)


@dataclass(frozen=True, eq=False)
class SampleImage:
    """One image as the files of its sample list it. outlier, excluded: "" or why it may not belong, does not count."""

    name: str
    sha256: str
    member: Member | None = None
    outlier: str = ""
    excluded: str = ""

    @classmethod
    def by_user(cls, member: Member) -> SampleImage:
        """An analysed image that the user has left out."""
        return cls(member.name, member.sha256, member, excluded=BY_USER)

    @classmethod
    def waiting(cls, member: Member, why: str) -> SampleImage:
        """An analysed image that does not count before a person says so; why: it does not fit."""
        return cls(member.name, member.sha256, member, excluded=f"{WAITS}: {why}")

    @classmethod
    def failed(cls, name: str, sentence: str, sha256: str = "") -> SampleImage:
        """An image without a result; sentence: the reason shown to the user. sha256: of its file, "" if not known."""
        return cls(name, sha256, excluded=f"{FAILED}: {' '.join(sentence.split())}")

    @property
    def has_numbers(self) -> bool:
        """Whether its own numbers can stand beside the others': it counts, or a person decides whether it does."""
        return self.excluded in ("", BY_USER) or self.excluded.startswith(WAITS)

    @property
    def counts(self) -> tuple[int, int] | tuple[None, None]:
        """How many of its objects count and are left out in the numbers of all images: 0 where it is left out itself,
        None if it was not analysed or pixels belong to classes."""
        if self.member is None or tasks.find(self.member.record.task).semantic:
            return None, None
        table = self.member.table
        return (0, 0) if self.excluded else (int(table.kept.sum()), int((~table.kept).sum()))

    @property
    def warning(self) -> str:
        """The short forms of its flags, "" without flags."""
        return "; ".join(short_forms(self.member.flags)) if self.member else ""


@dataclass(frozen=True, eq=False)
class SampleAnalysis:
    """A pooled sample, or one image as a sample of one.

    members: in the order given, with unique names. pooled: their statistics, None if pixels belong to classes or
        nothing was found. quantities: the results by name, of one image or of all together.
        histogram: see `combine.histogram_of`; None without objects and of a sample of one.
    calibration: {"low", "high": nm per pixel or None, "sources": numbers of images by source}. flags: for the user.
    filter: as requested. images: first all members, then the images left out. analysis: with pixels, only for a
        sample of one.
    """

    name: str
    members: tuple[Member, ...]
    pooled: Statistics | None
    histogram: dict[str, Any] | None
    calibration: dict[str, Any]
    flags: tuple[Flag, ...] = ()
    filter: bool = False
    images: tuple[SampleImage, ...] = ()
    analysis: Analysis | None = None
    quantities: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def of(cls, analysis: Analysis) -> SampleAnalysis:
        """One image as a sample of one."""
        member = Member.of(analysis)
        image = SampleImage(member.name, member.sha256, member)
        return cls(
            name=member.name,
            members=(member,),
            pooled=analysis.statistics,
            histogram=None,
            calibration=pixel_sizes_of([member]),
            flags=analysis.flags,
            filter=analysis.settings.measurement.filter,
            images=(image,),
            analysis=analysis,
            quantities=analysis.quantities,
        )

    def in_readable_unit(self) -> SampleAnalysis:
        """The same with its pooled sizes, and all its numbers, in µm where the median is long. Else each number of a
        kind that is not screened has the unit that suits it. The tables of the images keep nm."""
        if self.pooled is None or self.pooled.readable_unit == self.pooled.unit:
            return self if self.task.screened else replace(self, quantities=in_readable_units(self.quantities))
        return replace(
            self,
            pooled=self.pooled.in_readable_unit(),
            histogram=self.histogram and {**self.histogram, "edges": micrometres(self.histogram["edges"])},
            quantities={name: in_micrometres(value) for name, value in self.quantities.items()},
        )

    @property
    def task(self) -> Task:
        return tasks.find(self.members[0].record.task)

    @property
    def headline_quantities(self) -> list[str]:
        """Names of the main numbers, shown for each image."""
        return self.task.headline_quantities(self.quantities)

    def by_image(self, name: str) -> list[Value]:
        """This number for each image, without a value if the image has none, has another unit
        or cannot count; a count is 0 of an image that the user left out."""
        unit = self.quantities[name].unit if name in self.quantities else self.unit
        members = [image.member if image.has_numbers else None for image in self.images]
        quantities = [member.value(name) if member else Value(None) for member in members]
        converted = [in_micrometres(value) if "µm" in unit else value for value in quantities]
        values = [value if value.unit in (unit, "") else Value(None) for value in converted]
        is_count = name in NUMBERS and NUMBERS[name].kind == "integer"
        left_out = [is_count and bool(image.excluded) for image in self.images]
        return [Value(value.value and 0.0) if out else value for value, out in zip(values, left_out, strict=True)]

    @property
    def rows(self) -> list[ImageRow]:
        """A row for each image, first of all members."""
        return [
            ImageRow(
                name=image.name,
                n=image.counts[0],
                n_set_aside=image.counts[1],
                median=size.value,
                low=size.reported.low,
                high=size.reported.high,
                outlier=image.outlier,
                excluded=image.excluded,
            )
            for image, size in zip(self.images, self.by_image("median"), strict=True)
        ]

    @property
    def extent(self) -> str:
        """How many images and objects the numbers include: "3 images, 1,024 grains"; of particles those counted."""
        counts = [count for image, _ in self.counted if (count := image.counts[0]) is not None]
        objects = f", {self.task.count(sum(counts))}{' counted' if self.task.screened else ''}" if counts else ""
        return self.counted_images + objects

    @property
    def counted_images(self) -> str:
        """How many images the numbers include: "3 images"."""
        return images_words(len(self.counted), len(self.images))

    @property
    def interval_note(self) -> str:
        """Why its sizes or its first number have no 95 % interval; "" where they have."""
        if self.pooled:
            return self.pooled.interval_note
        return unscaled_note(self.quantities)

    @property
    def between(self) -> Between | None:
        """See `PooledStatistics`."""
        return self.pooled.between if isinstance(self.pooled, PooledStatistics) else None

    @property
    def corrected(self) -> Corrected | None:
        """What people did with the outlines in the pooled numbers; None if nobody touched one."""
        members = [member for _, member in self.counted]
        touched = [one for one in members if one.record.used.get("corrected") or one.record.used.get("reviewed")]
        if not touched:
            return None
        return Corrected(
            images=len(touched),
            of_images=len(members),
            outlines=sum(member.record.used.get("corrected", 0) for member in touched),
            reviewed=sum(member.record.used.get("reviewed", 0) for member in touched),
            of_outlines=sum(len(member.table) for member in touched),
        )

    @property
    def counted(self) -> list[tuple[SampleImage, Member]]:
        """The images in the pooled numbers, with their analyses."""
        return [(image, image.member) for image in self.images if image.member is not None and not image.excluded]

    @property
    def common_calibration(self) -> Calibration:
        """The least certain one of the images that count."""
        return common_calibration([member.calibration for _, member in self.counted])

    @property
    def unit(self) -> Unit:
        """The unit of the lengths in the numbers of all images together."""
        return self.pooled.unit if self.pooled else next((m.table.unit for _, m in self.counted), "px")

    @property
    def pixel_size(self) -> float:
        """The pixel size in the unit of the images' tables, if all pooled images share it; else 0."""
        pixels = {member.table.nm_per_pixel or 1.0 for _, member in self.counted}
        return pixels.pop() if len(pixels) == 1 else 0.0

    @property
    def models(self) -> list[Mapping[str, Any]]:
        """The cards of the models that found the pooled objects, in the order of the images. All masks of other tools
        together have one card, because no model made them."""
        cards = [member.record.card for _, member in self.counted if member.record.card]
        model_cards = [{"name": MASKS} if card["name"] == MASKS else card for card in cards]
        return list({(card["name"], card.get("sha256")): card for card in model_cards}.values())

    @property
    def method(self) -> MethodUsed | None:
        """The version of a method by which all its counted images were analysed, with what departs from it in any of
        them; None where there is no such one."""
        methods = [member.record.method for _, member in self.counted]
        whole = {method and replace(method, departures=(), control="") for method in methods}
        shared = whole.pop() if len(whole) == 1 else None
        if shared is None or len(methods) == 1:
            return methods[0] if shared else None
        counts = Counter(sentence for method in methods if method for sentence in method.departures)
        of_all = f"of {len(methods)} images"
        lines = [text if n == len(methods) else f"In {n} {of_all}: {text}" for text, n in counts.items()]
        control = " ".join(dict.fromkeys(method.control for method in methods if method and method.control))
        return replace(shared, departures=tuple(lines), control=control)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types: the keys of the pooled statistics and of this class, and a row for each member."""
        of_sample: dict[str, Any] = {"name": self.name, "histogram": self.histogram, "calibration": self.calibration}
        of_sample["corrected"] = self.corrected
        of_sample |= {"method": self.method.as_dict()} if self.method else {}
        numbers = {
            "unit": self.unit,
            "interval_note": self.interval_note,
            "headline_quantities": self.headline_quantities,
            "order": list(self.quantities),
            "quantities": {name: value.as_dict() for name, value in self.quantities.items()},
        }
        pooled = self.pooled.as_dict() if self.pooled else {}
        content = {**({} if self.task.screened else numbers), **pooled, **of_sample, **as_json(self.flags)}
        rows = zip(self.rows[: len(self.members)], self.images, strict=False)
        return content | {"images": [{**row, "warning": image.warning} for row, image in rows]}


def pixel_sizes_of(members: Sequence[Member]) -> dict[str, Any]:
    """The smallest and the largest pixel size in nm of some images, None without any, and how often each source."""
    sizes = [member.calibration.nm_per_pixel for member in members if member.calibration.nm_per_pixel is not None]
    sources = Counter(member.calibration.source for member in members)
    return {"low": min(sizes, default=None), "high": max(sizes, default=None), "sources": dict(sources)}
