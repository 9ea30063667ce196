"""The further files of a result, measured again from the stored segmentation: no network is loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from segmentation.core.analysis import Analysis, MethodUsed
from segmentation.core.report.exports.notebook import MOST_BYTES
from segmentation.core.report.filing import UNFILED, Filing
from segmentation.core.sample import SampleAnalysis
from segmentation.models import ExportJob, Job, Sample, Signature
from segmentation.services.access.site_address import printed_address
from segmentation.services.ground import bundles, queue, tables
from segmentation.services.results import exports as exports_service
from segmentation.services.results import steps

from .ahead import names_ahead
from .evidence import write_evidence
from .fetching import fetch, pixels_of
from .heartbeat import Progress
from .outlines import stored_segmentation
from .results import by_method, stored_files, summarise
from .samples import filing_of, judged_by, pooled_again

MEASURED = 0.1  # of the progress
_latest: dict[str, Analysis] = {}  # by what it was made of
LARGEST_KEPT = 1 << 22  # px, of the image of an analysis that is kept


def keep_latest(job: Job, analysis: Analysis | None) -> None:
    """Keep this analysis alone, if its image is small, so that its files need not measure it again; None: keep none."""
    _latest.clear()
    if analysis is not None and analysis.micrograph.pixels.size <= LARGEST_KEPT:
        _latest[_inputs_of(job)] = analysis


def _inputs_of(job: Job) -> str:
    origin = job.pk, job.attempt, job.segmentation_id, job.step
    return json.dumps((*origin, job.settings, job.micrograph.reading), default=str)


@dataclass
class _Source:
    """What the files of a result are written from. evidence: names of files beside them, with what they hold."""

    reported: Analysis | SampleAnalysis
    filing: Filing = UNFILED
    signatures: Sequence[Signature] = ()
    evidence: Mapping[str, str] = field(default_factory=dict)


def write_further(export: ExportJob, progress: Progress, folder: Path) -> None:
    """Write and publish the files that are not stored with every result; where nobody asked yet, only `names_ahead`.
    Where the data bar was read after the result was measured, the numbers and the stored files come before them."""
    from segmentation.core.report.files import write_all

    result, out = export.result, folder / "results"
    if isinstance(result, Sample):
        again = pooled_again(result, lambda stage, done: progress(stage, MEASURED * done))
        source = _Source(again, filing_of(result))
        out.mkdir()
    else:
        source = _measured(export, progress, folder, out)
    names = []
    for artifact in result.artifacts.all():
        with bundles.opened(artifact) as file, (out / artifact.name).open("wb") as copy:
            shutil.copyfileobj(file, copy)
        names.append(artifact.name)
    files = write_all(
        source.reported,
        out,
        stored=names,
        stored_only=not export.asked,
        also=[*export.figures, *names_ahead(result)],
        beside=source.evidence,
        signatures=[signature.printed for signature in source.signatures],
        filing=source.filing,
        progress=lambda stage, done: progress(stage, MEASURED + (1 - MEASURED) * done),
        first_written=lambda early_files: exports_service.publish_export(export=export, files=early_files, early=True),
    )
    exports_service.publish_export(export=export, files=files)
    if not export.asked and ExportJob.objects.filter(pk=export.pk, asked=True).exists():
        queue.ask_for_files(result)  # somebody asked meanwhile, perhaps for one of the others


def _measured(export: ExportJob, progress: Progress, folder: Path, out: Path) -> _Source:
    """What the files of an image are written from; makes the folder `out`."""
    from segmentation.core import pipeline

    job = export.job
    reading = partial(progress, "reading the image", 0.0)
    reading()
    analysis = _latest.get(_inputs_of(job))
    if analysis is None:
        micrograph = pixels_of(job.micrograph, folder, reading)
        analysis = pipeline.measure(
            micrograph,
            stored_segmentation(job),
            job.get_settings(),
            lambda stage, done: progress(stage, MEASURED * done),
        )
    is_anew = job.summary.get("unread") and job.micrograph.is_finished and not job.signature_hash
    if is_anew:
        analysis = by_method(job, analysis)
    elif job.summary.get("method"):  # as it was when the numbers were made
        analysis = replace(analysis, method=MethodUsed.from_dict(job.summary["method"]))
    image = fetch(job.micrograph.file.name, folder) if job.micrograph.size <= MOST_BYTES else None
    out.mkdir()
    if is_anew:
        _publish_anew(export, analysis, out)
    signatures = list(job.signatures.all())
    sample = job.sample.name if job.sample else ""
    return _Source(
        analysis,
        Filing(steps.last_change(job), printed_address(job), sample, image, **judged_by(job, job.summary)),
        signatures,
        write_evidence(job, signatures, out),
    )


def _publish_anew(export: ExportJob, analysis: Analysis, out: Path) -> None:
    """The numbers and the files that are stored with every result, once the data bar of its image has been read."""
    job = export.job
    files = stored_files(analysis, out, in_sample=job.artifact(tables.NAME) is not None)
    earlier = {name: job.summary[name] for name in ("reused", "timings")}
    summary = {**summarise(analysis, reused=False, unread=False), **earlier}
    exports_service.publish_export(export=export, files=files, summary=summary, early=True)
