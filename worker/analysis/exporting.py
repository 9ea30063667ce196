"""Writes the files of a result that are not stored with it. The result is measured again with its
stored outlines, so no network is loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from segmentation.core.analysis import Analysis
from segmentation.core.report.exports.base import GROUPS, WITH_SUMS
from segmentation.core.report.exports.notebook import MOST_BYTES
from segmentation.core.report.filing import UNFILED, Filing
from segmentation.core.sample import SampleAnalysis
from segmentation.models import ExportJob, Job, Sample, Signature
from segmentation.services.access.site_address import printed_address
from segmentation.services.ground import bundles, queue, tables
from segmentation.services.ground.refusal import Refused
from segmentation.services.results import exports as exports_service
from segmentation.services.results.corrections import logs, steps
from segmentation.services.results.corrections.signing import SIGNATURES
from segmentation.services.results.publishing import SEGMENTATION_FILE

from ..fetching import fetch
from ..heartbeat import Progress
from .measuring import measure_again
from .results import summarise, with_method, write_stored_files
from .samples import filing_of, judged_by, number_of, pooled_again

MEASURING_END = 0.1  # the progress (0 to 1) at which measuring ends and writing begins
# The last analysis of this process, by the text of its inputs (`_inputs_of`); at most one entry.
_latest_analysis: dict[str, Analysis] = {}
MOST_REMEMBERED_PX = 1 << 22  # pixels of the largest image whose analysis stays in memory
# The page of a result shows these at once. (Files in a closed part of the page are written when
# that part is opened.)
SHOWN_ON_PAGE = {"figure-small.webp", "panel-lengths.png", "panel-rose.png"}


def remember_analysis(job: Job, analysis: Analysis | None) -> None:
    """Remember only this analysis, so that writing files of the job need not measure again, unless
    its image is large. None empties the memory."""
    _latest_analysis.clear()
    if analysis is not None and analysis.micrograph.pixels.size <= MOST_REMEMBERED_PX:
        _latest_analysis[_inputs_of(job)] = analysis


def _inputs_of(job: Job) -> str:
    """A text that is equal for two analyses of a job only if their inputs are equal."""
    outlines_inputs = job.pk, job.attempt, job.segmentation_id, job.step
    return json.dumps((*outlines_inputs, job.settings, job.micrograph.reading), default=str)


@dataclass
class _Source:
    """The data from which the files of a result are written. evidence: names of the files of
    `write_evidence`, each with its content in words."""

    reported: Analysis | SampleAnalysis
    filing: Filing = UNFILED
    signatures: Sequence[Signature] = ()
    evidence: Mapping[str, str] = field(default_factory=dict)


def write_export_files(export: ExportJob, progress: Progress, folder: Path) -> None:
    """Write and store the files of a result that are not stored with it; before a user has asked for
    one, only those of `early_file_names`.

    If the data bar was read after the result was measured, its numbers and its stored files are
    first made anew.
    """
    from segmentation.core.report.files import write_all

    result, out = export.result, folder / "results"
    if isinstance(result, Sample):
        again = pooled_again(result, lambda stage, done: progress(stage, MEASURING_END * done))
        source = _Source(again, filing_of(result, result.jobs.filter(pk__in=result.stored.pooled_ids)))
        out.mkdir()
    else:
        source = _source_of_job(export, progress, folder, out)
    names = []
    for artifact in result.artifacts.all():
        with bundles.open_file(artifact) as file, (out / artifact.name).open("wb") as copy:
            shutil.copyfileobj(file, copy)
        names.append(artifact.name)
    files = write_all(
        source.reported,
        out,
        existing_names=names,
        stored_only=not export.asked,
        added_names=[*export.figures, *early_file_names(result)],
        extra_files=source.evidence,
        signatures=[signature.printed for signature in source.signatures],
        filing=source.filing,
        progress=lambda stage, done: progress(stage, MEASURING_END + (1 - MEASURING_END) * done),
        on_first_files=lambda early_files: exports_service.publish_export(export=export, files=early_files, early=True),
    )
    exports_service.publish_export(export=export, files=files)
    if not export.asked and ExportJob.objects.filter(pk=export.pk, asked=True).exists():
        with suppress(Refused):
            queue.ask_for_files(result)  # a user asked meanwhile, perhaps for another file


def _source_of_job(export: ExportJob, progress: Progress, folder: Path, out: Path) -> _Source:
    """The data for the files of an image's result, measured again if need be; makes the folder
    `out`."""
    job = export.job
    progress("reading the image", 0.0)
    analysis = _latest_analysis.get(_inputs_of(job))
    if analysis is None:
        analysis = measure_again(job, folder, lambda stage, done: progress(stage, MEASURING_END * done))
    needs_new_numbers = job.stored.unread and job.micrograph.is_finished and not job.signature_hash
    # Without new numbers the method is described as it was when the numbers were made.
    analysis = with_method(job, analysis) if needs_new_numbers else replace(analysis, method=job.stored.method)
    image = fetch(job.micrograph.file.name, folder) if job.micrograph.size <= MOST_BYTES else None
    out.mkdir()
    if needs_new_numbers:
        _publish_new_numbers(export, analysis, out)
    signatures = list(job.signatures.all())
    sample, measured = job.sample.name if job.sample else "", steps.last_change(job)
    return _Source(
        analysis,
        Filing(measured, printed_address(job), sample, image, number=number_of(job, measured), **judged_by(job)),
        signatures,
        write_evidence(job, signatures, out),
    )


def _publish_new_numbers(export: ExportJob, analysis: Analysis, out: Path) -> None:
    """Store new numbers of a result, and its files that every result has, because the data bar of
    its image was read after it was measured."""
    job = export.job
    files = write_stored_files(analysis, out, in_sample=job.artifact(tables.TABLE_FILE) is not None)
    earlier = {"reused": job.stored.reused, "timings": job.stored.timings}
    summary = {**summarise(analysis, reused=False, unread=False), **earlier}
    exports_service.publish_export(export=export, files=files, summary=summary, early=True)


def early_file_names(result: Job | Sample) -> list[str]:
    """The names of the files that are written in advance: files that the page shows, and files that
    most users download. They take about a third of the time of all files."""
    files = exports_service.files_of_kind(result).items()
    return [
        name
        for name, export in files
        if name in SHOWN_ON_PAGE or (export.group == GROUPS[0] and export.turn < WITH_SUMS)
    ]


def write_evidence(job: Job, signatures: Sequence[Signature], out: Path) -> dict[str, str]:
    """Write the log of corrections and the signatures of a result to the folder `out`. Returns the
    content of each written file, and of the file of the outlines, in words by its name; {} without
    corrections and signatures."""
    before, log = logs.corrections_of_result(job)
    files = {}
    if not log and not signatures:
        return {}
    if before is not None and log:
        with before.file.open("rb") as file, (out / logs.BEFORE).open("wb") as copy:
            shutil.copyfileobj(file, copy)
        (out / logs.LOG).write_text("".join(logs.edits_as_json(log)))
        (out / logs.LOG_CSV).write_text("".join(logs.edits_as_csv(log)), encoding="utf-8", newline="")
        files = {
            logs.BEFORE: "the outlines before the corrections",
            logs.LOG: "the log of the corrections; `deepsegm audit replay` repeats them",
            logs.LOG_CSV: "the same as CSV",
        }
    if signatures:
        (out / SIGNATURES).write_text(json.dumps([signature.as_dict() for signature in signatures], indent=1) + "\n")
        files[SIGNATURES] = "the signatures under this result, with the SHA-256 of what was signed"
    return {SEGMENTATION_FILE: "the outlines as they were measured", **files}
