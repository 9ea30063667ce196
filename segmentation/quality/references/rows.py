"""The reference materials of accounts and groups."""

from __future__ import annotations

from typing import Any

from django.db import models

from ...models.base import Owned, OwnedQuerySet

LONGEST_MATERIAL = 200  # characters of the name of a material


class ReferenceQuerySet(OwnedQuerySet):
    def listed_for(self, user: Any, visitor: Any) -> ReferenceQuerySet:
        """The reference materials of the caller and of its groups."""
        rows = self.visible_to(user, visitor)
        if user is None or not user.is_authenticated:
            return rows
        return rows | self.filter(group__in=user.groups.all())


class Reference(Owned):
    """A reference material with its certificate. It never changes: a new certificate is a new row.

    name: of the material. material: a `core.quality.reference.ReferenceMaterial` as JSON. group:
    its members can use the material, too; None: only its maker can.
    """

    name = models.CharField(max_length=LONGEST_MATERIAL)
    material = models.JSONField()
    group = models.ForeignKey("auth.Group", models.SET_NULL, null=True, blank=True, related_name="+")

    objects = ReferenceQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    def is_visible_to(self, user: Any) -> bool:
        """Whether a user may see the material; members of its group may, too."""
        signed_in = user is not None and user.is_authenticated
        in_group = signed_in and self.group_id is not None and user.groups.filter(pk=self.group_id).exists()
        return in_group or super().is_visible_to(user)
