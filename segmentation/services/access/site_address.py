"""The address of the site and of its pages, for messages and files: a worker answers no request that would name it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.conf import settings

SITE = "site-address"  # a file of the data folder


def address_of(row: Any, within: str = "") -> str:
    """The address of a row's page, whole where DEEPSEGM_URL is set. within: the path before it, such as "/api/v1"."""
    site = settings.DEEPSEGM_URL.geturl().rstrip("/") if settings.DEEPSEGM_URL else ""
    return f"{site}{within}/{row.folder}/"


def remember_site(site: str) -> None:
    """Keep the name under which the staff last used the site, where DEEPSEGM_URL gives none."""
    if not settings.DEEPSEGM_URL and site_last_used() != site:
        with suppress(OSError):
            (settings.DEEPSEGM_DATA / SITE).write_text(site)


def site_last_used() -> str:
    """Such as "http://lab-pc:8000", "" before its first use."""
    file = settings.DEEPSEGM_DATA / SITE
    return file.read_text() if file.is_file() else ""


def printed_address(row: Any) -> str:
    """The address of a row's page, for a file that people read; "" while the site's own address is not known."""
    if settings.DEEPSEGM_URL:
        return address_of(row)
    return f"{site}{address_of(row)}" if (site := site_last_used()) else ""
