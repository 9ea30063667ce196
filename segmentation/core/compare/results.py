"""The types of a stored comparison, which the API's schema shows, and the interval of a difference of two numbers."""

from __future__ import annotations

from dataclasses import replace
from math import hypot
from typing import Annotated, Literal

from typing_extensions import TypedDict

from ..measure.quantities import Value
from ..measure.results import Count, meaning
from ..measure.sizes.fitting import SIGNIFICANCE

# How the results are related. paired: of the same image. independent: no common image. shared: samples with some images
# in common, so that they are neither paired nor independent.
How = Literal["paired", "independent", "shared"]
# How an object of the first result, which is taken as the truth, appears in the second (key `places`). matched: as the
# same object; inexact: as the same object, but with another outline; split: as several parts; merged: as one with other
# objects; missed: not at all; invented: it is only in the second. Limits: docs/use/compare.md.
Outcome = Literal["matched", "inexact", "split", "merged", "missed", "invented"]
OUTCOMES: tuple[Outcome, ...] = ("matched", "inexact", "split", "merged", "missed", "invented")
# The things that the test takes as independent of each other; "" without a test.
Test = Literal["objects", "images", ""]
DifferenceInterval = tuple[float, float]
ALIKE, CLEAR = 0.1, 0.3  # distributions with distances below ALIKE are called alike, from CLEAR on clearly different


def verdict(gap: float, p: float | None, least: float | None) -> str:
    """The words for how far two distributions differ. gap: their distance. p: p-value of the test, None without a test.
    least: the smallest p-value that the test can give with so few images."""
    if least is not None and least >= SIGNIFICANCE:
        return "come from too few images to tell whether they differ"
    if gap < ALIKE:
        return "hardly differ"
    if p is not None and p >= SIGNIFICANCE:
        return "differ no more than by chance"
    return "differ somewhat" if gap < CLEAR else "differ clearly"


class Difference(TypedDict):
    """One number of both results; difference: second minus first."""

    name: str
    first: float | None
    second: float | None
    difference: float | None
    low: Annotated[float | None, meaning("ends of the 95 % interval of the difference, null where there is none")]
    high: float | None


class Distance(TypedDict):
    """The Kolmogorov-Smirnov distance of two size distributions."""

    distance: Annotated[float, meaning("greatest distance of the cumulative curves, 0 to 1")]
    at: Annotated[float, meaning("size where they differ most")]
    below: Annotated[list[float], meaning("share of each result up to that size")]
    n: Annotated[list[Count], meaning("sizes in each result")]
    images: Annotated[list[Count], meaning("images of each result")]
    p: Annotated[float | None, meaning("null where the results are not independent")]
    least_p: Annotated[float | None, meaning("smallest p possible with so few images; null without a test by images")]
    test: Test
    reading: str


class Curves(TypedDict):
    """Both size distributions by number in common bins."""

    edges: list[float]
    first: Annotated[list[float], meaning("share of the first result in each bin")]
    second: list[float]


class Score(TypedDict):
    """How many objects agree with at least this intersection over union. The first result stands for the truth."""

    iou: float
    hits: Count
    precision: float | None
    recall: float | None
    f1: float | None


class Objects(TypedDict):
    """The ids of the objects with one `Outcome` in each result, each list ascending; the lists are no pairs and may
    differ in length. Of merged and split objects the other list has the objects that contain them."""

    first: list[int]
    second: list[int]


class Agreement(TypedDict):
    """Whether two results of one image show the same objects."""

    scores: list[Score]
    mean_iou: Annotated[float | None, meaning("of the pairs from an IoU of 0.5 on")]
    places: dict[Outcome, Objects]
    pixels: Annotated[
        float, meaning("share of the pixels on which both agree: object or background, or the same class")
    ]


class Comparison(TypedDict):
    """Two results side by side."""

    how: How
    size: str
    unit: str
    differences: list[Difference]
    distance: Distance | None
    curves: Curves | None
    agreement: Annotated[Agreement | None, meaning("null unless both are of one image and their outlines are stored")]
    notes: list[str]


def with_like_intervals(first_value: Value, second_value: Value) -> tuple[Value, Value]:
    """Both numbers with the same kind of interval: of the total uncertainty if both have it, else of counting alone. If
    one has no interval at all, the other keeps its own."""
    if (first_value.total and second_value.total) or None in (first_value.low, second_value.low):
        return first_value.reported, second_value.reported
    return replace(first_value, total=None), replace(second_value, total=None)


def difference_interval(first_value: Value, second_value: Value) -> DifferenceInterval | None:
    """The 95 % interval of the difference, second - first, of two independent numbers; None unless both have intervals.

    The distances of the limits from their numbers add in quadrature: Newcombe (1998), method 10, for fractions; Zou and
    Donner (2008) for any number.
    """
    ends = (
        first_value.value,
        first_value.low,
        first_value.high,
        second_value.value,
        second_value.low,
        second_value.high,
    )
    if None in ends:
        return None
    a, a_low, a_high, b, b_low, b_high = (float(end) for end in ends if end is not None)
    return b - a - hypot(b - b_low, a_high - a), b - a + hypot(b_high - b, a - a_low)
