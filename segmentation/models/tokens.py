"""Rows of accounts: tokens for scripts, webhooks, settings of the laboratory, and quotas."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Cast
from django.utils import timezone

from .base import Attempted, AttemptedQuerySet

LONGEST_NAME = 100  # characters of the name of a token


class Token(models.Model):
    """A token, which a script sends instead of a name and a password. The token itself is not stored.

    key: its keyed hash. start: its first characters, by which its owner recognises it. minute: the minute of the last
    request, since 1970. requests: number of requests in that minute.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=LONGEST_NAME)
    key = models.CharField(max_length=64, unique=True, editable=False)
    start = models.CharField(max_length=16, editable=False)
    read_only = models.BooleanField(default=False)
    created = models.DateTimeField(default=timezone.now, editable=False)
    expires = models.DateTimeField(null=True, blank=True)
    used = models.DateTimeField("last used", null=True, blank=True, editable=False)
    revoked = models.DateTimeField(null=True, blank=True)
    minute = models.PositiveBigIntegerField(default=0, editable=False)
    requests = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.name


class Laboratory(models.Model):
    """Settings that an account sets once for its laboratory; new jobs use them. texts: by the name of the setting."""

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="laboratory")
    texts = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"laboratory of {self.owner}"


class Quota(models.Model):
    """How much a person, or each person of a group, may use. `services.ground.limits.quota_of` chooses the row.

    stored_gb: in GB of 2**30 bytes. megapixels_a_day: of all images analysed within 24 hours. For both: None if the row
    does not decide it, 0 for no limit.
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="+")
    group = models.OneToOneField("auth.Group", models.CASCADE, null=True, blank=True, related_name="+")
    stored_gb = models.PositiveIntegerField("stored GB", null=True, blank=True)
    megapixels_a_day = models.PositiveIntegerField("megapixels a day", null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(user=None, group__isnull=False) | Q(user__isnull=False, group=None),
                name="quota_of_a_user_or_a_group",
                violation_error_message="Choose a user or a group.",
            )
        ]

    def __str__(self) -> str:
        return f"quota of {self.user or self.group}"


class Webhook(models.Model):
    """An address to which the site sends a message when work of an account is done or has failed (Standard Webhooks).

    secret: the key by which this site signs its messages, so it is not hashed; a page shows it once. failing: since
    when messages are not accepted, None if the last one was. stopped: since when nothing is sent for this reason.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="webhooks")
    url = models.URLField(max_length=500)
    secret = models.CharField(max_length=100, editable=False)
    created = models.DateTimeField(default=timezone.now, editable=False)
    failing = models.DateTimeField(null=True, blank=True, editable=False)
    stopped = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.url


class DeliveryQuerySet(AttemptedQuerySet):
    longest_due = timedelta(
        days=4
    )  # longer than the longest wait before another try (services.access.webhooks.RETRY_AGES)

    def by_sender(self) -> AttemptedQuerySet:
        return self.annotate(sender=Cast("webhook__owner", models.CharField()))


class Delivery(Attempted):
    """One message to one webhook. Its id is the id of the message, the same for each try.

    event: such as "job.done". payload: the body. answer: the HTTP status of the last attempt, or the error in words.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "waiting"
        RUNNING = "running", "being sent"
        DONE = "done", "delivered"
        FAILED = "failed", "given up"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=50)
    payload = models.JSONField(default=dict)
    answer = models.CharField(max_length=200, blank=True, default="")
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED, db_index=True)
    created = models.DateTimeField(default=timezone.now, editable=False)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook}"
