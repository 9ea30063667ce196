"""Moves the results that a browser made before its user signed in into the account of the user."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from ...models import Job, Micrograph, Owned
from ..ground.refusal import Refused


def count_claimable(*, user: Any, visitor: UUID | None) -> int:
    """The number of results that this browser made without an account; 0 if the user is not signed
    in."""
    signed_in = user is not None and user.is_authenticated
    return _rows_of_visitor(Job, visitor).count() if signed_in and visitor else 0


@transaction.atomic
def claim_results(*, user: Any, visitor: UUID | None) -> int:
    """Move all that this browser made without an account into the account; returns the number of
    results.

    visitor: the id of the browser. An image that another browser also analysed stays without an
    account, because the result of the other browser needs it. Raises Refused (403) if the user is not
    signed in.
    """
    if user is None or not user.is_authenticated:
        raise Refused("Sign in first: results can only be kept in an account.", 403)
    if visitor is None:
        return 0
    count = _rows_of_visitor(Job, visitor).update(owner=user)
    for model in Owned.__subclasses__():
        rows = _rows_of_visitor(model, visitor)
        if model is Micrograph:
            rows = rows.exclude(pk__in=Job.objects.exclude(owner=user).values("micrograph"))
        rows.update(owner=user)
    return count


def _rows_of_visitor(model: type[Owned], visitor: UUID | None) -> QuerySet:
    return model._default_manager.filter(owner=None, visitor=visitor)
