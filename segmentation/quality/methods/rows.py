"""The methods of a laboratory and their versions. An approved version never changes."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from ...core.quality.method_file import WrittenMethod
from ...models.base import SHOWN_NAME

LONGEST_ACCOUNT = 150  # characters of the name of an account or of a person
LONGEST_REASON = 500  # characters


class MethodQuerySet(models.QuerySet):
    def visible_to(self, user: Any) -> MethodQuerySet:
        """The methods that a user may see: of the account and its groups, for permitted staff all,
        without an account none."""
        if user is None or not user.is_authenticated:
            return self.none()
        if Method.staff_may_look(user):
            return self
        return self.filter(Q(owner=user) | Q(group__in=user.groups.all()))

    def with_versions(self) -> MethodQuerySet:
        """The methods with their versions, the newest first, for lists: without the descriptions, which are long."""
        versions = models.Prefetch("versions", MethodVersion.objects.defer("description"))
        return self.select_related("group", "owner").prefetch_related(versions)


class Method(models.Model):
    """A method of a laboratory: a name and its versions.

    owner: who wrote it; the method stays when the account is deleted. group: its members see, use
    and change the method, None for no group; a group with methods cannot be deleted.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    group = models.ForeignKey("auth.Group", models.PROTECT, null=True, blank=True, related_name="+")
    name = models.CharField(max_length=SHOWN_NAME)
    created = models.DateTimeField(default=timezone.now, editable=False)

    objects = MethodQuerySet.as_manager()

    class Meta:
        ordering = ["name", "created"]
        permissions = [("approve_method", "Can approve and withdraw versions of methods")]
        constraints = [
            models.UniqueConstraint(fields=["group", "name"], name="one_method_of_a_name_in_a_group"),
            models.UniqueConstraint(fields=["owner", "name"], condition=Q(group=None), name="one_method_of_a_name"),
        ]

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def staff_may_look(user: Any) -> bool:
        return bool(user.is_staff and user.has_perm("segmentation.view_method"))

    def is_visible_to(self, user: Any) -> bool:
        return MethodQuerySet(Method).filter(pk=self.pk).visible_to(user).exists()

    def is_changeable_by(self, user: Any) -> bool:
        """Whether a user may write versions and delete drafts: the owner, members of the group, permitted staff."""
        if not user.is_authenticated:
            return False
        is_own = self.owner_id == user.pk or (self.group_id and user.groups.filter(pk=self.group_id).exists())
        return bool(is_own or (user.is_staff and user.has_perm("segmentation.change_method")))

    def may_be_approved_by(self, user: Any) -> bool:
        """Whether a user may approve versions of others and withdraw versions: who may change the method, and has the
        right to approve."""
        return self.is_changeable_by(user) and user.has_perm("segmentation.approve_method")


class MethodVersion(models.Model):
    """One version of a method: its description, and who wrote and approved it.

    number: from 1 on. description: a `MethodDescription` as JSON; it never changes, even if a later release has more
    settings. checksum: the SHA-256 of the description.
    author, approver, withdrawn_by: names of accounts, which stay when the accounts are deleted. authors: all who wrote
    what no version before approved, `author` is the last of them. approver_name: as printed.
    purpose: why it differs from the version before, "" for the first one. reason: why it was withdrawn.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        APPROVED = "approved", "approved"
        WITHDRAWN = "withdrawn", "withdrawn"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    method = models.ForeignKey(Method, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    description = models.JSONField()
    checksum = models.CharField("SHA-256 of the description", max_length=64)
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT, db_index=True)
    author = models.CharField(max_length=LONGEST_ACCOUNT)
    authors = models.JSONField(default=list, db_default=[], blank=True, editable=False)
    purpose = models.CharField(max_length=LONGEST_REASON, blank=True, default="", db_default="", editable=False)
    created = models.DateTimeField(default=timezone.now, editable=False)
    approver = models.CharField("approved by", max_length=LONGEST_ACCOUNT, blank=True, default="")
    approver_name = models.CharField(max_length=LONGEST_ACCOUNT, blank=True, default="")
    approved = models.DateTimeField(null=True, blank=True)
    withdrawn_by = models.CharField(max_length=LONGEST_ACCOUNT, blank=True, default="")
    withdrawn = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=LONGEST_REASON, blank=True, default="")

    class Meta:
        ordering = ["method", "-number"]
        constraints = [models.UniqueConstraint(fields=["method", "number"], name="one_version_of_a_number")]

    def __str__(self) -> str:
        return f"{self.method.name}, version {self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Only a new version is saved: every later change is a conditional UPDATE on its state
        (`update_if_unchanged`)."""
        if not self._state.adding:
            raise TypeError("A version of a method is changed by `update_if_unchanged` alone.")
        super().save(*args, **kwargs)

    def update_if_unchanged(self, **fields: Any) -> bool:
        """Change fields, unless another process has changed state or checksum meanwhile; returns
        whether they were changed."""
        unchanged = type(self).objects.filter(pk=self.pk, state=self.state, checksum=self.checksum)
        if not unchanged.update(**fields):
            return False
        self.refresh_from_db()
        return True

    @property
    def makers(self) -> set[str]:
        """The names of the accounts that wrote it."""
        return {self.author, *self.authors}

    @property
    def is_own_approval(self) -> bool:
        """Whether one of its authors approved it."""
        return self.approver in self.makers

    @property
    def has_results(self) -> bool:
        """Whether a result or a sample was begun by it: its contents stay then."""
        return self.jobs.exists() or self.samples.exists()

    @property
    def written(self) -> WrittenMethod:
        """The version in the form in which results and files store it."""
        return WrittenMethod(self.method.name, self.number, self.state, self.description, self.checksum)

    @property
    def title(self) -> str:
        """The name with number and state, such as "Powder, version 2, approved"."""
        return f"{self}, {self.get_state_display()}"
