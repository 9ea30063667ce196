"""Several images of one specimen as one result, or one image, which is a sample of one (`combine` pools them)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from . import tasks
from .analysis import Analysis
from .flags import Flag, as_json, shorts
from .labels.segmentation import MASKS
from .measure.nano import LEAST_DOUBT
from .measure.pooling import Pooled
from .measure.quantities import Unit, Value
from .measure.statistics import Statistics
from .measure.table import Table
from .micrograph.types import Calibration
from .settings import DEFAULT_TASK
from .tasks.base import Task

BY_USER = "Excluded by the user."
FAILED = "Not analysed"


@dataclass(frozen=True)
class Found:
    """How the objects of one image were found; None or {} for what is not known.

    task: the kind of analysis. settings: all as asked for, by name. card: the entries of the ModelCard as it was.
    used: what was used where the settings leave it open, as of `Segmentation`. width, height: of the image in px;
    data_bar: its first row, None where there is none. instrument: what the file says of it, by name.
    """

    task: str = DEFAULT_TASK
    settings: Mapping[str, Any] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    used: Mapping[str, Any] = field(default_factory=dict)
    width: int | None = None
    height: int | None = None
    data_bar: int | None = None
    instrument: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, analysis: Analysis) -> Found:
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
            analysis.micrograph.metadata,
        )

    @property
    def by_model(self) -> bool:
        """Whether it is not known that another tool found them."""
        return self.card.get("name") != MASKS


@dataclass(frozen=True, eq=False)
class Member:
    """One analysed image of a sample.

    table: judged objects. calibration: the one that was used. clarity: how clearly the image shows what is looked for.
    sha256: of the file. found: how its objects were found; nothing is known of it unless it is given. picture: a small
    PNG of it with what was found, b"" where there is none. budget: of its own uncertainty, where there is one.
    quantities: the numbers that its kind of analysis answers with, by name. flags: as of its `Analysis`.
    """

    name: str
    table: Table
    calibration: Calibration
    clarity: float = 1.0
    sha256: str = ""
    found: Found = field(default_factory=Found)
    picture: bytes = b""
    budget: Mapping[str, Any] | None = None
    quantities: Mapping[str, Value] = field(default_factory=dict)
    flags: Sequence[Flag] = ()

    @classmethod
    def of(cls, analysis: Analysis, picture: bytes = b"") -> Member:
        micrograph = analysis.micrograph
        clarity = analysis.segmentation.used.get("clarity", 1.0)
        budget = None if analysis.statistics is None else analysis.statistics.budget
        known = (clarity, micrograph.sha256, Found.of(analysis), picture, budget, analysis.quantities, analysis.flags)
        return cls(micrograph.name, analysis.table, analysis.calibration, *known)

    @property
    def sized(self) -> Table:
        """Its table with only the objects kept whose sizes are in the distribution."""
        from .measure.fields import whole

        task = tasks.find(self.found.task)
        return self.table if task.screened or not task.size else whole(self.table)

    @property
    def counts(self) -> dict[str, Any]:
        """Objects kept and set aside, as of `Image`; none where pixels belong to classes."""
        if tasks.find(self.found.task).semantic:
            return {}
        kept = int(self.table.kept.sum())
        return {"n": kept, "n_set_aside": len(self.table) - kept}


@dataclass(frozen=True, eq=False)
class LeftOut:
    """An image of the sample that is not in its pooled numbers, though the files name it; made by the two below.

    reason: the sentence that says why. member: its analysis, None where there is none.
    """

    name: str
    reason: str
    sha256: str = ""
    member: Member | None = None

    @classmethod
    def by_user(cls, member: Member) -> LeftOut:
        """An analysed image that the user does not want to count."""
        return cls(member.name, BY_USER, member.sha256, member)

    @classmethod
    def failed(cls, name: str, sentence: str, sha256: str = "") -> LeftOut:
        """An image without a result; sentence: what the user was told of it. sha256: of its file, "" if not known."""
        return cls(name, f"{FAILED}: {' '.join(sentence.split())}", sha256)


@dataclass(frozen=True, eq=False)
class Image:
    """One image as the files of its sample list it.

    n, n_set_aside: objects, None where the image was not analysed or pixels belong to classes. median, low, high: as in
    `Pooled.images`, None also where the image has another unit than the sample or sizes have no statistics. excluded:
    "" or why it is not in the pooled numbers.
    """

    name: str
    sha256: str
    member: Member | None = None
    n: int | None = None
    n_set_aside: int | None = None
    median: float | None = None
    low: float | None = None
    high: float | None = None
    outlier: str = ""
    excluded: str = ""

    @property
    def warning(self) -> str:
        """The short forms of what it is flagged with, "" where it is not."""
        return "; ".join(shorts(self.member.flags)) if self.member else ""


@dataclass(frozen=True, eq=False)
class Sample:
    """A pooled sample, or one image, which is a sample of one.

    members: in the order given, their names made unlike each other. pooled: their statistics, None where pixels
        belong to classes or nothing was found. quantities: the numbers that it answers with, by name, of one image or
        of all together. histogram: {"edges": bin edges, "counts": one list per member},
        None without objects.
    calibration: {"low", "high": nm per pixel or None, "sources": images by source}. flags: warnings for the user.
    filter: as asked for. images: of all members and, after them, of those that were left out. analysis: of the one
    image where it is a sample of one, with its pixels.
    """

    name: str
    members: tuple[Member, ...]
    pooled: Statistics | None
    histogram: dict[str, Any] | None
    calibration: dict[str, Any]
    flags: tuple[Flag, ...] = ()
    filter: bool = False
    images: tuple[Image, ...] = ()
    analysis: Analysis | None = None
    quantities: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def of(cls, analysis: Analysis) -> Sample:
        """One image as a sample of one."""
        member = Member.of(analysis)
        image = Image(member.name, member.sha256, member, **member.counts)
        return cls(
            member.name,
            (member,),
            analysis.statistics,
            None,
            calibration_of([member]),
            analysis.flags,
            analysis.settings.measurement.filter,
            (image,),
            analysis,
            analysis.quantities,
        )

    @property
    def task(self) -> Task:
        return tasks.find(self.members[0].found.task)

    @property
    def headline_quantities(self) -> list[str]:
        """The numbers that are shown for each image."""
        return self.task.headline_quantities(self.quantities)

    def by_image(self, name: str) -> list[Value]:
        """This number of each image, without a value where it has none or has it in another unit."""
        if self.pooled is not None and self.task.screened:  # of sizes, by sampling alone
            return [Value(image.median, image.low, image.high, self.pooled.unit) for image in self.images]
        own = [image.member.quantities.get(name) if image.member else None for image in self.images]
        unit = self.quantities[name].unit
        return [Value(None) if each is None or each.unit not in (unit, "") else each for each in own]

    @property
    def extent(self) -> str:
        """How many images there are in the numbers, and how many objects: "3 images, 1,024 grains kept"."""
        counts = [image.n for image, _ in self.counted if image.n is not None]
        kept = f", {sum(counts):,} {self.task.things} kept" if counts else ""
        return f"{len(self.counted)} image{'' if len(self.counted) == 1 else 's'}{kept}"

    @property
    def between(self) -> dict[str, float] | None:
        """As of `Pooled`."""
        return self.pooled.between if isinstance(self.pooled, Pooled) else None

    @property
    def counted(self) -> list[tuple[Image, Member]]:
        """The images in the pooled numbers, with their analyses."""
        return [(image, image.member) for image in self.images if image.member is not None and not image.excluded]

    @property
    def unit(self) -> Unit:
        """Of the lengths in the numbers of all images together."""
        return self.pooled.unit if self.pooled else next((m.table.unit for _, m in self.counted), "px")

    @property
    def grain(self) -> float:
        """The size of a pixel in the unit of the images' tables, if all pooled images share it; else 0."""
        pixels = {member.table.nm_per_pixel or 1.0 for _, member in self.counted}
        return pixels.pop() if len(pixels) == 1 else 0.0

    @property
    def models(self) -> list[Mapping[str, Any]]:
        """The card of every model that found objects of the pooled numbers, in the order of the images; one for all
        masks of other tools, whose files have nothing to do with any model."""
        cards = [member.found.card for _, member in self.counted if member.found.card]
        found = [{"name": MASKS} if card["name"] == MASKS else card for card in cards]
        return list({(card["name"], card.get("sha256")): card for card in found}.values())

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types: the pooled statistics' keys and those of this class but the members and all images."""
        own = {"name": self.name, "histogram": self.histogram, "calibration": self.calibration}
        numbers = {
            "unit": self.unit,
            "chief": self.headline_quantities,
            "order": list(self.quantities),
            "quantities": {name: each.as_dict() for name, each in self.quantities.items()},
        }
        found = self.pooled.as_dict() if self.pooled else {}
        made = {**({} if self.task.screened else numbers), **found, **own, **as_json(self.flags)}
        every = self.images[: len(self.members)]
        rows = made.get("images") or [{"name": image.name, "excluded": image.excluded} for image in every]
        return made | {"images": [{**row, "warning": each.warning} for row, each in zip(rows, every, strict=True)]}


def common_calibration(calibrations: Sequence[Calibration]) -> Calibration:
    """The least certain one: that with the largest uncertainty, or one of unknown uncertainty
    where the others are only well rounded. The microscope's uncertainty is that of all only where all have one; else
    rounding alone counts."""
    if any(each.instrument_uncertainty is None for each in calibrations):
        calibrations = [replace(each, instrument_uncertainty=None, instrument_note="") for each in calibrations]
    worst = max(calibrations, key=lambda each: each.standard_uncertainty or 0.0)
    unknown = [each for each in calibrations if each.standard_uncertainty is None]
    return unknown[0] if unknown and (worst.standard_uncertainty or 0.0) < LEAST_DOUBT else worst


def calibration_of(members: Sequence[Member]) -> dict[str, Any]:
    known = [member.calibration.nm_per_pixel for member in members if member.calibration.nm_per_pixel is not None]
    sources = Counter(member.calibration.source for member in members)
    return {"low": min(known, default=None), "high": max(known, default=None), "sources": dict(sources)}
