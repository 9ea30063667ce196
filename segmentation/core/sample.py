"""Many analyses of one specimen become one result: what a worker pools, and the command line too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .analysis import Analysis
from .measure.bins import auto_edges
from .measure.pooling import Pooled, pool
from .measure.table import ParticleTable
from .micrograph.types import Calibration
from .network.scout import CLEAR

SEED = 0
UNCLEAR = "nothing in it is clearly a particle"
SOURCES = {
    "metadata": "from the file",
    "side file": "from the file beside it",
    "data bar": "read from the data bar",
    "drawn": "drawn on the scale bar",
    "typed": "typed",
    "default": "the default width, not checked",
    "none": "not calibrated",
}


@dataclass(frozen=True, eq=False)
class Member:
    """One analysed image of a sample.

    table: judged particles. calibration: the one that was used. clarity: as of `Segmentation`. sha256: of the file.
    """

    name: str
    table: ParticleTable
    calibration: Calibration
    clarity: float = 1.0
    sha256: str = ""

    @classmethod
    def of(cls, analysis: Analysis) -> Member:
        micrograph = analysis.micrograph
        clarity = analysis.segmentation.clarity
        return cls(micrograph.name, analysis.table, analysis.calibration, clarity, micrograph.sha256)


@dataclass(frozen=True, eq=False)
class Sample:
    """A pooled sample.

    members: in the order given, their names made unlike each other. pooled: their statistics, a row for each in
        `pooled.images`. histogram: {"edges": bin edges, "counts": one list per member}, None without particles.
    calibration: {"low", "high": nm per pixel or None, "sources": images by source}. warnings: sentences for the user.
    """

    name: str
    members: tuple[Member, ...]
    pooled: Pooled
    histogram: dict[str, Any] | None
    calibration: dict[str, Any]
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types: the pooled statistics' keys and those of this class but the members."""
        own = {"name": self.name, "histogram": self.histogram, "calibration": self.calibration}
        return {**self.pooled.as_dict(), **own, "warnings": list(self.warnings)}


def combine(
    name: str, members: Sequence[Member], *, edge: Literal["exclude", "weight"] = "exclude", filter: bool = False
) -> Sample:
    """Pool the members, at least one; deterministic: the same members give the same numbers.

    edge, filter: as of the members' recipes. The largest uncertainty of their calibrations counts once for all, as
    images of one instrument share its error.
    """
    names = unlike([member.name for member in members])
    doubtful = max((member.calibration for member in members), key=lambda each: each.relative_uncertainty or 0.0)
    tables = [member.table for member in members]
    pooled = pool(tables, names=names, edge=edge, seed=SEED, calibration=doubtful, filter=filter)
    for row, member in zip(pooled.images, members, strict=True):
        if member.clarity < CLEAR:
            row["outlier"] = "; ".join(each for each in (row["outlier"], UNCLEAR) if each)
    calibration = _calibration(members)
    warnings = (*pooled.notes, *_source_warnings(calibration["sources"], len(members)))
    return Sample(name, tuple(members), pooled, _histogram(tables, pooled), calibration, warnings)


def unlike(names: Sequence[str]) -> list[str]:
    """The names, the second "a.tif" as "a.tif (2)": two images may have one name."""
    seen: Counter[str] = Counter()
    made = []
    for name in names:
        seen[name] += 1
        made.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return made


def _histogram(tables: Sequence[ParticleTable], pooled: Pooled) -> dict[str, Any] | None:
    """Minimum Feret diameters of every pooled image in bins common to all."""
    sizes = [table.length("min_feret")[table.kept] if table.unit == pooled.unit else np.zeros(0) for table in tables]
    everything = np.concatenate(sizes) if sizes else np.zeros(0)
    if not len(everything):
        return None
    edges = auto_edges(everything, 0.0)
    return {"edges": edges.tolist(), "counts": [np.histogram(each, edges)[0].tolist() for each in sizes]}


def _calibration(members: Sequence[Member]) -> dict[str, Any]:
    known = [member.calibration.nm_per_pixel for member in members if member.calibration.nm_per_pixel is not None]
    sources = Counter(member.calibration.source for member in members)
    return {"low": min(known, default=None), "high": max(known, default=None), "sources": dict(sources)}


def _source_warnings(sources: dict[str, int], count: int) -> list[str]:
    if len(sources) > 1:
        listed = ", ".join(f"{number} {SOURCES[source]}" for source, number in sorted(sources.items()))
        return [f"The scale is not known in the same way for all images: {listed}."]
    if sources.get("default"):
        return [f"The scale of all {count} images is the default width, which nobody has checked."]
    return []
