"""The second factor of the sign-in (a code of an app; django-allauth asks for it). Staff who need it
and have not given it have only the rights of an ordinary account."""

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
    """Whether this site uses second factors for its staff."""
    return settings.DEEPSEGM_STAFF_SECOND_FACTOR != "off"


def limit_staff(user: Any, request: HttpRequest | None = None) -> Any:
    """Take the rights of staff from an account for this request, if it has not given the second factor
    that it needs; returns the account.

    request: its session stores whether the code was given; None for a token or a password alone.
    The account in the database does not change.
    """
    if is_on() and user.is_authenticated and user.is_staff:
        factors = set(Authenticator.objects.filter(user_id=user.pk).values_list("pk", flat=True))
        records = get_authentication_records(request, user) if request else []
        is_given = any(record["method"] == "mfa" and record.get("id") in factors for record in records)
        is_missing = not is_given if factors else settings.DEEPSEGM_STAFF_SECOND_FACTOR == "required"
        if is_missing:
            user.staff_flags = user.is_staff, user.is_superuser
            user.is_staff = user.is_superuser = False
    return user


def is_limited(user: Any) -> bool:
    """Whether `limit_staff` took the rights of staff from this account."""
    return hasattr(user, "staff_flags")


def check(user: Any) -> None:
    """Raises Refused (403) for staff who have not given their second factor."""
    if is_limited(user):
        raise Refused(NEEDED, 403)


@receiver(pre_save, sender=get_user_model())
def _keep_flags(instance: Any, **kwargs: Any) -> None:
    """When a limited account is saved, such as with a new password, save its real rights."""
    if is_limited(instance):
        instance.is_staff, instance.is_superuser = instance.staff_flags


@receiver(signals.authenticator_added)
def _on_added(request: HttpRequest, user: Any, authenticator: Authenticator, **kwargs: Any) -> None:
    """Setting up the second factor counts as giving it in this session. The code cannot be used again;
    the session gets a new key, because it has more rights now."""
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
    """Count a wrong code as a wrong password, so that too many of them lock the account for this
    address."""
    user_login_failed.send(__name__, credentials={"username": user.get_username()}, request=request)
