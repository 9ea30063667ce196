"""Tokens, which scripts send instead of a name and a password. The database stores a keyed hash and
the first characters of each token, not the token itself."""

from __future__ import annotations

import logging
import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

from axes.handlers.proxy import AxesProxyHandler
from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Q, When
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from ...core.names import clean_text
from ...models import Token
from ...models.tokens import LONGEST_NAME
from ..ground import bounds
from ..ground.refusal import Refused

logger = logging.getLogger(__name__)
PREFIX = "deepsegm_"
LONGEST_TOKEN = 100  # characters; a longer text is not looked up
SHOWN_LENGTH = len(PREFIX) + 4  # first characters of a token, which its page shows
EXPIRY_DAYS = (30, 90, 365)  # choices of the form: days until the token expires
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# Wrong tokens are counted for each network address, as wrong passwords of this name, which no account has.
GUESSER = {"username": "a wrong token"}
NO_NAME = f"Give the token a name of at most {LONGEST_NAME} characters."
UNKNOWN = "This token is not known here: copy it again, or make another on your account page."
EXPIRED = "This token has expired: make another on your account page."
REVOKED = "This token was revoked: make another on your account page."
INACTIVE = "The account of this token is closed: ask the administrator."
READ_ONLY = "This token is read-only: use another token to start, change or delete something."
GUESSED = "Too many wrong tokens came from your address: wait 15 minutes, then try again."
OFTEN = "This token has sent its {limit} requests of this minute: try again in {seconds} s."


@transaction.atomic
def create_token(*, user: Any, name: str, days: int | None, read_only: bool, pk: UUID) -> tuple[Token, str]:
    """Make a token; returns its row and its text, which is not stored and can be shown only now.

    days: until it expires, None for never. Raises Refused (400 no name, 409 too many).
    """
    name = clean_text(name)
    if not 0 < len(name) <= LONGEST_NAME:
        raise Refused(NO_NAME)
    bounds.ask(Token, user=user)
    text = PREFIX + secrets.token_urlsafe(32)
    expires = timezone.now() + timedelta(days=days) if days else None
    fields = {"name": name, "read_only": read_only, "expires": expires}
    token = Token(id=pk, owner=user, key=_keyed_hash(text), start=text[:SHOWN_LENGTH], **fields)
    token.save(force_insert=True)
    logger.info("Token %s was made by account %s.", token.pk, user.pk)
    return token, text


def revoke_token(*, token: Token) -> None:
    """Make a token invalid at once. Its row stays: a script that sends it gets the reason."""
    if Token.objects.filter(pk=token.pk, revoked=None).update(revoked=timezone.now()):
        logger.info("Token %s was revoked.", token.pk)


def token_of(request: HttpRequest, text: str) -> Token:
    """The token with this text. The request is counted and logged.

    The token is looked up by its hash, so the duration of the search reveals nothing about it. Raises
    Refused (401 not valid, 403 read-only, 429 too often).
    """
    token = (
        Token.objects.select_related("owner").filter(key=_keyed_hash(text)).first()
        if len(text) <= LONGEST_TOKEN
        else None
    )
    if token is None:
        # Only wrong tokens are locked out: users behind one network address may share it.
        if not AxesProxyHandler.is_allowed(request, GUESSER):
            raise Refused(GUESSED, 429, after=int(settings.AXES_COOLOFF_TIME.total_seconds()))
        AxesProxyHandler.user_login_failed(__name__, GUESSER, request)
        # Otherwise django-axes would answer this request itself, as a wrong password.
        request.axes_locked_out = False
        raise Refused(UNKNOWN, 401)
    problem = _problem(token, request)
    if problem:
        logger.warning("Token %s: %s %s was refused. %s", token.pk, request.method, request.path, problem.sentence)
        raise problem
    level = logging.DEBUG if request.method in SAFE_METHODS else logging.INFO
    logger.log(level, "Token %s: %s %s.", token.pk, request.method, request.path)
    return token


def _keyed_hash(text: str) -> str:
    return salted_hmac("segmentation.token", text, algorithm="sha256").hexdigest()


def _problem(token: Token, request: HttpRequest) -> Refused | None:
    """Count a request with a token. Returns the refusal if it is not allowed, otherwise None."""
    now = timezone.now()
    if not token.owner.is_active:
        return Refused(INACTIVE, 401)
    if token.revoked:
        return Refused(REVOKED, 401)
    if token.expires and token.expires <= now:
        return Refused(EXPIRED, 401)
    limit, seconds = settings.DEEPSEGM_TOKEN_REQUESTS_PER_MINUTE, int(now.timestamp())
    # One UPDATE counts for every process of the site.
    same_minute = Q(minute=seconds // 60)
    counted = Token.objects.filter(~same_minute | Q(requests__lt=limit), pk=token.pk).update(
        requests=Case(When(same_minute, then=F("requests") + 1), default=1),
        used=Case(When(same_minute, then=F("used")), default=now),
        minute=seconds // 60,
    )
    if not counted:
        seconds_left = 60 - seconds % 60
        return Refused(OFTEN.format(limit=limit, seconds=seconds_left), 429, after=seconds_left)
    return None if request.method in SAFE_METHODS or not token.read_only else Refused(READ_ONLY, 403)
