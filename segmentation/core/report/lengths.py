"""Lengths as people read them: figure and report show µm where a sample's median is 1 µm or more; files keep nm."""

from __future__ import annotations

from dataclasses import replace

from ..measure.quantities import in_micrometres
from ..measure.results import MICROMETRES, micrometres
from ..sample import SampleAnalysis
from .entries import answers


def in_readable_unit(sample: SampleAnalysis) -> SampleAnalysis:
    """The same sample with its pooled sizes, and all its numbers, in µm where the median is long. Else each number of a
    kind that is not screened has the unit that suits it. The tables of the images keep nm."""
    statistics, bars = sample.pooled, sample.histogram
    if statistics is None or statistics.readable_unit == statistics.unit:
        quantities = {entry.name: entry.number for entry in answers(sample.quantities, every=True)}
        return sample if sample.task.screened else replace(sample, quantities=quantities)
    return replace(
        sample,
        pooled=statistics.in_readable_unit(),
        histogram=bars and {**bars, "edges": micrometres(bars["edges"])},
        quantities={name: in_micrometres(value) for name, value in sample.quantities.items()},
    )


def nanometre_in(unit: str) -> float:
    """A nanometre in µm or nm; 1 also in px."""
    return MICROMETRES if unit == "µm" else 1.0
