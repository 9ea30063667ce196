"""The caption of the figure, in words: what it shows, and its main numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..measure.quantities import OF
from ..sample import SampleAnalysis
from .charts import Distribution
from .entries import Entry
from .fonts import unbroken
from .images import charted, own_intervals
from .method import left_out_words
from .summary import Summary
from .wording import agreement_words, capital, corrected_images_words, one_line, uncapital


def caption_of(sample: SampleAnalysis) -> str:
    """What it shows, the main numbers with their intervals, and of several images how far these agree."""
    summary, several = Summary.of(sample), sample.analysis is None
    drawn = Distribution.of(sample) if summary.has_few else None
    sentences = [drawn.size_words] if drawn else []
    entries = list(summary.caption_numbers)
    counts = [sample.extent] if several else []
    if summary.screened and not several:
        counts = [sample.task.count(summary.kept)]
    elif entries and entries[0].kind == "integer":
        number = entries.pop(0)
        counts = counts or [f"{number.value} {uncapital(number.term)}"]
        counts[0] += f" ({number.below})" if number.below else ""
    if summary.screened and summary.set_aside_count:
        counts[0] += f" ({summary.set_aside_count:,} left out)"
    sentences += ["In brackets: 95 % intervals"] if any(entry.ends for entry in entries) else []
    if several:
        sentences += [left_out_words(sample), corrected_images_words(sample.corrected)]
        intervals = [own_intervals(sample, name) for name in charted(sample)[:1]]
        sentences += [agreement_words(sample.between), sample.interval_note, *intervals]
    subject = ": ".join(filter(None, (one_line(sample.name, 40), ", ".join([*counts, *_with_terms(entries)]))))
    others = "".join(f" {capital(sentence.removesuffix('.'))}." for sentence in sentences if sentence)
    return unbroken(f"{summary.unsure} {subject}.{others}".lstrip())


def _with_terms(entries: Sequence[Entry]) -> Iterator[str]:
    """The known numbers with their intervals; what those of all classes share is said once."""
    before = ""
    for entry in entries:
        measure, _, class_name = entry.name.partition(OF)
        if entry.number.value is not None:
            yield f"{class_name if class_name and measure == before else uncapital(entry.term)} {entry.words}"
        before = measure
