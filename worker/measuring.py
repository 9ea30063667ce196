"""Measures a result again after its corrections. No network is loaded."""

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
from segmentation.services.results import steps
from segmentation.services.results.publishing import NAME as SEGMENTATION

from .fetching import pixels_of
from .heartbeat import Progress
from .outlines import corrected_outlines, judged_by_others, original_outlines, stored_segmentation
from .results import by_method, stored_files, summarise

if TYPE_CHECKING:
    from segmentation.core.analysis import Analysis
    from segmentation.core.remembered import Memory


@dataclass
class _Opened:
    """The result that this process analysed or measured last; it stays in memory for the next
    correction.

    memory: measured values of its objects. original: its outlines before all corrections.
    by_others: from `judged_by_others`. The last two are None until the first correction.
    """

    key: tuple[Any, ...]
    memory: Memory
    micrograph: Micrograph
    original: Segmentation | None = None
    by_others: dict[str, Any] | None = None


_opened_last: _Opened | None = None


def keep_opened(job: Job, micrograph: Micrograph, memory: Memory) -> None:
    """Remember a result that was just analysed, so that for its first correction only changed
    objects are measured."""
    global _opened_last
    _opened_last = _Opened(_key(job), memory, micrograph)


def _key(job: Job) -> tuple[Any, ...]:
    """Equal for a job as long as the remembered data is valid for it."""
    return job.pk, job.segmentation_id, str(job.micrograph.reading)


def measure_step(measuring: Measuring, progress: Progress, folder: Path) -> None:
    """Measure a result again after its corrections. The new numbers and files replace the earlier ones."""
    from segmentation.core import pipeline
    from segmentation.core.remembered import remembering

    job, step = measuring.job, measuring.step
    progress("measuring the corrections", 0.0)
    opened = _opened(job, folder)
    original, by_others = opened.original, opened.by_others
    if original is None or by_others is None:
        original = opened.original = original_outlines(job, alternatives=False)
        by_others = opened.by_others = judged_by_others(job)
    outlines, clock = corrected_outlines(job, original, step, by_others), pipeline.Clock()
    unread = bool(job.summary.get("unread"))
    with remembering(opened.memory), ThreadPoolExecutor(1) as pool:
        # Saved in a thread, because most of that runs without Python's global lock.
        saving = pool.submit(copy_context().run, outlines.save, folder / SEGMENTATION)
        analysis = pipeline.measure_objects(opened.micrograph, outlines, job.get_settings(), progress, clock=clock)
        analysis = by_method(job, analysis)
        # The page shows the numbers while the rest is measured and the files are written.
        measuring.change(summary=summarise(analysis, reused=True, unread=unread))
        analysis = pipeline.with_arrangement(analysis, clock)
        summary = summarise(analysis, reused=True, unread=unread)
        in_sample = job.artifact(tables.NAME) is not None or job.sample_id is not None
        files = stored_files(analysis, folder / "results", in_sample=in_sample)
        saving.result()
    files[SEGMENTATION] = folder / SEGMENTATION
    steps.publish_step(measuring=measuring, step=step, files=files, summary=summary)


def measure_again(job: Job, folder: Path, progress: Progress) -> Analysis:
    """The result of a job with its stored outlines, for its files. A large image stays remembered
    for its next correction."""
    from segmentation.core import pipeline
    from segmentation.core.remembered import Memory, remembering

    reading = partial(progress, "reading the image", 0.0)
    if steps.is_large(job):
        opened = _opened(job, folder, reading)
        micrograph, memory = opened.micrograph, opened.memory
    else:
        micrograph, memory = pixels_of(job.micrograph, folder, reading), Memory()
    with remembering(memory):
        return pipeline.measure(micrograph, stored_segmentation(job), job.get_settings(), progress)


def _opened(job: Job, folder: Path, reading: Callable[[], None] = lambda: None) -> _Opened:
    """The remembered data of a job; its image is read if another result was measured last."""
    from segmentation.core.remembered import Memory

    global _opened_last
    if _opened_last is None or _opened_last.key != _key(job):
        _opened_last = None  # so that its memory is free before the next image is read
        _opened_last = _Opened(_key(job), Memory(), pixels_of(job.micrograph, folder, reading))
    return _opened_last
