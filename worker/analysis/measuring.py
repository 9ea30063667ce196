"""Measures a result again: after its corrections, and for files that are not stored. No network is
loaded."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmentation.core.labels.segmentation import Segmentation
from segmentation.core.micrograph.types import Micrograph
from segmentation.models import Job, Measuring
from segmentation.services.ground import tables
from segmentation.services.results.corrections import steps
from segmentation.services.results.publishing import SEGMENTATION_FILE as SEGMENTATION

from ..fetching import load_micrograph
from ..heartbeat import Progress
from ..reading.outlines import corrected_outlines, left_out_by_others, original_outlines, stored_segmentation
from .results import summarise, with_method, write_stored_files

if TYPE_CHECKING:
    from segmentation.core.analysis import Analysis
    from segmentation.core.remembered import Memory


@dataclass
class _RememberedResult:
    """The result that this process analysed or measured last. It stays in memory, because its next
    correction is then measured faster.

    key: from `_key_of`. memory: measured values of the objects. original: the outlines before all
    corrections. by_others: ids of the objects that are left out because of other objects, such as
    faint ones (`left_out_by_others`). Both are None until the first correction.
    """

    key: tuple[Any, ...]
    memory: Memory
    micrograph: Micrograph
    original: Segmentation | None = None
    by_others: dict[str, Any] | None = None


_last_result: _RememberedResult | None = None


def remember_result(job: Job, micrograph: Micrograph, memory: Memory) -> None:
    """Remember a result that was just analysed, so that for its first correction only changed
    objects are measured."""
    global _last_result
    _last_result = _RememberedResult(_key_of(job), memory, micrograph)


def _key_of(job: Job) -> tuple[Any, ...]:
    """A key that stays equal as long as the remembered data of a job is valid."""
    return job.pk, job.segmentation_id, str(job.micrograph.reading)


def measure_step(measuring: Measuring, progress: Progress, folder: Path) -> None:
    """Measure a result again after its corrections. The new numbers and files replace the earlier
    ones."""
    from segmentation.core import pipeline
    from segmentation.core.remembered import remembering

    job, step = measuring.job, measuring.step
    progress("measuring the corrections", 0.0)
    remembered = _remembered_result(job, folder)
    original, by_others = remembered.original, remembered.by_others
    if original is None or by_others is None:
        original = remembered.original = original_outlines(job, alternatives=False)
        by_others = remembered.by_others = left_out_by_others(job)
    outlines, clock = corrected_outlines(job, original, step, by_others), pipeline.Clock()
    unread = bool(job.stored.unread)
    with remembering(remembered.memory), ThreadPoolExecutor(1) as pool:
        # Saved in a thread, because most of the saving runs without Python's global lock.
        saving = pool.submit(copy_context().run, outlines.save, folder / SEGMENTATION)
        analysis = pipeline.measure_objects(remembered.micrograph, outlines, job.get_settings(), progress, clock=clock)
        analysis = with_method(job, analysis)
        # The page shows the numbers while the rest is measured and the files are written.
        measuring.change(summary=summarise(analysis, reused=True, unread=unread))
        analysis = pipeline.with_arrangement(analysis, clock)
        summary = summarise(analysis, reused=True, unread=unread)
        # Such a result has its table stored, as the page of a sample needs it.
        in_sample = job.artifact(tables.TABLE_FILE) is not None or job.sample_id is not None
        files = write_stored_files(analysis, folder / "results", in_sample=in_sample)
        saving.result()
    files[SEGMENTATION] = folder / SEGMENTATION
    steps.publish_step(measuring=measuring, step=step, files=files, summary=summary)


def measure_again(job: Job, folder: Path, progress: Progress) -> Analysis:
    """The analysis of a job with its stored outlines, from which files are written. A large image stays
    in memory for its next correction."""
    from segmentation.core import pipeline
    from segmentation.core.remembered import Memory, remembering

    reading = partial(progress, "reading the image", 0.0)
    if steps.is_large(job):
        remembered = _remembered_result(job, folder, reading)
        micrograph, memory = remembered.micrograph, remembered.memory
    else:
        micrograph, memory = load_micrograph(job.micrograph, folder, reading), Memory()
    with remembering(memory):
        return pipeline.measure(micrograph, stored_segmentation(job), job.get_settings(), progress)


def _remembered_result(job: Job, folder: Path, reading: Callable[[], None] = lambda: None) -> _RememberedResult:
    """The remembered data of a job; its image is read if another result was measured last."""
    from segmentation.core.remembered import Memory

    global _last_result
    if _last_result is None or _last_result.key != _key_of(job):
        _last_result = None  # so that its memory is free before the next image is read
        _last_result = _RememberedResult(_key_of(job), Memory(), load_micrograph(job.micrograph, folder, reading))
    return _last_result
