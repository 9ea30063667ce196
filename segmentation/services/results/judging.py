"""Sets the specification or the reference material with which a result is compared."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from ...core.quality.specification import Specification
from ...core.report.file_options import CONFORMITY
from ...models import Job, Reference, Sample
from ..ground import bundles, staff_log
from ..ground.files import delete_with_files
from ..ground.refusal import Refused
from . import control

GONE = "This result has been deleted."
SIGNED = "This result is signed: its limits and its reference material stay as they were signed."


def set_specification(*, row: Job | Sample, specification: Specification | None, account: Any) -> None:
    """Set or remove (None) the limits with which a result is compared; raises Refused (404, 409 the
    result is signed).

    account: who does it, for the staff's log.
    """
    limits = specification.model_dump(mode="json") if specification else {}
    _change(row, account, "changed the limits", specification=limits)


def set_reference(*, row: Job | Sample, reference: Reference | None, account: Any) -> None:
    """Set or remove (None) the reference material that a result measures; raises Refused as
    `set_specification` does.

    The caller must be allowed to see the material.
    """
    copy = {**reference.material, "id": str(reference.pk)} if reference else {}
    with transaction.atomic():
        _change(row, account, "changed the reference material", reference=copy)
        control.add_to_charts(row)


@transaction.atomic
def _change(row: Job | Sample, account: Any, action: str, **fields: dict[str, Any]) -> None:
    """Change fields of a result and log the change. The files that contain them are removed, to be
    written again. Raises Refused."""
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
    staff_log.note(account, action, row, before, fields)
    remove_certificate(row)


def remove_certificate(row: Job | Sample) -> None:
    """Remove the certificate of conformity of a result, and the archives that contain it. They are
    written again on request."""
    delete_with_files(row.artifacts.filter(name__in=(CONFORMITY, *bundles.ARCHIVE_FILES)))
