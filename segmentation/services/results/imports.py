"""Outlines from other tools: their file is stored with a new job, and a worker reads and measures it."""

from __future__ import annotations

from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction

from ...core.analysis import AnalysisSettings
from ...core.imported.kinds import HEAD_BYTES, kind_of
from ...core.micrograph.types import UnreadableImage
from ...models import Arrival, Job, shown_name
from ..ground import limits
from ..ground.files import remove_folder
from ..ground.queue import enqueue_inspection
from ..ground.refusal import Refused, is_full
from ..ground.space import NO_ROOM, check_space
from .edits import NO_OUTLINES, NOT_DONE
from .jobs import OTHER_OUTLINES, create_job
from .segmentations import segmentation_for
from .uploads import sha256_of_upload
from .usage import check_quota


def import_outlines(*, job: Job, file: Any, settings: AnalysisSettings, **who: Any) -> Job:
    """A revision of a finished job that measures the outlines in a file.

    file: a Django `File` with `name` and `size`. who: user, visitor, address, token and key, as for `create_job`.
    Raises Refused (409 of a result without outlines, 413 too large, 422 no file of outlines or settings that would
    outline anew, 429 too many, 507 no room); then nothing is stored.
    """
    if job.segmentation is None or not job.is_done:
        raise Refused(NO_OUTLINES if job.is_done else NOT_DONE, 409)
    if segmentation_for(job, settings) is None:
        raise Refused(OTHER_OUTLINES, 422)
    sender = {name: who[name] for name in ("user", "visitor", "address")}
    limits.check_size(file.size)
    limits.check_uploads(**sender)
    check_space(file.size)
    check_quota(file.size, **sender)
    suffix = _suffix(file)
    outlines = {"name": shown_name(file.name or ""), "sha256": sha256_of_upload(file), "size": file.size}
    Arrival.objects.create(**Job.fields_of(**sender))
    with transaction.atomic():
        new = create_job(micrograph=job.micrograph, settings=settings, parent=job, outlines=outlines, **who)
        if "file" not in new.outlines:
            _store(new, file, suffix)
        transaction.on_commit(enqueue_inspection)
    return new


def _suffix(file: Any) -> str:
    """The suffix of a file by its first bytes."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    try:
        return kind_of(head)[0]
    except UnreadableImage as bad:
        raise Refused(str(bad), 422) from None


def _store(job: Job, file: Any, suffix: str) -> None:
    """Put the file into the job's folder; a failure leaves neither job nor file."""
    try:
        job.outlines |= {"file": default_storage.save(f"{job.folder}/outlines{suffix}", file)}
        job.save(update_fields=["outlines"])
    except BaseException as error:
        remove_folder(job.folder)
        if is_full(error):
            raise Refused(NO_ROOM, 507) from error
        raise
