"""Makes new jobs (revisions) for existing results: of many results with another model, or of one result
with outlines of another tool. It also lets a worker make proposals for a doubtful result."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet

from ...core.analysis import AnalysisSettings
from ...core.imported.kinds import HEAD_BYTES, suffix_and_kind
from ...core.micrograph.types import UnreadableImage
from ...core.network import cards
from ...core.tasks import find
from ...models import Arrival, Job, Proposals, shown_name
from ..ground import bounds, limits
from ..ground.files import remove_folder
from ..ground.queue import INSPECTIONS, enqueue_after_commit, notify_workers
from ..ground.refusal import Refused
from ..ground.space import undo_failed_storing
from .corrections.edits import NO_OUTLINES, NOT_DONE
from .jobs import OTHER_OUTLINES, create_job, rerun_job
from .models_offered import check_model
from .publishing import segmentation_for
from .uploads import head_of, sha256_of_upload

NONE = "None of these results can be run again with this model: {why}"
BY_HAND = "{name}: its outlines were corrected by hand, and the model would replace them."
UNFINISHED = "{name}: it is not finished."
OTHER = "{name}: it is of {its}, and the model is for {here}."
SAME = "{name}: this model made it already."


class Reruns(NamedTuple):
    """The new jobs, and a sentence (note) for each result that was left out."""

    jobs: list[Job]
    notes: list[str]


def rerun_results(
    *, model: str, jobs: Iterable[Job], user: Any, visitor: UUID | None = None, address: str = ""
) -> Reruns:
    """Make a new job with this model for each result; other settings stay. A second call returns the
    same jobs.

    When a limit of the user is reached, the remaining results are left out. Raises Refused (400 no
    such model; 409 or the status of the limit if no job could be made).
    """
    check_model(model, user)
    task = cards.cards_for_name(model)[0].task
    new_jobs, notes, status = list[Job](), list[str](), 409
    who = {"user": user, "visitor": visitor, "address": address}
    for job in jobs:
        if why := _obstacle(job, task, model):
            notes.append(why)
            continue
        settings = job.get_settings().replaced(model=model)
        try:
            new_jobs.append(rerun_job(job=job, settings=settings, again=True, token=f"again {job.pk} {model}", **who))
        except Refused as refusal:
            notes.append(f"{job.micrograph.name}: {refusal.sentence}")
            status = refusal.status
            if refusal.status == 429:
                break
    if not new_jobs:
        raise Refused(NONE.format(why=notes[0]) if notes else NONE.format(why="none was chosen."), status)
    return Reruns(new_jobs, notes)


def results_to_rerun(model: str, user: Any, visitor: UUID | None = None) -> QuerySet[Job]:
    """The finished results of the caller that can be run again with a model: results of its kind of
    analysis from other models.

    Images that the model has already analysed and results with corrections are left out.
    """
    task, mine = cards.cards_for_name(model)[0].task, Job.objects.visible_to(user, visitor)
    finished = mine.filter(settings__task=task, state=Job.State.DONE, corrects=None, outlines={}, edit_count=0)
    names = {card.name for card in cards.cards_for_name(model)}
    others = finished.exclude(micrograph__in=mine.filter(model_name__in=names).values("micrograph"))
    return others.select_related("micrograph").order_by("-created")


def newest_by_image(jobs: Iterable[Job]) -> list[Job]:
    """The newest result of each image. jobs: results, the newest first."""
    newest: dict[UUID, Job] = {}
    for job in jobs:
        newest.setdefault(job.micrograph_id, job)
    return list(newest.values())


def reruns_with(model: str, user: Any, visitor: UUID | None = None) -> QuerySet[Job]:
    """The jobs of the caller that were made from results of other models to use this model; the newest
    first."""
    mine = Job.objects.visible_to(user, visitor).filter(settings__model=model, parent__isnull=False)
    others = mine.exclude(parent__settings__model=model)
    return others.select_related("micrograph", "parent", "parent__micrograph").order_by("-created")


@transaction.atomic
def proposals_of(job: Job) -> Proposals:
    """The row with proposals of other settings for a finished job. After the first call a worker makes
    the proposals."""
    row, is_new = Proposals.objects.get_or_create(job=job)
    if is_new:
        enqueue_after_commit(row.pk, Proposals)
    return row


def _obstacle(job: Job, task: str, model: str) -> str:
    """A sentence why a result cannot be run again with a model of the kind `task`; "" if it can."""
    name, own_task = job.micrograph.name, job.settings["task"]
    if not job.is_done:
        return UNFINISHED.format(name=name)
    if own_task != task:
        return OTHER.format(name=name, its=find(own_task).things, here=find(task).things)
    if job.is_by_hand or job.edit_count:
        return BY_HAND.format(name=name)
    if job.model_name == model:
        return SAME.format(name=name)
    return ""


def import_outlines(*, job: Job, file: Any, settings: AnalysisSettings, **who: Any) -> Job:
    """Make a new job that measures the outlines in a file, for the image of a finished job.

    file: a Django `File` with `name` and `size`. who: user, visitor, address, token and key, as for
    `create_job`. Raises Refused (409 the job has no outlines, 413 the file is too large, 422 the
    file has no outlines or the settings need other outlines, 429 too many, 507 no room); then
    nothing is stored.
    """
    if job.segmentation is None or not job.is_done:
        raise Refused(NO_OUTLINES if job.is_done else NOT_DONE, 409)
    if segmentation_for(job, settings) is None:
        raise Refused(OTHER_OUTLINES, 422)
    sender = {name: who[name] for name in ("user", "visitor", "address")}
    limits.check_size(file.size)
    bounds.ask(Arrival, size=file.size, **sender)
    try:
        suffix = suffix_and_kind(head_of(file, HEAD_BYTES))[0]
    except UnreadableImage as error:
        raise Refused(str(error), 422) from None
    outlines = {"name": shown_name(file.name or ""), "sha256": sha256_of_upload(file), "size": file.size}
    Arrival.objects.create(**Job.fields_of(**sender))
    with transaction.atomic():
        new_job = create_job(micrograph=job.micrograph, settings=settings, parent=job, outlines=outlines, **who)
        if "file" not in new_job.outlines:
            with undo_failed_storing(partial(remove_folder, new_job.folder)):
                new_job.outlines |= {"file": default_storage.save(f"{new_job.folder}/outlines{suffix}", file)}
                new_job.save(update_fields=["outlines"])
        transaction.on_commit(lambda: notify_workers(INSPECTIONS))
    return new_job
