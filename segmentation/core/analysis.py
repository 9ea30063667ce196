"""What an analysis gives back: the type that the pipeline fills and the report room reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from .labels.segmentation import Segmentation
from .measure.statistics import Statistics
from .measure.table import ParticleTable
from .micrograph.types import Calibration, Micrograph
from .recipe import Recipe


@dataclass(frozen=True, eq=False)
class Analysis:
    """One Recipe applied to one Micrograph.

    calibration: the one that was used (the recipe's, else the micrograph's own).
    table: one row per particle, in the order of the labels; rejected ones are kept with the reason.
    timings: seconds by stage name.
    warnings: sentences for the user.
    """

    micrograph: Micrograph
    recipe: Recipe
    calibration: Calibration
    segmentation: Segmentation
    table: ParticleTable
    statistics: Statistics
    timings: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
