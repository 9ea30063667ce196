"""What a sender may store, keep waiting and compute: one line for each kind of row, and `ask`, which
everything calls that makes such a row or a piece of work.

`python -m tools.bounds` writes the table of docs/operate/security.md.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import Model, Q, QuerySet
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from ... import models
from . import limits
from .limits import A_DAY, A_MINUTE, filter_for_sender
from .refusal import Refused
from .space import check_space
from .stored import stored_bytes

# How the number of rows is bounded. "asked": by `ask`. "one": a constraint of the table allows one of each.
# "follows": each is made once for another row that has a bound. "site": only staff, workers and commands make them.
How = Literal["asked", "one", "follows", "site"]
MOST_CHANGES_A_DAY = 2000  # logged changes of an account without rights of staff
MOST_TESTS_A_MINUTE = 5  # test messages of an account to its webhooks
QUOTA = (
    "You have stored {stored}, and the limit is {limit}: delete results that you no longer need, or ask the"
    " administrator."
)
WAITING_FILES = (
    "At most {limit} of your files and comparisons may wait at a time: try again when some of them are made."
)
TESTED = f"You have sent {MOST_TESTS_A_MINUTE} test messages in this minute, which is the limit: try again in a minute."
MANY_TOKENS = "You have made many tokens in 24 hours: go on tomorrow."
CHANGED = f"You have made {MOST_CHANGES_A_DAY:,} changes that the log keeps in 24 hours: go on tomorrow."


class Bound(NamedTuple):
    """The bound of the rows of one model.

    noun: of such rows. whose: they are. how: see `How`. limit: the bound in words. ends: what removes a row. of:
    the field with the row that they belong to; "" for their sender. most: so many rows at most; 0 if only `checks`
    decide. counted: the rows that count. full, status: of the refusal. checks: functions that refuse; each is
    called with the sender. is_cache: whether the oldest row goes when there is no room, because it can be made
    again. needs_space: whether such a row needs free space (`space.check_space`); False for rows of deletions.
    covered_by: other models of which `ask` bounds these rows, too.
    """

    noun: str
    whose: str
    how: How
    limit: str
    ends: str
    of: str = ""
    most: int = 0
    counted: Q = Q()
    full: str = ""
    status: int = 422
    checks: tuple[Callable[..., None], ...] = ()
    is_cache: bool = False
    needs_space: bool = True
    covered_by: tuple[type[Model], ...] = ()


count_megapixels = limits.count_megapixels  # counts what an analysis computes


def ask(
    kind: type[Model],
    *,
    added: int = 1,
    size: int = 0,
    of: Any = None,
    among: QuerySet | None = None,
    user: Any = None,
    visitor: UUID | None = None,
    address: str = "",
) -> None:
    """Raises Refused if a sender may not make `added` more rows of a kind (409, 422 too many, 429 too much
    for now, 507 no room).

    size: bytes of their files. of: the row to which they belong (`Bound.of`). among: the rows that count; None: those
    of `of`, or of the sender.
    """
    bound, sender = BOUNDS[kind], {"user": user, "visitor": visitor, "address": address}
    if bound.needs_space:
        check_space(size)
    for check in bound.checks:
        check(size=size, **sender)
    if not bound.most:
        return
    if among is None:
        among = kind._default_manager.filter(Q(**{bound.of: of}) if bound.of else filter_for_sender(**sender))
    rows = among.filter(bound.counted)
    if bound.is_cache:
        _remove_oldest(rows, bound.most - added)
    if rows.count() + added > bound.most:
        raise Refused(bound.full.format(most=bound.most), bound.status)


def _check_quota(*, size: int, user: Any, visitor: UUID | None, address: str) -> None:
    """Raises Refused (507) if `size` more bytes exceed the quota of a sender."""
    limit = limits.quota_of(user).stored_gb * 2**30
    if not limit:
        return
    used = stored_bytes(filter_for_sender(user, visitor, address), user)
    if used + size > limit:
        raise Refused(QUOTA.format(stored=filesizeformat(used), limit=filesizeformat(limit)), 507)


def _remove_oldest(rows: QuerySet, kept: int) -> None:
    """Remove all finished rows of a cache but the `kept` newest."""
    oldest = rows.exclude(finished=None).order_by("-created").values_list("pk", flat=True)[max(kept, 0) :]
    rows.filter(pk__in=list(oldest)).delete()


def _check_page_work(*, user: Any, visitor: UUID | None, address: str, **_: Any) -> None:
    """Raises Refused (429) if too much work waits that pages of the sender have asked for."""
    limit = settings.DEEPSEGM_WAITING_JOBS
    sender = limits.sender_key(user, visitor, address)
    asked = models.ExportJob.objects.filter(asked=True), models.Comparison.objects
    waiting = (kind.filter(state__in=models.Job.UNFINISHED, finished=None).by_sender() for kind in asked)
    if sender and sum(rows.filter(sender=sender).count() for rows in waiting) >= limit:
        raise Refused(WAITING_FILES.format(limit=limit), 429)


def _check_tests(*, user: Any, **_: Any) -> None:
    tests = models.Delivery.objects.filter(webhook__owner=user, event="test", created__gt=timezone.now() - A_MINUTE)
    if tests.count() >= MOST_TESTS_A_MINUTE:
        raise Refused(TESTED, 429)


def _check_new_tokens(*, user: Any, **_: Any) -> None:
    """Raises Refused (429) if an account has made too many tokens within 24 hours, whether revoked or not."""
    recent = models.Token.objects.filter(owner=user, created__gt=timezone.now() - A_DAY)
    if recent.count() >= BOUNDS[models.Token].most:
        raise Refused(MANY_TOKENS, 429)


def _check_changes(*, user: Any, **_: Any) -> None:
    """Raises Refused (429) if an account without rights of staff has made too many changes that are logged."""
    if getattr(user, "is_authenticated", False) and not user.is_staff:
        recent = models.StaffAction.objects.filter(account=user.get_username(), created__gt=timezone.now() - A_DAY)
        if recent.count() >= MOST_CHANGES_A_DAY:
            raise Refused(CHANGED, 429, after=int(timedelta(hours=1).total_seconds()))


# What ends a row, for several kinds.
RESULT = "its maker or staff delete it, or after `DEEPSEGM_RETENTION_DAYS`"
IMAGE = "ends with its last result, unused after a day"
BY_HAND, WITH, WITH_RESULT = "somebody deletes it", "ends with its {}", "ends with its result"
GONE = "at most {most} are kept, and the oldest goes"
BOUNDS: dict[type[Model], Bound] = {
    models.Micrograph: Bound(
        "image",
        "its sender",
        "follows",
        "one of an upload, several of an archive",
        IMAGE,
    ),
    models.SideFile: Bound(
        "file of the microscope",
        "its image",
        "follows",
        "a few of an image, counted in stored GB",
        WITH.format("image"),
    ),
    models.Arrival: Bound(
        "upload (image, archive, outlines), and record of an analysis",
        "its sender",
        "asked",
        "`DEEPSEGM_UPLOADS_PER_HOUR`, `DEEPSEGM_MAX_UPLOAD_MB`, stored GB, free space",
        "ends after a day",
        checks=(limits.check_uploads, _check_quota),
        covered_by=(models.Job, models.Sample, models.Study),
    ),
    models.Job: Bound(
        "result (analysis)",
        "its sender",
        "asked",
        "`DEEPSEGM_WAITING_JOBS`, waiting megapixels, megapixels a day; {most} of an image",
        RESULT,
        of="micrograph",
        most=500,
        full="This image has {most} results, which is the limit: delete some of them first.",
        covered_by=(models.Sample,),
    ),
    models.Sample: Bound(
        "sample",
        "its sender",
        "asked",
        "three wait at a time, of `DEEPSEGM_SAMPLE_IMAGES` images each",
        RESULT,
        checks=(limits.check_samples,),
    ),
    models.Segmentation: Bound(
        "outlines", "their result", "follows", "one of each analysis or correction", "ends with the last result of it"
    ),
    models.Artifact: Bound("file of a result", "its result", "one", "one of a name, counted in stored GB", WITH_RESULT),
    models.SampleArtifact: Bound(
        "file of a sample", "its sample", "one", "one of a name, counted in stored GB", WITH.format("sample")
    ),
    models.ExportJob: Bound(
        "writing of files",
        "maker of the result",
        "one",
        "one of a result; `DEEPSEGM_WAITING_JOBS` wait, with comparisons",
        WITH_RESULT,
        checks=(_check_page_work,),
    ),
    models.Measuring: Bound("measuring of corrections", "maker of the result", "one", "one of a result", WITH_RESULT),
    models.Proposals: Bound("look at other ways", "maker of the result", "one", "one of a result", WITH_RESULT),
    models.Edit: Bound(
        "correction",
        "maker of the result",
        "asked",
        "100 MB of a sender, two requests at a time",
        WITH_RESULT,
        checks=(limits.check_edits,),
    ),
    models.Signature: Bound("signature", "its result", "one", "one of an account and meaning", WITH_RESULT),
    models.Comparison: Bound(
        "comparison",
        "its first result",
        "asked",
        f"{GONE}; waits with files",
        WITH.format("results"),
        most=100,
        full="At most {most} comparisons of a result may wait at a time: try again when some of them are made.",
        status=429,
        checks=(_check_page_work,),
        is_cache=True,
    ),
    models.Link: Bound("private link", "its result", "one", "one of a result", WITH_RESULT),
    models.Reference: Bound(
        "reference material",
        "its maker, by account or address",
        "asked",
        "{most}",
        f"{BY_HAND}; without an account a day after the last result of the browser",
        most=200,
        full="There are {most} reference materials already: delete one that nobody uses any more.",
    ),
    models.Method: Bound(
        "method",
        "its owner, and its group",
        "asked",
        "{most} of each",
        BY_HAND,
        most=100,
        full="There are {most} methods already, which is the limit: delete a draft, or ask the administrator.",
    ),
    models.MethodVersion: Bound(
        "version of a method",
        "its method",
        "asked",
        "{most}, of bounded lists and texts",
        WITH.format("method"),
        of="method",
        most=100,
        full="The method has {most} versions, which is the limit: save a new method.",
    ),
    models.ControlChart: Bound(
        "control chart",
        "its method",
        "asked",
        "{most}",
        BY_HAND,
        of="method",
        most=50,
        full="A method has at most {most} control charts: delete one that nobody looks at.",
    ),
    models.ChartPoint: Bound("point of a chart", "its chart", "one", "one of a result", WITH.format("chart")),
    models.Study: Bound(
        "study",
        "its author",
        "asked",
        "{most} of a method, one at a time; its analyses wait, count and take turns as those of its author",
        f"{WITH.format('method')}; its author or staff cancel it",
        of="method",
        most=100,
        full="A method has at most {most} studies: ask the administrator to delete some.",
    ),
    models.Dataset: Bound(
        "dataset",
        "its owner",
        "asked",
        "{most}",
        BY_HAND,
        most=500,
        full="You have {most} datasets, which is the limit: delete one that nobody needs.",
    ),
    models.DatasetImage: Bound(
        "image of a dataset",
        "its dataset",
        "asked",
        "{most}, counted in stored GB",
        WITH.format("dataset"),
        of="dataset",
        most=1000,
        full="The dataset is full: {most:,} images are the limit.",
        status=409,
        checks=(_check_quota,),
    ),
    models.Training: Bound(
        "training",
        "its owner",
        "asked",
        "three wait at a time, one of a dataset; files count in stored GB",
        BY_HAND,
        checks=(limits.check_trainings,),
    ),
    models.TrainingFile: Bound("file of a training", "its training", "one", "one of a name", WITH.format("training")),
    models.ModelDefault: Bound("default model", "its owner", "one", "one of a kind of analysis", BY_HAND),
    models.Token: Bound(
        "token",
        "its owner",
        "asked",
        "{most} that are not revoked, as many in 24 hours",
        "30 days after it is revoked",
        most=50,
        counted=Q(revoked=None),
        full="You have {most} tokens, which is the limit: revoke one that you no longer use.",
        status=409,
        checks=(_check_new_tokens,),
    ),
    models.Webhook: Bound(
        "webhook",
        "its owner",
        "asked",
        "{most}",
        BY_HAND,
        most=10,
        full="You have {most} webhooks, which is the limit: delete one that you no longer use.",
        status=409,
    ),
    models.Delivery: Bound(
        "message of a webhook",
        "owner of the webhook",
        "follows",
        f"one of an event; {MOST_TESTS_A_MINUTE} tests a minute",
        "ends after 30 days",
        checks=(_check_tests,),
    ),
    models.Laboratory: Bound(
        "settings of a laboratory", "an account", "one", "one of an account", WITH.format("account")
    ),
    models.StaffAction: Bound(
        "logged change",
        "its result, or the account",
        "asked",
        f"{{most}} of a row, {MOST_CHANGES_A_DAY:,} in 24 hours of an account; of staff no bound",
        "never; without an account a day after its result is deleted",
        of="target",
        most=200,
        full="This was changed {most} times, which is the most that the log keeps: make a new one, and change that.",
        checks=(_check_changes,),
        needs_space=False,
    ),
    models.Quota: Bound("quota", "staff", "site", "one of an account or group", BY_HAND),
    models.WorkerProcess: Bound("worker", "the site", "site", "one of a process", "ends with its process"),
    models.Removal: Bound("folder to remove", "the site", "follows", "one of a deleted row", "ends with the folder"),
}
