"""What a result is held against: the limits of a specification, or the certificate of a reference material."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from ...core.quality.specification import Specification
from ...core.report.looks import CONFORMITY
from ...models import Job, Reference, Sample
from ..ground import bundles, staff_log
from ..ground.files import delete_with_files
from ..ground.refusal import Refused
from . import control

GONE = "This result has been deleted."
SIGNED = "This result is signed: its limits and its reference material stay as they were signed."


def set_specification(*, row: Job | Sample, specification: Specification | None, account: Any) -> None:
    """Hold a result against limits, or against none; raises Refused (404, 409 of a signed result).

    account: who asks, for the log."""
    limits = specification.model_dump(mode="json") if specification else {}
    _change(row, account, "changed the limits", specification=limits)


def set_reference(*, row: Job | Sample, reference: Reference | None, account: Any) -> None:
    """Call a result the measurement of a reference material that the caller may see, or of none; raises Refused as
    `set_specification` does."""
    copied = {**reference.material, "id": str(reference.pk)} if reference else {}
    with transaction.atomic():
        _change(row, account, "changed the reference material", reference=copied)
        control.record(row)


@transaction.atomic
def _change(row: Job | Sample, account: Any, action: str, **fields: dict[str, Any]) -> None:
    """Change what a result is held against, write that down, and let the files that say it be written anew."""
    now = type(row).objects.locked(row.pk)
    if now is None:
        raise Refused(GONE, 404)
    before = {name: getattr(now, name) for name in fields}
    if before == fields:
        return
    if isinstance(now, Job) and now.signature_hash:
        raise Refused(SIGNED, 409)
    type(row).objects.filter(pk=row.pk).update(**fields)
    for name, value in fields.items():
        setattr(row, name, value)
    staff_log.note(staff_log.name_of(account), action, row, before, fields)
    forget_certificate(row)


def forget_certificate(row: Job | Sample) -> None:
    """Remove the file that says the decision, and the archives with it; they are written anew when asked for."""
    delete_with_files(row.artifacts.filter(name__in=(CONFORMITY, *bundles.ARCHIVES)))
