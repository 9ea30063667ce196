"""Compares two results by their stored numbers, tables and outlines: no image is read, and no
network is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from segmentation.core.compare.sides import COUNT, NUMBERS, Side, Sizes
from segmentation.core.labels.segmentation import UnusableSegmentation
from segmentation.core.measure.quantities import Value
from segmentation.core.measure.results import Statistics
from segmentation.core.measure.table import Table
from segmentation.core.tasks import find
from segmentation.models import Comparison, Job, Sample
from segmentation.plain import storable
from segmentation.services.ground import tables
from segmentation.services.ground.refusal import Refused

from ..heartbeat import Progress
from ..reading.outlines import stored_segmentation


def compare_results(comparison: Comparison, progress: Progress, folder: Path) -> None:
    """Compare two results and store the outcome. (A comparison is deleted with its results.)"""
    from segmentation.core.compare.compare import compare

    first_result, second_result = comparison.first_result, comparison.second_result
    are_jobs = isinstance(first_result, Job) and isinstance(second_result, Job)
    is_one_image = are_jobs and first_result.micrograph.sha256 == second_result.micrograph.sha256
    sides = []
    for number, side in enumerate((first_result, second_result)):
        progress("reading the results", 0.3 * number)
        sides.append(
            _side_of_sample(side) if isinstance(side, Sample) else _side_of_job(side, with_outlines=is_one_image)
        )
    progress("comparing", 0.6)
    comparison.finish(Comparison.State.DONE, result=storable(dict(compare(*sides))))


def _side_of_job(job: Job, *, with_outlines: bool) -> Side:
    """The data of one result for the comparison. with_outlines: also its outlines, because the
    other result has the same image and their outlines are paired."""
    task, objects = find(job.get_settings().task), tables.objects_of(job)
    stored = job.stored
    sizes = Sizes.of_objects(objects, stored.size) if objects is not None and stored.size else None
    images: dict[str, Any] = {}
    outlines = None
    with suppress(UnusableSegmentation):
        outlines = stored_segmentation(job) if with_outlines else None
    if outlines is not None and objects is not None:
        if task.semantic:
            images["classes"] = np.r_[-1, outlines.classes].astype(np.int32)[outlines.dense]
        else:
            counted = {item["id"] for item in objects if item["kept"]}
            images["labels"] = np.where(np.isin(outlines.labels, list(counted)), outlines.labels, 0)
    return Side([job.micrograph.sha256], stored.unit, stored.size, _values(stored.statistics), sizes, **images)


def _side_of_sample(sample: Sample) -> Side:
    """The data of a sample for the comparison, from its images that count. Outlines of samples are
    not paired."""
    stored, sizes = sample.stored, None
    jobs = list(Job.objects.select_related("micrograph").filter(pk__in=stored.counted_ids).order_by("pk"))
    if pooled := stored.statistics:
        weighted, screened = pooled.edge == "weight", pooled.screened
        sizes = Sizes.of_tables(_tables(jobs), stored.size, weighted=weighted, screened=screened)
    return Side([job.micrograph.sha256 for job in jobs], stored.unit, stored.size, _values(pooled), sizes)


def _tables(jobs: list[Job]) -> Iterator[Table]:
    """The stored tables of objects; raises Refused (409) if one is missing."""
    for job in jobs:
        artifact = job.artifact(tables.TABLE_FILE)
        if artifact is None:
            raise Refused(f"The stored table of {job.micrograph.name} is missing: analyse it again.", 409)
        with artifact.file.open("rb") as file:
            yield tables.load(file)[0]


def _values(statistics: Statistics | None) -> dict[str, Value]:
    """The values of NUMBERS with their intervals, without those that are not known."""
    if not statistics:
        return {}
    values = {name: statistics.value(name) for name in NUMBERS if name != COUNT}
    return {
        COUNT: Value(statistics.n_kept),
        **{name: value for name, value in values.items() if value.value is not None},
    }
