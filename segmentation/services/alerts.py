"""Mail to the administrators when a check of /readyz fails for a while, and when all is well again."""

from __future__ import annotations

import logging
import time
from typing import NamedTuple

from django.conf import settings
from django.core.mail import send_mail

from .health import Check, readiness

logger = logging.getLogger(__name__)
PATIENCE = 300.0  # seconds that a fault must last
SUBJECT = "DeepSegm at {site}: {what}"


class Fault(NamedTuple):
    """A failing check: since when, by this process' clock, and whether it was told."""

    since: float
    why: str
    told: bool = False


_faults: dict[str, Fault] = {}


def alert(now: float | None = None) -> None:
    """Called every few seconds by the upkeep; sends one mail for each fault that lasts, and one at its end."""
    if not settings.DEEPSEGM_ALERT_MAILS:
        return
    now = time.monotonic() if now is None else now
    checks = readiness()
    failing = {each.name: each for each in checks if not each.ok}
    for name, check in failing.items():
        fault = _faults.setdefault(name, Fault(now, check.why))
        if not fault.told and now - fault.since >= PATIENCE:
            _faults[name] = fault._replace(told=_send(f"{name} fails", _words(checks)))
    for name in [each for each in _faults if each not in failing]:
        if _faults.pop(name).told:
            _send(f"{name} works again", _words(checks))


def _words(checks: list[Check]) -> str:
    return "\n".join(f"{each.name}: {each.why or 'works'}" for each in checks)


def _send(what: str, words: str) -> bool:
    """Whether the mail was handed over; a mail that is not is tried again, and never stops the upkeep."""
    site = settings.DEEPSEGM_URL.netloc if settings.DEEPSEGM_URL else "this machine"
    try:
        send_mail(
            SUBJECT.format(site=site, what=what), words, settings.DEFAULT_FROM_EMAIL, settings.DEEPSEGM_ALERT_MAILS
        )
    except OSError as error:  # smtplib's errors, too
        logger.warning("The administrators could not be told by mail that %s (%s).", what, error)
        return False
    return True
