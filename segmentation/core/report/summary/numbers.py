"""`Numbers`, the base class of `Summary`: the data of a result, and the words on what the 95 %
interval of a number includes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from ...flags import opening_words
from ...measure.nano.fraction_outlines import fraction_words
from ...measure.objects.filters import MEASURANDS
from ...measure.quantities import COUNTING, Quantity, Value
from ...measure.results import BY_IMAGE, NAMES_IN_BUDGET, Nano, Statistics
from ...measure.sizes.bins import FEWEST_IN_HISTOGRAM
from ...measure.sizes.distribution import FEWEST_IMAGES
from ...micrograph.types import LEAST_UNCERTAINTY
from ..entries import Entry, known_column, known_number
from ..wording import counted_from

if TYPE_CHECKING:
    from ...sample import SampleAnalysis


UNKNOWN_WITHOUT_BUDGET = ("Repeatability",)  # contributions that are never known without an uncertainty budget


class Numbers:
    """The numbers of an image or of a sample.

    If particles are screened as nanomaterials (`screened`), the main numbers are the size
    distribution, and `FirstScreen.headlines` has the first of them. For other kinds of analysis the
    main numbers are the `quantities`, and `FirstScreen.leading` has the first of them; sizes are
    additional numbers.

    Arguments:
    statistics: the size distribution, or None.
    quantities: the numbers of the kind of analysis, by name.
    thing, things: the word for an object, and its plural.
    readable: whether lengths are in the readable unit (µm for long ones), else in the unit of the
    files.

    Attributes:
    several: whether the numbers are of several images.
    of_material: whether there are enough images for intervals that include the differences between
    images.
    scale_doubt: relative standard uncertainty of the scale; used if there are no statistics.
    interval_note: see `SampleAnalysis`.
    unsure: the beginning of a sentence such as "Do not use:" if the result is probably wrong; then
    main numbers have no interval. Else "".
    """

    several = of_material = False
    unsure = ""
    scale_doubt: float | None = None

    def __init__(
        self,
        statistics: Statistics | None,
        quantities: Mapping[str, Value],
        thing: str = "object",
        things: str = "objects",
        *,
        readable: bool = True,
    ) -> None:
        self.statistics = statistics.in_readable_unit() if readable and statistics else statistics
        self.stored_quantities = quantities
        self.thing, self.things = thing, things
        self.interval_note = statistics.interval_note if statistics else ""

    @classmethod
    def of(cls, sample: SampleAnalysis, *, readable: bool = True) -> Self:
        """The summary of an analysis or a sample."""
        summary = cls(sample.pooled, sample.quantities, sample.task.thing, sample.task.things, readable=readable)
        summary.several, summary.of_material = len(sample.counted) > 1, len(sample.counted) >= FEWEST_IMAGES
        summary.scale_doubt = sample.common_calibration.standard_uncertainty
        summary.interval_note, summary.unsure = sample.interval_note, opening_words(sample.flags)
        return summary

    @property
    def screened(self) -> bool:
        """Whether objects are judged as nanomaterials, and the size distribution is the whole
        answer."""
        return self.statistics is not None and self.statistics.screened

    @property
    def kept(self) -> int:
        """The number of counted objects with a size."""
        return self.statistics.n_kept if self.statistics else 0

    @property
    def measurand(self) -> str:
        """Which particles are counted, such as "particles whose outline can be seen"; "" for other
        kinds, older results."""
        return MEASURANDS[self.statistics.counted] if self.statistics else ""

    @property
    def where(self) -> str:
        """What the intervals of sizes are valid for, such as "in this picture"."""
        if self._by_image:
            return "for the material"
        return "in these pictures" if self.several else "in this picture"

    @property
    def set_aside_count(self) -> int:
        """The number of left out objects."""
        return self.statistics.n_set_aside if self.statistics else 0

    @property
    def nano(self) -> Nano | None:
        """The results of the screening as a nanomaterial; None without it."""
        return self.statistics.nano if self.statistics and self.kept else None

    @property
    def has_few(self) -> bool:
        """Whether particles are so few that their sizes are listed, instead of a median and a
        histogram."""
        return self.screened and 0 < self.kept < FEWEST_IN_HISTOGRAM

    @property
    def size(self) -> Quantity:
        """The measure of an object that is its size."""
        return known_column(self.statistics.size if self.statistics else "min_feret")

    @property
    def counted_from(self) -> str:
        """The smallest size that the fraction counts, as a part of a sentence: ", of 22.5 nm and
        more"; "" if no length limits it."""
        words = counted_from(self.statistics.nano if self.statistics else None)
        return f",{words}" if words else ""

    @property
    def too_few_words(self) -> str:
        """Why a number has no useful interval although others have one."""
        return "too few or too different images" if self._by_image else f"too few {self.things}"

    @property
    def _by_image(self) -> bool:
        """Whether intervals include the differences between images."""
        return self.statistics.interval_basis == BY_IMAGE if self.statistics else self.of_material

    # ---- one number, with what its interval includes ---------------------------------------------

    def by_number(self, name: str) -> Entry:
        """A number of the size distribution by number, with its total uncertainty if that is
        known."""
        assert self.statistics is not None
        return self.with_basis(Entry.of(name, self.statistics.value(name)))

    def with_basis(self, entry: Entry) -> Entry:
        """The entry with the words on what its interval includes. Only this function decides them.

        The fraction from 1 to 100 nm also gets the words on how few outlines decide it.
        """
        entry = replace(entry, outlines_note=self._carried(entry)) if entry.name == "fraction_100nm" else entry
        quantity, statistics = known_number(entry.name), self.statistics
        by_image = (
            statistics.interval_basis == BY_IMAGE if statistics and quantity.interval == COUNTING else self.of_material
        )
        budget: Mapping[str, Any] = (statistics.budget if statistics else None) or {}
        parts_without_budget = () if budget else UNKNOWN_WITHOUT_BUDGET
        missing_parts = budget.get(NAMES_IN_BUDGET.get(entry.name, entry.name), {}).get("without", parts_without_budget)
        parts = [*filter(None, [self.scale_in(quantity)]), quantity.basis(by_image)]
        contents = "counting only" if parts == [COUNTING] else " and ".join(parts)
        if entry.number.low is None:
            return entry
        return replace(entry, contents_without_total=contents, missing_parts=missing_parts)

    def _carried(self, fraction: Entry) -> str:
        """How few outlines decide the fraction from 1 to 100 nm (`fraction_words`); "" if
        unknown."""
        if not self.statistics or self.statistics.fraction_outlines is None:
            return ""
        without_doubtful = self.statistics.fraction_100nm_without_doubtful
        words = "" if without_doubtful is None else fraction.write(without_doubtful)
        return fraction_words(self.statistics.fraction_outlines, fraction.value, words)

    def _with_sure_ends(self, entry: Entry) -> Entry:
        """The entry for main numbers: without interval if the numbers are probably wrong."""
        return replace(entry, has_ends=False, contents_without_total="", caution="") if self.unsure else entry

    def scale_in(self, quantity: Quantity) -> str:
        """ "scale" if the scale's uncertainty is a notable part of the quantity's intervals, else
        ""."""
        doubt = (self.statistics.relative_uncertainty if self.statistics else self.scale_doubt) or 0.0
        return "scale" if doubt >= LEAST_UNCERTAINTY and (quantity.power or quantity.scaled) else ""
