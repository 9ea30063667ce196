"""Pools a sample: combines the stored tables of its images. No image is read, and no network is
loaded."""

from __future__ import annotations

import logging
import zipfile
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from segmentation.core.analysis import AnalysisSettings
from segmentation.core.flags import Flag, as_json
from segmentation.core.micrograph.pairing import sort_key
from segmentation.core.quality.belonging import choice_words
from segmentation.core.quality.specification import Specification
from segmentation.core.quality.stopping import departures_of
from segmentation.core.report.exports.viewer import THUMBNAIL_FILE
from segmentation.core.report.filing import Filing
from segmentation.core.sample import AnalysisRecord, Member, SampleAnalysis, SampleImage
from segmentation.models import Job, Sample
from segmentation.plain import storable
from segmentation.presenters.growing import growth_of
from segmentation.services.access import links
from segmentation.services.access.site_address import printed_address
from segmentation.services.ground import tables
from segmentation.services.ground.refusal import Refused
from segmentation.services.results import growing, publishing
from segmentation.services.results.corrections import steps

from ..heartbeat import Progress

logger = logging.getLogger(__name__)

POOLING, STORING = 0.5, 0.95  # the progress (0 to 1) at which these stages begin
GONE = "{name}: The stored table of this image cannot be read, so it is not in the pooled numbers; run it again."
UNREAD = "its stored table cannot be read; run it again."
CANCELLED = "it was cancelled."
UNEXPLAINED = "it has no result."
OTHER_SETTINGS = "{name} was analysed with other settings than the sample's."
LOST = "The stored tables of images that were pooled cannot be read any more: press Try failed images again."
NONE_LEFT = "No image is left to pool: include one, or try the failed ones again."


def pool_sample(sample: Sample, progress: Progress, folder: Path) -> None:
    """Pool the included images of a sample, and store the numbers and the files that every result
    has. Raises `Superseded` if the sample changed meanwhile."""
    from segmentation.core.report.files import write_all

    if not sample.closed:  # in a closed sample the same images count for good
        before = growth_of(sample)
        growing.hold_images(sample, is_enough=before is not None and before.is_enough)
    combined, jobs, notes = _combine(sample, progress)
    while combined and not sample.closed:
        outliers = {job.pk: image.outlier for job, image in zip(jobs, combined.images, strict=False)}
        if not growing.hold_outliers(sample, outliers):
            break
        combined, jobs, notes = _combine(sample, progress)  # without the images that wait now
    if combined is None:
        pooled = {"of": [], "images": [], **as_json(map(Flag, [*notes, NONE_LEFT]))}
        publishing.publish_sample(sample=sample, files={}, pooled=pooled)
        return
    files = write_all(combined, folder / "pooled", stored_only=True, filing=filing_of(sample, jobs))
    progress("storing the results", STORING)
    content = combined.as_dict() | as_json([*map(Flag, notes), *combined.flags])
    content |= {"of": [str(job.pk) for job in jobs]}
    publishing.publish_sample(sample=sample, files=files, pooled=storable(content))


def pooled_again(sample: Sample, progress: Progress) -> SampleAnalysis:
    """The pooled numbers of a sample once more, to write files from them. Raises Refused (409) if
    the table of an image cannot be read any more."""
    combined, jobs, _ = _combine(sample, progress)
    if combined is None or [str(job.pk) for job in jobs] != sample.stored.pooled_ids:
        raise Refused(LOST, 409)
    return combined


def _combine(sample: Sample, progress: Progress) -> tuple[SampleAnalysis | None, list[Job], list[str]]:
    """The pooled numbers of the included images (None without images), the jobs of these images,
    and sentences about them."""
    from segmentation.core.combine import combine

    settings = AnalysisSettings.from_dict(sample.settings)
    jobs, members, left_out, notes = _images(sample, progress)
    if not members:
        return None, jobs, notes
    progress("pooling", POOLING)
    combined = combine(
        sample.name,
        members,
        edge=settings.measurement.border_correction,
        filter=settings.measurement.filter,
        left_out=left_out,
        count_unusable=True,  # `growing.hold_images` left out those that nobody has agreed to
    )
    return replace(combined, ending=tuple(departures_of(sample.history))), jobs, notes


def filing_of(sample: Sample, jobs: Iterable[Job]) -> Filing:
    """The data on a sample that its files state: when its images were measured, the address of its page, and
    its limits. jobs: its pooled results."""
    # A pooling that changes nothing leaves this time as it was.
    measured = max(filter(None, map(steps.last_change, jobs)), default=sample.started)
    return Filing(measured, printed_address(sample), number=number_of(sample, measured), **judged_by(sample))


def number_of(row: Job | Sample, measured: datetime | None) -> str:
    """The number of the papers of a result: the beginning of its id, and the time of its last measuring (UTC)."""
    return f"{str(row.pk)[:8]}-{measured.astimezone(UTC):%Y%m%d%H%M%S}" if measured else str(row.pk)[:8]


def judged_by(row: Job | Sample) -> dict[str, Any]:
    """The fields of a `Filing` for a result that is compared with limits; {} without limits."""
    if not row.specification:
        return {}
    method, link = row.stored.method, links.printed_link(row)
    fields = {"specification": Specification.read(row.specification)}
    fields |= {"method": method.title} if method else {}
    address = printed_address(row) if link else ""
    if link is None or not address:
        return fields
    secret, ends = link
    return {**fields, "link": f"{address}?link={secret}" if secret else address, "link_ends": ends}


def _images(sample: Sample, progress: Progress) -> tuple[list[Job], list[Member], list[SampleImage], list[str]]:
    """The jobs that are pooled, their data for pooling, the images that are left out for any
    reason, and sentences about included images."""
    settings = AnalysisSettings.from_dict(sample.settings)
    all_jobs = list(sample.members.select_related("micrograph").order_by("created", "pk"))
    all_jobs.sort(key=lambda job: sort_key(job.micrograph.name, job.micrograph.sha256))
    jobs, members, left_out, notes = [], [], [], []
    for number, job in enumerate(all_jobs):
        progress("reading the tables", POOLING * number / len(all_jobs))
        name, sha256 = job.micrograph.name, job.micrograph.sha256
        member = _member(job) if job.state == Job.State.DONE else None
        if member is None:
            why = CANCELLED if job.state == Job.State.CANCELLED else job.error or UNEXPLAINED
            left_out.append(SampleImage.failed(name, UNREAD if job.state == Job.State.DONE else why, sha256))
            if job.state == Job.State.DONE and job.included:
                notes.append(GONE.format(name=name))
            continue
        if not job.included:
            left_out.append(SampleImage.waiting(member, job.waits) if job.waits else SampleImage.by_user(member))
            continue
        if job.get_settings().replaced(calibration=None) != settings:
            notes.append(OTHER_SETTINGS.format(name=name))
        jobs.append(job)
        members.append(member)
    return jobs, members, left_out, notes


def _member(job: Job) -> Member | None:
    """The data of a finished job for pooling; None if its table cannot be read."""
    measured_table = job.artifact(tables.TABLE_FILE)
    try:
        if measured_table is None:
            raise FileNotFoundError(tables.TABLE_FILE)
        with measured_table.file.open("rb") as file:
            table, clarity = tables.load(file)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        logger.warning("The table of job %s cannot be read.", job.pk, exc_info=True)
        return None
    stored = job.stored
    thumbnail, picture = job.artifacts.filter(name=THUMBNAIL_FILE).first(), b""
    with suppress(OSError):  # a report can do without the picture
        if thumbnail:
            with thumbnail.file.open("rb") as file:
                picture = file.read()
    parts = (clarity, job.micrograph.sha256, _record(job), picture, stored.statistics, stored.quantities)
    texts = {flag.text for flag in stored.flags}
    flags = [*stored.flags, *(Flag(text) for text in job.scale.disagreements() if text not in texts)]
    return Member(job.micrograph.name, table, job.calibration, *parts, flags, choice_words(job.choice))


def _record(job: Job) -> AnalysisRecord:
    """How the objects of an image were found, from its summary."""
    stored, micrograph = job.stored, job.micrograph
    kind = {"kind": micrograph.kind} if micrograph.kind else {}
    settings = job.get_settings()
    return AnalysisRecord(
        settings.task,
        settings.as_dict(),
        job.segmentation.provenance["card"] if job.segmentation else stored.model._asdict(),
        stored.used,
        *stored.frame,
        {**kind, **micrograph.metadata},
        stored.method,
    )
