"""Who sends a request: an account, a browser by its cookie, or a script by its secret."""

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
