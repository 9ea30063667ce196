"""What a summary is made from, and one number of it with what its 95 % interval includes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from ...flags import begins
from ...measure.bins import FEWEST_IN_HISTOGRAM
from ...measure.carried import carried_words
from ...measure.distribution import FEWEST_IMAGES
from ...measure.filters import MEASURANDS
from ...measure.quantities import COUNTING, Quantity, Value
from ...measure.results import BY_IMAGE, NAMES_IN_BUDGET, Nano, Statistics, unscaled_note
from ...micrograph.types import LEAST_DOUBT
from ..entries import Entry, known_column, known_number
from ..wording import counted_from

if TYPE_CHECKING:
    from ...sample import SampleAnalysis


OF_OTHERS = ("Repeatability",)  # never known of other kinds than particles


class Numbers:
    """The numbers of an image or of a sample, and which of them its kind of analysis answers with.

    Particles answer with their size distribution (`screened`) and say `headlines` first. Other kinds answer with
    `quantities`, to which sizes are an addition, and say `leading` first. `main_numbers` begins with the same.

    statistics: None without a size distribution. quantities: what the kind of analysis answers with, by name. thing,
    things: what is looked for. readable: lengths in the unit that people read, instead of that of the files.
    several: whether the numbers are of several images, of_material: of so many that these show how places differ.
    scale_doubt: the relative standard uncertainty of their scale, where no statistics know it. interval_note: see
    `SampleAnalysis`. unsure: what the sentence begins with where most is probably wrong: then no interval stands in it.
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
        self.interval_note = statistics.interval_note if statistics else unscaled_note(quantities)

    @classmethod
    def of(cls, sample: SampleAnalysis, *, readable: bool = True) -> Self:
        """Of an image or a sample with pixels or tables at hand."""
        summary = cls(sample.pooled, sample.quantities, sample.task.thing, sample.task.things, readable=readable)
        summary.several, summary.of_material = len(sample.counted) > 1, len(sample.counted) >= FEWEST_IMAGES
        summary.scale_doubt = sample.common_calibration.standard_uncertainty
        summary.interval_note, summary.unsure = sample.interval_note, begins(sample.flags)
        return summary

    @property
    def screened(self) -> bool:
        """Whether objects are judged as nanomaterials, and the size distribution is the whole answer."""
        return self.statistics is not None and self.statistics.screened

    @property
    def kept(self) -> int:
        return self.statistics.n_kept if self.statistics else 0

    @property
    def measurand(self) -> str:
        """What particles count, such as "particles whose outline can be seen"; "" of other kinds and older results."""
        return MEASURANDS[self.statistics.counted] if self.statistics else ""

    @property
    def where(self) -> str:
        """What the intervals of sizes hold for."""
        if self._by_image:
            return "for the material"
        return "in these pictures" if self.several else "in this picture"

    @property
    def set_aside_count(self) -> int:
        return self.statistics.n_set_aside if self.statistics else 0

    @property
    def nano(self) -> Nano | None:
        """The screening as a nanomaterial."""
        return self.statistics.nano if self.statistics and self.kept else None

    @property
    def has_few(self) -> bool:
        """Whether there are so few particles that their sizes stand one by one, in place of a median and of bars."""
        return self.screened and 0 < self.kept < FEWEST_IN_HISTOGRAM

    @property
    def size(self) -> Quantity:
        """Which measure of an object is its size."""
        return known_column(self.statistics.size if self.statistics else "min_feret")

    @property
    def counted_from(self) -> str:
        """From which size on particles are in the fraction, after a comma; "" where no length says it."""
        words = counted_from(self.statistics.nano if self.statistics else None)
        return f",{words}" if words else ""

    @property
    def too_few_words(self) -> str:
        """Why a figure has no useful interval where others have one."""
        return "too few or too different images" if self._by_image else f"too few {self.things}"

    @property
    def _by_image(self) -> bool:
        """Whether intervals show how images differ."""
        return self.statistics.interval_basis == BY_IMAGE if self.statistics else self.of_material

    # ---- one number, with what its interval includes ---------------------------------------------

    def by_number(self, name: str) -> Entry:
        """A figure by number, with its range by all that is known, where that is known."""
        assert self.statistics is not None
        return self.with_basis(Entry.of(name, self.statistics.value(name)))

    def with_basis(self, entry: Entry) -> Entry:
        """The entry with what its interval includes, and of the fraction with what one outline weighs: of each number
        the one place that decides it."""
        entry = replace(entry, carried=self._carried(entry)) if entry.name == "fraction_100nm" else entry
        quantity, statistics = known_number(entry.name), self.statistics
        by_image = (
            statistics.interval_basis == BY_IMAGE if statistics and quantity.interval == COUNTING else self.of_material
        )
        budget: Mapping[str, Any] = (statistics.budget if statistics else None) or {}
        unknown = budget.get(NAMES_IN_BUDGET.get(entry.name, entry.name), {}).get(
            "without", () if budget else OF_OTHERS
        )
        parts = [*filter(None, [self.scale_in(quantity)]), quantity.basis(by_image)]
        holds = "counting only" if parts == [COUNTING] else " and ".join(parts)
        return replace(entry, holds=holds, unknown=unknown) if entry.number.low is not None else entry

    def _carried(self, fraction: Entry) -> str:
        """`carried_words` in the digits of the fraction from 1 to 100 nm."""
        if not self.statistics or self.statistics.fraction_outlines is None:
            return ""
        without = self.statistics.fraction_100nm_without_doubtful
        words = "" if without is None else fraction.write(without)
        return carried_words(self.statistics.fraction_outlines, fraction.value, words)

    def _with_sure_ends(self, entry: Entry) -> Entry:
        """As the first screen and the main numbers say it: a number that is probably wrong has no interval there."""
        return replace(entry, has_ends=False, holds="", caution="") if self.unsure else entry

    def scale_in(self, quantity: Quantity) -> str:
        """The part of the scale in the quantity's intervals, "" where it is not worth a word."""
        doubt = (self.statistics.relative_uncertainty if self.statistics else self.scale_doubt) or 0.0
        return "scale" if doubt >= LEAST_DOUBT and (quantity.power or quantity.scaled) else ""
