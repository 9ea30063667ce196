"""Who may make datasets and train models: the setting DEEPSEGM_TRAINING says."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from .refusal import Refused

NOBODY = "This site trains no models: its administrator has switched training off."
SIGN_IN = "Sign in first: training data and models belong to an account."
STAFF_ONLY = "On this site only the staff may make training data and train models: ask the administrator."


def check_may_train(user: Any) -> None:
    """Raises Refused (401, 403) where this user may not make datasets and train."""
    if settings.DEEPSEGM_TRAINING == "nobody":
        raise Refused(NOBODY, 403)
    if not getattr(user, "is_authenticated", False):  # a page of errors knows no user
        raise Refused(SIGN_IN, 401)
    if settings.DEEPSEGM_TRAINING == "staff" and not user.is_staff:
        raise Refused(STAFF_ONLY, 403)


def may_train(user: Any) -> bool:
    try:
        check_may_train(user)
    except Refused:
        return False
    return True
