"""Signing in: who guesses is locked out per name and address (django-axes), and never takes the site's threads."""

from __future__ import annotations

import threading
import time
from ipaddress import ip_address
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from .middleware import network_of

LONGEST_NAME = 150  # of Django's users
CROWDED = "Too many people are signing in at this moment: try again in a few seconds."

# A password takes a processor a good part of a second on purpose. One is checked at a time and some requests wait for
# that, so that the threads that serve pages are never all taken. Scripts send theirs with every request: what was right
# a moment ago is remembered, as a keyed hash.
AT_ONCE = 8
REMEMBERED_SECONDS, MOST_REMEMBERED = 300.0, 1000
_checking = threading.Lock()
_room = threading.BoundedSemaphore(AT_ONCE)
_right: dict[str, tuple[Any, str, float]] = {}  # by keyed hash: the account, its stored password, until when


class Crowded(ValidationError):
    """Too many passwords wait to be checked; the message is one sentence for the user."""


class OneAtATime(ModelBackend):
    """Django's own accounts; raises Crowded where too many passwords are being checked."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        if username is None or password is None or len(username) > LONGEST_NAME or "\0" in username:
            return None
        name_and_password = f"{username}\0{password}".encode(errors="replace")
        key = salted_hmac("segmentation.password", name_and_password, algorithm="sha256").hexdigest()
        user = self._recent_account(key)
        if user is not None:
            return user
        if not _room.acquire(blocking=False):
            raise Crowded(CROWDED)
        try:
            with _checking:
                user = self._recent_account(key) or super().authenticate(request, username, password, **kwargs)
        finally:
            _room.release()
        if user is not None:
            if len(_right) >= MOST_REMEMBERED:
                _right.clear()
            _right[key] = user.pk, user.password, time.monotonic() + REMEMBERED_SECONDS
        return user

    def _recent_account(self, key: str) -> Any:
        """The account that has just given the right name and password, if it has not changed since."""
        pk, password, end = _right.get(key, (None, "", 0.0))
        user = self.get_user(pk) if time.monotonic() < end else None  # None for one that is not active, too
        return user if user is not None and user.password == password else None


def client_name(request: HttpRequest, credentials: dict[str, Any] | None) -> str | None:
    """The name that is tried, as a database can store it."""
    name = (credentials or {}).get("username") or request.POST.get("login")
    return name and name.replace("\0", "")[:LONGEST_NAME]


def client_network(request: HttpRequest) -> str:
    """What counts as one guesser, beside the name that he tries: his address, or the network of an IPv6 address."""
    network = network_of(request.META.get("REMOTE_ADDR", ""))
    try:
        return str(ip_address(network))
    except ValueError:  # a socket, and the column is for addresses
        return "0.0.0.0"
