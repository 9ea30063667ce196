"""Sets the specification or the reference material with which a result is compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from ...core.quality.specification import Specification
from ...core.report.file_options import ANNEX, CONFORMITY, REPORT
from ...models import Job, MethodVersion, Reference, Sample
from ...models.base import JudgedResult
from ...services.ground import bundles, staff_log
from ...services.ground.files import delete_with_files
from ...services.ground.refusal import Refused
from ..control_charts import points as control

GONE = "This result has been deleted."
SIGNED = "This result is signed: its limits and its reference material stay as they were signed."


def set_specification(*, row: Job | Sample, specification: Specification | None, account: Any) -> None:
    """Set or remove (None) the limits with which a result is compared; raises Refused (404, 409 the
    result is signed).

    account: who does it: the limits keep this name, the time, and whether numbers were known.
    """
    limits = {}
    if specification is not None:
        known = row.stored.has_numbers
        agreed = {"agreed": timezone.now().isoformat(timespec="seconds"), "agreed_by": staff_log.name_of(account)}
        limits = specification.model_copy(update={**agreed, "was_measured": known}).model_dump(mode="json")
        if _without_date(limits) == _without_date(row.specification):
            limits = row.specification
    _change(row, account, "changed the limits", specification=limits)


def fields_by_method(version: MethodVersion | None) -> dict[str, Any]:
    """The limits that a new result has from the method that it follows, as a field of its row; {} without."""
    try:
        method = version and version.written.read()
        if version is None or not method or not method.limits:
            return {}
        agreed = {
            "agreed": (version.approved or version.created).isoformat(timespec="seconds"),
            "agreed_by": version.approver or version.author,
        }
        limits = {"title": str(version), "limits": [limit.model_dump() for limit in method.limits], **agreed}
        return {"specification": Specification.read(limits).model_dump(mode="json")}
    except ValueError:  # another release wrote the method, or it has two limits of one number
        return {}


def shared_by(rows: Sequence[JudgedResult]) -> dict[str, Any]:
    """The specification and the reference material, as far as all of these results have the same. Of limits
    that were agreed at several times the last time counts."""
    shared = {}
    if all(row.reference == rows[0].reference for row in rows):
        shared["reference"] = rows[0].reference
    if all(_without_date(row.specification) == _without_date(rows[0].specification) for row in rows):
        shared["specification"] = max((row.specification for row in rows), key=lambda limits: limits.get("agreed", ""))
    return shared


def _without_date(limits: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in limits.items() if name in ("title", "limits")}


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
    remove_papers(row)


def remove_papers(row: Job | Sample) -> None:
    """Remove the files of a result that print its limits, and the archives that contain them. They are
    written again on request."""
    delete_with_files(row.artifacts.filter(name__in=(CONFORMITY, REPORT, ANNEX, *bundles.ARCHIVE_FILES)))
