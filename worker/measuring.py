"""Measures a result anew after its corrections: no network is loaded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
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
from .outlines import corrected_outlines, judged_by_others, original_outlines
from .results import stored_files, summarise

if TYPE_CHECKING:
    from segmentation.core.remembered import Memory


@dataclass
class _Corrected:
    """The result that was corrected last: what its objects measured, its image, its outlines before all corrections,
    and which of these are left out because of others."""

    key: tuple[Any, ...]
    memory: Memory
    micrograph: Micrograph
    original: Segmentation
    by_others: dict[str, Any]


_corrected_last: _Corrected | None = None


def measure_step(measuring: Measuring, progress: Progress, folder: Path) -> None:
    """Measure a result again after its corrections. The new numbers and files replace the earlier ones."""
    from segmentation.core import pipeline
    from segmentation.core.remembered import remembering

    job, step = measuring.job, measuring.step
    progress("measuring the corrections", 0.0)
    corrected = _opened(job, folder)
    outlines, clock = corrected_outlines(job, corrected.original, step, corrected.by_others), pipeline.Clock()
    unread = bool(job.summary.get("unread"))
    with remembering(corrected.memory), ThreadPoolExecutor(1) as pool:
        # Much of it runs without Python's lock.
        saving = pool.submit(copy_context().run, outlines.save, folder / SEGMENTATION)
        analysis = pipeline.measure_objects(corrected.micrograph, outlines, job.get_settings(), progress, clock=clock)
        # The page shows the numbers while the rest is measured and the files are written.
        measuring.change(summary=summarise(analysis, reused=True, unread=unread))
        analysis = pipeline.arranged(analysis, clock)
        summary = summarise(analysis, reused=True, unread=unread)
        in_sample = job.artifact(tables.NAME) is not None or job.sample_id is not None
        files = stored_files(analysis, folder / "results", in_sample=in_sample)
        saving.result()
    files[SEGMENTATION] = folder / SEGMENTATION
    steps.publish_step(measuring=measuring, step=step, files=files, summary=summary)


def _opened(job: Job, folder: Path) -> _Corrected:
    from segmentation.core.remembered import Memory

    global _corrected_last
    key = job.pk, job.segmentation_id, str(job.micrograph.reading)
    if _corrected_last is None or _corrected_last.key != key:
        _corrected_last = None  # its memory is free before the next is read
        micrograph = pixels_of(job.micrograph, folder, lambda: None)
        _corrected_last = _Corrected(
            key, Memory(), micrograph, original_outlines(job, alternatives=False), judged_by_others(job)
        )
    return _corrected_last
