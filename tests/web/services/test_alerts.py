"""Mail on trouble: one when a fault lasts, one when it is over."""

from __future__ import annotations

import pytest

from segmentation.services import alerts
from segmentation.services.health import Check


@pytest.fixture
def site(settings, monkeypatch):
    """A site whose checks a test sets."""
    settings.DEEPSEGM_ALERT_MAILS = ["admin@example.org"]
    checks = {"disk": ""}
    monkeypatch.setattr(alerts, "_faults", {})
    monkeypatch.setattr(alerts, "readiness", lambda: [Check(name, not why, why) for name, why in checks.items()])
    return checks


def test_a_fault_that_lasts_is_told_once_and_so_is_its_end(site, mailoutbox):
    site["disk"] = "The disk is full."
    for now in (0.0, 100.0, alerts.PATIENCE, alerts.PATIENCE + 3, alerts.PATIENCE + 3600):
        alerts.alert(now)
    site["disk"] = ""
    alerts.alert(9000.0)
    assert ["fails" in mail.subject for mail in mailoutbox] == [True, False]
    assert "The disk is full." in mailoutbox[0].body and mailoutbox[0].to == ["admin@example.org"]


def test_a_short_fault_is_not_told(site, mailoutbox):
    site["disk"] = "The disk is full."
    alerts.alert(0.0)
    site["disk"] = ""
    alerts.alert(10.0)
    site["disk"] = "The disk is full."
    alerts.alert(alerts.PATIENCE + 1)
    assert not mailoutbox


def test_a_mail_server_that_is_away_stops_nothing_and_is_tried_again(site, mailoutbox, monkeypatch):
    site["disk"] = "The disk is full."
    alerts.alert(0.0)
    with monkeypatch.context() as away:
        away.setattr(alerts, "send_mail", lambda *_: (_ for _ in ()).throw(ConnectionRefusedError()))
        alerts.alert(alerts.PATIENCE)
    alerts.alert(alerts.PATIENCE + 3)
    assert len(mailoutbox) == 1


def test_without_addresses_nothing_is_checked(site, settings, monkeypatch):
    settings.DEEPSEGM_ALERT_MAILS = []
    monkeypatch.setattr(alerts, "readiness", lambda: pytest.fail("checked"))
    alerts.alert(0.0)
