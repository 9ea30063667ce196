"""The numbers that the page of a result shows without opening a file, and its further files, measured again from the
stored segmentation: no network is loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segmentation import __version__
from segmentation.core import flags
from segmentation.core.analysis import Analysis
from segmentation.core.labels.segmentation import DAMAGED, Segmentation, UnusableSegmentation
from segmentation.core.measure.filters import BY_OTHERS, BY_REGION, Reason
from segmentation.core.micrograph.square import stored_shape
from segmentation.core.micrograph.types import Micrograph
from segmentation.core.micrograph.vendors.facts import MARKS
from segmentation.core.names import file_name
from segmentation.core.report.exports.base import GROUPS, WITH_SUMS
from segmentation.core.report.exports.notebook import MOST_BYTES
from segmentation.core.report.signatures import UNFILED, Filing, Signed
from segmentation.core.sample import Member, SampleAnalysis
from segmentation.core.tasks import find
from segmentation.models import ExportJob, Job, Measuring, Sample, Signature
from segmentation.plain import storable
from segmentation.services.access import webhooks
from segmentation.services.ground import bundles, queue, tables
from segmentation.services.results import edits, logs, publishing, steps
from segmentation.services.results import exports as exports_service
from segmentation.services.results.combined import COCO_FILE
from segmentation.services.results.publishing import NAME as SEGMENTATION
from segmentation.services.results.signing import SIGNATURES

from . import inspection
from .fetching import fetch, pixels_of
from .heartbeat import Progress
from .samples import filing_of, pooled_again

if TYPE_CHECKING:
    from segmentation.core.measure.remembered import Memory

MEASURED = 0.1  # of the progress
# On the page of a result, at once; what is in a closed part of it is asked for when that is opened.
SHOWN = {"figure-small.webp", "panel-lengths.png", "panel-rose.png"}
_latest: dict[str, Analysis] = {}  # by what it was made of
NO_PARENT = "The result that was corrected has been deleted, and its outlines with it."
LARGEST_KEPT = 1 << 22  # px, of the image of an analysis that is kept
NO_RESULT = "The result to which these outlines belong has been deleted: send them with another result of the image."


def keep_latest(job: Job, analysis: Analysis | None) -> None:
    """Keep this analysis alone, if its image is small, so that its files need not measure it again; None: keep none."""
    _latest.clear()
    if analysis is not None and analysis.micrograph.pixels.size <= LARGEST_KEPT:
        _latest[_inputs_of(job)] = analysis


def _inputs_of(job: Job) -> str:
    origin = job.pk, job.attempt, job.segmentation_id, job.step
    return json.dumps((*origin, job.settings, job.micrograph.reading), default=str)


def stored_segmentation(job: Job, step: int | None = None) -> Segmentation:
    """The outlines of a job after so many corrections, those that its numbers have by default; raises
    UnusableSegmentation."""
    step = job.step if step is None else step
    if job.segmentation is None:
        raise UnusableSegmentation(DAMAGED)
    try:
        with job.segmentation.file.open("rb") as file:
            original = Segmentation.load(file, job.segmentation.get_provenance(), alternatives=not step)
    except FileNotFoundError as error:
        raise UnusableSegmentation(DAMAGED) from error
    return corrected_outlines(job, original, step) if step else original


def corrected_outlines(job: Job, original: Segmentation, step: int) -> Segmentation:
    """The outlines of a job after its first so many corrections, with what other outlines say of each."""
    outlines = edits.after_corrections(job, original, step)
    return replace(outlines, used={**outlines.used, **_judged_by_others(job)})


@dataclass
class _Corrected:
    """The result that was corrected last: what its objects measured, and where they are small its image and its
    outlines before all corrections."""

    key: tuple[Any, ...]
    memory: Memory
    opened: tuple[Micrograph, Segmentation] | None = None


_corrected_last: _Corrected | None = None


def measure_step(measuring: Measuring, progress: Progress, folder: Path) -> None:
    """Measure a result anew after its corrections, and put numbers and files in the place of those before."""
    from segmentation.core import pipeline
    from segmentation.core.measure.remembered import remembering

    job, step = measuring.job, measuring.step
    progress("measuring the corrections", 0.0)
    corrected = _opened(job, folder)
    micrograph, original = corrected.opened or _read(job, folder)
    outlines, clock = corrected_outlines(job, original, step), pipeline.Clock()
    with remembering(corrected.memory):
        analysis = pipeline.measure_objects(micrograph, outlines, job.get_settings(), progress, clock=clock)
    analysis = pipeline.arranged(analysis, clock)
    summary = summarise(analysis, reused=True, unread=bool(job.summary.get("unread")))
    in_sample = job.artifact(tables.NAME) is not None or job.sample_id is not None
    files = stored_files(analysis, folder / "results", in_sample=in_sample)
    files[SEGMENTATION] = folder / SEGMENTATION
    outlines.save(files[SEGMENTATION])
    steps.publish_step(measuring=measuring, step=step, files=files, summary=summary)


def _opened(job: Job, folder: Path) -> _Corrected:
    from segmentation.core.measure.remembered import Memory

    global _corrected_last
    key = job.pk, job.segmentation_id, str(job.micrograph.reading)
    if _corrected_last is None or _corrected_last.key != key:
        is_small = job.micrograph.width * job.micrograph.height <= LARGEST_KEPT
        _corrected_last = _Corrected(key, Memory(), _read(job, folder) if is_small else None)
    return _corrected_last


def _read(job: Job, folder: Path) -> tuple[Micrograph, Segmentation]:
    return pixels_of(job.micrograph, folder, lambda: None), stored_segmentation(job, 0)


def corrected_segmentation(job: Job, folder: Path) -> Segmentation:
    """The outlines of the parent with the corrections that the job measures, stored as the job's own."""
    parent = job.parent
    if parent is None or parent.segmentation is None:
        raise UnusableSegmentation(NO_PARENT)
    outlines = edits.corrected(parent, job.corrects)
    origin = replace(outlines.provenance, parent=str(parent.segmentation_id))
    used = {**outlines.used, **_judged_by_others(parent)}
    return keep_outlines(job, replace(outlines, provenance=origin, used=used), parent, folder)


def _judged_by_others(parent: Job) -> dict[str, Any]:
    """What other outlines say of each, as whoever corrected this result saw it; {} where it says nothing."""
    rows, settings = tables.uncorrected_objects_of(parent) or [], parent.get_settings().measurement
    if not any(row["kept"] for row in rows):
        return {}
    reasons = [reason for reason in BY_OTHERS if reason != Reason.HIDDEN or settings.measurand == "seen"]
    judged = {str(reason): [row["id"] for row in rows if row["reason"] == reason] for reason in reasons}
    in_regions = {str(reason): [row["id"] for row in rows if row["reason"] == reason] for reason in BY_REGION}
    judged |= {reason: ids for reason, ids in in_regions.items() if ids}
    return {"by_others": {"faint_limit": settings.faint_limit, **judged}}


def imported_segmentation(job: Job, progress: Progress, folder: Path) -> Segmentation:
    """The outlines in the file of another tool that came with the job, stored as the job's own."""
    parent = job.parent
    if parent is None or parent.segmentation is None:
        raise UnusableSegmentation(NO_RESULT)
    before, task, micrograph = stored_segmentation(parent), find(job.get_settings().task), job.micrograph
    calibration = job.scale.anew.in_use
    request = {
        "frame": [micrograph.height, micrograph.width, before.rows, stored_shape(micrograph.metadata) or ()],
        "task": task.name,
        "names": before.class_names,
        "image": file_name(micrograph.name),
        "nm_per_pixel": calibration.nm_per_pixel if calibration.is_known else None,
    }
    stage = "reading the outlines"
    read = inspection.read_outlines(fetch(job.outlines["file"], folder), request, lambda: progress(stage, 0.1))
    source = {name: job.outlines[name] for name in ("name", "sha256")}
    of = str(parent.segmentation_id)
    outlines = read.segmentation(before, **source, version=__version__, of=of, semantic=task.semantic)
    return keep_outlines(job, outlines, parent, folder)


def keep_outlines(job: Job, outlines: Segmentation, parent: Job | None, folder: Path) -> Segmentation:
    """A segmentation, stored as the job's own. parent: whose it replaces."""
    file = folder / "segmentation.npz"
    outlines.save(file)
    before = parent.segmentation if parent else None
    publishing.keep_segmentation(job=job, file=file, provenance=outlines.provenance, parent=before)
    return outlines


@dataclass
class _Source:
    """What the files of a result are written from. evidence: names of files beside them, with what they hold."""

    reported: Analysis | SampleAnalysis
    filing: Filing = UNFILED
    signatures: Sequence[Signed] = ()
    evidence: Mapping[str, str] = field(default_factory=dict)


def write_further(export: ExportJob, progress: Progress, folder: Path) -> None:
    """Write and publish the files that are not stored with every result, of those for nobody yet only `_ahead`; before
    them the numbers and the stored ones, where the data bar of the image was read after the result was measured."""
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
        also=[*export.figures, *_ahead(result)],
        beside=source.evidence,
        signatures=source.signatures,
        filing=source.filing,
        progress=lambda stage, done: progress(stage, MEASURED + (1 - MEASURED) * done),
        first_written=lambda first: exports_service.publish_export(export=export, files=first, early=True),
    )
    exports_service.publish_export(export=export, files=files)
    if not export.asked and ExportJob.objects.filter(pk=export.pk, asked=True).exists():
        queue.ask_for_files(result)  # somebody asked meanwhile, perhaps for one of the others


def _measured(export: ExportJob, progress: Progress, folder: Path, out: Path) -> _Source:
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
    image = fetch(job.micrograph.file.name, folder) if job.micrograph.size <= MOST_BYTES else None
    out.mkdir()
    if job.summary.get("unread") and job.micrograph.is_finished and not job.signature_hash:
        _publish_anew(export, analysis, out)
    signatures = list(job.signatures.all())
    sample = job.sample.name if job.sample else ""
    return _Source(
        analysis,
        Filing(steps.last_change(job), webhooks.printed_address(job), sample, image),
        [signature.printed for signature in signatures],
        _evidence(job, signatures, out),
    )


def _ahead(result: Job | Sample) -> list[str]:
    """The names of the files that are written before anybody asks: pages show them, or most people take them. They are
    about a third of the work of all."""
    listed = exports_service.listed(result).items()
    return [name for name, of in listed if name in SHOWN or (of.group == GROUPS[0] and of.turn < WITH_SUMS)]


def _publish_anew(export: ExportJob, analysis: Analysis, out: Path) -> None:
    """The numbers and the files that are stored with every result, once the data bar of its image has been read."""
    job = export.job
    files = stored_files(analysis, out, in_sample=job.artifact(tables.NAME) is not None)
    earlier = {name: job.summary[name] for name in ("reused", "timings")}
    summary = {**summarise(analysis, reused=False, unread=False), **earlier}
    exports_service.publish_export(export=export, files=files, summary=summary, early=True)


def stored_files(
    analysis: Analysis, out: Path, *, in_sample: bool, progress: Progress | None = None
) -> dict[str, Path]:
    """Write the files that are stored with every result; of an image in a sample also those from which it is pooled."""
    from segmentation.core.report.files import write_all

    files = write_all(analysis, out, stored_only=True, also=[COCO_FILE] if in_sample else [], progress=progress)
    if in_sample:
        clarity = analysis.segmentation.used.get("clarity", 1.0)
        files[tables.NAME] = tables.save(analysis.table, clarity, out / tables.NAME)
    return files


def _evidence(job: Job, signatures: Sequence[Signature], out: Path) -> dict[str, str]:
    """Write what shows how a corrected or signed result came to be; what each file holds, the measured ones too."""
    before, log = logs.corrections_of_result(job)
    files = {}
    if not log and not signatures:
        return {}
    if before is not None and log:
        with before.file.open("rb") as file, (out / logs.BEFORE).open("wb") as copy:
            shutil.copyfileobj(file, copy)
        (out / logs.LOG).write_text("".join(logs.as_json(log)))
        (out / logs.LOG_CSV).write_text("".join(logs.as_csv(log)), encoding="utf-8", newline="")
        files = {
            logs.BEFORE: "the outlines before the corrections",
            logs.LOG: "the log of the corrections; `deepsegm audit replay` repeats them",
            logs.LOG_CSV: "the same as CSV",
        }
    if signatures:
        (out / SIGNATURES).write_text(json.dumps([signature.as_dict() for signature in signatures], indent=1) + "\n")
        files[SIGNATURES] = "the signatures under this result, with the SHA-256 of what was signed"
    return {SEGMENTATION: "the outlines as they were measured", **files}


def summarise(analysis: Analysis, *, reused: bool, unread: bool) -> dict[str, Any]:
    """A `JobResult` in plain JSON types, numbers always finite (PostgreSQL's JSON knows no NaN)."""
    from segmentation.core.combine import histogram_of

    outlines, origin, statistics = analysis.segmentation, analysis.segmentation.provenance, analysis.statistics
    measured = outlines, analysis.calibration, analysis.settings.measurement
    curves = () if analysis.refused else find(origin.task).curves(*measured)
    rows, columns = analysis.micrograph.shape
    pixel_size, member = analysis.table.nm_per_pixel or 1.0, Member.of(analysis)
    return storable(
        {
            "task": origin.task,
            "order": list(analysis.quantities),
            "quantities": {name: value.as_dict() for name, value in analysis.quantities.items()},
            "found": len(outlines),
            "refused": analysis.refused,
            "statistics": statistics and statistics.as_dict(),
            "histogram": statistics and histogram_of([member.sized], statistics, pixel_size, pieces=[member.pieces]),
            "curves": [asdict(curve) for curve in curves],
            "calibration": asdict(analysis.calibration),
            "model": {
                "name": origin.model,
                "title": origin.card.get("title", origin.model),
                "version": origin.card.get("version"),
                "sha256": origin.weights,
            },
            "image": {"width": columns, "height": rows},
            "data_bar": outlines.rows if outlines.rows < rows else None,
            **{name: outlines.used.get(name) for name in ("polarity", "scale", "threshold")},
            "used": {name: value for name, value in outlines.used.items() if name not in ("by_others", MARKS)},
            "filter": analysis.settings.measurement.filter,
            "edge": analysis.settings.measurement.border_correction,
            "reused": reused,
            "unread": unread,
            **flags.as_json(analysis.flags),
            "timings": analysis.timings,
        }
    )
