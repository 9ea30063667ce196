"""Signing in with a password: the authentication backend, which never blocks the site, and the name
and network address by which django-axes counts wrong passwords."""

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

LONGEST_NAME = 150  # characters, of Django's users
CROWDED = "Too many people are signing in at this moment: try again in a few seconds."

# Checking a password takes a large part of a second of processor time, on purpose. Only one is
# checked at a time, and at most MOST_REQUESTS requests wait for that, so that some of the threads
# that serve pages (16) stay free. Scripts send name and password with every request, so right ones
# are remembered for a while, as a keyed hash.
MOST_REQUESTS = 8
REMEMBERED_SECONDS, MOST_REMEMBERED = 300.0, 1000
_one_check = threading.Lock()
_places = threading.BoundedSemaphore(MOST_REQUESTS)
# By keyed hash of name and password: primary key of the account, its stored password, time until it
# is forgotten.
_remembered: dict[str, tuple[Any, str, float]] = {}


class Crowded(ValidationError):
    """Too many passwords wait to be checked; the message is one sentence for the user."""


class OneAtATime(ModelBackend):
    """Django's own backend, but one password is checked at a time. Raises Crowded if too many
    requests wait for that."""

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
        if not _places.acquire(blocking=False):
            raise Crowded(CROWDED)
        try:
            with _one_check:
                user = self._recent_account(key) or super().authenticate(request, username, password, **kwargs)
        finally:
            _places.release()
        if user is not None:
            if len(_remembered) >= MOST_REMEMBERED:
                _remembered.clear()
            _remembered[key] = user.pk, user.password, time.monotonic() + REMEMBERED_SECONDS
        return user

    def _recent_account(self, key: str) -> Any:
        """The account whose right name and password are remembered under this key, if it has not
        changed since."""
        pk, password, end = _remembered.get(key, (None, "", 0.0))
        user = self.get_user(pk) if time.monotonic() < end else None  # an account that is not active gives None
        return user if user is not None and user.password == password else None


def client_name(request: HttpRequest, credentials: dict[str, Any] | None) -> str | None:
    """The username in a sign-in request, without NULs and shortened to LONGEST_NAME, because
    django-axes stores it in the database."""
    name = (credentials or {}).get("username") or request.POST.get("login")
    return name and name.replace("\0", "")[:LONGEST_NAME]


def client_network(request: HttpRequest) -> str:
    """The address of the sender, or the network of an IPv6 address; django-axes counts wrong
    passwords by it and by the name."""
    network = network_of(request.META.get("REMOTE_ADDR", ""))
    try:
        return str(ip_address(network))
    except ValueError:  # a request by a socket has no address, but the column needs one
        return "0.0.0.0"
