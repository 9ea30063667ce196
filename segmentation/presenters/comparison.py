"""A corrected result beside the one before: every number of both, and their difference."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..core.measure.quantities import Value, readable
from ..core.report.entries import Entry
from ..core.report.wording import capital
from ..models import Job
from .result import Result


@dataclass(frozen=True)
class Difference:
    """One number of two results; difference: the later less the earlier one, "" where one of them is missing."""

    term: str
    definition: str
    before: Entry
    after: Entry
    difference: str

    @property
    def cells(self) -> list[Entry]:
        return [self.before, self.after]


def comparison(job: Job) -> list[Difference]:
    """The numbers of a result that measures corrections or outlines of another tool, and of the result before it; none
    of others, or where their lengths have different units."""
    parent = job.parent
    if not job.is_by_hand or parent is None or not parent.is_done or not job.is_done:
        return []
    before, after = ({each.name: each for each in _numbers(one)} for one in (parent, job))
    both = [(before[name], after[name]) for name in after if name in before]
    return [_difference(*pair) for pair in both if pair[0].number.unit == pair[1].number.unit]


def _numbers(job: Job) -> list[Entry]:
    result = Result(job)
    return [*result.counts[:2], *(each for each in result.sizes if not each.text), *result.quantities]


def _difference(before: Entry, after: Entry) -> Difference:
    one, other = before.number.value, after.number.value
    said = ""
    if one is not None and other is not None:
        change = replace(after, number=readable(Value(abs(other - one), unit=after.number.unit)))
        sign = "±" if other == one else "+" if other > one else "−"
        share = f" ({100 * (other - one) / one:+.1f} %)".replace("-", "−") if one and after.kind != "fraction" else ""
        unit = "points" if after.kind == "fraction" else change.unit
        said = f"{sign}{change.value} {unit}".strip() + (share if other != one else "")
    return Difference(capital(after.term), after.definition, before, after, said)
