"""The settings and the result of an analysis: the types that the pipeline takes and returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from . import tasks
from .flags import Flag
from .labels.segmentation import Segmentation
from .measure.objects.filters import Reason
from .measure.quantities import Value
from .measure.results import Statistics
from .measure.table import Table
from .micrograph.types import Calibration, Micrograph
from .settings import DEFAULT_TASK, MeasurementSettings, SegmentationSettings

RETIRED = ("field_spread",)  # settings that version 1.0 stored and that no longer exist


@dataclass(frozen=True)
class AnalysisSettings:
    """One analysis, fully specified.

    later_settings: stored settings that only a later version knows. A job with them is shown, but cannot be run.
    """

    segmentation: SegmentationSettings
    measurement: MeasurementSettings = field(default_factory=MeasurementSettings)
    task: str = DEFAULT_TASK
    later_settings: dict[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, /, task: str = DEFAULT_TASK, **settings: Any) -> Self:
        """The settings of a task, from values by name; a missing setting has its default. Raises pydantic's
        ValidationError (see `validation.sentence`), UnknownTask."""
        names = MeasurementSettings.model_fields
        measurement = {name: value for name, value in settings.items() if name in names}
        segmentation = {name: value for name, value in settings.items() if name not in names}
        return cls(tasks.find(task).settings(**segmentation), MeasurementSettings(**measurement), task)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The settings that `as_dict` of any version wrote. RETIRED settings of an older version are dropped; settings
        that only a later version knows become `later_settings`."""
        task = tasks.find(data.get("task", DEFAULT_TASK))
        setting_names = {"task", *task.settings.model_fields, *MeasurementSettings.model_fields}
        settings = cls.of(**{name: value for name, value in data.items() if name in setting_names})
        later = {name: value for name, value in data.items() if name not in setting_names.union(RETIRED)}
        return replace(settings, later_settings=later)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types in one flat table; `from_dict` is its inverse."""
        values = self.segmentation.model_dump() | self.measurement.model_dump()
        return {"task": self.task, **values, **self.later_settings}

    def replaced(self, **changes: Any) -> Self:
        """A copy with some settings changed, given by their names."""
        measurement = {name: value for name, value in changes.items() if name in MeasurementSettings.model_fields}
        segmentation = {name: value for name, value in changes.items() if name not in measurement}
        return replace(
            self,
            segmentation=self.segmentation.replaced(**segmentation) if segmentation else self.segmentation,
            measurement=self.measurement.replaced(**measurement) if measurement else self.measurement,
        )


@dataclass(frozen=True)
class MethodUsed:
    """The version of a method by which an image was analysed, as it was at that time.

    state: draft, approved or withdrawn. checksum: SHA-256 of the method's description. departures: sentences on how the
    analysis differed from the method. control: a sentence if it was out of control by its control charts, else "".
    approval: a sentence if nobody approved the version, or an author of its own, else "".
    """

    name: str
    version: int
    state: str
    checksum: str
    departures: tuple[str, ...] = ()
    control: str = ""
    approval: str = ""

    @property
    def remarks(self) -> tuple[str, ...]:
        """The sentences beside the title: the departures, `control` and `approval`."""
        return (*self.departures, *filter(None, (self.control, self.approval)))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `as_dict`."""
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
    """The segmentation of one image with its measurements.

    settings: as requested; the segmentation records the values that were used.
    calibration: as used, from the settings or else from the micrograph.
    table, statistics, quantities: as in `tasks.base.Measured`. The table's rows are in the order of the ids; it also
        has the objects that are left out, with the reason.
    timings: seconds by stage name.
    flags: warnings for the user.
    method: the method that the analysis followed, if any.
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
class ExportedObjects:
    """The values of each object in exported files, for every kind of analysis, in the order of the ids.

    ids: (n,) int64. classes: (n,) names. kept: (n,) bool, whether an object counts; always true if the table has a row
    for each class instead of each object. reasons: (n,) why an object is left out, "" if it counts. confidence: (n,)
    float, None where not known. touches_frame: (n,) bool, whether an object counts, but has no size for this reason.
    """

    ids: NDArray[np.int64]
    classes: list[str]
    kept: NDArray[np.bool_]
    reasons: list[str]
    confidence: list[float | None]
    touches_frame: NDArray[np.bool_]

    @classmethod
    def of(cls, analysis: Analysis) -> ExportedObjects:
        segmentation, table = analysis.segmentation, analysis.table
        has_objects = "label" in table.columns and np.array_equal(table["label"], segmentation.ids)
        task, all_false = tasks.find(segmentation.provenance.task), np.zeros(len(segmentation), np.bool_)
        return cls(
            segmentation.ids.astype(np.int64),
            [segmentation.class_names[number] for number in segmentation.classes.tolist()],
            table.kept if has_objects else np.ones(len(segmentation), np.bool_),
            table.reasons.tolist() if has_objects else [""] * len(segmentation),
            [round(value, 4) if np.isfinite(value) else None for value in segmentation.confidence.tolist()],
            table.kept & ~table.whole if has_objects and task.size and not task.screened else all_false,
        )
