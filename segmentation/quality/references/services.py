"""Adds reference materials to the list of an account and its groups, and removes them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction

from ...core.quality.reference import ReferenceMaterial
from ...models import Reference
from ...plain import storable
from ...services.ground import bounds, staff_log
from ...services.ground.refusal import Refused

DELETED = "deleted a reference material"  # the action in the log
NOT_YOUR_GROUP = "You are in no group of this name."
TWICE = "There is a reference material of this name and certificate already."


@transaction.atomic
def create_reference(
    *, material: ReferenceMaterial, group: str = "", user: Any, visitor: UUID | None, address: str = ""
) -> Reference:
    """Add a reference material to the list of its maker. group: the name of a group of the account,
    whose members list the material, too; "" for none.

    Raises Refused (409 one of the same name and certificate, 422 another group, too many).
    """
    fields = Reference.fields_of(user, visitor, address)
    row = Reference(name=storable(material.name), material=storable(material.model_dump(mode="json")), **fields)
    if group:
        row.group = user.groups.filter(name=storable(group)).first() if row.owner_id else None
        if row.group is None:
            raise Refused(NOT_YOUR_GROUP, 422)
    listed = Reference.objects.listed_for(user, visitor)
    if listed.filter(name=material.name, material__certificate=material.certificate).exists():
        raise Refused(TWICE, 409)
    bounds.ask(Reference, user=user, visitor=visitor, address=address)
    row.save(force_insert=True)
    return row


@transaction.atomic
def delete_reference(*, reference: Reference, account: Any) -> None:
    """Remove a reference material from the list. Results that measured it keep a copy of its
    data. account: who does this, for the staff's log."""
    staff_log.note(account, DELETED, reference, reference.material)
    reference.delete()
