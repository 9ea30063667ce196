"""Lengths as people read them: figure and report show µm where a sample's median is 1 µm or more; files keep nm."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..measure.distribution import FIGURES, WeightedSizes
from ..measure.quantities import LONG_NM, NUMBERS, Unit, in_micrometres
from ..measure.statistics import Statistics
from ..sample import SampleAnalysis

MICROMETRES = 1e-3  # µm in a nanometre
OWN_FIGURES = ("mean", "median", "sd", "d10", "d50", "d90", "ecd_median")


def in_readable_unit(sample: SampleAnalysis) -> SampleAnalysis:
    """The same sample with its pooled sizes in µm where they are long; the tables of its images keep nm."""
    found, bars = sample.pooled, sample.histogram
    if found is None or readable_unit(found.unit, found.median) == found.unit:
        return sample
    return replace(
        sample,
        pooled=_scaled(found),
        histogram=bars and {**bars, "edges": _times(bars["edges"])},
        images=tuple(
            replace(each, median=_times(each.median), low=_times(each.low), high=_times(each.high))
            for each in sample.images
        ),
        quantities={name: in_micrometres(value) for name, value in sample.quantities.items()},
    )


def nanometre_in(unit: Unit) -> float:
    """A nanometre in µm or nm; 1 also in px."""
    return MICROMETRES if unit == "µm" else 1.0


def readable_unit(unit: Unit, typical: float | None) -> Unit:
    """µm in place of nm where the typical length is 1 µm or more."""
    return "µm" if unit == "nm" and (typical or 0.0) >= LONG_NM else unit


def sizes_in(unit: Unit, sizes: WeightedSizes) -> WeightedSizes:
    """Sizes in nm or px in the unit in which they are shown."""
    factor = nanometre_in(unit)
    return replace(sizes, unit=unit, size=factor * sizes.size, ecd=factor * sizes.ecd)


def _scaled(found: Statistics) -> Statistics:
    own: dict[str, Any] = {name: _times(getattr(found, name)) for name in OWN_FIGURES}
    if found.fit is not None:
        own["fit"] = {**found.fit, "median": _times(found.fit["median"])}
    if found.convergence is not None:
        own["convergence"] = found.convergence | {
            name: _times(found.convergence[name]) for name in ("median", "low", "high")
        }
    if found.without_filter is not None:
        own["without_filter"] = found.without_filter | {"median": _times(found.without_filter["median"])}
    weighted = {by: {**each, **_figures(each)} for by, each in found.weighted.items()}
    intervals = {name: _times(ends) if _is_length(name) else ends for name, ends in found.intervals.items()}
    return replace(found, unit="µm", intervals=intervals, weighted=weighted, **own)


def _figures(weighted: dict[str, Any]) -> dict[str, Any]:
    lengths = [name for name in FIGURES if _is_length(name)]
    ends = weighted["intervals"]
    return {
        **{name: _times(weighted[name]) for name in lengths},
        "intervals": {**ends, **{name: _times(ends[name]) for name in lengths if name in ends}},
    }


def _is_length(name: str) -> bool:
    return NUMBERS[name].power == 1


def _times(value: Any) -> Any:
    """A number, or several, in µm; None as it is."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return [_times(each) for each in value]
    return float(np.float64(value) * MICROMETRES)
