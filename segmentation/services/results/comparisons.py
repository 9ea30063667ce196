"""Comparisons of two results: checks whether they can be compared, and lets a worker compare them."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from ...models import RESTART_FIELDS, Comparison, Job, Sample
from ...models.jobs import Compared
from ..ground import bounds
from ..ground.callers import fingerprint
from ..ground.queue import RETRY_AFTER, enqueue_after_commit
from ..ground.refusal import Refused
from .corrections.steps import check_measured

ITSELF = "Both are the same result: choose two different ones."
UNFINISHED = "{name} is not finished yet: wait until it is, then compare."
NONE = "{name} has no result, so there is nothing to compare."
KINDS = "Results of different kinds cannot be compared: choose results of one kind."
SCALES = "Results with and without a scale cannot be compared: set the missing scale first."
MEASURES = "These results measure size differently and cannot be compared: choose some with the same measure."


def result_for(pk: UUID) -> Compared | None:
    """The job or the sample with this id; None if there is none."""
    jobs, samples = Job.objects.select_related("micrograph", "parent"), Sample.objects
    return jobs.filter(pk=pk).first() or samples.filter(pk=pk).first()


def comparison_of(first_result: Compared, second_result: Compared) -> Comparison:
    """The row of the comparison of two results. If it is new or has failed, a worker makes the
    comparison. Raises Refused (409, 422) if the results cannot be compared."""
    _check_comparable(first_result, second_result)
    for side in (first_result, second_result):
        if isinstance(side, Job):
            check_measured(side)
    sides = {}
    for role, side in (("first", first_result), ("second", second_result)):
        sides[f"{role}_{'sample' if isinstance(side, Sample) else 'job'}"] = side
    states = (
        f"{side.pk} {side.attempt} {getattr(side, 'step', 0) or ''}".rstrip() for side in (first_result, second_result)
    )
    content = fingerprint("comparison by total intervals", *states)
    with transaction.atomic():
        # Remove comparisons of earlier numbers of the two results.
        Comparison.objects.filter(**sides).exclude(content=content).delete()
        if not Comparison.objects.filter(content=content).exists():
            of_first = Comparison.objects.filter(**dict([next(iter(sides.items()))]))
            bounds.ask(Comparison, among=of_first, **first_result.maker)
        row, is_new = Comparison.objects.get_or_create(content=content, defaults=sides)
        before = timezone.now() - RETRY_AFTER
        failed = Comparison.objects.filter(pk=row.pk, state=Comparison.State.FAILED, finished__lt=before)
        if is_new or failed.update(**RESTART_FIELDS):
            enqueue_after_commit(row.pk, Comparison)
    row.refresh_from_db()
    return row


def _check_comparable(first_result: Compared, second_result: Compared) -> None:
    """Raises Refused if one of two results is unfinished, or if they differ in kind, unit or
    measure of size."""
    if first_result.pk == second_result.pk:
        raise Refused(ITSELF, 422)
    for side in (first_result, second_result):
        is_sample, name = isinstance(side, Sample), side.name
        if not (side.state in (Sample.State.DONE, Sample.State.FAILED) if is_sample else side.is_finished):
            raise Refused(UNFINISHED.format(name=name), 409)
        if not (side.stored.has_numbers if is_sample else side.is_done):
            raise Refused(NONE.format(name=name), 409)
    check_alike(first_result, second_result)


def check_alike(*sides: Compared) -> None:
    """Raises Refused (422) if results differ in kind, unit or measure of size."""
    if len(set(map(comparison_group, sides))) > 1:
        if len({side.settings["task"] for side in sides}) > 1:
            raise Refused(KINDS, 422)
        raise Refused(SCALES if len({side.stored.unit for side in sides}) > 1 else MEASURES, 422)


def comparison_group(side: Compared) -> str:
    """Kind, measure of size and unit of a result, as one text. Results with equal texts are
    comparable."""
    stored = side.stored
    return f"{side.settings['task']} {stored.size} {stored.size and stored.unit}"
