"""A sample pooled from the stored tables of its images: no micrograph is opened and no network loaded."""

from __future__ import annotations

import logging
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from segmentation import services
from segmentation.core.micrograph.types import Calibration
from segmentation.core.recipe import Recipe
from segmentation.models import Job, Sample
from segmentation.plain import plain

from . import tables

if TYPE_CHECKING:
    from segmentation.core.sample import Member

logger = logging.getLogger(__name__)

Progress = Callable[[str, float], None]
POOLING, WRITING, STORING = 0.3, 0.5, 0.95
GONE = "{name}: The stored table of this image cannot be read, so it is not in the pooled numbers; run it again."
OTHERWISE = "{name} was analysed with other settings than the sample's."
NONE_LEFT = "No image is left to pool: include one, or try the failed ones again."


def pool_sample(sample: Sample, progress: Progress, folder: Path) -> None:
    """Pool what counts, write the files, publish both; `Lost` where the sample changed meanwhile."""
    from segmentation.core.report.sample import write_sample
    from segmentation.core.sample import combine

    jobs, members, notes = _members(sample, progress)
    if not members:
        pooled = {"of": [], "images": [], "warnings": [*notes, NONE_LEFT]}
        services.publish_sample(sample=sample, files={}, pooled=pooled)
        return
    progress("pooling", POOLING)
    recipe = Recipe.from_dict(sample.recipe)
    combined = combine(sample.name, members, edge=recipe.edge, filter=recipe.filter)
    files = write_sample(
        combined,
        folder / "pooled",
        progress=lambda stage, done: progress(stage, WRITING + (STORING - WRITING) * done),
    )
    progress("storing the results", STORING)
    said = combined.as_dict()
    said |= {"of": [str(job.pk) for job in jobs], "warnings": [*notes, *said["warnings"]]}
    services.publish_sample(sample=sample, files=files, pooled=plain(said))


def _members(sample: Sample, progress: Progress) -> tuple[list[Job], list[Member], list[str]]:
    """The jobs that count with their tables, and a sentence for each that is not like the rest."""
    counting = sample.members.filter(state=Job.State.DONE, included=True).select_related("upload")
    jobs, members, notes = [], [], []
    settings = Recipe.from_dict(sample.recipe)
    waiting = list(counting.order_by("created", "pk"))
    for number, job in enumerate(waiting):
        progress("reading the tables", POOLING * number / len(waiting))
        member = _member(job)
        if member is None:
            notes.append(GONE.format(name=job.upload.name))
            continue
        if job.get_recipe().with_(calibration=None) != settings:
            notes.append(OTHERWISE.format(name=job.upload.name))
        jobs.append(job)
        members.append(member)
    return jobs, members, notes


def _member(job: Job) -> Member | None:
    from segmentation.core.sample import Member

    stored = job.artifact(tables.NAME)
    try:
        if stored is None:
            raise FileNotFoundError(tables.NAME)
        with stored.file.open("rb") as file:
            table, clarity = tables.load(file)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        logger.warning("The table of job %s cannot be read.", job.pk, exc_info=True)
        return None
    return Member(job.upload.name, table, Calibration(**job.summary["calibration"]), clarity, job.upload.sha256)
