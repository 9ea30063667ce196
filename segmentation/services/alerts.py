"""Mail to the administrators when a check of /readyz fails for a while, and when all is well again.

The faults are rows (models.Fault), so that several web processes send one mail, and a restart forgets none. While the
database cannot be written, each process counts by itself and sends its own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.db import DatabaseError
from django.utils import timezone

from ..models import Fault
from .health import Check, readiness

logger = logging.getLogger(__name__)
PATIENCE = timedelta(minutes=5)  # that a fault must last
QUIET = timedelta(minutes=1)  # in which no process sees it any more
SUBJECT = "DeepSegm at {site}: {what}"

_alone: tuple[float, bool] | None = None  # without the database: since when, and whether it was told


def alert() -> None:
    """Called every few seconds by the upkeep; sends one mail for each fault that lasts, and one at its end."""
    if not settings.DEEPSEGM_ALERT_MAILS:
        return
    checks = readiness()
    try:
        _begun(checks)
        _ended(checks)
    except DatabaseError:
        _without_database(checks)
    else:
        _with_database(checks)


def _begun(checks: Sequence[Check]) -> None:
    now, failing = timezone.now(), [each.name for each in checks if not each.ok]
    for name in failing:
        Fault.objects.update_or_create(name=name, defaults={"seen": now}, create_defaults={"since": now, "seen": now})
    lasting = Fault.objects.filter(since__lte=now - PATIENCE, name__in=failing, told=False)
    for name in list(lasting.values_list("name", flat=True)):
        if lasting.filter(name=name).update(told=True) and not _send(f"problem with: {name}", checks):
            Fault.objects.filter(name=name).update(told=False)


def _ended(checks: Sequence[Check]) -> None:
    """What no process has seen for a while; the one that deletes the row tells."""
    for fault in Fault.objects.filter(seen__lte=timezone.now() - QUIET):
        if Fault.objects.filter(pk=fault.pk, seen=fault.seen).delete()[0] and fault.told:
            _send(f"solved: {fault.name}", checks)


def _without_database(checks: Sequence[Check]) -> None:
    global _alone
    since, told = _alone or (time.monotonic(), False)
    if not told and time.monotonic() - since >= PATIENCE.total_seconds():
        told = _send("problem with: database", checks)
    _alone = since, told


def _with_database(checks: Sequence[Check]) -> None:
    global _alone
    if _alone and _alone[1]:
        _send("solved: database", checks)
    _alone = None


def _send(what: str, checks: Sequence[Check]) -> bool:
    """Whether the mail was handed over; a mail that is not is tried again, and never stops the upkeep."""
    site = settings.DEEPSEGM_URL.netloc if settings.DEEPSEGM_URL else "this machine"
    words = "\n".join(f"{each.name}: {each.why or 'works'}" for each in checks)
    try:
        send_mail(
            SUBJECT.format(site=site, what=what), words, settings.DEFAULT_FROM_EMAIL, settings.DEEPSEGM_ALERT_MAILS
        )
    except (OSError, ValueError) as error:  # smtplib's errors, too; of an address that is none
        logger.warning("The administrators could not be told by mail: %s (%s).", what, error)
        return False
    return True
