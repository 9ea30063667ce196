"""The caption below the figure of a result: what the figure shows, and the main numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...measure.quantities import OF
from ...measure.table import Table
from ...sample import SampleAnalysis
from ..entries import Entry
from ..method import left_out_words
from ..summary import Summary
from ..wording import agreement_words, capital, corrected_images_words, one_line, uncapital
from .charts import Distribution
from .fonts import with_unbroken_units
from .images import charted_names, interval_sentence


def caption_of(sample: SampleAnalysis) -> str:
    """The caption for an image or a sample: what the figure shows, and the main numbers with their
    intervals.

    For several images it also says whether they differ more than by chance.
    """
    summary, has_several_images = Summary.of(sample), sample.analysis is None
    distribution = Distribution.of(sample) if summary.has_few else None
    sentences = [distribution.size_words] if distribution else []
    entries = list(summary.caption_numbers)
    counts = [sample.extent] if has_several_images else []
    if summary.screened and not has_several_images:
        counts = [sample.task.count(summary.kept)]
    elif entries and entries[0].kind == "integer":
        number = entries.pop(0)
        counts = counts or [f"{number.value} {uncapital(number.term)}"]
        counts[0] += f" ({number.note})" if number.note else ""
    if summary.screened and summary.set_aside_count:
        counts[0] += f" ({summary.set_aside_count:,} left out)"
    if sample.analysis is not None and (completed := _completed_count(sample.analysis.table)):
        sentences.append(f"{completed:,} of them {'is' if completed == 1 else 'are'} completed where others cover them")
    sentences += ["In brackets: 95 % intervals"] if any(entry.ends for entry in entries) else []
    if has_several_images:
        sentences += [left_out_words(sample), corrected_images_words(sample.corrected)]
        intervals = [interval_sentence(sample, name) for name in charted_names(sample)[:1]]
        sentences += [agreement_words(sample.between), sample.interval_note, *intervals]
    subject = ": ".join(filter(None, (one_line(sample.name, 40), ", ".join([*counts, *_with_terms(entries)]))))
    further_sentences = "".join(f" {capital(sentence.removesuffix('.'))}." for sentence in sentences if sentence)
    return with_unbroken_units(f"{summary.unsure} {subject}.{further_sentences}".lstrip())


def _completed_count(table: Table) -> int:
    """How many counted objects have the sizes of the whole, though others cover a part."""
    return int((table.kept & (table["completed"] == 1)).sum()) if "completed" in table.columns else 0


def _with_terms(entries: Sequence[Entry]) -> Iterator[str]:
    """Each known number in words, with its term and its interval.

    If entries are the same measure of several classes, only the first one has the term.
    """
    last_measure = ""
    for entry in entries:
        measure, _, class_name = entry.name.partition(OF)
        if entry.number.value is not None:
            yield f"{class_name if class_name and measure == last_measure else uncapital(entry.term)} {entry.words}"
        last_measure = measure
