"""Who sends a request: an account, a browser by its cookie, or a script by its secret; and who may train models (the
setting DEEPSEGM_TRAINING)."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.utils.crypto import salted_hmac

from ...location import NO_LAB, has_lab
from .refusal import Refused

SHORTEST_SECRET = 16
NOBODY = "This site trains no models: its administrator has switched training off."
SIGN_IN = "Sign in first: training data and models belong to an account."
STAFF_ONLY = "On this site only the staff may make training data and train models: ask the administrator."


def new_secret() -> str:
    """A secret for a script that came without one."""
    return secrets.token_urlsafe(24)


def visitor_of(secret: str) -> UUID:
    """The visitor that belongs to a script's secret; the secret itself is stored nowhere."""
    return UUID(bytes=salted_hmac("segmentation.secret", secret, algorithm="sha256").digest()[:16])


def fingerprint(*values: Any) -> str:
    """A hash of plain JSON values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def submission_of(kind: str, user: Any, visitor: UUID | None, *, token: str, key: str, content: str) -> str:
    """An identifier: equal for repeated submissions of one caller, never equal for two callers.

    token: of a form, combined with its content. key: an Idempotency-Key, used without the content, so that different
    content with the same key is noticed. Without both, or without a caller, every submission is new.
    """
    account = getattr(user, "pk", None)
    caller = f"account {account}" if account is not None else f"visitor {visitor}" if visitor else ""
    if caller and key:
        return fingerprint(kind, caller, "key", key)
    if caller and token:
        return fingerprint(kind, caller, "token", token, content)
    return fingerprint(kind, uuid4().hex)


def check_has_lab() -> None:
    """Raises Refused (403) where this machine has nothing to check training data and train with."""
    if not has_lab():
        raise Refused(NO_LAB, 403)


def check_may_train(user: Any) -> None:
    """Raises Refused (401, 403) where this user may not make datasets and train."""
    if settings.DEEPSEGM_TRAINING == "nobody":
        raise Refused(NOBODY, 403)
    if settings.DEEPSEGM_EMBEDDED:  # elsewhere the trainer is another machine
        check_has_lab()
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
