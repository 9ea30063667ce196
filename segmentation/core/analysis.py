"""The input and the result of an analysis: the types that the pipeline takes and fills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from . import tasks
from .flags import Flag
from .labels.segmentation import Segmentation
from .measure.filters import Reason
from .measure.quantities import Value
from .measure.results import Statistics
from .measure.table import Table
from .micrograph.types import Calibration, Micrograph
from .settings import DEFAULT_TASK, MeasurementSettings, SegmentationSettings

RETIRED = ("field_spread",)  # stored by 1.0


@dataclass(frozen=True)
class AnalysisSettings:
    """One analysis, fully specified.

    others: stored settings that only a later version knows. Its jobs are shown and kept here, and not worked on.
    """

    segmentation: SegmentationSettings
    measurement: MeasurementSettings = field(default_factory=MeasurementSettings)
    task: str = DEFAULT_TASK
    others: dict[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, /, task: str = DEFAULT_TASK, **settings: Any) -> Self:
        """The settings of a task by their names, defaults for the others.

        Raises pydantic's ValidationError (see `validation.sentence`), UnknownTask.
        """
        measuring = MeasurementSettings.model_fields
        measurement = {name: value for name, value in settings.items() if name in measuring}
        others = {name: value for name, value in settings.items() if name not in measuring}
        return cls(tasks.find(task).settings(**others), MeasurementSettings(**measurement), task)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The settings written by `as_dict`, also by a version that had more of them (RETIRED), or has (`others`)."""
        task = tasks.find(data.get("task", DEFAULT_TASK))
        setting_names = {"task", *task.settings.model_fields, *MeasurementSettings.model_fields}
        settings = cls.of(**{name: value for name, value in data.items() if name in setting_names})
        others = {name: value for name, value in data.items() if name not in setting_names.union(RETIRED)}
        return replace(settings, others=others)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types in one flat table; `from_dict` is its inverse."""
        return {"task": self.task, **self.segmentation.model_dump(), **self.measurement.model_dump(), **self.others}

    def with_(self, **changes: Any) -> Self:
        """The same with some settings changed, given by their names."""
        measured = {name: value for name, value in changes.items() if name in MeasurementSettings.model_fields}
        segmented = {name: value for name, value in changes.items() if name not in measured}
        return replace(
            self,
            segmentation=self.segmentation.replaced(**segmented) if segmented else self.segmentation,
            measurement=self.measurement.replaced(**measured) if measured else self.measurement,
        )


@dataclass(frozen=True)
class MethodUsed:
    """The version of a method by which something was analysed, as it was then.

    state: draft, approved or withdrawn. checksum: of its description. departures: what was done otherwise than it
    asks for, a sentence each. control: that the method was out of control before, by its charts; "" where it was not.
    """

    name: str
    version: int
    state: str
    checksum: str
    departures: tuple[str, ...] = ()
    control: str = ""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is said of it beside its title."""
        return (*self.departures, *([self.control] if self.control else []))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The one written by `as_dict`."""
        return cls(**{**data, "departures": tuple(data["departures"])})

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**vars(self), "departures": list(self.departures)}

    @property
    def title(self) -> str:
        """Such as "Powder, version 2, approved"."""
        return f"{self.name}, version {self.version}, {self.state}"


@dataclass(frozen=True, eq=False)
class Analysis:
    """A measured Segmentation.

    settings: as requested; the segmentation records how the objects were really found.
    calibration: the one that was used, from the settings or else from the micrograph.
    table, statistics, quantities: as in `Measured`; the rows are in the order of the ids, and rejected objects are
        kept with the reason.
    timings: seconds by stage name.
    flags: warnings for the user.
    method: by which it was made; None without one.
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
    method: MethodUsed | None = None

    @property
    def refused(self) -> bool:
        """Whether the image is of another kind, so that nothing was measured."""
        return bool((self.table.reasons == Reason.UNLIKE).any())


@dataclass(frozen=True, eq=False)
class Objects:
    """What the files say of each object, whatever a kind of analysis measured of it, in the order of the ids.

    ids: (n,) int64. classes: (n,) names. kept: (n,) bool, all of them where the table has a row for each class and not
    for each object. reasons: (n,) "" where kept. confidence: (n,) float, None where not known. cut: (n,) bool, those
    that touch the frame: they count, but have no size.
    """

    ids: NDArray[np.int64]
    classes: list[str]
    kept: NDArray[np.bool_]
    reasons: list[str]
    confidence: list[float | None]
    cut: NDArray[np.bool_]

    @classmethod
    def of(cls, analysis: Analysis) -> Objects:
        segmentation, table = analysis.segmentation, analysis.table
        has_objects = "label" in table.columns and np.array_equal(table["label"], segmentation.ids)
        task, none = tasks.find(segmentation.provenance.task), np.zeros(len(segmentation), np.bool_)
        return cls(
            segmentation.ids.astype(np.int64),
            [segmentation.class_names[number] for number in segmentation.classes.tolist()],
            table.kept if has_objects else np.ones(len(segmentation), np.bool_),
            table.reasons.tolist() if has_objects else [""] * len(segmentation),
            [round(value, 4) if np.isfinite(value) else None for value in segmentation.confidence.tolist()],
            table.kept & ~table.whole if has_objects and task.size and not task.screened else none,
        )
