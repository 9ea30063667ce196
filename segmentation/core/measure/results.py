"""The types of the numbers in a result. They are stored as JSON under the names of the fields.

result.schema.json and the schema of the API are generated from these types; the docstrings become
their descriptions. The web process imports this module, so it needs neither numpy nor scipy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Annotated, Any, Literal, NotRequired, Self

from pydantic import Field
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from .quantities import COLUMNS, LONG_NM, NUMBERS, Unit, Value, micrometres

# What the intervals of a result resample.
BY_PARTICLE: Literal["by particle"] = "by particle"
BY_IMAGE: Literal["by image"] = "by image"
MATERIAL = "For the material, measure at least three places."  # advice beside results of one or two images
NO_PIXEL_SIZE = "It has no scale while others have one. Type its width to include it."
SHAPES = ("round", "rod", "square", "triangle", "hexagon", "irregular")  # of outlines

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Interval = Annotated[list[float], Field(min_length=2, max_length=2)] | None
Intervals = dict[str, Interval]
Verdict = Literal["above", "below", "undecided"]


def images_words(counted: int, total: int) -> str:
    """How many images there are, and how many of them count, in words: "3 images", "1 of 3 images counted"."""
    images = f"{total} image{'' if total == 1 else 's'}"
    return images if counted == total else f"{counted} of {images} counted"


def meaning(text: str) -> Any:
    """An annotation that gives an entry its description in the JSON Schema."""
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
    """The median of the first n objects or images in random order, with its 95 % interval. The
    interval includes the calibration; by images it includes the total uncertainty where that is
    known. The last interval is that of the median."""

    n: list[int]
    median: list[float]
    low: list[float]
    high: list[float]
    more: Annotated[int | None, meaning("how many more bring both ends within ±wanted; null if no number does")]
    wanted: float
    by: NotRequired[Annotated[Literal["image"], meaning("what is counted; without this entry objects")]]


class Weighted(TypedDict):
    """The numbers of one weighting, their 95 % intervals, and why intervals are missing.

    A new number must be added here, in quantities.toml and in `distribution.figures`."""

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


# The names of the numbers in `Weighted`.
FIGURES: tuple[str, ...] = tuple(name for name in Weighted.__annotations__ if name in NUMBERS)


class WithoutFilter(TypedDict):
    """The numbers as they would be without the filter."""

    n: Count
    median: float | None
    fraction_100nm: Share | None


class FractionOutlines(TypedDict):
    """How many outlines the fraction from 1 to 100 nm depends on. If hidden particles are counted,
    too, these are sums of probabilities."""

    small: Annotated[Count, meaning("counted outlines from 1 to 100 nm")]
    total: Annotated[Count, meaning("all counted outlines")]
    doubtful: Annotated[Count, meaning("outlines that fraction_100nm_without_doubtful leaves out")]
    ids: Annotated[list[int], meaning("labels of the small ones, where they are few; empty for several images")]


class Other(TypedDict):
    """The numbers of the other measurand: of all particles, hidden ones too, if particles that can
    be seen were counted."""

    n: Annotated[Count, meaning("expected number of particles")]
    median: float
    median_ends: Interval
    fraction_100nm: Share | None
    fraction_ends: Interval


class Agglomerates(TypedDict):
    """Groups of two or more counted particles that touch."""

    groups: Count
    singles: Annotated[Count, meaning("counted particles in no group")]
    primaries_in_groups: Annotated[Count, meaning("counted particles in all groups")]
    largest: Annotated[Count, meaning("counted particles in the largest group")]
    share: NotRequired[Annotated[Share | None, meaning("share of the counted particles that are in groups")]]
    share_interval: NotRequired[Interval]
    mean_primaries: NotRequired[Annotated[float | None, meaning("mean number of counted particles in a group")]]
    diameter: NotRequired[Annotated[float | None, meaning("median ECD of the groups that do not touch the frame")]]
    fractal_dimension: NotRequired[Annotated[float | None, meaning("null with fewer than 30 such groups")]]
    fractal_interval: NotRequired[Interval]
    fractal_groups: NotRequired[Annotated[Count, meaning("groups from which the fractal dimension is computed")]]


class ShapeShare(TypedDict):
    """How many counted particles have one class of shape, and their share by number with its 95 %
    interval."""

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
    """Sizes of the particles whose outline is a rod."""

    n: Count
    length: Extent
    width: Extent
    ratio: Annotated[Extent, meaning("length / width")]


class Neighbours(TypedDict):
    """Distances to the nearest neighbour, corrected for the frame, with the 95 % interval of the
    mean. The same objects were also placed at random without overlap, many times: chance is the
    median of the mean distances then, and 95 % of these lie between chance_low and chance_high.
    Distances from edge to edge do not have these three."""

    n: Annotated[Count, meaning("objects with a certain nearest neighbour")]
    mean: float | None
    low: float | None
    high: float | None
    median: float | None
    chance: NotRequired[float]
    chance_low: NotRequired[float]
    chance_high: NotRequired[float]


class Range(TypedDict):
    """A range of distances at which the image has more, or fewer, pairs than 95 % of the random
    placements."""

    low: float
    high: float
    side: Literal["more", "fewer"]


class Pairs(TypedDict):
    """The pair correlation g at the distances r. For random placements without overlap `chance` is
    its mean, and 95 % of the placements stay between `low` and `high` at all distances."""

    r: list[float]
    g: list[float]
    chance: list[float]
    low: list[float]
    high: list[float]
    p: Annotated[float, meaning("probability that a random placement is at least as unusual")]
    ranges: list[Range]


class Alignment(TypedDict):
    """The nematic order parameter of the elongated objects: 0 without a common direction, 1 where all are parallel."""

    n: Count
    order: float
    low: float | None
    high: float | None
    p: Annotated[float, meaning("probability of such an order without a common direction (Rayleigh)")]
    direction: Annotated[float, meaning("common direction, degrees counter-clockwise from the horizontal")]


class Arrangement(TypedDict):
    """How the objects of an image are arranged; docs/method/arrangement.md has the methods."""

    unit: Annotated[Unit, meaning("of the lengths here")]
    n: Annotated[Count, meaning("objects that count and do not touch the frame")]
    centre: Annotated[Neighbours, meaning("nearest neighbour, centre to centre")]
    edge: Annotated[Neighbours, meaning("nearest neighbour, edge to edge")]
    pairs: Annotated[Pairs | None, meaning("null with too few objects, or without room for random placement")]
    alignment: Annotated[Alignment | None, meaning("null with too few elongated objects")]
    sentence: Annotated[str, meaning("the result of the comparison with chance")]


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
    reason: Annotated[str, meaning("in short why it is undecided; empty if it is decided")]
    sentence: str
    decides: Annotated[str, meaning("what would decide it; empty if it is decided")]
    asked: Annotated[str, meaning("how many particles ISO 13322-1 asks for, and how many were counted")]
    sensitivity: list[Sensitivity]


STANDARD_UNCERTAINTY = meaning("standard uncertainty, of the median relative; null where not known")


class Contribution(TypedDict):
    """One line of an uncertainty budget."""

    name: str
    title: str
    source: Annotated[str, meaning("how the uncertainty was found, or why it is not known")]
    remedy: Annotated[str, meaning("what would reduce it")]
    median: Annotated[float | None, STANDARD_UNCERTAINTY]
    fraction_100nm: Annotated[float | None, STANDARD_UNCERTAINTY]


class Uncertainty(TypedDict):
    """One answer with its total uncertainty."""

    value: Annotated[float, meaning("the answer")]
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
    """One point of 2022/C 229/01, and what the image shows about it."""

    title: str
    said: Annotated[str, meaning("sentences")]


class Recommendation(TypedDict):
    """What an image shows about Commission Recommendation 2022/C 229/01."""

    vssa: Annotated[float, meaning(NUMBERS["vssa"].definition)]
    exempt: Annotated[Count, meaning("particles over 100 µm in two directions")]
    points: Annotated[list[Point], meaning("2022/C 229/01 point by point")]


class Corrected(TypedDict):
    """How many outlines of a sample people corrected and reviewed."""

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
    """One image of a sample. n, n_set_aside: both are 0 if the image is left out. median, low,
    high: as on the page of the image."""

    name: str
    n: Annotated[Count | None, meaning("objects counted; null for classes of pixels")]
    n_set_aside: Annotated[Count | None, meaning("objects left out; null for classes of pixels")]
    median: Annotated[float | None, meaning("null, too, if the image has another unit than the sample")]
    low: float | None
    high: float | None
    outlier: Annotated[str, meaning("why it may not belong to the sample; empty if it does")]
    excluded: Annotated[str, meaning("why it is left out; empty if it is not")]
    choice: NotRequired[Annotated[str, meaning("who decided that it counts or is left out; empty without a decision")]]


@dataclass(frozen=True)
class Statistics:
    """The size distribution of the counted objects; docs/method/statistics.md has the methods.

    edge: the border correction; with "weight" all figures of sizes are weighted by it, those of shapes, classes and
        groups are not.
    set_aside: in the order of `filters.Reason`.
    mean, median, sd and percentiles: by number, None if undefined (n = 0; sd, d10, d90: n < 2).
    fraction_100nm: None in pixels, with pixels over 100 nm, and for all objects except particles.
    without_filter: None if the filter removes nothing.
    """

    unit: Annotated[Unit, meaning("of every size here")]
    n_kept: Annotated[Count, meaning("counted objects with a size; grains at the frame have none")]
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
    interval_note: Annotated[str, meaning("why there are no intervals; empty if there are")] = ""
    interval_basis: Annotated[Literal["by particle", "by image"], meaning("what was resampled")] = BY_PARTICLE
    cautions: Annotated[list[str], meaning("which intervals may be too narrow, and why")] = field(default_factory=list)
    relative_uncertainty: Annotated[float | None, meaning("of the calibration, as the intervals include it")] = None
    weighted: Annotated[dict[str, Weighted], meaning("all figures by number, area and volume")] = field(
        default_factory=dict
    )
    fit: Fit | None = None
    convergence: Convergence | None = None
    agglomerates: Annotated[Agglomerates | None, meaning("groups of touching particles; null for other objects")] = None
    shape: Annotated[dict[str, Spread], meaning("descriptors of shape, by name")] = field(default_factory=dict)
    nano: Nano | None = None
    budget: Annotated[Budget | None, meaning("of the uncertainty, after JCGM 100:2008; null for sizes in pixels")] = (
        None
    )
    recommendation: Recommendation | None = None
    fraction_100nm_with_doubtful: float | None = None
    fraction_100nm_without_doubtful: float | None = None
    fraction_outlines: Annotated[
        FractionOutlines | None, meaning("how many outlines fraction_100nm depends on; null without it")
    ] = None
    counted: Annotated[
        Literal["seen", "all", ""],
        meaning("the measurand: particles that can be seen, or all; empty for other objects"),
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
        """The statistics that `as_dict` gave. Entries that are no field are ignored."""
        names = {entry.name for entry in fields(cls)}
        return cls(**{name: value for name, value in content.items() if name in names})

    def as_dict(self) -> dict[str, Any]:
        """The statistics as JSON types."""
        return asdict(self)

    @property
    def title(self) -> str:
        """The title of the measure that is the size, such as "Minimum Feret diameter"."""
        return COLUMNS[self.size].title

    def value(self, name: str) -> Value:
        """The figure of this name, by number, with its interval, also that with the total
        uncertainty."""
        is_nano, budget = name == "fraction_100nm", dict[str, Any](self.budget or {})
        low, high = (self.fraction_low, self.fraction_high) if is_nano else self.intervals.get(name) or (None, None)
        total = budget.get(NAMES_IN_BUDGET.get(name, name), {})
        ends, standard = total.get("ends"), total.get("standard") if is_nano else None
        unit = NUMBERS[name].unit(self.unit)
        return Value(getattr(self, name), low, high, unit, ends and (ends[0], ends[1]), standard)

    def without_largest(self) -> Self:
        """Without the numbers that hang on the largest sizes: D90, and the share up to 100 nm."""
        changes: dict[str, Any] = dict.fromkeys(("d90", *SHARE_FIELDS))
        return replace(self, intervals={k: v for k, v in self.intervals.items() if k != "d90"}, **changes)

    @property
    def readable_unit(self) -> Unit:
        """µm in place of nm where the median is 1 µm or more."""
        return "µm" if self.unit == "nm" and (self.median or 0.0) >= LONG_NM else self.unit

    def in_readable_unit(self) -> Self:
        """The same statistics with lengths in `readable_unit`, except those of an arrangement and
        of a sample's images."""
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
            if (values := getattr(self, name)) is not None:
                changes[name] = values | {entry: micrometres(values.get(entry)) for entry in entries}
        if self.rods:
            sides = {
                side: {name: micrometres(length) for name, length in self.rods[side].items()}
                for side in ("length", "width")
            }
            changes["rods"] = self.rods | sides
        if self.budget:
            total = self.budget["median"]
            lengths = {entry: micrometres(total[entry]) for entry in ("value", "ends")}
            changes["budget"] = self.budget | {"median": total | lengths}
        weighted = {
            weighting: _in_um(numbers) | {"intervals": _in_um(numbers["intervals"])}
            for weighting, numbers in self.weighted.items()
        }
        return replace(self, unit="µm", intervals=_in_um(self.intervals), weighted=weighted, **changes)


def value_of(name: str, quantities: Mapping[str, Value], statistics: Statistics | None) -> Value:
    """One number of a result by name: of its kind of analysis, or else of its size distribution; without a value where
    it has none. Stored numbers lack the standard uncertainty, which the size distribution has."""
    of_sizes = statistics.value(name) if statistics and name in NUMBERS and hasattr(statistics, name) else Value(None)
    return replace(quantities[name], standard=of_sizes.standard) if name in quantities else of_sizes


NAMES_IN_BUDGET = {"d50": "median"}  # where the budget has another name for a number
SHARE_FIELDS = (
    *("fraction_100nm", "fraction_low", "fraction_high", "fraction_100nm_with_doubtful"),
    *("fraction_100nm_without_doubtful", "fraction_outlines"),
)
# The fields of `Statistics` that are lengths.
LENGTHS = ("mean", "median", "sd", "d10", "d50", "d90", "ecd_median")


def _in_um(lengths: Mapping[str, Any]) -> Any:
    """The numbers by name with lengths converted from nm to µm; other entries are unchanged."""
    return {
        name: micrometres(value) if name in NUMBERS and NUMBERS[name].power == 1 else value
        for name, value in lengths.items()
    }


@dataclass(frozen=True)
class PooledStatistics(Statistics):
    """The statistics of a sample. They are those of one image, but intervals resample whole images
    if there are enough.

    convergence: counts whole images if there are enough. images: one row for each image. notes:
    sentences for the user. `core.combine` fills images and notes.
    """

    between: Between | None = None
    images: list[ImageRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
