"""The registry of quantities: the one definition of every column of a table and every number of a result.

Tables and their files, the summary numbers, the page with its tooltips, the JSON Schema and docs/method/accuracy.md
take names, units and definitions from here. Descriptors of shape add themselves (`descriptors`); a task adds what only
it measures with `add`, or in a TOML table (`declared`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import floor, isfinite, log10
from typing import Any, Literal

Unit = Literal["nm", "px", "µm"]  # µm: only for people to read; tables and results have nm or px
Kind = Literal["number", "fraction", "integer", "halves", "truth", "text"]
Registry = dict[str, "Quantity"]

ISO_IMAGES = "ISO 13322-1:2014"
ISO_SHAPE = "ISO 9276-6:2008"
ISO_SIZES = "ISO 9276-2:2014"
OF = " of "
NO_INTERVALS = "Intervals of sizes are given once the scale is known."
UNKNOWN = "No column {} is known: register it with core.measure.quantities.add."
# What a 95 % interval comes from; a sample's comes from the differences between images, but for POISSON and GROUPS.
COUNTING, POISSON, GROUPS = "counting", "counting, by Poisson's law", "counting of groups"
WITHIN, BETWEEN = "differences within the image", "differences between images"
ENOUGH, EVERY = 3, 15  # significant digits
MARKS = {-3: "⁻³", -2: "⁻²", -1: "⁻¹", 1: "", 2: "²"}  # of the powers of a unit


class UnknownQuantity(ValueError):
    """No quantity of this name is registered; the message says what to do."""


def significant(value: float | None, digits: int = 3, most: int | None = None) -> str:
    """The value to so many significant digits, without an exponent; a dash where there is none. From 10,000 on the
    thousands are parted by commas. most: decimals that are written at most, -1 for tens."""
    if value is None or not isfinite(value):
        return "–"
    rounded = round(value, decimals(value, digits, most))
    if rounded == 0:
        return "0"
    text = f"{rounded:,.{max(0, decimals(rounded, digits, most))}f}"
    return text if abs(rounded) >= 10_000 else text.replace(",", "")  # where a comma is the decimal sign, 1,230 is 1.23


def factor_words(factor: float) -> str:
    """How many times: "1.5", "2", "120"."""
    return f"{factor:.2g}" if factor < 99.5 else significant(factor, 2)


def decimals(value: float, digits: int, most: int | None = None) -> int:
    """The decimals of a number with so many significant digits, and `most` of them at most."""
    of_digits = digits - 1 - floor(log10(abs(value))) if value else digits - 1
    return of_digits if most is None else min(of_digits, most)


def decimals_beside(value: float, low: float, high: float, finest: int | None = None) -> int | None:
    """The decimals of a number and of both ends of its interval: half of the width to two significant digits, as the
    GUM (7.2.6) advises, to one if the number has three digits then, and two digits of the number at least; None where
    the interval has no width. finest: the most decimals that these two digits may ask for, unless it would be 0."""
    if not (isfinite(high - low) and high > low):
        return None
    half = (high - low) / 2
    most = max(decimals(half, 2), decimals(value, 2, finest))
    if not value:
        return most
    return min(most, max(decimals(half, 1), decimals(value, ENOUGH))) if round(value, most) else decimals(value, 1)


def end_words(end: float, most: int | None) -> str:
    """The end of an interval with the decimals of its number; one that is less than a unit of the last has a digit."""
    if most is None:
        return significant(end)
    return significant(end, EVERY, most) if abs(end) >= 10.0**-most else significant(end, 1)


@dataclass(frozen=True)
class Quantity:
    """One column of a table, or one number of a result.

    name: in code and files. title: on pages. definition: one sentence. power: of the length in its unit, 0 for none, 2
    for an area, -2 for a density. kind: "fraction" is a number from 0 to 1, "halves" a count in which some objects
    count half. half: which do, in words. source: of the definition, "" where it is our own. signed: whether it can be
    below zero. extreme: whether it is of one place, or a sum, so without an interval. interval: what its 95 % interval
    comes from in one image. scaled: whether the scale is in it although the unit has no length. above: the number that
    this one is never below, such as D10 of D50. special: whether few people ask for it, so that pages show it last.
    """

    name: str
    title: str
    definition: str
    power: int = 0
    kind: Kind = "number"
    source: str = ""
    signed: bool = False
    extreme: bool = False
    interval: str = ""  # by default see __post_init__
    scaled: bool = False
    above: str = ""
    half: str = ""
    special: bool = False

    def __post_init__(self) -> None:
        by_area = self.power < 0 or self.kind == "fraction"
        object.__setattr__(self, "interval", self.interval or (WITHIN if by_area else COUNTING))

    def basis(self, by_image: bool) -> str:
        """What its 95 % interval comes from, of one image or `by_image`, of several."""
        return BETWEEN if by_image and self.interval not in (POISSON, GROUPS) else self.interval

    @property
    def of_amount(self) -> bool:
        """Whether it depends on how much was looked at: a count, a sum or an extreme."""
        return self.kind == "integer" or self.extreme or self.interval == POISSON

    @property
    def label(self) -> str:
        """Its title within a line: "geometric mean", "D10"."""
        title = self.title
        return title if title[1:2].isupper() or title[1:2].isdigit() else title[0].lower() + title[1:]

    def unit(self, length: Unit) -> str:
        """Such as "nm", "px²" or ""."""
        return f"{length}{MARKS[self.power]}" if self.power else ""

    def column(self, length: Unit) -> str:
        """The name of its column, with the unit: "area" in nm is "area_nm2"."""
        if not self.power:
            return self.name
        name = f"{self.name}_per" if self.power < 0 else self.name
        return f"{name}_{length}{abs(self.power) if abs(self.power) > 1 else ''}"


@dataclass(frozen=True)
class Value:
    """One number as measured, with the ends of its 95 % interval; None where undefined. unit: "" where it has none.
    total: the ends with the total uncertainty, which people read in their place; None where it is not known."""

    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    total: tuple[float, float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """As `from_dict` reads it. interval: the ends that people read; low and high: those without the total
        uncertainty, the same where it is not known."""
        ends = None if self.low is None or self.high is None else [self.low, self.high]
        interval = list(self.total) if self.total else ends
        return {"value": self.value, "interval": interval, "low": self.low, "high": self.high, "unit": self.unit}

    def times(self, factor: float, unit: str) -> Value:
        """The same value in another unit: one old unit is `factor` new ones."""
        value, low, high = (None if end is None else end * factor for end in (self.value, self.low, self.high))
        return Value(value, low, high, unit, self.total and (self.total[0] * factor, self.total[1] * factor))

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Value:
        low, high = fields["low"], fields["high"]
        ends = fields.get("interval") or [low, high]  # results of 1.0.0 have no interval
        return cls(fields["value"], low, high, fields["unit"], None if ends == [low, high] else (ends[0], ends[1]))

    @property
    def reported(self) -> Value:
        """The number with the ends of the interval that people read."""
        return replace(self, low=self.total[0], high=self.total[1], total=None) if self.total else self


LONG_NM = 1000.0  # longer lengths are shown in µm
_POWERS = {f"nm{mark}": power for power, mark in MARKS.items()}


def in_micrometres(value: Value) -> Value:
    """A length, an area or a density in nm converted to µm; anything else unchanged."""
    power = _POWERS.get(value.unit)
    return value if power is None else value.times(1e3**-power, f"µm{MARKS[power]}")


def readable(value: Value) -> Value:
    """The same in µm where nm would be long: 1 µm and more, and all densities (3 µm⁻², not 0.000003 nm⁻²)."""
    power, number = _POWERS.get(value.unit, 0), abs(value.value or 0.0)
    is_long = number >= LONG_NM**power if power > 0 else power < 0
    return in_micrometres(value) if is_long else value


DOUBTFUL_FRACTIONS = {  # variants of the fraction from 1 to 100 nm
    "fraction_100nm_with_doubtful": "with doubtful outlines",
    "fraction_100nm_without_doubtful": "without doubtful outlines",
}
COLUMNS: Registry = {}
NUMBERS: Registry = {}


def add(registry: Registry, *quantities: Quantity) -> None:
    """Register quantities; raises ValueError where one of the name is defined otherwise."""
    for item in quantities:
        if registry.setdefault(item.name, item) != item:
            raise ValueError(f"There are two definitions of the quantity {item.name!r}: give one of them another name.")


def of_class(name: str, class_name: str) -> str:
    """The name of a number that there is for each class, such as "area_fraction of ferrite"."""
    return f"{name}{OF}{class_name}"


def number(name: str) -> Quantity:
    """The quantity of a number, also of one of a class (`of_class`); raises UnknownQuantity."""
    base, of, class_name = name.partition(OF)
    if base not in NUMBERS:
        raise UnknownQuantity(f"No number {base!r} is known: register it with core.measure.quantities.add.")
    quantity = NUMBERS[base]
    return replace(quantity, name=name, title=f"{quantity.title} of {class_name}") if of else quantity


def column(name: str) -> Quantity:
    """The quantity of a table's column of this name (without its unit); raises UnknownQuantity."""
    if name not in COLUMNS:
        raise UnknownQuantity(UNKNOWN.format(name))
    return COLUMNS[name]


def of_column(name: str, length: Unit) -> Quantity:
    """The quantity of a column named with its unit, as "area_nm2"; raises UnknownQuantity."""
    columns = _columns(length, tuple(COLUMNS))
    if name not in columns:
        raise UnknownQuantity(UNKNOWN.format(f"{name} (lengths in {length})"))
    return columns[name]


@cache
def _columns(length: Unit, names: tuple[str, ...]) -> Registry:
    """The columns of these names by those with units."""
    return {COLUMNS[name].column(length): COLUMNS[name] for name in names}


add(
    COLUMNS,
    Quantity("label", "Label", "Number of the object, the same in the label image and in every file.", kind="integer"),
    Quantity("class", "Class", "Number of its class, from 0 on, in the order of the class names.", kind="integer"),
    Quantity("kept", "Kept", "Whether the object counts in the numbers.", kind="truth"),
    Quantity("reason", "Reason", "Why the object was left out; empty if it counts.", kind="text"),
    Quantity(
        "min_feret",
        "Minimum Feret diameter",
        "The smallest distance between two parallel lines that touch the convex hull of its pixels' corners.",
        1,
        source=ISO_IMAGES,
    ),
    Quantity(
        "max_feret",
        "Maximum Feret diameter",
        "The greatest distance between two parallel lines that touch the convex hull of its pixels' corners.",
        1,
        source=ISO_IMAGES,
    ),
    Quantity(
        "ecd",
        "Equivalent circular diameter",
        "Diameter of the circle with its area, √(4 × area / π).",
        1,
        source=ISO_SHAPE,
    ),
    Quantity("area", "Area", "Number of pixels times the area of a pixel.", 2, source=ISO_SHAPE),
    Quantity("area_fraction", "Area fraction", "Share of the analysed area.", kind="fraction"),
    Quantity(
        "perimeter",
        "Perimeter",
        "Length of the outline, including the edges of holes.",
        1,
        source="Vossepoel and Smeulders (1982)",
    ),
    Quantity("centroid_x_px", "Centroid x (px)", "Column of the centre of area; the centre of the first pixel is 0."),
    Quantity("centroid_y_px", "Centroid y (px)", "Row of the centre of area; the centre of the first pixel is 0."),
    Quantity("bbox_left_px", "Left (px)", "Its first column.", kind="integer"),
    Quantity("bbox_top_px", "Top (px)", "Its first row.", kind="integer"),
    Quantity("bbox_right_px", "Right (px)", "The column after its last.", kind="integer"),
    Quantity("bbox_bottom_px", "Bottom (px)", "The row after its last.", kind="integer"),
    Quantity(
        "orientation",
        "Direction (°)",
        "Direction of its long axis, counter-clockwise from the horizontal, 0 to 180; of no meaning for a disc.",
    ),
    Quantity("mean_grey", "Mean grey value", "Mean of the grey values of its pixels, 0 to 255."),
    Quantity(
        "confidence", "Confidence", "Chance that the outline is right, calibrated on images with manual outlines."
    ),
    Quantity(
        "relative_contrast",
        "Relative contrast",
        "Contrast of the object to its surroundings, relative to the typical object of the image. 1: typical; 0: none;"
        " below 0: opposite.",
    ),
    Quantity(
        "chance",
        "Chance to be one particle",
        "Chance that the outline is one particle as it stands; else a possible cut divides it.",
        kind="fraction",
    ),
    Quantity("by_hand", "By hand", "Whether a person drew, changed or confirmed the outline.", kind="truth"),
    Quantity("touches_frame", "Touches the frame", "Whether it reaches the edge of the analysed area.", kind="truth"),
    Quantity(
        "group",
        "Group",
        "Objects that share a pixel edge, directly or through others, have the same number.",
        kind="integer",
    ),
    Quantity(
        "edge_weight",
        "Edge weight",
        "H W / ((H − 1 − h)(W − 1 − w)) for h × w px in H × W px; empty where it touches the frame.",
        source="Miles (1974), Lantuéjoul (1978)",
    ),
)
add(
    NUMBERS,
    Quantity("median", "Median", "By number, half of the sizes are smaller and half are larger.", 1),
    Quantity("mean", "Mean", "Sum of the sizes divided by their number; a few large sizes increase it.", 1),
    Quantity("sd", "Standard deviation", "How widely the sizes spread around their mean (divided by n − 1).", 1),
    Quantity("d10", "D10", "By number, 10 % of the sizes are smaller.", 1, source=ISO_SIZES),
    Quantity(
        "d50",
        "D50",
        "Half of the number, area or volume is in smaller objects. By number this is the median.",
        1,
        source=ISO_SIZES,
    ),
    Quantity("d90", "D90", "By number, 90 % of the sizes are smaller.", 1, source=ISO_SIZES),
    Quantity("span", "Span", "(D90 − D10) / D50: the width of the distribution relative to its middle."),
    Quantity("mode", "Mode", "The most frequent size: the peak of the smoothed distribution.", 1),
    Quantity("geometric_mean", "Geometric mean", "The exponential of the mean logarithm of the sizes.", 1),
    Quantity(
        "geometric_sd",
        "Geometric SD",
        "How widely the sizes spread around the geometric mean, as a factor; 1 if all are equal.",
    ),
    Quantity(
        "fraction_100nm",
        "Share 1–100 nm",
        "Share of the particles, by number, with a minimum Feret diameter from 1 to 100 nm."
        " By EU recommendation 2022/C 229/01 a material with 50 % or more is a nanomaterial.",
        kind="fraction",
        source="EU 2022/C 229/01; Wilson (1927)",
        interval=COUNTING,
        scaled=True,
    ),
    Quantity(
        "fraction_100nm_with_doubtful",
        "Share 1–100 nm with doubtful outlines",
        "The same share if outlines with a confidence under 50 % are counted.",
        kind="fraction",
        source="EU 2022/C 229/01; Wilson (1927)",
    ),
    Quantity(
        "fraction_100nm_without_doubtful",
        "Share 1–100 nm without doubtful outlines",
        "The same share if outlines with a confidence under 50 % are left out.",
        kind="fraction",
        source="EU 2022/C 229/01; Wilson (1927)",
    ),
    Quantity(
        "vssa",
        "Volume-specific surface area (m²/cm³)",
        "Surface by volume if all particles are spheres of their minimum Feret diameters, 6 Σd² / Σd³. A material"
        " under 6 is no nanomaterial by 2022/C 229/01. Pores, roughness and thickness are not visible.",
        source="EU 2022/C 229/01; Wohlleben et al. (2017)",
    ),
    Quantity(
        "ecd_median",
        "Median circle diameter (ECD)",
        "Median diameter of circles with the same areas as the objects.",
        1,
    ),
    Quantity(
        "fit",
        "Log-normal law",
        "How well a log-normal law fits the sizes. Its numbers are under “All numbers”.",
        kind="text",
        source="Lilliefors (1967)",
    ),
    Quantity(
        "groups",
        "Groups that touch",
        "Groups of two or more counted particles whose outlines touch. Sizes are those of each particle.",
        kind="integer",
    ),
)
