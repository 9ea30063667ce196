"""The words about single objects on the page of a result. outlines.json stores them with the
outlines.

These are the cells of the table of objects, the colour scales, the number of objects of each state
and shape, and the probability of doubtful outlines. They are made on the server because the browser
does not round numbers.
The web process imports this module.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...measure.quantities import FEW_DIGITS, LONG_NM, nanometre_in, significant
from ...measure.review.doubts import Doubt
from ...measure.shape.descriptors import DESCRIPTORS, measures_of
from ..exports.viewer import CELLS
from ..wording import per_cent

if TYPE_CHECKING:
    from .quick_numbers import QuickNumbers

LENGTHS = ("visible_length", "length", "width", "neighbour_distance", "neighbour_gap")
SHARES = ("confidence", "relative_contrast", "certainty", "area_fraction")
SHAPE = "shape"
DECIMALS = 2  # at most, of a share or a descriptor
LIKELY_CUT = 0.5  # least probability of the cuts that the button "Cut all" makes
LONG_PICTURE_NM = 10 * LONG_NM  # in wider pictures lengths are in µm if there is no median to decide it
SCALE_COLOURS = 8  # number of colours of a scale
SHARE_IN_SCALE = 0.98  # share of the objects below the upper end of a scale
SCALED_NUMBERS = ("neighbour_distance", "local_density")  # numbers that colour objects, in addition to the size
PLAIN_ENDS = {"local_density": ("sparse", "dense")}  # words for both ends of a scale without a unit


def length_unit(quick_numbers: QuickNumbers) -> str:
    """The unit of lengths in cells: that of the last full measurement, so no correction changes
    it."""
    head, earlier = quick_numbers.objects.stored.head, quick_numbers.earlier_statistics
    if head["unit"] == "nm" and (earlier is None or earlier.median is None):
        return "µm" if head["width"] * head["pixel_size"] >= LONG_PICTURE_NM else "nm"
    return earlier.readable_unit if earlier else str(head["unit"])


def object_cells(rows: Sequence[Mapping[str, Any]], size: str, unit: str) -> dict[str, list[str]]:
    """The cells of n objects by the names of the numbers. A cell is "" if the number is not known;
    a number that no object has gets no cells.

    rows: the objects as in outlines.json. size: the size of this kind of analysis. unit: of lengths
    in the cells. Lengths and areas have three significant digits, shares and descriptors two
    decimals.
    """
    columns = {}
    for name in dict.fromkeys([*measures_of(size), *LENGTHS, *SHARES]):
        values = [row.get(name) for row in rows]
        if any(value is not None for value in values):
            write = _writer(name, unit)
            columns[name] = ["" if value is None else write(value) for value in values]
    if any(row.get(SHAPE) for row in rows):
        columns[SHAPE] = [f"{row[SHAPE]} {per_cent(row['shape_chance'], 2)}" if row.get(SHAPE) else "" for row in rows]
    return columns


def _factor(name: str, unit: str) -> float:
    """The factor from the stored unit to `unit`; its square for areas."""
    return nanometre_in(unit) ** (2 if name == "area" else 1)


def _writer(name: str, unit: str) -> Callable[[float], str]:
    """A function that writes the number of this name in a cell."""
    if name in (*SHARES, *DESCRIPTORS):
        return lambda value: significant(value, FEW_DIGITS, DECIMALS)
    factor = _factor(name, unit)
    return lambda value: significant(factor * value)


def colour_scales(rows: Iterable[Mapping[str, Any]], size: str, unit: str) -> dict[str, dict[str, Any]]:
    """The colour scales of the counted objects, by the name of the number that each scale shows.

    Each has its lower end "from", the "step" between two of its SCALE_COLOURS colours, and the
    "words" for both ends. "from" and "step" are in the unit of the rows.
    """
    counted_rows, by_name = [row for row in rows if row["kept"]], {}
    for name in filter(None, (size, *SCALED_NUMBERS)):
        values = sorted(row[name] for row in counted_rows if row.get(name) is not None)
        if not values:
            continue
        low = 0.0 if name == "neighbour_distance" else values[int(len(values) * (1 - SHARE_IN_SCALE))]
        step = (values[int((len(values) - 1) * SHARE_IN_SCALE)] - low) / SCALE_COLOURS or 1.0
        ends = [significant(_factor(name, unit) * end) for end in (low, low + SCALE_COLOURS * step)]
        words = [f"from {ends[0]} {unit}", f"to {ends[1]} {unit}"]
        by_name[name] = {"from": low, "step": step, "words": list(PLAIN_ENDS.get(name, words))}
    return by_name


def state_counts(reasons: Iterable[str]) -> dict[str, str]:
    """The number of objects of each state, in words. A state is the reason to leave an object out,
    or "" if it counts."""
    return {state: f"{count:,}" for state, count in Counter(reasons).items()}


def shape_counts(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The number of counted objects of each class of shape, in words."""
    return state_counts(row[SHAPE] for row in rows if row["kept"] and row.get(SHAPE))


def doubts_in_words(doubts: Sequence[Doubt]) -> list[dict[str, Any]]:
    """The doubts for a person to check, as dictionaries. "sure": the probability of the outline or
    of the cut, in words; "likely": whether a cut is probably right."""
    return [
        {
            **doubt._asdict(),
            "sure": per_cent(1 - doubt.probability if doubt.cut is None else doubt.probability, 2),
            "likely": doubt.cut is not None and doubt.probability >= LIKELY_CUT,
        }
        for doubt in doubts
    ]


def with_page_words(
    content: Mapping[str, Any], quick_numbers: QuickNumbers, objects: str, most_doubts: int
) -> dict[str, Any]:
    """The content of outlines.json with all words of its page.

    content: see `exports.viewer.outlines`. objects: the key of the list of objects, which stays the
    last entry. quick_numbers: the numbers of these objects. Adds `cells` with their "length_unit",
    "scales", "states", "shapes", "doubts" (at most most_doubts of "doubt_count") and "examples".
    """
    size, unit, rows = quick_numbers.objects.conditions.task.size, length_unit(quick_numbers), content[objects]
    doubts = quick_numbers.doubts(quick_numbers.objects.cuts_after(None))
    words = {
        CELLS: object_cells(rows, size, unit),
        "length_unit": unit,
        "scales": colour_scales(rows, size, unit),
        "states": state_counts(row["reason"] for row in rows),
        "shapes": shape_counts(rows),
        "doubts": doubts_in_words(doubts[:most_doubts]),
        "doubt_count": len(doubts),
        "examples": [example._asdict() for example in quick_numbers.examples],
    }
    return {**words, **{name: value for name, value in content.items() if name not in words}}
