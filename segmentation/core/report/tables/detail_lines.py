"""The lines of the sheet "Details" of an XLSX file: every number of a result, its uncertainty
budget, its settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ...measure.quantities import MEDIAN_TERM
from ...measure.uncertainty import budget_table
from ..exports.result import versions
from ..facts import common_facts, differing_facts
from ..summary import Summary
from ..wording import VERDICTS, capital, version
from .sheets import Cells

if TYPE_CHECKING:
    from ...sample import SampleAnalysis

HEAD = ("Group", "Name", "Value", "Unit", "95 % from", "to", "Image", "The interval includes")
WIDTHS = (30, 44, 50, 10, 18, 16, 36, 24)


def detail_lines(sample: SampleAnalysis) -> Iterator[Cells]:
    """The cells of each line, in the order of HEAD: the numbers, the uncertainty budget, the
    settings and facts."""
    from ..method import left_out_words

    summary = Summary.of(sample, readable=False)
    for entry in summary.all_numbers():
        cells = entry.in_cells
        if entry.text or cells.value is not None:
            includes = entry.includes if cells.low is not None else None
            yield entry.group, entry.term, entry.text or cells.value, cells.unit, cells.low, cells.high, None, includes
    yield from _budget(summary)
    for group, name, value, image in _metadata(sample):
        yield group, name, value, None, None, None, image
    for sentence in filter(None, (left_out_words(sample), *map(str, sample.flags)) if sample.analysis is None else ()):
        yield "notes", "note", capital(sentence)


def _budget(summary: Summary) -> Iterator[Cells]:
    """The contributions to the uncertainty; the intervals are in the lines of the numbers."""
    budget: Mapping[str, Any] | None = summary.statistics.budget if summary.statistics else None
    if not budget:
        return
    for title, source, *uncertainties in budget_table.lines(budget):
        for measure, unit, uncertainty in zip(
            (MEDIAN_TERM, "fraction 1-100 nm"), ("%", "points"), uncertainties, strict=True
        ):
            cells = (uncertainty, "") if isinstance(uncertainty, str) else (100 * uncertainty, unit)
            yield "uncertainty", f"{title}, of the {measure}", *cells
        yield "uncertainty", f"{title}, source", source
    ends = dict.fromkeys(entry.ends_line for entry in summary.headlines)
    sentences = (*ends, *(budget[answer]["sentence"] for answer in budget_table.answers_of(summary.nano)))
    for sentence in filter(None, sentences):
        yield "uncertainty", "", sentence


def _metadata(sample: SampleAnalysis) -> Iterator[tuple[str, str, Any, str]]:
    """(group, name, value, image) of each fact. image is "" for a fact that all pooled images
    share."""
    yield "software", "version", version(), ""
    for name, value in versions().items():
        yield "software", name, value, ""
    if sample.pooled is not None:
        yield "statistics", "95 % intervals", Summary.of(sample).interval_line, ""
        nano: Mapping[str, Any] = sample.pooled.nano or {}
        for name in ("verdict", "reason", "sentence", "decides", "asked") if nano else ():
            yield "2022/C 229/01", name, VERDICTS.get(nano[name], nano[name]), ""
        for point in sample.pooled.recommendation["points"] if sample.pooled.recommendation else ():
            yield "2022/C 229/01", point["title"], point["said"], ""
    for (group, name), value in common_facts(sample).items():
        yield group, name, value, ""
    for image, facts in differing_facts(sample):
        for (group, name), value in facts.items():
            yield group, name, value, image.name
    for image in sample.images:
        yield "image", "sha256", image.sha256, image.name
    if sample.analysis is not None:
        yield "image", "name", sample.name, ""
        for flag in sample.flags:
            yield "notes", "warning", flag.text, ""
