"""Many analyses of one specimen become one result: what a worker pools, and the command line too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from . import tasks
from .analysis import Analysis
from .labels.segmentation import MASKS
from .measure.bins import auto_edges
from .measure.budget import Evidence, effect
from .measure.nano import LEAST_DOUBT
from .measure.pooling import Pooled, pool, row_of
from .measure.quantities import Value
from .measure.statistics import Statistics
from .measure.table import Table, aligned
from .micrograph.types import SOURCES, Calibration, CalibrationSource
from .network.scale_search import CLEAR
from .settings import DEFAULT_TASK
from .tasks.base import Task

SEED = 0
UNCLEAR = "nothing in it is clearly a particle"
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
    """

    name: str
    table: Table
    calibration: Calibration
    clarity: float = 1.0
    sha256: str = ""
    found: Found = field(default_factory=Found)
    picture: bytes = b""
    budget: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, analysis: Analysis, picture: bytes = b"") -> Member:
        micrograph = analysis.micrograph
        clarity = analysis.segmentation.used.get("clarity", 1.0)
        budget = None if analysis.statistics is None else analysis.statistics.budget
        known = (clarity, micrograph.sha256, Found.of(analysis), picture, budget)
        return cls(micrograph.name, analysis.table, analysis.calibration, *known)


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

    n, n_set_aside: particles, None where the image was not analysed. median, low, high: as in `Pooled.images`, None
    also where the image has another unit than the sample. excluded: "" or why it is not in the pooled numbers.
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


@dataclass(frozen=True, eq=False)
class Sample:
    """A pooled sample, or one image, which is a sample of one.

    members: in the order given, their names made unlike each other. pooled: their statistics, None where their kind
        of analysis has no size distribution. histogram: {"edges": bin edges, "counts": one list per member},
        None without objects.
    calibration: {"low", "high": nm per pixel or None, "sources": images by source}. warnings: sentences for the user.
    filter: as asked for. images: of all members and, after them, of those that were left out. analysis: of the one
    image where it is a sample of one, with its pixels.
    """

    name: str
    members: tuple[Member, ...]
    pooled: Statistics | None
    histogram: dict[str, Any] | None
    calibration: dict[str, Any]
    warnings: tuple[str, ...] = ()
    filter: bool = False
    images: tuple[Image, ...] = ()
    analysis: Analysis | None = None

    @classmethod
    def of(cls, analysis: Analysis) -> Sample:
        """One image as a sample of one."""
        member, kept = Member.of(analysis), int(analysis.table.kept.sum())
        image = Image(member.name, member.sha256, member, kept, len(analysis.table) - kept)
        return cls(
            member.name,
            (member,),
            analysis.statistics,
            None,
            _calibration([member]),
            analysis.warnings,
            analysis.settings.measurement.filter,
            (image,),
            analysis,
        )

    @property
    def task(self) -> Task:
        return tasks.find(self.members[0].found.task)

    @property
    def quantities(self) -> dict[str, Value]:
        """The numbers that the kind of analysis answers with, by name, those of one image or of all together."""
        if self.analysis is not None:
            return self.analysis.quantities
        return {} if self.pooled is None else {name: self.pooled.value(name) for name in self.task.quantities}

    @property
    def between(self) -> dict[str, float] | None:
        """As of `Pooled`."""
        return self.pooled.between if isinstance(self.pooled, Pooled) else None

    @property
    def counted(self) -> list[tuple[Image, Member]]:
        """The images in the pooled numbers, with their analyses."""
        return [(image, image.member) for image in self.images if image.member is not None and not image.excluded]

    @property
    def grain(self) -> float:
        """The size of a pixel in the unit of the sizes, where it is the same in all pooled images; else 0."""
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
        assert self.pooled is not None
        own = {"name": self.name, "histogram": self.histogram, "calibration": self.calibration}
        return {**self.pooled.as_dict(), **own, "warnings": list(self.warnings)}


def combine(
    name: str,
    members: Sequence[Member],
    *,
    edge: Literal["exclude", "weight"] = "exclude",
    filter: bool = False,
    field_spread: float = 0.0,
    left_out: Sequence[LeftOut] = (),
) -> Sample:
    """Pool the members, at least one; deterministic: the same members give the same numbers.

    edge, filter, field_spread: of the members' settings, as `pool` takes them. The largest uncertainty of their
    calibrations counts once for all, as images of one instrument share its error. left_out: images that the files
    must name though they count nothing; a command hands each file that failed as `LeftOut.failed(path.name,
    sentence)`, with its SHA-256 where it has one. What says how the particles were found comes with
    `Member.of`; a member made by hand needs its `found`.
    """
    names = unlike([*(each.name for each in members), *(each.name for each in left_out)])
    tables = aligned([member.table for member in members])
    members = [replace(member, table=table) for member, table in zip(members, tables, strict=True)]
    doubtful = most_doubtful([member.calibration for member in members])
    if any(member.calibration.instrument_uncertainty is None for member in members):  # it is not given for all
        doubtful = replace(doubtful, relative_uncertainty=doubtful.standard_uncertainty, instrument_uncertainty=None)
    pooled = pool(
        tables,
        names=names[: len(members)],
        edge=edge,
        seed=SEED,
        calibration=doubtful,
        filter=filter,
        field_spread=field_spread,
        evidence=_evidence(members),
    )
    for row, member in zip(pooled.images, members, strict=True):
        if member.clarity < CLEAR:
            row["outlier"] = "; ".join(each for each in (row["outlier"], UNCLEAR) if each)
    calibration = _calibration(members)
    warnings = (*pooled.notes, *_source_warnings(calibration["sources"]))
    images = [
        *(_image(row, member, pooled.unit) for row, member in zip(pooled.images, members, strict=True)),
        *(_absent(named, each, pooled) for named, each in zip(names[len(members) :], left_out, strict=True)),
    ]
    sample = Sample(name, tuple(members), pooled, None, calibration, warnings, filter, tuple(images))
    return replace(sample, histogram=_histogram(tables, pooled, sample.grain))


def _evidence(members: Sequence[Member]) -> Evidence:
    """What a budget of all images together rests on; what is not known of one of them is not known of all."""
    cards = {card.get("sha256"): card for card in (member.found.card for member in members)}
    scores = [list(card.get("scores", ())) for card in cards.values()]
    repeated = [member.found.settings.get("repeatability") for member in members]
    given = [each for each in repeated if each is not None]
    return Evidence(
        [score for each in scores for score in each] if all(scores) else [],
        max(given) / 100 if len(given) == len(members) else None,
        [(int(each.table.kept.sum()), effect(each.budget, "threshold")) for each in members if each.table.kept.any()],
    )


def most_doubtful(calibrations: Sequence[Calibration]) -> Calibration:
    """The one of the largest uncertainty; one of which nothing is known rather than one that is only well rounded."""
    worst = max(calibrations, key=lambda each: each.standard_uncertainty or 0.0)
    unknown = [each for each in calibrations if each.standard_uncertainty is None]
    return unknown[0] if unknown and (worst.standard_uncertainty or 0.0) < LEAST_DOUBT else worst


def _image(row: dict[str, Any], member: Member, unit: str) -> Image:
    sizes = ("median", "low", "high")
    said = {name: value for name, value in row.items() if member.table.unit == unit or name not in sizes}
    return Image(sha256=member.sha256, member=member, **said)


def _absent(name: str, left_out: LeftOut, pooled: Pooled) -> Image:
    member = left_out.member
    if member is None:
        return Image(name, left_out.sha256, excluded=left_out.reason)
    row = row_of(member.table, name, edge=pooled.edge, seed=SEED, excluded=left_out.reason)
    return _image(row, member, pooled.unit)


def unlike(names: Sequence[str]) -> list[str]:
    """The names, the second "a.tif" as "a.tif (2)": two images may have one name."""
    seen: Counter[str] = Counter()
    made = []
    for name in names:
        seen[name] += 1
        made.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return made


def _histogram(tables: Sequence[Table], pooled: Pooled, grain: float) -> dict[str, Any] | None:
    """Minimum Feret diameters of every pooled image in bins common to all."""
    sizes = [table.length("min_feret")[table.kept] if table.unit == pooled.unit else np.zeros(0) for table in tables]
    everything = np.concatenate(sizes) if sizes else np.zeros(0)
    if not len(everything):
        return None
    edges = auto_edges(everything, pooled.unit, grain)
    return {"edges": edges.tolist(), "counts": [np.histogram(each, edges)[0].tolist() for each in sizes]}


def _calibration(members: Sequence[Member]) -> dict[str, Any]:
    known = [member.calibration.nm_per_pixel for member in members if member.calibration.nm_per_pixel is not None]
    sources = Counter(member.calibration.source for member in members)
    return {"low": min(known, default=None), "high": max(known, default=None), "sources": dict(sources)}


def _source_warnings(sources: dict[CalibrationSource, int]) -> list[str]:
    if len(sources) > 1:
        listed = ", ".join(f"{number} {SOURCES[source]}" for source, number in sorted(sources.items()))
        return [f"The scale is not known in the same way for all images: {listed}."]
    return []
