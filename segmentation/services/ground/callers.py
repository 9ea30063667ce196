"""Identifies the caller of a request: an account, a browser (by its cookie) or a script (by its
secret). It also checks who may train models (the setting DEEPSEGM_TRAINING)."""

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

SHORTEST_SECRET = 16  # characters of a secret that a script chose
TRAINING_IS_OFF = "This site trains no models: its administrator has switched training off."
SIGN_IN = "Sign in first: training data and models belong to an account."
STAFF_ONLY = "On this site only the staff may make training data and train models: ask the administrator."


def new_secret() -> str:
    """A new random secret for a script that sent none."""
    return secrets.token_urlsafe(24)


def visitor_id(secret: str) -> UUID:
    """The id of the visitor (browser or script) who has this secret. Only the id is stored."""
    return UUID(bytes=salted_hmac("segmentation.secret", secret, algorithm="sha256").digest()[:16])


def fingerprint(*values: Any) -> str:
    """The SHA-256 of plain JSON values, in hexadecimal."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def submission_id(kind: str, user: Any, visitor: UUID | None, *, token: str, key: str, content: str) -> str:
    """The id of a submission: equal if the same caller sends the same request again, never equal for
    two callers.

    kind: the kind of request, such as "job". token: the token of a form; the id is made from token
    and content. key: an Idempotency-Key; the id is made without the content, so that the caller can
    find that the same key came with other content. Without token and key, or without a caller, each
    id is new.
    """
    account = getattr(user, "pk", None)
    caller = f"account {account}" if account is not None else f"visitor {visitor}" if visitor else ""
    if caller and key:
        return fingerprint(kind, caller, "key", key)
    if caller and token:
        return fingerprint(kind, caller, "token", token, content)
    return fingerprint(kind, uuid4().hex)


def check_has_lab() -> None:
    """Raises Refused (403) if the code that checks training data and trains is not installed
    here."""
    if not has_lab():
        raise Refused(NO_LAB, 403)


def check_may_train(user: Any) -> None:
    """Raises Refused (401, 403) if this user may not make datasets and train models."""
    if settings.DEEPSEGM_TRAINING == "nobody":
        raise Refused(TRAINING_IS_OFF, 403)
    if settings.DEEPSEGM_EMBEDDED:  # on other sites another machine trains
        check_has_lab()
    if not getattr(user, "is_authenticated", False):  # a request that failed early has no user
        raise Refused(SIGN_IN, 401)
    if settings.DEEPSEGM_TRAINING == "staff" and not user.is_staff:
        raise Refused(STAFF_ONLY, 403)


def may_train(user: Any) -> bool:
    """Whether this user may make datasets and train models."""
    try:
        check_may_train(user)
    except Refused:
        return False
    return True
