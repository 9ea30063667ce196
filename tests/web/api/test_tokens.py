"""Tokens: what opens, what is refused and how, and that the token itself is stored nowhere."""

from __future__ import annotations

import logging
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from segmentation.models import Job, Token
from segmentation.services.access import tokens
from segmentation.services.ground.bounds import BOUNDS
from segmentation.services.ground.callers import visitor_id

from .test_jobs import JOBS, basic, secret, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def make():
    """Makes a token; returns its row and its text."""

    def make(user, *, days=30, read_only=False, **fields):
        row, text = tokens.create_token(user=user, name="a script", days=days, read_only=read_only, pk=uuid4())
        Token.objects.filter(pk=row.pk).update(**fields)
        return row, text

    return make


@pytest.fixture(autouse=True)
def _reader(reader):
    return None


def test_a_token_in_upper_case_is_no_secret_of_a_script(script, alice, make):
    _, text = make(alice)
    answer = send(script, headers=secret(text.upper()))
    assert answer.status_code == 401 and answer.json()["error"] == tokens.UNKNOWN and not Job.objects.exists()


def test_a_token_is_its_account(script, alice, charlie, make):
    _, text = make(alice)
    job = Job.objects.get(pk=send(script, headers=secret(text)).json()["id"])
    assert job.owner == alice
    assert script.get(f"{JOBS}/{job.pk}", headers=secret(make(charlie)[1])).status_code == 404
    assert script.get(f"{JOBS}/{job.pk}", headers=secret(text)).status_code == 200
    me = script.get("/api/v1/me", headers=secret(text)).json()
    assert (me["account"], me["token"]["name"], me["token"]["read_only"]) == ("alice", "a script", False)


def test_the_token_is_stored_nowhere(alice, make):
    row, text = make(alice)
    stored = Token.objects.filter(pk=row.pk).values().get()
    assert text.startswith("deepsegm_") and len(text) > 50
    assert not any(text in str(value) or str(value) == text for value in stored.values())
    assert text.startswith(stored["start"]) and len(stored["start"]) < 16


def test_what_is_not_valid_is_401_with_its_reason(script, alice, charlie, make):
    yesterday = timezone.now() - timedelta(days=1)
    cases = {
        tokens.EXPIRED: make(alice, expires=yesterday)[1],
        tokens.REVOKED: make(alice, revoked=yesterday)[1],
        tokens.INACTIVE: make(charlie)[1],
    }
    charlie.is_active = False
    charlie.save()
    for sentence, text in cases.items():
        response = script.get(JOBS, headers=secret(text))
        assert (response.status_code, response.json()["error"]) == (401, sentence)


def test_unknown_and_malformed_are_told_the_same(script, alice, make):
    _, text = make(alice)
    for wrong in (text[:-1], f"{text}x", "deepsegm_", "deepsegm_" + "ü" * 20, "deepsegm_" + "a" * 5000):
        response = script.get(JOBS, headers={"Authorization": f"Bearer {wrong}"})
        assert (response.status_code, response.json()["error"]) == (401, tokens.UNKNOWN), wrong


def test_a_read_only_token_reads(script, alice, make, make_job):
    job, (_, text) = make_job(owner=alice, state="done"), make(alice, read_only=True)
    assert script.get(f"{JOBS}/{job.pk}", headers=secret(text)).status_code == 200
    for response in (script.delete(f"{JOBS}/{job.pk}", headers=secret(text)), send(script, headers=secret(text))):
        assert (response.status_code, response.json()["error"]) == (403, tokens.READ_ONLY)
    assert Job.objects.count() == 1


def test_too_many_requests_of_one_token(script, alice, make, settings, monkeypatch):
    settings.DEEPSEGM_TOKEN_REQUESTS_PER_MINUTE = 3
    now = timezone.now().replace(second=20)
    monkeypatch.setattr(tokens.timezone, "now", lambda: now)
    (first, text), (_, other) = make(alice), make(alice)
    assert [script.get(JOBS, headers=secret(text)).status_code for _ in range(5)] == [200, 200, 200, 429, 429]
    assert script.get(JOBS, headers=secret(text))["Retry-After"] == "40"
    assert script.get(JOBS, headers=secret(other)).status_code == 200
    first.refresh_from_db()
    assert first.used == now
    monkeypatch.setattr(tokens.timezone, "now", lambda: now + timedelta(seconds=41))
    assert script.get(JOBS, headers=secret(text)).status_code == 200


def test_last_use_is_written_once_a_minute(script, alice, make, monkeypatch):
    now = timezone.now().replace(second=5)
    row, text = make(alice, expires=None)
    for seconds in (0, 20, 60):
        monkeypatch.setattr(tokens.timezone, "now", lambda later=now + timedelta(seconds=seconds): later)
        script.get(JOBS, headers=secret(text))
        row.refresh_from_db()
        assert row.used == now + timedelta(seconds=seconds - seconds % 60)


def test_guessing_is_limited_by_address_and_harms_nobody(script, alice, make, settings):
    _, text = make(alice)
    settings.AXES_FAILURE_LIMIT = 3
    guesses = [script.get(JOBS, headers=secret(f"deepsegm_{number}")) for number in range(5)]
    assert [response.status_code for response in guesses] == [401, 401, 401, 429, 429]
    assert guesses[2].json()["error"] == tokens.UNKNOWN and guesses[3].json()["error"] == tokens.GUESSED
    assert int(guesses[-1]["Retry-After"]) > 0
    assert script.get(JOBS, headers=secret(text)).status_code == 200
    assert script.get(JOBS, headers=basic("alice")).status_code == 200
    elsewhere = script.get(JOBS, headers=secret("deepsegm_x"), REMOTE_ADDR="192.0.2.7")
    assert elsewhere.status_code == 401


def test_the_log_names_the_token_and_never_holds_it(script, alice, make, caplog):
    caplog.set_level(logging.DEBUG)
    row, text = make(alice)
    send(script, headers=secret(text))
    tokens.revoke_token(token=row)
    script.get(JOBS, headers=secret(text))
    assert str(row.pk) in caplog.text and "revoked" in caplog.text
    assert text not in caplog.text


def test_other_secrets_are_as_ever(script):
    made = send(script, headers=secret("a secret of my own"))
    assert Job.objects.get(pk=made.json()["id"]).visitor == visitor_id("a secret of my own")


def test_what_was_made_by_secret_is_claimed(script, alice, charlie, make):
    made = send(script).json()
    claim = {"path": "/api/v1/me/claim", "content_type": "application/json"}
    assert script.post(**claim, data={"secret": made["secret"]}).status_code == 403
    response = script.post(**claim, data={"secret": made["secret"]}, headers=secret(make(alice)[1]))
    assert response.json() == {"claimed": 1}
    assert Job.objects.get().owner == alice
    second_response = script.post(**claim, data={"secret": made["secret"]}, headers=secret(make(charlie)[1]))
    assert second_response.json() == {"claimed": 0}


def test_there_are_not_endlessly_many(alice, make, monkeypatch):
    monkeypatch.setitem(BOUNDS, Token, BOUNDS[Token]._replace(most=2, checks=()))
    first, _ = make(alice)
    make(alice)
    with pytest.raises(tokens.Refused):
        make(alice)
    tokens.revoke_token(token=first)
    make(alice)
