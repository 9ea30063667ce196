"""Reference materials, as accounts and groups list them."""

from __future__ import annotations

from typing import Any

from django.db import models

from .base import Owned, OwnedQuerySet

LONGEST_MATERIAL = 200


class ReferenceQuerySet(OwnedQuerySet):
    def listed_for(self, user: Any, visitor: Any) -> ReferenceQuerySet:
        """Those of the caller and those of its groups."""
        rows = self.visible_to(user, visitor)
        if user is None or not user.is_authenticated:
            return rows
        return rows | self.filter(group__in=user.groups.all())


class Reference(Owned):
    """A reference material with its certificate. It never changes: a new certificate is a new row.

    name: of the material. material: a `core.quality.reference.ReferenceMaterial` as JSON. group: whose accounts list it
    and choose it, too; None keeps it to its maker.
    """

    name = models.CharField(max_length=LONGEST_MATERIAL)
    material = models.JSONField()
    group = models.ForeignKey("auth.Group", models.SET_NULL, null=True, blank=True, related_name="+")

    objects = ReferenceQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    def is_visible_to(self, user: Any) -> bool:
        """A group's is visible to its accounts, too."""
        signed_in = user is not None and user.is_authenticated
        in_group = signed_in and self.group_id is not None and user.groups.filter(pk=self.group_id).exists()
        return in_group or super().is_visible_to(user)
