"""What an analysis gives back: the type that the pipeline fills and the report room reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from .labels.segmentation import Segmentation
from .measure.statistics import Statistics
from .measure.table import ParticleTable
from .micrograph.types import Calibration, Micrograph
from .settings import AnalysisSettings


@dataclass(frozen=True, eq=False)
class Measured:
    """What a task measures: a row for each object, what they say together, and sentences for the user."""

    table: ParticleTable
    statistics: Statistics
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Analysis:
    """A Segmentation measured.

    settings: as asked for; how the objects were really found is the segmentation's.
    calibration: the one that was used (the settings', else the micrograph's own).
    table: one row per object, in the order of the ids; rejected ones are kept with the reason.
    timings: seconds by stage name.
    warnings: sentences for the user.
    """

    micrograph: Micrograph
    settings: AnalysisSettings
    calibration: Calibration
    segmentation: Segmentation
    table: ParticleTable
    statistics: Statistics
    timings: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
