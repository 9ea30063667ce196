"""The work on a job (the analysis of one image): a worker finds its outlines or reads stored ones,
measures them, and stores numbers and files of the result."""

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
from segmentation.core.report.outlines import unfinished_outlines
from segmentation.core.tasks import find
from segmentation.models import Job
from segmentation.services.results import jobs, publishing
from segmentation.services.results.corrections import steps
from segmentation.services.results.publishing import SEGMENTATION_FILE as SEGMENTATION

from ..fetching import load_micrograph, store_tiles
from ..heartbeat import Progress
from ..processes.device import device_now
from ..reading.outlines import corrected_segmentation, store_outlines, stored_segmentation
from .exporting import remember_analysis
from .measuring import remember_result
from .results import summarise, with_method, write_stored_files

logger = logging.getLogger(__name__)

WRITING, STORING = 0.75, 0.97  # the progress (0 to 1) at which these stages begin


def analyse_job(job: Job, progress: Progress, folder: Path) -> None:
    """Find the outlines of a job, unless they are stored, measure them, and publish numbers and
    files.

    folder: for temporary files. The page shows the numbers before the files are written.
    """
    from segmentation.core import pipeline
    from segmentation.core.remembered import Memory, remembering

    remember_analysis(job, None)  # forget the analysis of the job before
    reading = partial(progress, "reading the image", 0.0)
    reading()
    micrograph = load_micrograph(job.micrograph, folder, reading)
    clock, parent = pipeline.Clock(), job.parent
    has_outlines_of_parent = parent is not None and job.segmentation_id == parent.segmentation_id is not None
    reused = job.is_by_hand or has_outlines_of_parent
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
    # Corrections of a large image are measured in this process. With this memory the first one is
    # fast, because only changed objects are measured.
    memory = Memory() if steps.is_large(job) else None
    with remembering(memory) if memory else nullcontext():
        analysis = pipeline.measure_objects(micrograph, segmented, job.get_settings(), progress, clock=clock)
        analysis = with_method(job, analysis)
        # The page shows the numbers while the rest is measured and the files are written.
        job.change(summary=summarise(analysis, reused=reused, unread=unread))
        progress("drawing the figure", WRITING)
        analysis = pipeline.with_arrangement(analysis, clock)
        remember_analysis(job, analysis)
        summary = summarise(analysis, reused=reused, unread=unread)
        files = write_stored_files(
            analysis,
            folder / "results",
            # The job may be put into that sample.
            in_sample=Job.objects.filter(micrograph=job.micrograph_id, sample__isnull=False).exists(),
            progress=lambda stage, done: progress(stage, WRITING + (STORING - WRITING) * done),
        )
    if memory:
        remember_result(job, micrograph, memory)
    if job.step:  # corrected outlines; without corrections the outlines are stored already
        files[SEGMENTATION] = folder / SEGMENTATION
        segmented.save(files[SEGMENTATION])
    store_tiles(job.micrograph, micrograph, folder)
    progress("storing the results", STORING)
    publishing.publish(job=job, files=files, summary=summary)
    counted = (summary["statistics"] or {}).get("n_kept", summary["found"])
    logger.info("%s: %s", job.pk, find(summary["task"]).count(counted))


def _segment(job: Job, micrograph: types.Micrograph, progress: Progress, clock: Any, folder: Path) -> Segmentation:
    """Find the outlines of the image with the network. They are stored at once, so that a later
    attempt only measures them."""
    from segmentation.core import pipeline

    settings, parts = job.get_settings(), count(1)
    # The page of a sample does not draw outlines while they are being found.
    is_drawn, best_count = not find(settings.task).semantic and job.sample_id is None, 0

    def show(labels: Any, confidence: Any) -> None:
        nonlocal best_count
        # The page keeps the best outlines so far: another polarity or scale, tried later, may find
        # fewer.
        if len(confidence) >= best_count:
            best_count = len(confidence)
            part = f"{job.attempt}-{next(parts)}"
            job.change(early={**unfinished_outlines(labels, confidence, micrograph.shape), "part": part})

    options = {"runtime": runtime_now(), "clock": clock, "show": show if is_drawn else None}
    outlines = pipeline.segment(micrograph, settings, progress, **options)
    best_count = 0  # so that the chosen outlines are shown even if they are fewer
    if is_drawn:
        show(outlines.dense, outlines.confidence)
    return store_outlines(job, outlines, None, folder)


def runtime_now() -> Runtime:
    """The device and threads for the networks of an analysis that starts now: all cores if no other
    analysis runs or waits."""
    runtime = Runtime(device_now(), settings.DEEPSEGM_PRECISION)
    may_vary = settings.DEEPSEGM_CONCURRENCY > 1 and not settings.DEEPSEGM_THREADS and runtime.on_processor
    is_alone = may_vary and Job.objects.running().count() + Job.objects.waiting().count() < 2
    return replace(runtime, threads=os.cpu_count() or 0) if is_alone else runtime
