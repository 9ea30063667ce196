"""Identifies the sender of a request to the API: an account, a script with a secret, or neither."""

from __future__ import annotations

import base64
from typing import Any

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from ninja.utils import check_csrf

from ...services.access import second_factor
from ...services.access.tokens import PREFIX, token_of
from ...services.ground.callers import SHORTEST_SECRET, new_secret, visitor_id
from ...services.ground.refusal import Refused
from ...services.results.corrections.signing import account_with_password

SIGN_IN = "Send a token, or sign in with HTTP Basic: the user name or the password is missing or wrong."
OUR_PAGE = "DeepSegm"  # value of the header X-Requested-With in requests of the site's own pages
STALE_PAGE = "This page is too old to change anything: reload it, then try again."
ACCOUNT_ONLY = "Only the account that made this may do that."
OWNER_ONLY = (
    "Only the person who made this may do that: send the account that made it, or the secret of the answer as"
    " 'Authorization: Bearer SECRET'."
)


def sign_in(request: HttpRequest) -> bool:
    """Set user, visitor, links, secret and token of a request, and return True; raises Refused.

    Cookies are used only in requests of the site's own pages, so a page of another site can do nothing. For any other
    caller only the header Authorization and a link in the address are used. request.secret: identifies a script
    without an account, as a cookie identifies a browser; "" if none was sent. request.token: the token that was sent,
    or None.
    """
    if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
        raise Refused("Browsers may not call this address from another site.", 403)
    # Other sites can neither set this header of our own pages nor know the key of their forms.
    if request.headers.get("X-Requested-With") != OUR_PAGE:
        request.user, request.visitor = AnonymousUser(), None
        request.links = tuple(filter(None, [request.GET.get("link")]))
    elif request.method not in ("GET", "HEAD") and check_csrf(request) is not None:
        raise Refused(STALE_PAGE, 403)
    request.secret, request.token = "", None
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip().lower().startswith(PREFIX):
        request.token = token_of(request, credentials.strip())
        request.user = second_factor.limit_staff(request.token.owner)
    elif scheme.lower() == "bearer" and len(credentials.strip()) >= SHORTEST_SECRET:
        request.secret = credentials.strip()
        request.visitor = visitor_id(request.secret)
    elif scheme:
        user = _user(request, credentials) if scheme.lower() == "basic" else None
        if user is None:
            raise Refused(SIGN_IN, 401)
        if is_mfa_enabled(user):
            raise Refused(second_factor.BY_TOKEN, 401)
        request.user = second_factor.limit_staff(user)
    if settings.DEEPSEGM_REQUIRE_LOGIN and not request.user.is_authenticated:
        raise Refused(SIGN_IN, 401)
    return True


def _user(request: HttpRequest, encoded: str) -> Any:
    """The account of HTTP Basic; None if name or password is wrong. encoded: "name:password" in base64."""
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None
    return account_with_password(request, name, password)


def identify(request: HttpRequest) -> dict[str, Any]:
    """The maker of new rows, as arguments of services: user, visitor, address (hashed). A script without account and
    secret gets a new secret, which the answer contains."""
    if not request.user.is_authenticated and request.visitor is None:
        request.secret = new_secret()
        request.visitor = visitor_id(request.secret)
    return {"user": request.user, "visitor": request.visitor, "address": request.address_hash}


def key_of(request: HttpRequest) -> str:
    """The header Idempotency-Key, with which a request that is sent twice makes its rows only once; "" without it."""
    return request.headers.get("Idempotency-Key", "")[:200]
