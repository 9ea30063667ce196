"""The address of the site and of its pages, for messages and files. Workers need this module, because
they have no HTTP request from which the address could be taken."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.conf import settings

SITE_FILE = "site-address"  # in the data folder


def address_of(row: Any, within: str = "") -> str:
    """The address of a row's page; only its path if DEEPSEGM_URL is not set.

    within: a prefix of the path, such as "/api/v1".
    """
    site = settings.DEEPSEGM_URL.geturl().rstrip("/") if settings.DEEPSEGM_URL else ""
    return f"{site}{within}/{row.folder}/"


def remember_site(site: str) -> None:
    """Store the address at which the staff last used the site, if DEEPSEGM_URL is not set."""
    if not settings.DEEPSEGM_URL and site_last_used() != site:
        with suppress(OSError):
            (settings.DEEPSEGM_DATA / SITE_FILE).write_text(site)


def site_last_used() -> str:
    """The stored address of the site, such as "http://lab-pc:8000"; "" before the staff first used
    it."""
    file = settings.DEEPSEGM_DATA / SITE_FILE
    return file.read_text() if file.is_file() else ""


def printed_address(row: Any) -> str:
    """The complete address of a row's page, for a file; "" if the address of the site is not known."""
    if settings.DEEPSEGM_URL:
        return address_of(row)
    return f"{site}{address_of(row)}" if (site := site_last_used()) else ""
