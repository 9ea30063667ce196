"""Mail on trouble: one when a fault lasts, one when it is over, from however many processes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from segmentation.models import Fault
from segmentation.services import alerts
from segmentation.services.health import Check

pytestmark = pytest.mark.django_db
FULL = "The disk is full."


@pytest.fixture
def clock(monkeypatch):
    """The time of all processes, in seconds that a test adds."""
    start, seconds = timezone.now(), [0.0]
    monkeypatch.setattr(timezone, "now", lambda: start + timedelta(seconds=seconds[0]))
    monkeypatch.setattr(alerts.time, "monotonic", lambda: seconds[0])
    return seconds


@pytest.fixture
def site(settings, monkeypatch, clock):
    """A site whose checks a test sets."""
    settings.DEEPSEGM_ALERT_MAILS = ["admin@example.org"]
    checks = {"disk": ""}
    monkeypatch.setattr(alerts, "_alone", None)
    monkeypatch.setattr(alerts, "readiness", lambda: [Check(name, not why, why) for name, why in checks.items()])
    return checks


def later(clock, seconds, calls=1):
    """Upkeep goes on for so long; calls: of so many processes at a time."""
    for _ in range(int(seconds // 10)):
        clock[0] += 10
        for _ in range(calls):
            alerts.alert()


def subjects(mailoutbox):
    return [mail.subject.partition(": ")[2] for mail in mailoutbox]


@pytest.mark.parametrize("processes", [1, 3])
def test_a_fault_that_lasts_is_told_once_and_so_is_its_end(site, clock, mailoutbox, processes):
    site["disk"] = FULL
    later(clock, 290, processes)
    assert not mailoutbox
    later(clock, 3600, processes)
    site["disk"] = ""
    later(clock, 300, processes)
    assert subjects(mailoutbox) == ["problem with: disk", "solved: disk"]
    assert FULL in mailoutbox[0].body and mailoutbox[0].to == ["admin@example.org"]


def test_a_fault_that_one_of_two_machines_has_is_not_solved_by_the_other(site, clock, mailoutbox):
    for _ in range(60):
        site["disk"] = FULL
        later(clock, 10)
        site["disk"] = ""
        alerts.alert()
    assert subjects(mailoutbox) == ["problem with: disk"]


def test_a_short_fault_is_not_told(site, clock, mailoutbox):
    site["disk"] = FULL
    later(clock, 10)
    site["disk"] = ""
    later(clock, 200)
    site["disk"] = FULL
    later(clock, 290)
    assert not mailoutbox


def test_a_mail_server_that_is_away_stops_nothing_and_is_tried_again(site, clock, mailoutbox, monkeypatch):
    site["disk"] = FULL
    with monkeypatch.context() as away:
        away.setattr(alerts, "send_mail", lambda *_: (_ for _ in ()).throw(ConnectionRefusedError()))
        later(clock, 400)
    later(clock, 20)
    assert subjects(mailoutbox) == ["problem with: disk"]


def test_a_database_that_is_away_is_told_and_so_is_its_end(site, clock, mailoutbox, monkeypatch):
    def away(**values):
        raise DatabaseError

    site["database"] = "The database cannot be written."
    with monkeypatch.context() as broken:
        broken.setattr(Fault.objects, "update_or_create", away)
        later(clock, 900)
    site["database"] = ""
    later(clock, 300)
    assert subjects(mailoutbox) == ["problem with: database", "solved: database"]


def test_without_addresses_nothing_is_checked(site, settings, monkeypatch):
    settings.DEEPSEGM_ALERT_MAILS = []
    monkeypatch.setattr(alerts, "readiness", lambda: pytest.fail("checked"))
    alerts.alert()
