"""Who asks: an account, a browser by its cookie, or a script by its secret."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import Any
from uuid import UUID, uuid4

from django.utils.crypto import salted_hmac

SHORTEST_SECRET = 16


def new_secret() -> str:
    """A secret for a script that came without one."""
    return secrets.token_urlsafe(24)


def visitor_of(secret: str) -> UUID:
    """The visitor that a script's secret stands for; the secret itself is stored nowhere."""
    return UUID(bytes=salted_hmac("segmentation.secret", secret, algorithm="sha256").digest()[:16])


def fingerprint(*said: Any) -> str:
    """A hash of plain JSON values."""
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def submission_of(kind: str, user: Any, visitor: UUID | None, *, token: str, key: str, content: str) -> str:
    """What makes two submissions of one caller the same, and those of two callers never.

    token: of a form, which its content belongs to. key: an Idempotency-Key, which stands for itself, so that other
    content under it can be noticed. Without either, or without a caller, every submission is another.
    """
    account = getattr(user, "pk", None)
    caller = f"account {account}" if account is not None else f"visitor {visitor}" if visitor else ""
    if caller and key:
        return fingerprint(kind, caller, "key", key)
    if caller and token:
        return fingerprint(kind, caller, "token", token, content)
    return fingerprint(kind, uuid4().hex)
