"""Finished results with real outlines, tables and numbers, as a worker would have stored them."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
from django.core.files.base import ContentFile

from segmentation.core.measure.statistics import summarise as statistics_of
from segmentation.core.measure.uncertainty.budget import Conditions
from segmentation.core.report.exports.particles_csv import as_text
from segmentation.core.report.exports.viewer import outlines
from segmentation.core.sample import SampleAnalysis
from segmentation.models import Job, Sample
from segmentation.services.ground import tables
from segmentation.services.results import publishing
from tests.core.builders import analysis_of, disc_labels
from worker import tasks
from worker.analysis.results import summarise

LABELS = disc_labels(40, (300, 400))


@cache
def measured(labels, shape, **more):
    """Of the bytes of labels (H, W) int32; it is made once, so its arrays cannot be written to."""
    analysis = analysis_of(np.frombuffer(labels, np.int32).reshape(shape), **more)
    for array in analysis.table.columns.values():
        array.setflags(write=False)
    conditions = Conditions(calibration=analysis.calibration)
    return replace(analysis, statistics=statistics_of(analysis.table, conditions))


def store(job, labels, folder, *, used=None, **more):
    """Give a running job the result of an analysis of `labels`; it is then done."""
    analysis = measured(labels.tobytes(), labels.shape, **more)
    segmentation = replace(analysis.segmentation, used={**analysis.segmentation.used, **(used or {})})
    segmentation = replace(segmentation, provenance=replace(segmentation.provenance, micrograph=job.micrograph.sha256))
    micrograph = replace(analysis.micrograph, name=job.micrograph.name)
    analysis = replace(analysis, segmentation=segmentation, micrograph=micrograph)
    path = folder / f"{job.pk}.npz"
    segmentation.save(path)
    Job.objects.filter(pk=job.pk).update(state="running", attempt=1)
    job.refresh_from_db()
    publishing.store_segmentation(job=job, file=path, provenance=segmentation.provenance)
    files = {
        "outlines.json": json.dumps(outlines(analysis)).encode(),
        "particles.csv": as_text(SampleAnalysis.of(analysis)).encode(),
        tables.TABLE_FILE: tables.save(analysis.table, 1.0, folder / f"{job.pk}-table.npz").read_bytes(),
    }
    for name, content in files.items():
        stored = job.artifacts.create(name=name, attempt=1, size=len(content), content_type="application/json")
        stored.file.save(f"{job.folder}/1/{name}", ContentFile(content))
    summary = summarise(analysis, reused=False, unread=False)
    Job.objects.filter(pk=job.pk).update(state="done", summary=summary)
    return Job.objects.select_related("micrograph").get(pk=job.pk)


def pool(sample):
    """Let a worker pool the images of a sample."""
    Sample.objects.filter(pk=sample.pk).update(state="queued", finished=None)
    tasks.do_analyses()
    sample.refresh_from_db()
    assert (sample.state, sample.error) == ("done", "")
