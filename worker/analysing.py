"""The analysis of one job: its outlines, its numbers and the files that are stored with every result."""

from __future__ import annotations

import logging
import os
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from django.conf import settings

from segmentation.core.labels.segmentation import Segmentation
from segmentation.core.micrograph import types
from segmentation.core.network.runtime import Runtime
from segmentation.core.report.outlines import growing
from segmentation.core.tasks import find
from segmentation.models import Job
from segmentation.services.results import jobs, publishing, steps
from segmentation.services.results.publishing import NAME as SEGMENTATION

from .exporting import keep_latest
from .fetching import pixels_of, store_tiles
from .heartbeat import Progress
from .measuring import keep_opened
from .outlines import corrected_segmentation, keep_outlines, stored_segmentation
from .results import by_method, stored_files, summarise

logger = logging.getLogger(__name__)

WRITING, STORING = 0.75, 0.97  # where these begin in the progress


def analyse_job(job: Job, progress: Progress, folder: Path) -> None:
    """Segment unless that is done, measure, write, publish; the page shows the numbers before files are written."""
    from segmentation.core import pipeline
    from segmentation.core.remembered import Memory, remembering

    keep_latest(job, None)  # forget the analysis of the job before
    reading = partial(progress, "reading the image", 0.0)
    reading()
    micrograph = pixels_of(job.micrograph, folder, reading)
    clock, parent = pipeline.Clock(), job.parent
    reused = job.is_by_hand or (parent is not None and job.segmentation_id == parent.segmentation_id is not None)
    if job.segmentation is not None or job.outlines:
        segmented = stored_segmentation(job)
    elif job.corrects is not None:
        segmented = corrected_segmentation(job, folder)
    else:
        segmented = _segment(job, micrograph, progress, clock, folder)
    if not job.ready:
        jobs.wait_for_scale(job)
        return
    # A person may have changed the settings for measuring meanwhile (`change_job`).
    job.settings = Job.objects.filter(pk=job.pk).values_list("settings", flat=True).first() or job.settings
    unread = not job.micrograph.is_finished  # its data bar is still being read
    # This process will measure the first correction, which then costs what it changes.
    memory = Memory() if steps.is_large(job) else None
    with remembering(memory) if memory else nullcontext():
        analysis = pipeline.measure_objects(micrograph, segmented, job.get_settings(), progress, clock=clock)
        analysis = by_method(job, analysis)
        # The page shows the numbers while the rest is measured and the files are written.
        job.change(summary=summarise(analysis, reused=reused, unread=unread))
        progress("drawing the figure", WRITING)
        analysis = pipeline.arranged(analysis, clock)
        keep_latest(job, analysis)
        summary = summarise(analysis, reused=reused, unread=unread)
        files = stored_files(
            analysis,
            folder / "results",
            in_sample=Job.objects.filter(micrograph=job.micrograph_id, sample__isnull=False).exists(),  # it may count
            progress=lambda stage, done: progress(stage, WRITING + (STORING - WRITING) * done),
        )
    if memory:
        keep_opened(job, micrograph, memory)
    if job.step:  # the number of corrections that it measures; without any the outlines are stored already
        files[SEGMENTATION] = folder / SEGMENTATION
        segmented.save(files[SEGMENTATION])
    store_tiles(job.micrograph, micrograph, folder)
    progress("storing the results", STORING)
    publishing.publish(job=job, files=files, summary=summary)
    counted = (summary["statistics"] or {}).get("n_kept", summary["found"])
    logger.info("%s: %s", job.pk, find(summary["task"]).count(counted))


def _segment(job: Job, micrograph: types.Micrograph, progress: Progress, clock: Any, folder: Path) -> Segmentation:
    """The segmentation of the image, stored at once: another attempt at the job needs only to measure it."""
    from segmentation.core import pipeline

    settings, parts = job.get_settings(), count(1)
    # The page of a sample does not draw outlines while they are being found.
    is_drawn, best_count = not find(settings.task).semantic and job.sample_id is None, 0

    def show(labels: Any, confidence: Any) -> None:
        nonlocal best_count
        # Another polarity or scale may find less, and not be the last that is tried.
        if len(confidence) >= best_count:
            best_count = len(confidence)
            part = f"{job.attempt}-{next(parts)}"
            job.change(early={**growing(labels, confidence, micrograph.shape), "part": part})

    how = {"runtime": runtime_now(), "clock": clock, "show": show if is_drawn else None}
    outlines = pipeline.segment(micrograph, settings, progress, **how)
    best_count = 0  # so that the chosen outlines are shown even if they are fewer
    if is_drawn:
        show(outlines.dense, outlines.confidence)
    return keep_outlines(job, outlines, None, folder)


def runtime_now() -> Runtime:
    """What calculates the networks of an analysis that starts now: on all cores if no other one runs or waits."""
    runtime = Runtime(settings.DEEPSEGM_DEVICE, settings.DEEPSEGM_PRECISION)
    may_vary = settings.DEEPSEGM_CONCURRENCY > 1 and not settings.DEEPSEGM_THREADS and runtime.on_processor
    is_alone = may_vary and Job.objects.running().count() + Job.objects.waiting().count() < 2
    return replace(runtime, threads=os.cpu_count() or 0) if is_alone else runtime
