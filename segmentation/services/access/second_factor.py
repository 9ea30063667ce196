"""The second factor, for which django-allauth asks. Staff who do not show the one they need are ordinary accounts."""

from __future__ import annotations

import time
from typing import Any

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY, get_authentication_records
from allauth.mfa import signals
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_login_failed
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.http import HttpRequest

from ..ground import staff_log
from ..ground.refusal import Refused

NEEDED = "Set up your second factor on your account page first, or sign in with it."
BY_TOKEN = "This account has a second factor: send a token of your account page in place of the password."


def is_on() -> bool:
    return settings.DEEPSEGM_STAFF_SECOND_FACTOR != "off"


def limited(user: Any, request: HttpRequest | None = None) -> Any:
    """The same account, without the rights of staff unless its second factor was shown, or it need not have one.

    request: of a session that may have shown it; None for tokens and passwords alone. The flags in the database stay.
    """
    if is_on() and user.is_authenticated and user.is_staff:
        factors = set(Authenticator.objects.filter(user_id=user.pk).values_list("pk", flat=True))
        records = get_authentication_records(request, user) if request else []
        is_shown = any(record["method"] == "mfa" and record.get("id") in factors for record in records)
        if not is_shown if factors else settings.DEEPSEGM_STAFF_SECOND_FACTOR == "required":
            user.staff_flags = user.is_staff, user.is_superuser
            user.is_staff = user.is_superuser = False
    return user


def is_limited(user: Any) -> bool:
    """Whether the rights of staff wait for the second factor."""
    return hasattr(user, "staff_flags")


def check(user: Any) -> None:
    """Raises Refused (403) for staff whose second factor was not shown."""
    if is_limited(user):
        raise Refused(NEEDED, 403)


@receiver(pre_save, sender=get_user_model())
def _keep_flags(instance: Any, **kwargs: Any) -> None:
    """An account that is limited in this request is stored, as with a new password, with its real rights."""
    if is_limited(instance):
        instance.is_staff, instance.is_superuser = instance.staff_flags


@receiver(signals.authenticator_added)
def _on_added(request: HttpRequest, user: Any, authenticator: Authenticator, **kwargs: Any) -> None:
    """Setting it up shows it. Its code is used up, and the session with its new rights gets another number."""
    if authenticator.type == Authenticator.Type.TOTP:
        record = {"method": "mfa", "at": time.time(), "id": authenticator.pk, "type": authenticator.type}
        request.session[AUTHENTICATION_METHODS_SESSION_KEY] = [*get_authentication_records(request, user), record]
        request.session.cycle_key()
        authenticator.data["used"] = ["".join(filter(str.isdigit, request.POST.get("code", "")))]
        authenticator.save(update_fields=["data"])
        staff_log.note(user, "second factor set up", user)


@receiver(signals.authenticator_removed)
def _on_removed(user: Any, authenticator: Authenticator, **kwargs: Any) -> None:
    if authenticator.type == Authenticator.Type.TOTP:
        staff_log.note(user, "second factor removed", user)


@receiver(signals.authentication_failed)
def _on_failed(request: HttpRequest, user: Any, **kwargs: Any) -> None:
    """Wrong codes count as wrong passwords do, so that they lock the account for this address."""
    user_login_failed.send(__name__, credentials={"username": user.get_username()}, request=request)
