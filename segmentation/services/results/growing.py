"""Images of samples that wait until a person agrees that they count. Samples that follow a method get
images until enough is measured, and are closed at the end."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from ...core.flags import is_unusable
from ...core.micrograph.calibration.sources import Source
from ...core.quality.belonging import ENOUGH, reasons_not_to_join
from ...core.quality.method import MethodDescription
from ...core.quality.stopping import ClosedOrOpened
from ...core.sample import NOT_TO_USE
from ...models import Job, MethodVersion, Micrograph, Sample
from ...quality.methods.rows import LONGEST_REASON
from ..ground import staff_log
from ..ground.refusal import Refused, lock, typed_words
from .pooling import refresh_after_commit

GONE = "This sample has been deleted."
CLOSED = "This sample is closed, so its images stay as they are."
NOT_CLOSED = "This sample is open."
NO_RIGHT = "Only an account that may open closed samples again can do that: ask the administrator."
WHY_OPENED = f"Type why the sample is opened again, in at most {LONGEST_REASON} characters."
WITHDRAWN = "The method of this sample is withdrawn, so it takes no more images: begin a sample by another version."
NO_METHOD = "Only a sample that follows a method is closed: this one always takes further images."
IS_CLOSED = "This sample is closed already."
UNDER_WAY = "Images of this sample are still under way: wait for them or cancel them first."
NO_REASON = f"Type why the sample is closed before enough is measured, in at most {LONGEST_REASON} characters."


def check_not_closed(sample: Sample) -> None:
    """Raises Refused (409) for a closed sample. `sample` must be locked or just read from the
    database."""
    if sample.closed:
        raise Refused(CLOSED, 409)


def results_of_closed_samples(pks: Collection[Any]) -> set[Any]:
    """Those of the results `pks` that belong to a closed sample."""
    return set(Job.objects.filter(pk__in=pks, sample__closed__isnull=False).values_list("pk", flat=True))


def check_takes_images(sample: Sample) -> None:
    """Raises Refused (409) for a closed sample, and for one whose method is withdrawn."""
    check_not_closed(sample)
    if sample.method and sample.method.state == MethodVersion.State.WITHDRAWN:
        raise Refused(WITHDRAWN, 409)


def description_of(sample: Sample) -> MethodDescription | None:
    """The description of a sample's method; None without a method, or if this release cannot read
    it."""
    if sample.method is None:
        return None
    try:
        return sample.method.written.read()
    except ValueError:
        return None


@transaction.atomic
def hold_images(sample: Sample, *, is_enough: bool) -> None:
    """Let images wait until a person agrees that they count: images whose warning says "Do not use", and
    of a sample that follows a method new images that do not fit it, or came after enough was measured.

    is_enough: whether the numbers so far are enough by the method.
    """
    method = description_of(sample)
    jobs = sample.members.filter(state=Job.State.DONE, included=True).select_related("micrograph").defer("early")
    jobs = list(jobs.order_by("created", "pk"))
    pooled = sample.jobs.filter(pk__in=sample.stored.pooled_ids if method else [])
    counted = set(pooled.values_list("micrograph", flat=True))
    sizes: list[float] = []  # nm per pixel
    for job in sorted(jobs, key=lambda job: job.micrograph_id not in counted):  # counted images first
        calibration = job.calibration
        if not job.agreed_by:
            reasons = [NOT_TO_USE] if is_unusable(job.stored.flags) else []
            if method:
                parts = (job.get_settings().task, Source(calibration.source), calibration.nm_per_pixel)
                reasons += reasons_not_to_join(method, *parts, sizes)
            if is_enough and job.micrograph_id not in counted:
                reasons.insert(0, ENOUGH)
            if reasons:
                _hold(job, ". ".join(reasons))
                continue
        sizes += [calibration.nm_per_pixel] if calibration.nm_per_pixel else []


def hold_outliers(sample: Sample, outliers: Mapping[Any, str]) -> bool:
    """Let outliers wait until a person agrees that they count; returns whether any waits now.

    outliers: by the id of a result, the reason why it may not belong to the sample; "" for a result
    that is no outlier.
    """
    if description_of(sample) is None:
        return False
    reasons = {pk: why for pk, why in outliers.items() if why}
    waiting = list(sample.members.filter(pk__in=reasons, included=True, agreed_by=""))
    for job in waiting:
        _hold(job, reasons[job.pk])
    return bool(waiting)


def _hold(job: Job, why: str) -> None:
    """Leave an image out until a person agrees. why: the reason, which its page shows."""
    fields = {"included": False, "waits": f"{why.removesuffix('.')}.", "choice": {}}
    Job.objects.filter(pk=job.pk, agreed_by="").update(**fields)


def decide(job: Job, account: Any, *, included: bool, **place: Any) -> None:
    """Let a person decide whether an image counts in its sample: the name stays with the image and goes to
    the log. place: further fields of the result that change. Call it in a transaction."""
    by = staff_log.name_of(account)
    choice = {"by": by, "at": timezone.now().isoformat(timespec="seconds"), "included": included, "waited": job.waits}
    fields = {"included": included, "choice": choice, **place}
    if included:
        fields |= {"waits": "", "agreed_by": by}
    before = {"included": job.included, "waits": job.waits}
    Job.objects.filter(pk=job.pk).update(**fields)
    after = {"included": included, "waits": fields.get("waits", job.waits)}
    staff_log.note(account, "counted an image" if included else "left out an image", job, before, after)


@transaction.atomic
def close_sample(*, sample: Sample, account: Any, reason: str = "", is_enough: bool, sentence: str = "") -> None:
    """Close a sample: after that no images can be added. The staff's log stores who did it and why.

    reason: may be "" only if enough is measured (is_enough). sentence: how far the sample is.
    Raises Refused (404, 409, 422 without a reason).
    """
    lock(sample, GONE)
    if sample.method_id is None:
        raise Refused(NO_METHOD, 409)
    if sample.closed:
        raise Refused(IS_CLOSED, 409)
    is_arriving = Micrograph.objects.filter(sample=sample, state__in=Micrograph.UNFINISHED).exists()
    is_arriving |= sample.jobs.filter(fixed=False).exclude(edit_count=F("step")).exists()  # corrections to be measured
    if is_arriving or sample.state not in (Sample.State.DONE, Sample.State.FAILED):
        raise Refused(UNDER_WAY, 409)
    words = typed_words(reason, LONGEST_REASON, NO_REASON, needed=not is_enough)
    _end(sample, account, words, opened=False, sentence=sentence, is_enough=is_enough)
    staff_log.note(account, "close", sample, {}, {"closed": words or "enough is measured"})


@transaction.atomic
def reopen_sample(*, sample: Sample, account: Any, reason: str) -> None:
    """Open a closed sample again. Raises Refused (403 without the right, 404, 409, 422 without a reason)."""
    lock(sample, GONE)
    if not may_reopen(account):
        raise Refused(NO_RIGHT, 403)
    if not sample.closed:
        raise Refused(NOT_CLOSED, 409)
    words = typed_words(reason, LONGEST_REASON, WHY_OPENED)
    before = {"closed": sample.closed_reason or "enough is measured", "closed_by": sample.closed_by}
    _end(sample, account, words, opened=True, sentence="", is_enough=False)
    staff_log.note(account, "opened a closed sample again", sample, before, {"opened": words})


def may_reopen(account: Any) -> bool:
    """Whether an account has the right to open closed samples that it may change."""
    return bool(account is not None and account.is_authenticated and account.has_perm("segmentation.reopen_sample"))


def _end(sample: Sample, account: Any, reason: str, *, opened: bool, sentence: str, is_enough: bool) -> None:
    """Close a sample or open it again; it is pooled anew, because its files say so. Arguments: as in
    `ClosedOrOpened`."""
    now, by = timezone.now(), staff_log.name_of(account)
    at = now.isoformat(timespec="seconds")
    event = ClosedOrOpened(opened=opened, by=by, at=at, reason=reason, sentence=sentence, is_enough=is_enough)
    sample.closed, sample.closed_by, sample.closed_reason = (None, "", "") if opened else (now, by, reason)
    sample.history = [*sample.history, event]
    sample.save(update_fields=["closed", "closed_by", "closed_reason", "history"])
    refresh_after_commit(sample.pk)
