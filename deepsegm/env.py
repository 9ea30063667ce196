"""Reads environment variables as text, numbers, addresses and so on, for `deepsegm.settings`.

An empty value is treated as not set. Every function raises ImproperlyConfigured, with a sentence,
for a value that is not allowed."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from pydantic import TypeAdapter, ValidationError

PREFIX = "DEEPSEGM_"
# Variables that other programs read: the clients; a worker and its parent.
OTHER_NAMES = {"DEEPSEGM_TOKEN", "DEEPSEGM_PARENT"}
names: set[str] = set()  # of all variables that `deepsegm.settings` has read


def unknown_names() -> dict[str, str]:
    """The variables of the environment that no setting reads, each with the nearest name of one, or ""."""
    known = names | OTHER_NAMES
    unknown = (name for name in sorted(os.environ) if name.startswith(PREFIX) and name not in known)
    unknown = (name for name in unknown if not name.startswith("DEEPSEGM_TEST_"))
    return {name: next(iter(get_close_matches(name, names, 1)), "") for name in unknown}


def text(name: str, default: str = "") -> str:
    """The value without surrounding spaces."""
    names.add(name)
    return os.environ.get(name, "").strip() or default


def one_of(name: str, *choices: str) -> str:
    """One of these choices (words in small letters); the first if the variable is not set. Capital
    and small letters are treated alike."""
    value = text(name, choices[0]).lower()
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be {', '.join(choices[:-1])} or {choices[-1]}, not {value!r}.")
    return value


def flag(name: str, default: bool = False) -> bool:
    """A yes or no, written as 1/0, true/false, yes/no or on/off."""
    value = text(name)
    try:
        return TypeAdapter(bool).validate_python(value) if value else default
    except ValidationError:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.") from None


def number(name: str, default: int, *, least: int = 0, greatest: int = 10**12) -> int:
    """A whole number from `least` to `greatest`."""
    value = text(name, str(default))
    try:
        parsed = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None
    if parsed < least:
        raise ImproperlyConfigured(f"{name} must be {least} or more, not {parsed}.")
    if parsed > greatest:
        raise ImproperlyConfigured(f"{name} must be {greatest} or less, not {parsed}.")
    return parsed


def per_cent(name: str, *, greatest: float) -> float:
    """A number in per cent from 0 to `greatest`; 0 if it is not set. The decimal sign is a point or
    a comma."""
    value = text(name, "0")
    try:
        parsed = float(value.replace(",", "."))
    except ValueError:
        parsed = -1.0
    if not 0 <= parsed <= greatest:
        raise ImproperlyConfigured(f"{name} must be a number from 0 to {greatest:g}, not {value!r}.")
    return parsed


def time_zone(name: str) -> str:
    """The name of a time zone in the IANA database; UTC if it is not set."""
    value = text(name, "UTC")
    try:
        return ZoneInfo(value).key
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ImproperlyConfigured(f"{name} must be a time zone such as Europe/Berlin, not {value!r}.") from None


def database(address: str) -> Any:
    """Django's settings for the database at an address, such as
    postgres://user:password@host/name."""
    try:
        options: Any = dj_database_url.parse(address, conn_max_age=60, conn_health_checks=True)
    except (ValueError, LookupError):
        raise ImproperlyConfigured(
            "DEEPSEGM_DATABASE_URL must be an address such as postgres://user:password@host/name."
        ) from None
    if options["ENGINE"].endswith("postgresql"):  # a fault is reported after 3 seconds
        options.setdefault("OPTIONS", {}).setdefault("connect_timeout", 3)
    return options


def words(name: str) -> list[str]:
    """A list of words, separated by commas or spaces."""
    return text(name).replace(",", " ").split()


def secret(name: str) -> str:
    """A secret: the content of the file that the variable `name`_FILE names, else the value of
    `name`."""
    file = text(f"{name}_FILE")
    if not file:
        return text(name)
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{name}_FILE names {file}, which cannot be read: {error}.") from None


def url(name: str) -> SplitResult | None:
    """An http or https address, split into its parts; None if it is not set."""
    value = text(name)
    if not value:
        return None
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ImproperlyConfigured(f"{name} must be an address such as https://sem.example.org, not {value!r}.")
    return parts
