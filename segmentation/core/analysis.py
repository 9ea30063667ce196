"""What an analysis gives back: the type that the pipeline fills and the report room reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .flags import Flag
from .labels.segmentation import Segmentation
from .measure.quantities import Value as Value
from .measure.table import Table
from .micrograph.types import Calibration, Micrograph
from .settings import AnalysisSettings

if TYPE_CHECKING:
    from .measure.statistics import Statistics


@dataclass(frozen=True, eq=False)
class Measured:
    """What a task measures.

    table: a row for each object. statistics: of their sizes; None for a task without a size distribution.
    quantities: the numbers that the task answers with, by name in the order of `task.quantities`.
    flags: warnings for the user.
    """

    table: Table
    statistics: Statistics | None = None
    quantities: dict[str, Value] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, eq=False)
class Analysis:
    """A Segmentation measured.

    settings: as asked for; how the objects were really found is the segmentation's.
    calibration: the one that was used (the settings', else the micrograph's own).
    table, statistics, quantities: as in `Measured`; the rows are in the order of the ids, and rejected objects are
        kept with the reason.
    timings: seconds by stage name.
    flags: warnings for the user.
    """

    micrograph: Micrograph
    settings: AnalysisSettings
    calibration: Calibration
    segmentation: Segmentation
    table: Table
    statistics: Statistics | None
    quantities: dict[str, Value] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
