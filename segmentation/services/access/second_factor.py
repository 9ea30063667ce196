"""The second factor of staff: a code of an app (TOTP) or a recovery code. Without it, staff are ordinary accounts."""

from __future__ import annotations

import time
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from allauth.mfa.utils import decrypt
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from ..ground.refusal import Refused

FACTOR = "second-factor"  # in the session: id of the factor that its owner has shown
PERIOD, EARLIER_OR_LATER = 30, 1
NEEDED = "Set up your second factor on your account page first, or sign in with it."
BY_TOKEN = "This account has a second factor: send a token of your account page in place of the password."
WRONG = "This code is wrong, was used already or has expired: type the one that your app shows now."


def is_on() -> bool:
    return settings.DEEPSEGM_STAFF_SECOND_FACTOR != "off"


def factor_of(user: Any) -> int | None:
    """Id of the account's second factor, None without one and where the site asks for none."""
    own = Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.TOTP)
    return own.values_list("pk", flat=True).first() if is_on() else None


def limited(user: Any, shown: int | None = None) -> Any:
    """The same account, without the rights of staff unless its second factor was shown, or it need not have one.

    shown: the factor that the session knows; None for tokens and passwords alone. The flags in the database stay.
    """
    if is_on() and user.is_authenticated and user.is_staff:
        factor = factor_of(user)
        if factor != shown if factor is not None else settings.DEEPSEGM_STAFF_SECOND_FACTOR == "required":
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


@transaction.atomic
def set_up(user: Any, secret: str, code: str) -> tuple[int, list[str]]:
    """A new factor and its recovery codes. Raises Refused (403 wrong code, 409 there is one)."""
    counter = _counter(secret, code)
    if counter is None:
        raise Refused(WRONG, 403)
    get_user_model().objects.select_for_update().get(pk=user.pk)
    if factor_of(user) is not None:
        raise Refused("This account has a second factor already.", 409)
    made = TOTP.activate(user, secret).instance
    made.data["counter"] = counter
    made.save()
    return made.pk, new_codes(user)


@transaction.atomic
def new_codes(user: Any) -> list[str]:
    """New recovery codes; the old ones stop."""
    Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.RECOVERY_CODES).delete()
    return RecoveryCodes.activate(user).generate_codes()


def accepts(user: Any, code: str) -> bool:
    """Whether a code of the app, or a recovery code, is right; it is then used up."""
    code = "".join(code.split())
    factors = {each.type: each for each in Authenticator.objects.filter(user_id=user.pk)}
    app = factors.get(Authenticator.Type.TOTP)
    if app is None or not code.isascii() or not 6 <= len(code) <= 10:
        return False
    counter = _counter(decrypt(app.data["secret"]), code)
    if counter is not None:
        # One UPDATE decides, so that a code counts once, for every process of the site.
        later = Q(data__counter__isnull=True) | Q(data__counter__lt=counter)
        used = {"data": {**app.data, "counter": counter}, "last_used_at": timezone.now()}
        return bool(Authenticator.objects.filter(later, pk=app.pk).update(**used))
    spare = factors.get(Authenticator.Type.RECOVERY_CODES)
    return spare is not None and RecoveryCodes(spare).validate_code(code)


def left(user: Any) -> int:
    """How many recovery codes are unused."""
    spare = Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.RECOVERY_CODES).first()
    return len(RecoveryCodes(spare).get_unused_codes()) if spare else 0


def remove(user: Any) -> bool:
    """Remove the second factor with its recovery codes; False where there is none."""
    return bool(Authenticator.objects.filter(user_id=user.pk).delete()[0])


def _counter(secret: str, code: str) -> int | None:
    """The half minute, counted from 1970, whose code this is: the present one, the one before or the next."""
    now = int(time.time()) // PERIOD
    for counter in range(now - EARLIER_OR_LATER, now + EARLIER_OR_LATER + 1):
        if constant_time_compare("".join(code.split()), format_hotp_value(hotp_value(secret, counter))):
            return counter
    return None
