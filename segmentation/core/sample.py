"""The types of a sample: several images of one specimen as one result. `combine` makes them.

A single image is handled as a sample of one, so that reports and exports have one input type.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from . import tasks
from .analysis import Analysis, MethodUsed
from .flags import Flag, as_json, short_forms
from .labels.segmentation import MASKS
from .measure.histograms import pieces_table
from .measure.objects.filters import only_sized
from .measure.objects.regions import share_of, uncounted
from .measure.objects.tilt import Tilt
from .measure.quantities import NUMBERS, Unit, Value, in_readable_units, micrometres, value_in_micrometres
from .measure.results import Between, Corrected, ImageRow, PooledStatistics, Statistics, images_words
from .measure.table import Table
from .micrograph.types import Calibration, common_calibration
from .settings import DEFAULT_TASK, TILT_SETTINGS, MeasurementSettings, regions_of
from .stored import Used
from .tasks.base import Task

# Why images are left out, as the user sees them.
BY_USER = "Left out by the user."
NOT_TO_USE = "The warning beside its numbers says “Do not use”"


@dataclass(frozen=True)
class AnalysisRecord:
    """How the objects of one image were found. A field is None or {} if that is not known.

    task: the kind of analysis. settings: all requested settings, by name. card: the entries of the ModelCard at that
    time. used: what the analysis chose or found itself, such as scale, and how many outlines people corrected or
    reviewed. width, height: size of the image in px. data_bar: first row of
    the data bar, None without one. instrument: what the file says of microscope and acquisition, by name. method: the
    method that the analysis followed, if any.
    """

    task: str = DEFAULT_TASK
    settings: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    used: Used = field(default_factory=Used)
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
            Used.read(segmentation.used),
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
    def counted_share(self) -> float:
        """The share of the analysed rows that counts: without regions to ignore and border, 0 to 1."""
        width, rows = self.frame
        return 1 - share_of(uncounted(self.used.entries, regions_of(self.settings.get("ignore", ()))), (rows, width))

    @property
    def is_by_model(self) -> bool:
        """Whether a model found the objects; False if another tool did."""
        return self.card.get("name") != MASKS


@dataclass(frozen=True, eq=False)
class Member:
    """One analysed image of a sample.

    table: a row for each object, with the reason if it does not count. calibration: the one that was used. clarity:
    how clearly the image shows its objects, 0 to 1. sha256: of the file. record: how its objects were found. picture:
    a small PNG of the image with its outlines, b"" if there is none. statistics: those of this image alone, None
    without sizes. quantities: the results of its kind of analysis, by name. flags: those of its `Analysis`. choice: who
    decided that it counts in the sample or is left out, as a sentence, or "".
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
    choice: str = ""

    @classmethod
    def of(cls, analysis: Analysis, picture: bytes = b"") -> Member:
        micrograph = analysis.micrograph
        clarity = analysis.segmentation.used.get("clarity", 1.0)
        record = AnalysisRecord.of(analysis)
        parts = (clarity, micrograph.sha256, record, picture, analysis.statistics, analysis.quantities, analysis.flags)
        return cls(micrograph.name, analysis.table, analysis.calibration, *parts)

    @property
    def tilt(self) -> float:
        """The tilt in degrees that was corrected, 0 for none."""
        tilt_settings = {name: self.record.settings[name] for name in TILT_SETTINGS if name in self.record.settings}
        tilt = Tilt.to_correct(MeasurementSettings(**tilt_settings), self.record.instrument)
        return tilt.degrees if tilt else 0.0

    def value(self, name: str) -> Value:
        """One of its quantities by name, or its median size for "median"."""
        if name == "median" and self.statistics is not None:
            return self.statistics.value(name)
        return self.quantities.get(name, Value(None))

    @property
    def pieces(self) -> Table | None:
        """The pieces into which possible cuts would divide its outlines. None without possible cuts, or if only visible
        particles count (the setting `measurand`)."""
        statistics = self.statistics
        if statistics is None or statistics.counted != "all":
            return None
        return pieces_table(statistics.pieces, self.table.nm_per_pixel)

    @property
    def sized(self) -> Table:
        """Its table, in which only the objects of the size distribution count."""
        return only_sized(self.table, screened=tasks.find(self.record.task).screened)


@dataclass(frozen=True, eq=False)
class SampleImage:
    """One image in the list of a sample's files.

    member: None if it was not analysed. outlier: why its sizes may not belong to those of the other images, or "".
    excluded: why it is left out, or "". left_out: the same in short if it was never pooled.
    """

    name: str
    sha256: str
    member: Member | None = None
    outlier: str = ""
    excluded: str = ""
    left_out: Literal["", "by the user", "waiting for a yes", "not analysed"] = ""

    @classmethod
    def by_user(cls, member: Member) -> SampleImage:
        """An analysed image that the user has left out."""
        return cls(member.name, member.sha256, member, excluded=BY_USER, left_out="by the user")

    @classmethod
    def waiting(cls, member: Member, why: str) -> SampleImage:
        """An analysed image that does not count until a person includes it. why: the reason, for the user."""
        excluded = f"It waits for a yes: {why}"
        return cls(member.name, member.sha256, member, excluded=excluded, left_out="waiting for a yes")

    @classmethod
    def failed(cls, name: str, sentence: str, sha256: str = "") -> SampleImage:
        """An image without a result. sentence: the reason shown to the user. sha256: of its file, "" if not known."""
        excluded = f"Not analysed: {' '.join(sentence.split())}"
        return cls(name, sha256, excluded=excluded, left_out="not analysed")

    @property
    def has_numbers(self) -> bool:
        """Whether its numbers can be compared with those of the other images: it counts, or was left out by a person,
        or waits for a person's decision."""
        return not self.excluded or self.left_out in ("by the user", "waiting for a yes")

    @property
    def counts(self) -> tuple[int, int] | tuple[None, None]:
        """How many of its objects count in the sample, and how many are left out. Both are 0 if the image is left out,
        None if it was not analysed or its kind has classes instead of objects."""
        if self.member is None or tasks.find(self.member.record.task).semantic:
            return None, None
        table = self.member.table
        return (0, 0) if self.excluded else (int(table.kept.sum()), int((~table.kept).sum()))

    @property
    def choice(self) -> str:
        """Who decided that it counts or is left out (`Member.choice`)."""
        return self.member.choice if self.member else ""

    @property
    def warning(self) -> str:
        """The short forms of its flags, joined; "" without flags."""
        return "; ".join(short_forms(self.member.flags)) if self.member else ""


@dataclass(frozen=True, eq=False)
class SampleAnalysis:
    """A pooled sample, or one image as a sample of one.

    members: the analysed images, with unique names. pooled: the statistics of all images together, None without sizes.
        quantities: the results of all images together, by name. histogram: see `combine.histogram_of`; None without
        objects, and for a sample of one.
    calibration: {"low", "high": smallest and largest nm per pixel or None, "sources": numbers of images by source}.
    flags: for the user. filter: the setting of that name. images: first all members, then the images left out by the
        user or without a result. ending: what departs from the method in the way in which the sample ended, a sentence
        each. analysis: the Analysis with its pixels; only for a sample of one.
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
    ending: tuple[str, ...] = ()

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
        """A copy with readable units. If the median is long, the pooled sizes and all numbers are in µm. Else, unless
        the kind is screened for nanomaterials, each number has the unit that suits it. The tables keep nm."""
        if self.pooled is None or self.pooled.readable_unit == self.pooled.unit:
            return self if self.task.screened else replace(self, quantities=in_readable_units(self.quantities))
        return replace(
            self,
            pooled=self.pooled.in_readable_unit(),
            histogram=self.histogram and {**self.histogram, "edges": micrometres(self.histogram["edges"])},
            quantities={name: value_in_micrometres(value) for name, value in self.quantities.items()},
        )

    @property
    def task(self) -> Task:
        return tasks.find(self.members[0].record.task)

    @property
    def headline_quantities(self) -> list[str]:
        """Names of the main numbers, shown for each image."""
        return self.task.headline_quantities(self.quantities)

    def by_image(self, name: str) -> list[Value]:
        """This number for each image. It has no value if the image lacks it, has another unit, or cannot be compared
        (`has_numbers`). A count is 0 for an image that is left out."""
        unit = self.quantities[name].unit if name in self.quantities else self.unit
        members = [image.member if image.has_numbers else None for image in self.images]
        quantities = [member.value(name) if member else Value(None) for member in members]
        converted = [value_in_micrometres(value) if "µm" in unit else value for value in quantities]
        values = [value if value.unit in (unit, "") else Value(None) for value in converted]
        is_count = name in NUMBERS and NUMBERS[name].kind == "integer"
        zeros = [is_count and bool(image.excluded) for image in self.images]
        return [Value(value.value and 0.0) if zero else value for value, zero in zip(values, zeros, strict=True)]

    @property
    def rows(self) -> list[ImageRow]:
        """A row for each image, in the order of `images`."""
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
                choice=image.choice,
            )
            for image, size in zip(self.images, self.by_image("median"), strict=True)
        ]

    @property
    def extent(self) -> str:
        """How many images and objects the numbers include, such as "3 images, 1,024 grains"."""
        counts = [count for image, _ in self.counted if (count := image.counts[0]) is not None]
        objects = f", {self.task.count(sum(counts))}{' counted' if self.task.screened else ''}" if counts else ""
        return self.counted_images_words + objects

    @property
    def counted_images_words(self) -> str:
        """How many images the numbers include, such as "3 images"."""
        return images_words(len(self.counted), len(self.images))

    @property
    def interval_note(self) -> str:
        """Why the sizes, or the first number, have no 95 % interval; "" if they have one."""
        return self.pooled.interval_note if self.pooled else ""

    @property
    def between(self) -> Between | None:
        """The spread between images, see `PooledStatistics.between`."""
        return self.pooled.between if isinstance(self.pooled, PooledStatistics) else None

    @property
    def corrected(self) -> Corrected | None:
        """How many of the counted outlines were corrected or reviewed by a person; None if none."""
        members = [member for _, member in self.counted]
        by_hand = [member for member in members if member.record.used.corrected or member.record.used.reviewed]
        if not by_hand:
            return None
        return Corrected(
            images=len(by_hand),
            of_images=len(members),
            outlines=sum(member.record.used.corrected for member in by_hand),
            reviewed=sum(member.record.used.reviewed for member in by_hand),
            of_outlines=sum(len(member.table) for member in by_hand),
        )

    @property
    def counted(self) -> list[tuple[SampleImage, Member]]:
        """The images that the numbers include, with their members."""
        return [(image, image.member) for image in self.images if image.member is not None and not image.excluded]

    @property
    def common_calibration(self) -> Calibration:
        """The least certain calibration of the images that count."""
        return common_calibration([member.calibration for _, member in self.counted])

    @property
    def unit(self) -> Unit:
        """The unit of the lengths in the numbers of all images together."""
        return self.pooled.unit if self.pooled else next((member.table.unit for _, member in self.counted), "px")

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
        """The version of a method by which all counted images were analysed, with the departures of any of them; None
        if they do not share one version."""
        methods = [member.record.method for _, member in self.counted]
        versions = {method and (method.name, method.version, method.checksum) for method in methods}
        # If the version was approved while images came, the sample keeps the state that says less.
        least_approved = next(
            (method for method in methods if method and method.state == "draft"), methods[0] if methods else None
        )
        if least_approved is None or len(versions) > 1:
            return None
        if len(methods) == 1:
            return replace(least_approved, departures=(*least_approved.departures, *self.ending))
        counts = Counter(sentence for method in methods if method for sentence in method.departures)
        total = f"of {len(methods)} images"
        lines = [text if n == len(methods) else f"In {n} {total}: {text}" for text, n in counts.items()]
        control = " ".join(dict.fromkeys(method.control for method in methods if method and method.control))
        return replace(least_approved, departures=(*lines, *self.ending), control=control)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types: keys of the pooled statistics and of this class, and a row for each member."""
        sample_entries: dict[str, Any] = {
            "name": self.name,
            "histogram": self.histogram,
            "calibration": self.calibration,
        }
        sample_entries["corrected"] = self.corrected
        sample_entries |= {"method": self.method.as_dict()} if self.method else {}
        numbers = {
            "unit": self.unit,
            "interval_note": self.interval_note,
            "headline_quantities": self.headline_quantities,
            "order": list(self.quantities),
            "quantities": {name: value.as_dict() for name, value in self.quantities.items()},
        }
        pooled = self.pooled.as_dict() if self.pooled else {}
        content = {**({} if self.task.screened else numbers), **pooled, **sample_entries, **as_json(self.flags)}
        rows = zip(self.rows[: len(self.members)], self.images, strict=False)
        return content | {"images": [{**row, "warning": image.warning} for row, image in rows]}


def pixel_sizes_of(members: Sequence[Member]) -> dict[str, Any]:
    """The smallest and largest pixel size of images in nm (None without any), and the number of images by source."""
    sizes = [member.calibration.nm_per_pixel for member in members if member.calibration.nm_per_pixel is not None]
    sources = Counter(member.calibration.source for member in members)
    return {"low": min(sizes, default=None), "high": max(sizes, default=None), "sources": dict(sources)}
