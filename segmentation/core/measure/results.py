"""The numbers of a size distribution as types: as they are computed, stored as JSON and read again.

result.schema.json and the document of the API are made of these types. The web process reads them too, so nothing here
needs numpy or scipy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Annotated, Any, Literal, NotRequired, Self

from pydantic import Field
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from .quantities import COLUMNS, LONG_NM, NO_INTERVALS, NUMBERS, Unit, Value, micrometres

BY_PARTICLE: Literal["by particle"] = "by particle"
BY_IMAGE: Literal["by image"] = "by image"  # what is drawn again and again for an interval
MATERIAL = "For the material, measure at least three places."  # what one picture or two cannot show
NO_PIXEL_SIZE = "It has no scale while others have one. Type its width to include it."
SHAPES = ("round", "rod", "square", "triangle", "hexagon", "irregular")  # of outlines

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Interval = Annotated[list[float], Field(min_length=2, max_length=2)] | None
Intervals = dict[str, Interval]
Verdict = Literal["above", "below", "undecided"]


def images_words(counted: int, total: int) -> str:
    """How many images there are, and how many of them count: "3 images", "1 of 3 images counted"."""
    images = f"{total} image{'' if total == 1 else 's'}"
    return images if counted == total else f"{counted} of {images} counted"


def unscaled_note(numbers: Mapping[str, Value]) -> str:
    """NO_INTERVALS if the image has no scale, so that its first known number is in pixels; else ""."""
    value_shown = next((value for value in numbers.values() if value.value is not None), Value(None))
    return NO_INTERVALS * value_shown.unit.startswith("px")


def meaning(text: str) -> Any:
    """The description of an entry in the JSON Schema."""
    return Field(description=text)


class Fit(TypedDict):
    """A fitted law and how well it fits."""

    law: Literal["log-normal"]
    median: float
    gsd: Annotated[float, meaning("geometric standard deviation")]
    ks: Annotated[float, meaning("greatest distance of the cumulative distributions")]
    p: Annotated[float, meaning("probability that a sample of the fitted law is at least as far from its own fit")]
    word: Literal["good", "fair", "poor"]


class Convergence(TypedDict):
    """The median of the first n objects or images in random order, with its 95 % interval, which includes the
    calibration, and of images the total uncertainty where that is known. The last interval is that of the median."""

    n: list[int]
    median: list[float]
    low: list[float]
    high: list[float]
    more: Annotated[int | None, meaning("how many more bring both ends within ±wanted; null where no number does")]
    wanted: float
    by: NotRequired[Annotated[Literal["image"], meaning("what is counted; without this entry objects")]]


class Weighted(TypedDict):
    """The numbers of one weighting, their 95 % intervals, and why intervals are missing.

    Whoever adds a number adds it here, in `quantities.NUMBERS` and in `distribution.figures`."""

    mean: float | None
    sd: float | None
    d10: float | None
    d50: float | None
    d90: float | None
    span: float | None
    mode: float | None
    geometric_mean: float | None
    geometric_sd: float | None
    intervals: Intervals
    note: str


FIGURES: tuple[str, ...] = tuple(name for name in Weighted.__annotations__ if name in NUMBERS)


class WithoutFilter(TypedDict):
    """What would be counted without the filter."""

    n: Count
    median: float | None
    fraction_100nm: Share | None


class FractionOutlines(TypedDict):
    """On how many outlines the fraction from 1 to 100 nm rests. If hidden particles are counted, too, these
    are sums of probabilities."""

    small: Annotated[Count, meaning("counted outlines from 1 to 100 nm")]
    total: Annotated[Count, meaning("all counted outlines")]
    doubtful: Annotated[Count, meaning("those that fraction_100nm_without_doubtful leaves out")]
    ids: Annotated[list[int], meaning("labels of the small ones, where they are few; empty for several images")]


class Other(TypedDict):
    """The numbers of the other measurand: all particles, hidden ones too, where those that can be seen were counted."""

    n: Annotated[Count, meaning("expected number of particles")]
    median: float
    median_ends: Interval
    fraction_100nm: Share | None
    fraction_ends: Interval


class Agglomerates(TypedDict):
    """Groups of two or more counted particles that touch: their number, particles in none, particles in all groups and
    in the largest group."""

    groups: Count
    singles: Count
    primaries_in_groups: Count
    largest: Count
    share: NotRequired[Annotated[Share | None, meaning("share of the counted particles that are in groups")]]
    share_interval: NotRequired[Interval]
    mean_primaries: NotRequired[Annotated[float | None, meaning("counted particles in a group")]]
    diameter: NotRequired[Annotated[float | None, meaning("median ECD of the groups that do not touch the frame")]]
    fractal_dimension: NotRequired[Annotated[float | None, meaning("null with fewer than 30 such groups")]]
    fractal_interval: NotRequired[Interval]
    fractal_groups: NotRequired[Annotated[Count, meaning("groups that the fractal dimension rests on")]]


class ShapeShare(TypedDict):
    """Whole particles of one class of shape, and their share by number with its 95 % interval."""

    n: Count
    share: Share
    low: Share | None
    high: Share | None


class Extent(TypedDict):
    """Percentiles by number, and the 95 % interval of the median."""

    d10: float
    median: float
    d90: float
    interval: Interval


class Rods(TypedDict):
    """The particles whose outline is a rod."""

    n: Count
    length: Extent
    width: Extent
    ratio: Annotated[Extent, meaning("length / width")]


class Neighbours(TypedDict):
    """Distances to the nearest neighbour, corrected for the frame, with the 95 % interval of the mean. Each random
    placement without overlap has its own mean distance: chance is the median of these means, and 95 % of them lie
    between chance_low and chance_high. These three are known for distances between centres alone."""

    n: Annotated[Count, meaning("objects with a certain nearest neighbour")]
    mean: float | None
    low: float | None
    high: float | None
    median: float | None
    chance: NotRequired[float]
    chance_low: NotRequired[float]
    chance_high: NotRequired[float]


class Range(TypedDict):
    """Distances at which there are more or fewer pairs than 95 % of the random placements have anywhere."""

    low: float
    high: float
    side: Literal["more", "fewer"]


class Pairs(TypedDict):
    """The pair correlation g at the distances r. Random placement without overlap has the mean `chance`, and 95 % of
    placements stay between `low` and `high` at all distances."""

    r: list[float]
    g: list[float]
    chance: list[float]
    low: list[float]
    high: list[float]
    p: Annotated[float, meaning("of random placement being at least as unusual")]
    ranges: list[Range]


class Alignment(TypedDict):
    """The nematic order parameter of the elongated objects: 0 without a common direction, 1 where all are parallel."""

    n: Count
    order: float
    low: float | None
    high: float | None
    p: Annotated[float, meaning("of no common direction (Rayleigh)")]
    direction: Annotated[float, meaning("common direction, degrees counter-clockwise from the horizontal")]


class Arrangement(TypedDict):
    """How the objects of an image lie to each other; docs/method/arrangement.md has the methods."""

    unit: Annotated[Unit, meaning("of the lengths here")]
    n: Annotated[Count, meaning("objects that count and do not touch the frame")]
    centre: Annotated[Neighbours, meaning("nearest neighbour, centre to centre")]
    edge: Annotated[Neighbours, meaning("nearest neighbour, edge to edge")]
    pairs: Annotated[Pairs | None, meaning("null with too few objects, or without room for random placement")]
    alignment: Annotated[Alignment | None, meaning("null with too few elongated objects")]
    sentence: Annotated[str, meaning("what the comparison with chance says")]


Spread = dict[str, float]  # median, d10 and d90 by number; one object has a median alone


class Sensitivity(TypedDict):
    """The fraction from 1 to 100 nm under another setting."""

    name: str
    fraction: float
    low: float | None
    high: float | None
    n: Count


class Nano(TypedDict):
    """The fraction by number from 1 to 100 nm, and the verdict on it."""

    fraction: Share
    low: Share | None
    high: Share | None
    n: Count
    threshold: float
    least_nm: Annotated[float | None, meaning("size from which on particles are counted")]
    verdict: Verdict
    reason: Annotated[str, meaning("in short why it is undecided; empty where it is decided")]
    sentence: str
    decides: Annotated[str, meaning("what would decide it; empty where it is decided")]
    asked: Annotated[str, meaning("how many particles ISO 13322-1 asks for, and how many were counted")]
    sensitivity: list[Sensitivity]


STANDARD_UNCERTAINTY = meaning("standard uncertainty, of the median relative; null where not known")


class Contribution(TypedDict):
    """One line of an uncertainty budget."""

    name: str
    title: str
    source: Annotated[str, meaning("how it was found, or why not")]
    remedy: str
    median: Annotated[float | None, STANDARD_UNCERTAINTY]
    fraction_100nm: Annotated[float | None, STANDARD_UNCERTAINTY]


class Uncertainty(TypedDict):
    """The total of the contributions to one answer."""

    value: float
    standard: Annotated[
        float | None, meaning("combined standard uncertainty of the known contributions; null without `ends`")
    ]
    expanded: Annotated[float | None, meaning("standard times coverage_factor; null without `ends`")]
    ends: Annotated[list[float] | None, meaning("95 % interval with the total uncertainty; null without one")]
    without: Annotated[list[str], meaning("contributions that are not known and so not included")]
    largest: Annotated[str, meaning("name of the largest contribution that is known")]
    sentence: str


class Budget(TypedDict):
    """An uncertainty budget after JCGM 100:2008."""

    coverage_factor: float
    rows: list[Contribution]
    median: Uncertainty
    fraction_100nm: Uncertainty


class Point(TypedDict):
    title: str
    said: str


class Recommendation(TypedDict):
    """What an image can say of 2022/C 229/01."""

    vssa: Annotated[float, meaning(NUMBERS["vssa"].definition)]
    exempt: Annotated[Count, meaning("particles over 100 µm in two directions")]
    points: Annotated[list[Point], meaning("2022/C 229/01 point by point")]


class Corrected(TypedDict):
    """What people did with the outlines of a sample."""

    images: Annotated[Count, meaning("images with corrected or reviewed outlines")]
    of_images: Count
    outlines: Annotated[Count, meaning("outlines corrected by hand in these images")]
    reviewed: Annotated[Count, meaning("outlines reviewed in these images")]
    of_outlines: Annotated[Count, meaning("all outlines of these images")]


class Between(TypedDict):
    """The spread of ln(size) between images, by a one-way analysis of variance."""

    variance: float
    sd: float
    share: Annotated[float, meaning("of the total variance")]
    p: NotRequired[Annotated[float, meaning("probability that equal images look at least as different")]]
    times: NotRequired[Annotated[float, meaning("largest median of an image divided by the smallest")]]


class ImageRow(TypedDict):
    """One image of a sample. n, n_set_aside: both are 0 where the image is excluded. median, low, high: as on the page
    of the image."""

    name: str
    n: Annotated[Count | None, meaning("objects counted; null also where pixels belong to classes")]
    n_set_aside: Annotated[Count | None, meaning("objects left out; null also where pixels belong to classes")]
    median: Annotated[float | None, meaning("null also where the image has another unit than the sample")]
    low: float | None
    high: float | None
    outlier: Annotated[str, meaning("why it may not belong; empty where it does")]
    excluded: Annotated[str, meaning("why it does not count; empty where it does")]


@dataclass(frozen=True)
class Statistics:
    """The size distribution of the counted objects; docs/method/statistics.md has the methods.

    edge: the border correction; with "weight" every figure of sizes is edge-weighted, those of shapes, classes and
    groups are not. set_aside: in the order of judging. mean, median, sd and percentiles: by number, None where
    undefined (n = 0; sd, d10, d90: n < 2). fraction_100nm: None in pixels, with pixels over 100 nm, and for all objects
    but particles. without_filter: None where the filter removes nothing.
    """

    unit: Annotated[Unit, meaning("of every size here")]
    n_kept: Annotated[Count, meaning("objects with a size; grains at the frame are only counted")]
    n_set_aside: Count
    set_aside: Annotated[dict[str, Count], meaning("objects left out, by reason")] = field(default_factory=dict)
    mean: float | None = None
    median: float | None = None
    sd: float | None = None
    d10: float | None = None
    d50: float | None = None
    d90: float | None = None
    fraction_100nm: float | None = None
    fraction_low: Share | None = None
    fraction_high: Share | None = None
    ecd_median: float | None = None
    without_filter: WithoutFilter | None = None
    edge: Literal["exclude", "weight"] = "exclude"
    intervals: Annotated[Intervals, meaning("95 % intervals by number, null where not defined")] = field(
        default_factory=dict
    )
    interval_note: Annotated[str, meaning("why there are no intervals; empty where there are")] = ""
    interval_basis: Annotated[Literal["by particle", "by image"], meaning("what was resampled")] = BY_PARTICLE
    cautions: Annotated[list[str], meaning("which intervals may be too narrow, and why")] = field(default_factory=list)
    relative_uncertainty: Annotated[float | None, meaning("of the calibration, as carried into the intervals")] = None
    weighted: Annotated[dict[str, Weighted], meaning("all figures by number, area and volume")] = field(
        default_factory=dict
    )
    fit: Fit | None = None
    convergence: Convergence | None = None
    agglomerates: Annotated[Agglomerates | None, meaning("groups of touching particles; null for other objects")] = None
    shape: Annotated[dict[str, Spread], meaning("descriptors of shape, by name")] = field(default_factory=dict)
    nano: Nano | None = None
    budget: Annotated[Budget | None, meaning("of the uncertainty, after JCGM 100:2008; null of pixels")] = None
    recommendation: Recommendation | None = None
    fraction_100nm_with_doubtful: float | None = None
    fraction_100nm_without_doubtful: float | None = None
    fraction_outlines: Annotated[
        FractionOutlines | None, meaning("how many outlines carry fraction_100nm; null without it")
    ] = None
    counted: Annotated[
        Literal["seen", "all", ""], meaning("the measurand: particles that can be seen, or all; empty of others")
    ] = ""
    other: Annotated[Other | None, meaning("the numbers of the other measurand; null for other objects")] = None
    pieces: Annotated[
        dict[str, list[float]],
        meaning(
            "if some outlines are several particles: sizes of the pieces in px and probabilities; empty without cuts"
        ),
    ] = field(default_factory=dict)
    size: Annotated[str, meaning("name of the measure that is the size")] = "min_feret"
    screened: Annotated[bool, meaning("whether the objects were judged as nanomaterials")] = True
    shape_classes: Annotated[
        dict[str, ShapeShare], meaning("classes of outlines, by name; empty for other objects")
    ] = field(default_factory=dict)
    rods: Annotated[Rods | None, meaning("null without rods")] = None
    arrangement: Annotated[Arrangement | None, meaning("for several images only the nearest neighbours")] = None

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """What `as_dict` stored, other entries are ignored."""
        names = {entry.name for entry in fields(cls)}
        return cls(**{name: value for name, value in content.items() if name in names})

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    @property
    def title(self) -> str:
        """What the size is: "Minimum Feret diameter"."""
        return COLUMNS[self.size].title

    def value(self, name: str) -> Value:
        """The figure of this name, by number, with its intervals."""
        nano, budget = name == "fraction_100nm", dict[str, Any](self.budget or {})
        low, high = (self.fraction_low, self.fraction_high) if nano else self.intervals.get(name) or (None, None)
        total = budget.get(BUDGETED.get(name, name), {}).get("ends")
        return Value(getattr(self, name), low, high, NUMBERS[name].unit(self.unit), total and (total[0], total[1]))

    @property
    def readable_unit(self) -> Unit:
        """µm in place of nm where the median is 1 µm or more."""
        return "µm" if self.unit == "nm" and (self.median or 0.0) >= LONG_NM else self.unit

    def in_readable_unit(self) -> Self:
        """The same, with all lengths in `readable_unit` but those of an arrangement and of the images of a sample."""
        if self.readable_unit == self.unit:
            return self
        changes: dict[str, Any] = {name: micrometres(getattr(self, name)) for name in LENGTHS}
        for name, entries in (
            ("fit", ("median",)),
            ("without_filter", ("median",)),
            ("convergence", ("median", "low", "high")),
            ("agglomerates", ("diameter",)),
            ("other", ("median", "median_ends")),
        ):
            if (curve := getattr(self, name)) is not None:
                changes[name] = curve | {entry: micrometres(curve.get(entry)) for entry in entries}
        if self.rods:
            sides = {
                side: {at: micrometres(end) for at, end in self.rods[side].items()} for side in ("length", "width")
            }
            changes["rods"] = self.rods | sides
        if self.budget:
            total = self.budget["median"]
            lengths = {entry: micrometres(total[entry]) for entry in ("value", "ends")}
            changes["budget"] = self.budget | {"median": total | lengths}
        ways = self.weighted.items()
        weighted = {
            way: _in_um(weighted_by) | {"intervals": _in_um(weighted_by["intervals"])} for way, weighted_by in ways
        }
        return replace(self, unit="µm", intervals=_in_um(self.intervals), weighted=weighted, **changes)


BUDGETED = {"d50": "median"}  # the name under which the budget has a number
LENGTHS = ("mean", "median", "sd", "d10", "d50", "d90", "ecd_median")


def _in_um(lengths: Mapping[str, Any]) -> Any:
    """The entries that are lengths in µm, others as they are."""
    return {
        name: micrometres(value) if name in NUMBERS and NUMBERS[name].power == 1 else value
        for name, value in lengths.items()
    }


@dataclass(frozen=True)
class PooledStatistics(Statistics):
    """The statistics of a sample, as for one image, but the intervals resample whole images.

    convergence: with two or more images it counts whole images. images: one row for each image. notes: sentences for
    the user. `core.combine` sets both.
    """

    between: Between | None = None
    images: list[ImageRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
